//! A whole ELF file in memory, as the host reads it.

use crate::error::{Error, Part};
use crate::header::{Header, range, within};
use crate::metadata::MetadataLayout;
use crate::section::{Section, Sections};
use crate::segment::{ProgramHeader, ProgramHeaders};
use core::ops::Range;

/// The section that holds the resource table (Linux `drivers/remoteproc/remoteproc_elf_loader.c`, and OP-TEE's
/// `ta/remoteproc/src/elf_parser.c`).
pub const RESOURCE_TABLE_SECTION: &str = ".resource_table";

/// Sections that hold a Cortex-M's vector table, the preferred one first: ST's linker scripts for the STM32MP25, those
/// of CubeIDE, and two that other toolchains use.
pub const VECTOR_SECTIONS: [&str; 4] = [".isr_vectors", ".isr_vector", ".vectors", ".vector_table"];

/// A section with content, and where a loader puts that content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadedSection<'a> {
    /// The section.
    pub section: Section<'a>,
    /// Where its bytes start in the file; the whole of it is inside the file.
    pub offset: u64,
    /// Its size in bytes, at least 1.
    pub size: u64,
    /// The address that the linker gave it (`sh_addr`).
    pub address: u64,
    /// The device address at which the PT_LOAD segment that carries these file bytes puts them, or `None` when no
    /// segment carries all of them. It differs from `address` when the firmware copies the section at start.
    pub load_address: Option<u64>,
}

/// An ELF file whose headers, tables and section names are all inside its bytes.
#[derive(Debug, Clone)]
pub struct ElfFile<'a> {
    bytes: &'a [u8],
    header: Header,
    layout: MetadataLayout,
}

impl<'a> ElfFile<'a> {
    /// Checks the header and that both tables and the section names lie in `bytes`, which are the whole file.
    /// Segments and sections are checked when they are asked for.
    ///
    /// # Errors
    /// Those of [`Header::parse`] and [`MetadataLayout::of`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let header = Header::parse(bytes)?;
        header.check_within(bytes.len() as u64)?;
        let section_headers = cut(Part::SectionHeaders, bytes, header.section_headers())?;
        let layout = MetadataLayout::of(&header, section_headers, bytes.len() as u64)?;
        Ok(Self { bytes, header, layout })
    }

    /// The ELF header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes of the whole file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The program headers in file order, PT_LOAD or not.
    pub fn segments(&self) -> ProgramHeaders<'a> {
        ProgramHeaders::new(self.header.class(), self.piece(&self.layout.program_headers))
    }

    /// The sections in file order. The first of a well-formed file is a nameless null section.
    pub fn sections(&self) -> Sections<'a> {
        Sections::new(
            self.header.class(),
            self.piece(&self.layout.section_headers),
            self.piece(&self.layout.section_names),
        )
    }

    /// The first section of this name.
    pub fn section(&self, name: &str) -> Option<Section<'a>> {
        self.sections().named(name)
    }

    /// The bytes of a segment in the file.
    ///
    /// # Errors
    /// [`Error::OutsideFile`] when the segment runs past the end of the file, [`Error::Overflow`].
    pub fn segment_bytes(&self, segment: &ProgramHeader) -> Result<&'a [u8], Error> {
        cut(Part::Segment, self.bytes, segment.file_range()?)
    }

    /// The bytes of a section in the file; none for SHT_NOBITS.
    ///
    /// # Errors
    /// [`Error::OutsideFile`] when the section runs past the end of the file, [`Error::Overflow`].
    pub fn section_bytes(&self, section: &Section<'_>) -> Result<&'a [u8], Error> {
        if section.is_without_bytes() {
            return Ok(&[]);
        }
        cut(Part::Section, self.bytes, range(Part::Section, section.offset, section.size)?)
    }

    /// The section named [`RESOURCE_TABLE_SECTION`]; its content is for [`crate::ResourceTable::parse`]. `None` when
    /// there is no such section or it is empty, as it is in firmware that brings the section in its linker script
    /// but no table: OP-TEE and Linux take both as "no table".
    ///
    /// # Errors
    /// [`Error::SectionWithoutBytes`], [`Error::OutsideFile`], [`Error::Overflow`].
    pub fn find_resource_table(&self) -> Result<Option<LoadedSection<'a>>, Error> {
        self.section(RESOURCE_TABLE_SECTION)
            .filter(|section| section.size != 0)
            .map(|section| self.place(section))
            .transpose()
    }

    /// The section with the vector table: the first of [`VECTOR_SECTIONS`] that exists and is not empty. The address
    /// to boot from is its load address.
    ///
    /// # Errors
    /// [`Error::SectionWithoutBytes`], [`Error::OutsideFile`], [`Error::Overflow`].
    pub fn vector_table(&self) -> Result<Option<LoadedSection<'a>>, Error> {
        VECTOR_SECTIONS
            .iter()
            .find_map(|name| self.section(name).filter(|section| section.size != 0))
            .map(|section| self.place(section))
            .transpose()
    }

    /// Where a loader puts a section.
    ///
    /// # Errors
    /// [`Error::SectionWithoutBytes`] for SHT_NOBITS, [`Error::OutsideFile`], [`Error::Overflow`].
    pub fn place(&self, section: Section<'a>) -> Result<LoadedSection<'a>, Error> {
        if section.is_without_bytes() {
            return Err(Error::SectionWithoutBytes { address: section.address, size: section.size });
        }
        let file = range(Part::Section, section.offset, section.size)?;
        within(Part::Section, &file, self.bytes.len() as u64)?;
        Ok(LoadedSection {
            section,
            offset: section.offset,
            size: section.size,
            address: section.address,
            load_address: self.segments().find_map(|segment| load_address(&segment, &file)),
        })
    }

    /// The pieces of the ELF metadata in the order in which they are hashed: ELF header, program headers, section
    /// headers, section names.
    pub fn metadata(&self) -> [&'a [u8]; 4] {
        self.layout.pieces().map(|range| self.piece(&range))
    }

    /// Where these pieces lie.
    pub fn metadata_layout(&self) -> &MetadataLayout {
        &self.layout
    }

    /// A piece whose range `parse` found to be inside the file.
    fn piece(&self, range: &Range<u64>) -> &'a [u8] {
        cut(Part::ElfHeader, self.bytes, range.clone()).unwrap_or_default()
    }
}

/// Where `segment` loads the file bytes of `file`, if it carries all of them.
fn load_address(segment: &ProgramHeader, file: &Range<u64>) -> Option<u64> {
    let carried = segment.file_range().ok()?;
    if !segment.is_load() || file.start < carried.start || file.end > carried.end {
        return None;
    }
    segment.physical_address.checked_add(file.start - carried.start)
}

fn cut(part: Part, bytes: &[u8], range: Range<u64>) -> Result<&[u8], Error> {
    let outside =
        Error::OutsideFile { part, start: range.start, end: range.end, file_len: bytes.len() as u64 };
    let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end)) else {
        return Err(outside);
    };
    bytes.get(start..end).ok_or(outside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::LOAD;
    use crate::testing::{ElfBuilder, Segment, resource_table};
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn sample(builder: ElfBuilder) -> Vec<u8> {
        builder
            .entry(0x8010_0101)
            .vectors(0x8010_0000, &[0x20, 0, 0, 0x20, 1, 1, 0x10, 0x80])
            .segment(Segment::load(0x2000_0000, &[9; 10]).physical(0x8011_0000).memory_size(64))
            .segment(Segment::other(0x7000_0001, 0x8010_0000, &[7; 8]))
            .resource_table(0x8120_0000, &resource_table::sample())
            .build()
    }

    #[test]
    fn finds_segments_sections_and_tables_in_both_classes() {
        for builder in [ElfBuilder::elf32(), ElfBuilder::elf64()] {
            let bytes = sample(builder);
            let file = ElfFile::parse(&bytes).unwrap();
            let segments: Vec<_> = file.segments().collect();
            assert_eq!(segments.len(), 4);
            assert_eq!(segments.iter().filter(|s| s.kind == LOAD).count(), 3);
            assert_eq!(file.segment_bytes(&segments[1]), Ok(&[9; 10][..]));
            assert_eq!((segments[1].virtual_address, segments[1].memory_size), (0x2000_0000, 64));

            let table = file.find_resource_table().unwrap().unwrap();
            assert_eq!((table.address, table.load_address), (0x8120_0000, Some(0x8120_0000)));
            assert_eq!(file.section_bytes(&table.section), Ok(&resource_table::sample()[..]));
            assert_eq!(file.vector_table().unwrap().unwrap().load_address, Some(0x8010_0000));
            let names: Vec<_> = file.sections().map(|s| s.name.to_string()).collect();
            assert_eq!(names, ["", ".isr_vectors", ".resource_table", ".shstrtab"]);
            assert_eq!(file.section("nowhere"), None);
        }
    }

    #[test]
    fn the_load_address_is_not_the_run_address() {
        let bytes = ElfBuilder::elf32()
            .segment(Segment::load(0x2000_0000, &[0; 64]).physical(0x0a04_1000))
            .section_in_segment(RESOURCE_TABLE_SECTION, 0, 16..64)
            .build();
        let table = ElfFile::parse(&bytes).unwrap().find_resource_table().unwrap().unwrap();
        assert_eq!((table.address, table.load_address), (0x2000_0010, Some(0x0a04_1010)));
    }

    #[test]
    fn a_table_that_no_segment_carries_has_no_load_address() {
        let bytes =
            ElfBuilder::elf32().load(0, &[1; 4]).section(RESOURCE_TABLE_SECTION, 0x1000, &[0; 16]).build();
        let table = ElfFile::parse(&bytes).unwrap().find_resource_table().unwrap().unwrap();
        assert_eq!((table.address, table.load_address), (0x1000, None));
    }

    #[test]
    fn an_empty_or_missing_table_is_none_but_one_without_bytes_is_an_error() {
        let empty = ElfBuilder::elf32().load(0, &[1; 4]).section(RESOURCE_TABLE_SECTION, 0x10, &[]).build();
        assert_eq!(ElfFile::parse(&empty).unwrap().find_resource_table(), Ok(None));
        let missing = ElfBuilder::elf32().load(0, &[1; 4]).build();
        assert_eq!(ElfFile::parse(&missing).unwrap().find_resource_table(), Ok(None));
        let nobits = ElfBuilder::elf32().load(0, &[1; 4]).bss(RESOURCE_TABLE_SECTION, 0x10, 32).build();
        assert_eq!(
            ElfFile::parse(&nobits).unwrap().find_resource_table(),
            Err(Error::SectionWithoutBytes { address: 0x10, size: 32 })
        );
    }

    #[test]
    fn the_preferred_vector_section_wins_over_the_first_in_the_file() {
        let bytes = ElfBuilder::elf32()
            .load(0x100, &[0; 16])
            .section_in_segment(".vectors", 0, 0..8)
            .section_in_segment(".isr_vector", 0, 8..16)
            .build();
        let vectors = ElfFile::parse(&bytes).unwrap().vector_table().unwrap().unwrap();
        assert_eq!(
            (vectors.section.name.to_string().as_str(), vectors.load_address),
            (".isr_vector", Some(0x108))
        );
    }

    #[test]
    fn a_segment_past_the_end_of_the_file_names_its_offsets() {
        let bytes = ElfBuilder::elf32().load(0x100, &[0; 16]).build();
        let cut_short = &bytes[..bytes.len() - 1];
        let file = ElfFile::parse(cut_short).unwrap();
        let segment = file.segments().next().unwrap();
        assert_eq!(
            file.segment_bytes(&segment).unwrap_err().to_string(),
            alloc::format!(
                "the segment covers the file offsets {:#x}..{:#x}, but the file ends at {:#x}: \
                 the file is cut short or damaged",
                bytes.len() - 16,
                bytes.len(),
                bytes.len() - 1
            )
        );
    }

    #[test]
    fn the_metadata_changes_with_every_bit_of_the_headers_and_no_other() {
        let bytes = sample(ElfBuilder::elf32());
        let original = ElfFile::parse(&bytes).unwrap();
        let pieces = original.metadata().concat();
        let covered: Vec<_> = original.metadata_layout().pieces().into_iter().flatten().collect();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let Ok(file) = ElfFile::parse(&changed) else { continue };
            assert_eq!(file.metadata().concat() != pieces, covered.contains(&(at as u64)), "byte {at}");
        }
    }

    /// Everything a caller can ask of a file; the values do not matter, that it returns does.
    fn read_all(bytes: &[u8]) {
        let Ok(file) = ElfFile::parse(bytes) else { return };
        for segment in file.segments() {
            let _ =
                (segment.validate(file.header().class()), file.segment_bytes(&segment), segment.to_elf32());
        }
        for section in file.sections() {
            let _ = (file.section_bytes(&section), file.place(section), section.name.to_string());
        }
        let _ = (file.find_resource_table(), file.vector_table());
        assert_eq!(file.metadata()[0].len(), file.header().class().header_size());
    }

    proptest! {
        #[test]
        fn no_panic_on_a_mutated_file(wide: bool, changes in proptest::collection::vec((0usize..2000, any::<u8>()), 1..12)) {
            let mut bytes = sample(if wide { ElfBuilder::elf64() } else { ElfBuilder::elf32() });
            let len = bytes.len();
            for (at, value) in changes {
                bytes[at % len] = value;
            }
            read_all(&bytes);
        }

        #[test]
        fn no_panic_on_a_truncated_file(wide: bool, len in 0usize..2000) {
            let bytes = sample(if wide { ElfBuilder::elf64() } else { ElfBuilder::elf32() });
            read_all(bytes.get(..len).unwrap_or(&bytes));
        }

        #[test]
        fn no_panic_on_random_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), class in 1u8..3) {
            read_all(&bytes);
            for (byte, fixed) in bytes.iter_mut().zip([0x7f, b'E', b'L', b'F', class, 1, 1]) {
                *byte = fixed;
            }
            read_all(&bytes);
        }
    }
}
