//! The ELF header: class, machine, entry point, and where the two header tables lie.

use crate::error::{Error, Part};
use core::ops::Range;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::FileHeader;

/// The first bytes of every ELF file (ELF specification, `e_ident[EI_MAG0..=EI_MAG3]`).
pub const ELF_MAGIC: [u8; 4] = abi::ELFMAGIC;

/// `e_machine` of a 32-bit Arm file, which every Cortex-M firmware is (EM_ARM).
pub const MACHINE_ARM: u16 = abi::EM_ARM;

/// The word size of an ELF file (`EI_CLASS`), which decides the size of every header in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// ELFCLASS32: every Cortex-M firmware.
    Elf32,
    /// ELFCLASS64: firmware of 64-bit remote processors, and what Linux writes as coredump of them.
    Elf64,
}

impl Class {
    /// Size of the ELF header in bytes: 52 or 64.
    pub const fn header_size(self) -> usize {
        match self {
            Self::Elf32 => 52,
            Self::Elf64 => 64,
        }
    }

    /// Size of one program header in bytes: 32 or 56.
    pub const fn program_header_size(self) -> u16 {
        match self {
            Self::Elf32 => 32,
            Self::Elf64 => 56,
        }
    }

    /// Size of one section header in bytes: 40 or 64.
    pub const fn section_header_size(self) -> u16 {
        match self {
            Self::Elf32 => 40,
            Self::Elf64 => 64,
        }
    }

    pub(crate) const fn of_crate(self) -> elf::file::Class {
        match self {
            Self::Elf32 => elf::file::Class::ELF32,
            Self::Elf64 => elf::file::Class::ELF64,
        }
    }
}

/// A checked ELF header. Its ranges do not overflow, and its entry sizes are those of its class; whether the ranges
/// lie inside the file is another question ([`Header::check_within`]), since a prefix does not tell the file's length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    class: Class,
    kind: u16,
    machine: u16,
    flags: u32,
    entry: u64,
    program_headers: Range<u64>,
    section_headers: Range<u64>,
    program_header_count: u16,
    section_header_count: u16,
    section_names_index: u16,
}

impl Header {
    /// The most bytes that [`Header::parse`] looks at: the size of an ELF64 header.
    pub const MAX_SIZE: usize = 64;

    /// The least bytes of a file for which [`Header::parse`] can succeed: the size of an ELF32 header.
    pub const MIN_SIZE: usize = 52;

    /// Decodes the header from the first bytes of a file; 64 are enough, an ELF32 file needs 52 only.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::NotElf`], [`Error::UnknownClass`], [`Error::NotLittleEndian`],
    /// [`Error::UnknownVersion`], [`Error::EntrySize`], [`Error::ExtendedNumbering`], [`Error::Overflow`].
    pub fn parse(prefix: &[u8]) -> Result<Self, Error> {
        let truncated = |needed| Error::Truncated { part: Part::ElfHeader, needed, found: prefix.len() };
        let (ident, _) = prefix.split_first_chunk::<{ abi::EI_NIDENT }>().ok_or(truncated(Self::MIN_SIZE))?;
        let [m0, m1, m2, m3, class, byte_order, version, os_abi, abi_version, ..] = *ident;
        if [m0, m1, m2, m3] != ELF_MAGIC {
            return Err(Error::NotElf { found: [m0, m1, m2, m3] });
        }
        let class = match class {
            abi::ELFCLASS32 => Class::Elf32,
            abi::ELFCLASS64 => Class::Elf64,
            found => return Err(Error::UnknownClass { found }),
        };
        if byte_order != abi::ELFDATA2LSB {
            return Err(Error::NotLittleEndian { found: byte_order });
        }
        if version != abi::EV_CURRENT {
            return Err(Error::UnknownVersion { found: u32::from(version) });
        }
        let tail = prefix.get(abi::EI_NIDENT..class.header_size()).ok_or(truncated(class.header_size()))?;
        let raw = FileHeader::parse_tail((LittleEndian, class.of_crate(), os_abi, abi_version), tail)
            .map_err(|_| truncated(class.header_size()))?;
        Self::from_raw(class, &raw)
    }

    fn from_raw(class: Class, raw: &FileHeader<LittleEndian>) -> Result<Self, Error> {
        if raw.version != u32::from(abi::EV_CURRENT) {
            return Err(Error::UnknownVersion { found: raw.version });
        }
        if raw.e_phnum == abi::PN_XNUM {
            return Err(Error::ExtendedNumbering { part: Part::ProgramHeaders, value: raw.e_phnum });
        }
        if raw.e_shstrndx == abi::SHN_XINDEX {
            return Err(Error::ExtendedNumbering { part: Part::SectionNames, value: raw.e_shstrndx });
        }
        if raw.e_shnum == 0 && raw.e_shoff != 0 {
            return Err(Error::ExtendedNumbering { part: Part::SectionHeaders, value: raw.e_shnum });
        }
        Ok(Self {
            class,
            kind: raw.e_type,
            machine: raw.e_machine,
            flags: raw.e_flags,
            entry: raw.e_entry,
            program_headers: table(
                Part::ProgramHeaders,
                raw.e_phoff,
                raw.e_phnum,
                class.program_header_size(),
                raw.e_phentsize,
            )?,
            section_headers: table(
                Part::SectionHeaders,
                raw.e_shoff,
                raw.e_shnum,
                class.section_header_size(),
                raw.e_shentsize,
            )?,
            program_header_count: raw.e_phnum,
            section_header_count: raw.e_shnum,
            section_names_index: raw.e_shstrndx,
        })
    }

    /// The word size of the file.
    pub fn class(&self) -> Class {
        self.class
    }

    /// `e_type`: 2 for an executable, which is what linkers make of firmware.
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// `e_machine`, for example [`MACHINE_ARM`].
    pub fn machine(&self) -> u16 {
        self.machine
    }

    /// `e_flags`, whose meaning depends on the machine.
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// `e_entry`: the device address of the entry point. A Cortex-M does not start there but from its vector table.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// File offsets of the program header table; empty when there is none.
    pub fn program_headers(&self) -> Range<u64> {
        self.program_headers.clone()
    }

    /// File offsets of the section header table; empty when there is none.
    pub fn section_headers(&self) -> Range<u64> {
        self.section_headers.clone()
    }

    /// Number of program headers (`e_phnum`), at most 0xfffe.
    pub fn program_header_count(&self) -> u16 {
        self.program_header_count
    }

    /// Number of section headers (`e_shnum`).
    pub fn section_header_count(&self) -> u16 {
        self.section_header_count
    }

    /// Index of the section that holds the section names (`e_shstrndx`), or `None` when the file names none.
    pub fn section_names_index(&self) -> Option<u16> {
        (self.section_names_index != abi::SHN_UNDEF).then_some(self.section_names_index)
    }

    /// Whether both header tables lie in a file of `file_len` bytes.
    ///
    /// # Errors
    /// [`Error::OutsideFile`] names the first table that does not.
    pub fn check_within(&self, file_len: u64) -> Result<(), Error> {
        within(Part::ElfHeader, &(0..self.class.header_size() as u64), file_len)?;
        within(Part::ProgramHeaders, &self.program_headers, file_len)?;
        within(Part::SectionHeaders, &self.section_headers, file_len)
    }
}

/// The range of a table of `count` entries at `offset`; `0..0` when it has none, whatever the offset.
fn table(part: Part, offset: u64, count: u16, expected: u16, found: u16) -> Result<Range<u64>, Error> {
    if count == 0 {
        return Ok(0..0);
    }
    if found != expected {
        return Err(Error::EntrySize { part, expected, found });
    }
    range(part, offset, u64::from(count) * u64::from(expected))
}

/// `start..start + size`, or the error that it overflows.
pub(crate) fn range(part: Part, start: u64, size: u64) -> Result<Range<u64>, Error> {
    let end = start.checked_add(size).ok_or(Error::Overflow { part, start, size })?;
    Ok(start..end)
}

/// Whether a range ends inside the file.
pub(crate) fn within(part: Part, range: &Range<u64>, file_len: u64) -> Result<(), Error> {
    if range.end > file_len {
        return Err(Error::OutsideFile { part, start: range.start, end: range.end, file_len });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ElfBuilder;
    use alloc::vec::Vec;

    fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut file =
            ElfBuilder::elf32().load(0x1000, &[1, 2, 3, 4]).section_in_segment(".text", 0, 0..4).build();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    }

    #[test]
    fn reads_both_classes() {
        for (builder, class, size) in
            [(ElfBuilder::elf32(), Class::Elf32, 52), (ElfBuilder::elf64(), Class::Elf64, 64)]
        {
            let file = builder.entry(0x1235).machine(0xb7).load(0x1000, &[0; 8]).build();
            let header = Header::parse(&file[..size]).unwrap();
            assert_eq!(header.class(), class);
            assert_eq!((header.entry(), header.machine(), header.kind()), (0x1235, 0xb7, 2));
            assert_eq!(
                header.program_headers(),
                size as u64..size as u64 + u64::from(class.program_header_size())
            );
            assert_eq!(header.program_header_count(), 1);
            assert_eq!(
                Header::parse(&file[..size - 1]),
                Err(Error::Truncated { part: Part::ElfHeader, needed: size, found: size - 1 })
            );
        }
    }

    #[test]
    fn names_what_is_wrong() {
        assert!(matches!(Header::parse(&[]), Err(Error::Truncated { needed: 52, found: 0, .. })));
        assert_eq!(Header::parse(&patched(0, b"MZ")), Err(Error::NotElf { found: [b'M', b'Z', b'L', b'F'] }));
        assert_eq!(Header::parse(&patched(4, &[3])), Err(Error::UnknownClass { found: 3 }));
        assert_eq!(Header::parse(&patched(5, &[2])), Err(Error::NotLittleEndian { found: 2 }));
        assert_eq!(Header::parse(&patched(6, &[0])), Err(Error::UnknownVersion { found: 0 }));
        assert_eq!(Header::parse(&patched(20, &[7])), Err(Error::UnknownVersion { found: 7 }));
        assert_eq!(
            Header::parse(&patched(42, &[56])),
            Err(Error::EntrySize { part: Part::ProgramHeaders, expected: 32, found: 56 })
        );
        assert_eq!(
            Header::parse(&patched(46, &[0])),
            Err(Error::EntrySize { part: Part::SectionHeaders, expected: 40, found: 0 })
        );
    }

    #[test]
    fn refuses_extended_numbering() {
        for (at, bytes, part) in [
            (44, &[0xff, 0xff], Part::ProgramHeaders),
            (48, &[0, 0], Part::SectionHeaders),
            (50, &[0xff, 0xff], Part::SectionNames),
        ] {
            assert!(
                matches!(Header::parse(&patched(at, bytes)), Err(Error::ExtendedNumbering { part: p, .. }) if p == part)
            );
        }
    }

    #[test]
    fn a_64_bit_table_at_the_end_of_the_address_space_overflows() {
        let mut file = ElfBuilder::elf64().load(0, &[0]).build();
        file[32..40].copy_from_slice(&(u64::MAX - 55).to_le_bytes());
        assert!(matches!(
            Header::parse(&file),
            Err(Error::Overflow { part: Part::ProgramHeaders, size: 56, .. })
        ));
    }

    #[test]
    fn a_table_behind_the_end_is_named() {
        let header = Header::parse(&patched(0, &[])).unwrap();
        let end = header.section_headers().end;
        assert_eq!(header.check_within(end), Ok(()));
        assert!(matches!(
            header.check_within(end - 1),
            Err(Error::OutsideFile { part: Part::SectionHeaders, file_len, .. }) if file_len == end - 1
        ));
    }
}
