//! Why a file cannot be read as an ELF file that a remote-processor loader accepts.

use core::fmt;

/// A part of an ELF file, as error messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The ELF header at offset 0.
    ElfHeader,
    /// The table of program headers (`e_phoff`).
    ProgramHeaders,
    /// The table of section headers (`e_shoff`).
    SectionHeaders,
    /// The string table with the names of the sections (`e_shstrndx`).
    SectionNames,
    /// The file bytes of a segment (`p_offset`, `p_filesz`).
    Segment,
    /// The memory of a segment (`p_paddr`, `p_memsz`).
    SegmentMemory,
    /// The file bytes of a section (`sh_offset`, `sh_size`).
    Section,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ElfHeader => "ELF header",
            Self::ProgramHeaders => "program header table",
            Self::SectionHeaders => "section header table",
            Self::SectionNames => "section name table",
            Self::Segment => "segment",
            Self::SegmentMemory => "segment's memory",
            Self::Section => "section",
        })
    }
}

/// What is wrong with the ELF file. Offsets and sizes are bytes from the start of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file ends before the ELF header does.
    #[error("the file has {found} bytes, but the {part} needs {needed}: the file is empty or cut short")]
    Truncated {
        /// The part that was being read.
        part: Part,
        /// Bytes that the part needs.
        needed: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The first four bytes are not `7f 45 4c 46`.
    #[error(
        "the file starts with {found:02x?} instead of the ELF magic [7f, 45, 4c, 46]: it is not an ELF file"
    )]
    NotElf {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// `EI_CLASS` is neither 1 nor 2.
    #[error("the ELF class is {found}, but only 1 (32 bits) and 2 (64 bits) exist: the file is damaged")]
    UnknownClass {
        /// The byte found at offset 4.
        found: u8,
    },
    /// `EI_DATA` is not 1: the loaders of Linux and OP-TEE, and the processors, are little-endian.
    #[error(
        "the ELF byte order is {found}, but only 1 (little-endian) can be loaded: build for a little-endian target"
    )]
    NotLittleEndian {
        /// The byte found at offset 5.
        found: u8,
    },
    /// `EI_VERSION` or `e_version` is not 1.
    #[error("the ELF version is {found}, but only version 1 exists: the file is damaged")]
    UnknownVersion {
        /// The version found.
        found: u32,
    },
    /// `e_phentsize` or `e_shentsize` is not the size that the class prescribes.
    #[error(
        "the {part} declares entries of {found} bytes, but this ELF class has entries of {expected}: the file is damaged"
    )]
    EntrySize {
        /// The table.
        part: Part,
        /// The size of an entry for this class.
        expected: u16,
        /// The size declared.
        found: u16,
    },
    /// `e_phnum` is PN_XNUM, `e_shstrndx` is SHN_XINDEX, or `e_shnum` is 0 while there is a section header table:
    /// the real number then sits in section header 0, which loaders of remote processors do not follow.
    #[error(
        "the {part} uses ELF's extended numbering (value {value:#x}), which no loader of remote processors follows: link with fewer segments and sections"
    )]
    ExtendedNumbering {
        /// The table whose number is extended.
        part: Part,
        /// The value found in the ELF header.
        value: u16,
    },
    /// An offset or address plus its size leaves the address space.
    #[error(
        "the {part} at {start:#x} with {size:#x} bytes runs past the end of the address space: the file is damaged or hostile"
    )]
    Overflow {
        /// The part.
        part: Part,
        /// Its offset in the file or its address.
        start: u64,
        /// Its size.
        size: u64,
    },
    /// A part lies wholly or partly behind the end of the file.
    #[error(
        "the {part} covers the file offsets {start:#x}..{end:#x}, but the file ends at {file_len:#x}: the file is cut short or damaged"
    )]
    OutsideFile {
        /// The part.
        part: Part,
        /// Its first offset.
        start: u64,
        /// The offset behind it.
        end: u64,
        /// The length of the file.
        file_len: u64,
    },
    /// `e_shstrndx` names a section that does not exist.
    #[error(
        "the section names are said to be in section {index}, but there are only {count} sections: the file is damaged"
    )]
    SectionNamesIndex {
        /// `e_shstrndx`.
        index: u16,
        /// `e_shnum`.
        count: u16,
    },
    /// `e_shstrndx` names a section that is not a string table (SHT_STRTAB, 3).
    #[error(
        "the section that should hold the section names has type {found} instead of 3 (string table): the file is damaged"
    )]
    SectionNamesKind {
        /// `sh_type` of that section.
        found: u32,
    },
    /// The bytes given as section header table are not as many as the ELF header says.
    #[error("{found} bytes of section headers were given, but the ELF header announces {expected}")]
    SectionHeadersLength {
        /// The length that follows from the ELF header.
        expected: u64,
        /// The length given.
        found: u64,
    },
    /// A segment has more bytes in the file than in memory.
    #[error(
        "the segment at address {physical_address:#x} has {file_size:#x} bytes in the file but only {memory_size:#x} in memory: the file is damaged"
    )]
    FileSizeExceedsMemorySize {
        /// `p_paddr`.
        physical_address: u64,
        /// `p_filesz`.
        file_size: u64,
        /// `p_memsz`.
        memory_size: u64,
    },
    /// A section that must have content in the file has none (SHT_NOBITS).
    #[error(
        "the section at address {address:#x} has a size of {size:#x} but no bytes in the file (SHT_NOBITS): give it initialised content in the linker script"
    )]
    SectionWithoutBytes {
        /// `sh_addr`.
        address: u64,
        /// `sh_size`.
        size: u64,
    },
}
