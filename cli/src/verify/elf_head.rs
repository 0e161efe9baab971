//! The ELF headers of an image, held against what was signed.

use std::ops::Range;

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_elf::{Class, Header, MetadataLayout};
use rproc_image::{HashEntry, HashTable, Image, Sha256 as _};
use sha2::Sha256;

use crate::failure::{Failure, Refused};
use crate::input::Input;
use crate::limits;

/// The entries of the signed table that are this image's own program headers.
pub struct ElfHead<'a> {
    image: Image,
    entries: HashTable<'a>,
}

impl<'a> ElfHead<'a> {
    /// Takes as many entries off `table` as the image's ELF header says it has program headers; each must be the signed
    /// one. With `bound`, all ELF metadata must have that digest.
    pub fn take(
        input: &Input,
        image: &Image,
        table: &mut HashTable<'a>,
        bound: Option<&[u8; 32]>,
    ) -> Result<Self, Failure> {
        let place = Place::Image { image: image.index as u32 };
        let elf = Elf { input, start: image.offset, size: image.size.into(), place };
        let prefix = elf.take(0..Header::MAX_SIZE as u64)?;
        let header = Header::parse(&prefix).map_err(|error| elf.refused(error))?;
        header.check_within(elf.size).map_err(|error| elf.refused(error))?;
        if header.class() != Class::Elf32 {
            return Err(Refusal::new(Reason::UnsupportedImage)
                .expected("a 32-bit ELF file")
                .found("a 64-bit ELF file")
                .at(place)
                .into());
        }
        let program_headers = elf.take(header.program_headers())?;
        let count = usize::from(header.program_header_count());
        let (entries, rest) = table.split_at(count).ok_or(
            Refusal::new(Reason::SegmentTableChanged)
                .expected(Fact::Number(table.len() as u64))
                .found(Fact::Number(count as u64))
                .at(place),
        )?;
        let found = program_headers.as_chunks::<32>().0;
        for (index, (entry, found)) in (0u32..).zip(entries.entries().zip(found)) {
            if entry.raw_header != found {
                let place = Place::Segment { image: image.index as u32, index };
                return Err(Refusal::new(Reason::SegmentTableChanged).at(place).into());
            }
        }
        *table = rest;
        if let Some(expected) = bound {
            elf.check_digest(&header, &prefix, &program_headers, expected)?;
        }
        Ok(Self { image: *image, entries })
    }

    /// The image's size in the container, padding included.
    pub fn image_size(&self) -> u64 {
        self.image.size.into()
    }

    /// The offset of the image in the container.
    pub fn offset(&self) -> u64 {
        self.image.offset
    }

    /// The signed program headers with their digests.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = HashEntry<'a>> + use<'a> {
        self.entries.entries()
    }
}

/// Where one ELF file is in the container.
struct Elf<'i> {
    input: &'i Input,
    start: u64,
    size: u64,
    place: Place,
}

impl Elf<'_> {
    fn refused(&self, error: rproc_elf::Error) -> Failure {
        let refusal = Refused::from(Refusal::from(error).at(self.place));
        refusal.saying(error).into()
    }

    /// The bytes of a range of the ELF file, which ends where the image does.
    fn take(&self, range: Range<u64>) -> Result<Vec<u8>, Failure> {
        let size = range.end.saturating_sub(range.start);
        limits::check_metadata(limits::ELF_TABLE, size).map_err(|refusal| refusal.at(self.place))?;
        let end = range.end.min(self.size);
        self.input.take(self.start.saturating_add(range.start)..self.start.saturating_add(end))
    }

    fn check_digest(
        &self,
        header: &Header,
        prefix: &[u8],
        program_headers: &[u8],
        expected: &[u8; 32],
    ) -> Result<(), Failure> {
        let section_headers = self.take(header.section_headers())?;
        let layout =
            MetadataLayout::of(header, &section_headers, self.size).map_err(|error| self.refused(error))?;
        let names = self.take(layout.section_names)?;
        let mut hash = Sha256::default();
        for piece in [
            prefix.get(..header.class().header_size()).unwrap_or_default(),
            program_headers,
            &section_headers,
            &names,
        ] {
            rproc_image::Sha256::update(&mut hash, piece);
        }
        let found = hash.finish();
        if found != *expected {
            return Err(Refusal::new(Reason::ElfMetadataChanged)
                .expected(Fact::Digest(*expected))
                .found(Fact::Digest(found))
                .at(self.place)
                .into());
        }
        Ok(())
    }
}
