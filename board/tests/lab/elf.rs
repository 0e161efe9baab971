//! The firmware that is attacked: small, with every kind of segment, and counting so that one sees it run.

use std::ops::Range;

use rproc_elf::testing::{ElfBuilder, Segment, resource_table};

#[path = "../guest/words.rs"]
#[rustfmt::skip]
mod guest;

/// Vectors and code, in `cm33_cube_fw`.
pub const CODE: u64 = 0x8010_0000;
/// Data with zeros behind it, in `cm33_cube_data`.
pub const DATA: u64 = 0x80a0_0100;
/// Bytes of data, and of memory for it.
pub const DATA_SIZE: (u64, u64) = (40, 0x1000);
/// On-chip memory.
pub const SRAM: u64 = 0x0a04_1000;
/// The resource table, in `ipc_shmem`.
pub const TABLE: u64 = 0x8120_8000;
/// Where the firmware counts, in `ipc_shmem`.
pub const COUNTER: u64 = 0x8120_0000;

/// Code that counts for ever.
pub fn code() -> Vec<u8> {
    guest::COUNT.iter().flat_map(|word| word.to_le_bytes()).collect()
}

pub fn data() -> Vec<u8> {
    (1..=DATA_SIZE.0 as u8).collect()
}

pub fn sram() -> Vec<u8> {
    b"on-chip!".repeat(3)
}

pub fn table() -> Vec<u8> {
    resource_table::sample()
}

/// Code and nothing else.
pub fn builder() -> ElfBuilder {
    builder_with(&code())
}

/// This code and nothing else.
pub fn builder_with(code: &[u8]) -> ElfBuilder {
    ElfBuilder::elf32().entry(CODE | 1).vectors(CODE, code)
}

/// The firmware as a linker leaves it: code, data with zeros behind it, on-chip memory, a segment that is not loaded, and
/// a resource table.
pub fn sample() -> Vec<u8> {
    builder()
        .segment(Segment::load(DATA, &data()).memory_size(DATA_SIZE.1))
        .load(SRAM, &sram())
        .segment(Segment::other(0x7000_0001, CODE, &[1, 2, 3, 4, 5, 6, 7, 8]))
        .resource_table(TABLE, &table())
        .build()
}

/// Index of the segment that is not loaded in [`sample`].
pub const NOT_LOADED: usize = 3;

/// What [`sample`] puts into memory.
pub fn contents() -> Vec<(u64, Vec<u8>)> {
    vec![(CODE, code()), (DATA, data()), (SRAM, sram()), (TABLE, table())]
}

/// The ranges of [`contents`].
pub fn ranges() -> Vec<Range<u64>> {
    contents().iter().map(|(address, bytes)| *address..*address + bytes.len() as u64).collect()
}

/// File offset of a field of the ELF header.
pub mod header {
    pub const ENTRY: usize = 24;
    pub const PROGRAM_HEADERS: usize = 28;
    pub const SECTION_HEADERS: usize = 32;
    pub const PROGRAM_HEADER_COUNT: usize = 44;
    pub const SECTION_HEADER_COUNT: usize = 48;
}

/// Offset of a field inside a program header.
pub mod segment {
    pub const KIND: usize = 0;
    pub const OFFSET: usize = 4;
    pub const VIRTUAL: usize = 8;
    pub const PHYSICAL: usize = 12;
    pub const FILE_SIZE: usize = 16;
    pub const MEMORY_SIZE: usize = 20;
    pub const FLAGS: usize = 24;
}

/// Offset of a field inside a section header.
pub mod section {
    pub const NAME: usize = 0;
    pub const KIND: usize = 4;
    pub const ADDRESS: usize = 12;
    pub const OFFSET: usize = 16;
    pub const SIZE: usize = 20;
}

pub fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub fn set_word(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub fn set_half(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

/// File offset of a program header.
pub fn program_header(elf: &[u8], index: usize) -> usize {
    word(elf, header::PROGRAM_HEADERS) as usize + 32 * index
}

/// File offsets of the section headers.
pub fn section_headers(elf: &[u8]) -> impl Iterator<Item = usize> {
    let start = word(elf, header::SECTION_HEADERS) as usize;
    (0..usize::from(half(elf, header::SECTION_HEADER_COUNT))).map(move |index| start + 40 * index)
}

/// File offset of the section header of the resource table.
pub fn table_section(elf: &[u8]) -> usize {
    section_headers(elf).find(|at| word(elf, at + section::ADDRESS) == TABLE as u32).unwrap()
}

/// The same file with one word of a program header changed.
pub fn with_segment(elf: &[u8], index: usize, field: usize, value: u32) -> Vec<u8> {
    let mut changed = elf.to_vec();
    set_word(&mut changed, program_header(elf, index) + field, value);
    changed
}

/// File offsets of a segment's bytes.
pub fn segment_bytes(elf: &[u8], index: usize) -> Range<usize> {
    let at = program_header(elf, index);
    let start = word(elf, at + segment::OFFSET) as usize;
    start..start + word(elf, at + segment::FILE_SIZE) as usize
}
