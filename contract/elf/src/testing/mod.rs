//! Builders of ELF files and resource tables for tests: `ElfBuilder::elf32().vectors(…).resource_table(…).build()`.
//!
//! The files are valid unless a test asks otherwise, and laid out as linkers do: ELF header, program headers,
//! content, section names, section headers.

pub mod resource_table;

use crate::file::RESOURCE_TABLE_SECTION;
use crate::header::{Class, MACHINE_ARM};
use crate::segment::{FLAG_EXECUTE, FLAG_READ, FLAG_WRITE, LOAD, ProgramHeader};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

/// A segment to be built.
#[derive(Debug, Clone)]
pub struct Segment {
    header: ProgramHeader,
    bytes: Vec<u8>,
}

impl Segment {
    /// A PT_LOAD segment that is linked and loaded at `address`, with as much memory as there are bytes.
    pub fn load(address: u64, bytes: &[u8]) -> Self {
        Self::other(LOAD, address, bytes)
    }

    /// A segment of another type, for example 0x70000001 (PT_ARM_EXIDX).
    pub fn other(kind: u32, address: u64, bytes: &[u8]) -> Self {
        let size = bytes.len() as u64;
        Self {
            header: ProgramHeader {
                kind,
                flags: FLAG_READ | FLAG_WRITE | FLAG_EXECUTE,
                offset: 0,
                virtual_address: address,
                physical_address: address,
                file_size: size,
                memory_size: size,
                alignment: 4,
            },
            bytes: bytes.to_vec(),
        }
    }

    /// Loads it elsewhere than it is linked.
    pub fn physical(mut self, address: u64) -> Self {
        self.header.physical_address = address;
        self
    }

    /// Gives it another size in memory.
    pub fn memory_size(mut self, size: u64) -> Self {
        self.header.memory_size = size;
        self
    }

    /// Declares another size in the file than there are bytes: an ill-formed file when it is larger.
    pub fn file_size(mut self, size: u64) -> Self {
        self.header.file_size = size;
        self
    }

    /// Sets `p_flags`.
    pub fn flags(mut self, flags: u32) -> Self {
        self.header.flags = flags;
        self
    }
}

#[derive(Debug, Clone)]
enum Source {
    InSegment { segment: usize, range: Range<u64> },
    Own { address: u64, bytes: Vec<u8> },
    None { address: u64, size: u64 },
}

/// Builds an ELF file, piece by piece.
#[derive(Debug, Clone)]
pub struct ElfBuilder {
    class: Class,
    machine: u16,
    entry: u64,
    segments: Vec<Segment>,
    sections: Vec<(String, Source)>,
}

impl ElfBuilder {
    /// An ELF32 file for Arm.
    pub fn elf32() -> Self {
        Self::new(Class::Elf32)
    }

    /// An ELF64 file, still for [`MACHINE_ARM`] unless changed.
    pub fn elf64() -> Self {
        Self::new(Class::Elf64)
    }

    fn new(class: Class) -> Self {
        Self { class, machine: MACHINE_ARM, entry: 0, segments: Vec::new(), sections: Vec::new() }
    }

    /// Sets `e_machine`.
    pub fn machine(mut self, machine: u16) -> Self {
        self.machine = machine;
        self
    }

    /// Sets `e_entry`.
    pub fn entry(mut self, address: u64) -> Self {
        self.entry = address;
        self
    }

    /// Adds a segment.
    pub fn segment(mut self, segment: Segment) -> Self {
        self.segments.push(segment);
        self
    }

    /// Adds a PT_LOAD segment that is linked and loaded at `address`.
    pub fn load(self, address: u64, bytes: &[u8]) -> Self {
        self.segment(Segment::load(address, bytes))
    }

    /// Names a part of segment number `segment` (from 0, in the order they were added).
    pub fn section_in_segment(mut self, name: &str, segment: usize, range: Range<u64>) -> Self {
        self.sections.push((name.to_string(), Source::InSegment { segment, range }));
        self
    }

    /// Adds a section with bytes that no segment carries.
    pub fn section(mut self, name: &str, address: u64, bytes: &[u8]) -> Self {
        self.sections.push((name.to_string(), Source::Own { address, bytes: bytes.to_vec() }));
        self
    }

    /// Adds a section without bytes (SHT_NOBITS).
    pub fn bss(mut self, name: &str, address: u64, size: u64) -> Self {
        self.sections.push((name.to_string(), Source::None { address, size }));
        self
    }

    /// Adds a segment that is wholly one section.
    pub fn named_segment(self, name: &str, address: u64, bytes: &[u8]) -> Self {
        let index = self.segments.len();
        self.load(address, bytes).section_in_segment(name, index, 0..bytes.len() as u64)
    }

    /// Adds a vector table: a segment of its own, named `.isr_vectors` as ST's linker scripts do.
    pub fn vectors(self, address: u64, bytes: &[u8]) -> Self {
        self.named_segment(".isr_vectors", address, bytes)
    }

    /// Adds a resource table in a segment of its own.
    pub fn resource_table(self, address: u64, table: &[u8]) -> Self {
        self.named_segment(RESOURCE_TABLE_SECTION, address, table)
    }

    /// The bytes of the file. Without sections there are no section headers at all.
    ///
    /// Values that do not fit the class are cut off, and a section may name a segment that does not exist (it is
    /// then empty): a test that asks for nonsense gets a nonsense file.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Output { class: self.class, bytes: Vec::new() };
        let headers_end =
            self.class.header_size() + self.segments.len() * usize::from(self.class.program_header_size());
        out.bytes.resize(headers_end, 0);

        let placed: Vec<ProgramHeader> =
            self.segments.iter().map(|segment| out.append_segment(segment)).collect();
        let sections =
            if self.sections.is_empty() { Vec::new() } else { self.section_headers(&mut out, &placed) };
        out.align();
        let section_headers_offset = if sections.is_empty() { 0 } else { out.bytes.len() as u64 };
        for section in &sections {
            out.section_header(section);
        }

        let body = out.bytes.split_off(headers_end);
        out.bytes.clear();
        out.elf_header(self, section_headers_offset, sections.len() as u16);
        for header in &placed {
            out.program_header(header);
        }
        out.bytes.extend(body);
        out.bytes
    }

    fn section_headers(&self, out: &mut Output, placed: &[ProgramHeader]) -> Vec<SectionHeader> {
        let mut names = Vec::from([0u8]);
        let mut headers = Vec::from([SectionHeader::default()]);
        for (name, source) in &self.sections {
            headers.push(SectionHeader {
                name: names.len() as u32,
                flags: 2,
                ..out.place_section(source, placed)
            });
            names.extend(name.bytes().chain([0]));
        }
        let name = names.len() as u32;
        names.extend(b".shstrtab\0");
        headers.push(SectionHeader {
            name,
            kind: 3,
            offset: out.bytes.len() as u64,
            size: names.len() as u64,
            ..SectionHeader::default()
        });
        out.bytes.extend(names);
        headers
    }
}

#[derive(Debug, Clone, Default)]
struct SectionHeader {
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    size: u64,
}

/// The file so far.
struct Output {
    class: Class,
    bytes: Vec<u8>,
}

impl Output {
    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    fn append_segment(&mut self, segment: &Segment) -> ProgramHeader {
        self.align();
        let offset = self.bytes.len() as u64;
        self.bytes.extend(&segment.bytes);
        ProgramHeader { offset, ..segment.header }
    }

    fn place_section(&mut self, source: &Source, placed: &[ProgramHeader]) -> SectionHeader {
        let header =
            |kind, address, offset, size| SectionHeader { kind, address, offset, size, ..Default::default() };
        match source {
            Source::InSegment { segment, range } => {
                placed.get(*segment).map_or_else(SectionHeader::default, |p| {
                    header(
                        1,
                        p.virtual_address + range.start,
                        p.offset + range.start,
                        range.end - range.start,
                    )
                })
            }
            Source::Own { address, bytes } => {
                self.align();
                let offset = self.bytes.len() as u64;
                self.bytes.extend(bytes);
                header(1, *address, offset, bytes.len() as u64)
            }
            Source::None { address, size } => header(8, *address, self.bytes.len() as u64, *size),
        }
    }

    fn half(&mut self, value: u16) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn word(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// An address, offset or size: 4 or 8 bytes by class.
    fn wide(&mut self, value: u64) {
        match self.class {
            Class::Elf32 => self.word(value as u32),
            Class::Elf64 => self.bytes.extend(value.to_le_bytes()),
        }
    }

    fn elf_header(&mut self, elf: &ElfBuilder, section_headers_offset: u64, section_count: u16) {
        let class_byte = match self.class {
            Class::Elf32 => 1,
            Class::Elf64 => 2,
        };
        self.bytes.extend([0x7f, b'E', b'L', b'F', class_byte, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.half(2);
        self.half(elf.machine);
        self.word(1);
        self.wide(elf.entry);
        self.wide(if elf.segments.is_empty() { 0 } else { self.class.header_size() as u64 });
        self.wide(section_headers_offset);
        self.word(0);
        self.half(self.class.header_size() as u16);
        self.half(self.class.program_header_size());
        self.half(elf.segments.len() as u16);
        self.half(self.class.section_header_size());
        self.half(section_count);
        self.half(section_count.saturating_sub(1));
    }

    fn program_header(&mut self, header: &ProgramHeader) {
        self.word(header.kind);
        if self.class == Class::Elf64 {
            self.word(header.flags);
        }
        for value in [
            header.offset,
            header.virtual_address,
            header.physical_address,
            header.file_size,
            header.memory_size,
        ] {
            self.wide(value);
        }
        if self.class == Class::Elf32 {
            self.word(header.flags);
        }
        self.wide(header.alignment);
    }

    fn section_header(&mut self, header: &SectionHeader) {
        self.word(header.name);
        self.word(header.kind);
        for value in [header.flags, header.address, header.offset, header.size] {
            self.wide(value);
        }
        self.word(0);
        self.word(0);
        self.wide(1);
        self.wide(0);
    }
}
