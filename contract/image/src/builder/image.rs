//! One ELF file on its way into a container.

use super::BuildError;
use crate::crypto::Sha256;
use crate::header::MAGIC;
use alloc::vec::Vec;
use rproc_elf::header::MACHINE_ARM;
use rproc_elf::{Class, ElfFile};

/// An ELF file that was found fit to be signed.
#[derive(Debug, Clone)]
pub(super) struct ElfImage<'a> {
    index: usize,
    file: ElfFile<'a>,
}

impl<'a> ElfImage<'a> {
    pub(super) fn check(index: usize, bytes: &'a [u8]) -> Result<Self, BuildError> {
        if bytes.starts_with(&MAGIC.to_le_bytes()) {
            return Err(BuildError::AlreadySigned { image: index });
        }
        let file = ElfFile::parse(bytes).map_err(|error| BuildError::Elf { image: index, error })?;
        let header = file.header();
        if header.class() != Class::Elf32 {
            return Err(BuildError::NotElf32 { image: index });
        }
        if header.machine() != MACHINE_ARM {
            return Err(BuildError::NotArm { image: index, found: header.machine() });
        }
        for (segment, header) in file.segments().enumerate() {
            let checked = match header.is_load() {
                true => header.validate(Class::Elf32),
                false => Ok(()),
            };
            checked.and_then(|()| file.segment_bytes(&header)).map_err(|error| BuildError::Segment {
                image: index,
                segment,
                error,
            })?;
        }
        if !file.segments().any(|header| header.is_load()) {
            return Err(BuildError::NoLoadSegment { image: index, segments: file.segments().len() });
        }
        Ok(Self { index, file })
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.file.bytes()
    }

    /// Length in the container, padding included.
    pub(super) fn padded_len(&self) -> u64 {
        (self.bytes().len() as u64).next_multiple_of(8)
    }

    /// Appends an entry of the hash table for each program header.
    pub(super) fn hash_segments<H: Sha256>(&self, table: &mut Vec<u8>) -> Result<(), BuildError> {
        let [_, program_headers, ..] = self.file.metadata();
        for (segment, (raw, header)) in
            program_headers.as_chunks::<32>().0.iter().zip(self.file.segments()).enumerate()
        {
            let bytes = self.file.segment_bytes(&header).map_err(|error| BuildError::Segment {
                image: self.index,
                segment,
                error,
            })?;
            let mut hash = H::default();
            hash.update(bytes);
            table.extend(raw);
            table.extend(hash.finish());
        }
        Ok(())
    }

    /// SHA-256 of the ELF metadata.
    pub(super) fn metadata_digest<H: Sha256>(&self) -> [u8; 32] {
        let mut hash = H::default();
        for piece in self.file.metadata() {
            hash.update(piece);
        }
        hash.finish()
    }
}
