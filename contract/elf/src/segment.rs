//! Program headers: which bytes of the file a loader puts where.

use crate::error::{Error, Part};
use crate::header::{Class, range};
use core::ops::Range;

/// `p_type` of a segment that is loaded (PT_LOAD).
pub const LOAD: u32 = 1;
/// `p_flags` bit: executable.
pub const FLAG_EXECUTE: u32 = 1;
/// `p_flags` bit: writable.
pub const FLAG_WRITE: u32 = 2;
/// `p_flags` bit: readable.
pub const FLAG_READ: u32 = 4;

/// One program header of either class, as it stands in the file: nothing in it has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramHeader {
    /// `p_type`; [`LOAD`] is the only one that loaders of remote processors act on.
    pub kind: u32,
    /// `p_flags`, see [`FLAG_READ`], [`FLAG_WRITE`], [`FLAG_EXECUTE`].
    pub flags: u32,
    /// `p_offset`: where the segment's bytes start in the file.
    pub offset: u64,
    /// `p_vaddr`: the address that the linker resolved symbols to.
    pub virtual_address: u64,
    /// `p_paddr`: the device address that the segment is loaded to.
    pub physical_address: u64,
    /// `p_filesz`: number of bytes in the file.
    pub file_size: u64,
    /// `p_memsz`: number of bytes in memory; what exceeds the file size is zeroed.
    pub memory_size: u64,
    /// `p_align`.
    pub alignment: u64,
}

impl ProgramHeader {
    /// Size of an `Elf32_Phdr` in bytes, which is also how the hash table of a signed image stores program headers.
    pub const ELF32_SIZE: usize = 32;
    /// Size of an `Elf64_Phdr` in bytes.
    pub const ELF64_SIZE: usize = 56;

    /// Decodes an `Elf32_Phdr`.
    pub fn from_elf32(raw: &[u8; Self::ELF32_SIZE]) -> Self {
        let [kind, offset, virtual_address, physical_address, file_size, memory_size, flags, alignment] =
            words::<8>(raw);
        Self {
            kind,
            flags,
            offset: offset.into(),
            virtual_address: virtual_address.into(),
            physical_address: physical_address.into(),
            file_size: file_size.into(),
            memory_size: memory_size.into(),
            alignment: alignment.into(),
        }
    }

    /// Decodes an `Elf64_Phdr`.
    pub fn from_elf64(raw: &[u8; Self::ELF64_SIZE]) -> Self {
        let [kind, flags, pairs @ ..] = words::<14>(raw);
        let [offset, virtual_address, physical_address, file_size, memory_size, alignment] =
            core::array::from_fn(|i| u64::from(pairs[2 * i + 1]) << 32 | u64::from(pairs[2 * i]));
        Self { kind, flags, offset, virtual_address, physical_address, file_size, memory_size, alignment }
    }

    /// Decodes the program header at the start of `bytes`, or `None` when they are too few for the class.
    pub fn parse(class: Class, bytes: &[u8]) -> Option<Self> {
        match class {
            Class::Elf32 => bytes.first_chunk().map(Self::from_elf32),
            Class::Elf64 => bytes.first_chunk().map(Self::from_elf64),
        }
    }

    /// Encodes as `Elf32_Phdr`, or `None` when a value does not fit 32 bits.
    pub fn to_elf32(&self) -> Option<[u8; Self::ELF32_SIZE]> {
        let fields = [
            self.kind,
            self.offset.try_into().ok()?,
            self.virtual_address.try_into().ok()?,
            self.physical_address.try_into().ok()?,
            self.file_size.try_into().ok()?,
            self.memory_size.try_into().ok()?,
            self.flags,
            self.alignment.try_into().ok()?,
        ];
        let mut raw = [0; Self::ELF32_SIZE];
        for (bytes, field) in raw.as_chunks_mut::<4>().0.iter_mut().zip(fields) {
            *bytes = field.to_le_bytes();
        }
        Some(raw)
    }

    /// Whether a loader acts on this segment.
    pub fn is_load(&self) -> bool {
        self.kind == LOAD
    }

    /// File offsets of the segment's bytes.
    ///
    /// # Errors
    /// [`Error::Overflow`] when the end leaves 64 bits.
    pub fn file_range(&self) -> Result<Range<u64>, Error> {
        range(Part::Segment, self.offset, self.file_size)
    }

    /// Device addresses that the segment takes, by `p_paddr` and `p_memsz`.
    ///
    /// # Errors
    /// [`Error::Overflow`] when the end leaves 64 bits.
    pub fn memory_range(&self) -> Result<Range<u64>, Error> {
        range(Part::SegmentMemory, self.physical_address, self.memory_size)
    }

    /// The checks a loader makes before it touches memory: the ranges do not overflow (in the address space of the
    /// class), and the file does not hold more bytes than the memory takes.
    ///
    /// # Errors
    /// [`Error::Overflow`], [`Error::FileSizeExceedsMemorySize`].
    pub fn validate(&self, class: Class) -> Result<(), Error> {
        self.file_range()?;
        let memory = self.memory_range()?;
        if class == Class::Elf32 && memory.end > 1 << 32 {
            return Err(Error::Overflow {
                part: Part::SegmentMemory,
                start: self.physical_address,
                size: self.memory_size,
            });
        }
        if self.file_size > self.memory_size {
            return Err(Error::FileSizeExceedsMemorySize {
                physical_address: self.physical_address,
                file_size: self.file_size,
                memory_size: self.memory_size,
            });
        }
        Ok(())
    }
}

/// The first `N` little-endian words of `bytes`; missing ones are 0, which the callers' types rule out.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut chunks = bytes.as_chunks::<4>().0.iter();
    core::array::from_fn(|_| chunks.next().map_or(0, |word| u32::from_le_bytes(*word)))
}

/// Iterates over the program headers in the bytes of a program header table. It ends with the bytes.
#[derive(Debug, Clone)]
pub struct ProgramHeaders<'a> {
    class: Class,
    table: &'a [u8],
}

impl<'a> ProgramHeaders<'a> {
    /// Reads a table that was cut out of a file by [`crate::Header::program_headers`].
    pub fn new(class: Class, table: &'a [u8]) -> Self {
        Self { class, table }
    }
}

impl Iterator for ProgramHeaders<'_> {
    type Item = ProgramHeader;

    fn next(&mut self) -> Option<ProgramHeader> {
        let header = ProgramHeader::parse(self.class, self.table)?;
        self.table = self.table.get(usize::from(self.class.program_header_size())..)?;
        Some(header)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.table.len() / usize::from(self.class.program_header_size());
        (left, Some(left))
    }
}

impl ExactSizeIterator for ProgramHeaders<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: ProgramHeader = ProgramHeader {
        kind: LOAD,
        flags: FLAG_READ | FLAG_EXECUTE,
        offset: 0x1000,
        virtual_address: 0x8010_0000,
        physical_address: 0x8020_0000,
        file_size: 0x30,
        memory_size: 0x40,
        alignment: 8,
    };

    #[test]
    fn elf32_fields_are_in_the_order_of_the_specification() {
        let raw = SAMPLE.to_elf32().unwrap();
        let word = |i: usize| u32::from_le_bytes(raw[4 * i..4 * i + 4].try_into().unwrap());
        assert_eq!(
            core::array::from_fn(word),
            [1, 0x1000, 0x8010_0000, 0x8020_0000, 0x30, 0x40, 5, 8],
            "type, offset, vaddr, paddr, filesz, memsz, flags, align"
        );
    }

    #[test]
    fn elf64_fields_are_in_the_order_of_the_specification() {
        let mut raw = [0; 56];
        raw[..4].copy_from_slice(&1u32.to_le_bytes());
        raw[4..8].copy_from_slice(&5u32.to_le_bytes());
        for (i, value) in [0x1000u64, 0x8010_0000, 0x8020_0000, 0x30, 0x40, 8].into_iter().enumerate() {
            raw[8 + 8 * i..16 + 8 * i].copy_from_slice(&value.to_le_bytes());
        }
        assert_eq!(ProgramHeader::from_elf64(&raw), SAMPLE);
        raw[12] = 7;
        let wide = ProgramHeader::from_elf64(&raw);
        assert_eq!(wide.offset, 0x7_0000_1000);
        assert_eq!(wide.to_elf32(), None);
    }

    #[test]
    fn more_file_than_memory_is_refused() {
        let segment = ProgramHeader { memory_size: 0x2f, ..SAMPLE };
        assert!(matches!(segment.validate(Class::Elf32), Err(Error::FileSizeExceedsMemorySize { .. })));
        assert_eq!(SAMPLE.validate(Class::Elf32), Ok(()));
    }

    #[test]
    fn memory_may_end_at_the_end_of_the_address_space_but_not_behind() {
        let last = ProgramHeader { physical_address: 0xffff_ffc0, ..SAMPLE };
        assert_eq!(last.validate(Class::Elf32), Ok(()));
        let behind = ProgramHeader { physical_address: 0xffff_ffc1, ..SAMPLE };
        assert!(matches!(behind.validate(Class::Elf32), Err(Error::Overflow { .. })));
        assert_eq!(behind.validate(Class::Elf64), Ok(()));
        let wraps = ProgramHeader { physical_address: u64::MAX, ..SAMPLE };
        assert!(matches!(wraps.validate(Class::Elf64), Err(Error::Overflow { .. })));
    }

    proptest! {
        #[test]
        fn elf32_round_trip(raw: [u8; 32]) {
            prop_assert_eq!(ProgramHeader::from_elf32(&raw).to_elf32(), Some(raw));
        }

        #[test]
        fn a_table_yields_as_many_headers_as_it_holds(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for class in [Class::Elf32, Class::Elf64] {
                let table = ProgramHeaders::new(class, &bytes);
                prop_assert_eq!(table.len(), table.clone().count());
                prop_assert_eq!(table.len(), bytes.len() / usize::from(class.program_header_size()));
            }
        }
    }
}
