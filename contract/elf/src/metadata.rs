//! The ELF metadata: the four pieces of a file that decide how a loader reads the rest.
//!
//! A version-1 container signs a copy of the program headers and the segments' digests, but neither the entry point nor
//! the section headers that name the resource table. The digest of these pieces, in the order of
//! [`MetadataLayout::pieces`], closes that gap. The order and the lengths follow from the pieces themselves (the ELF
//! header gives the size of both tables, the section headers that of the names), so that two different files cannot
//! have the same concatenation.

use crate::error::{Error, Part};
use crate::header::{Header, range, within};
use crate::section::parse_header;
use core::ops::Range;
use elf::abi;

/// Where the ELF metadata lies: file offsets, each inside the file; empty where the file has no such table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataLayout {
    /// The ELF header, 52 or 64 bytes at offset 0.
    pub elf_header: Range<u64>,
    /// The program header table.
    pub program_headers: Range<u64>,
    /// The section header table.
    pub section_headers: Range<u64>,
    /// The string table with the names of the sections.
    pub section_names: Range<u64>,
}

impl MetadataLayout {
    /// Works out the ranges from a header and the bytes of its section header table
    /// ([`Header::section_headers`]), for a file of `file_len` bytes.
    ///
    /// # Errors
    /// [`Error::OutsideFile`] for the first piece that is not wholly in the file, [`Error::SectionHeadersLength`] when
    /// `section_headers` is not the table the header announces, [`Error::SectionNamesIndex`],
    /// [`Error::SectionNamesKind`], [`Error::Overflow`].
    pub fn of(header: &Header, section_headers: &[u8], file_len: u64) -> Result<Self, Error> {
        header.check_within(file_len)?;
        let table = header.section_headers();
        let expected = table.end.saturating_sub(table.start);
        if section_headers.len() as u64 != expected {
            return Err(Error::SectionHeadersLength { expected, found: section_headers.len() as u64 });
        }
        Ok(Self {
            elf_header: 0..header.class().header_size() as u64,
            program_headers: header.program_headers(),
            section_headers: table,
            section_names: section_names(header, section_headers, file_len)?,
        })
    }

    /// The ranges in the order in which they are hashed: ELF header, program headers, section headers, section names.
    pub fn pieces(&self) -> [Range<u64>; 4] {
        [
            self.elf_header.clone(),
            self.program_headers.clone(),
            self.section_headers.clone(),
            self.section_names.clone(),
        ]
    }
}

fn section_names(header: &Header, section_headers: &[u8], file_len: u64) -> Result<Range<u64>, Error> {
    let Some(index) = header.section_names_index() else { return Ok(0..0) };
    let out_of_range = Error::SectionNamesIndex { index, count: header.section_header_count() };
    let size = usize::from(header.class().section_header_size());
    let raw = section_headers
        .get(usize::from(index) * size..)
        .and_then(|bytes| parse_header(header.class(), bytes))
        .ok_or(out_of_range)?;
    if raw.sh_type != abi::SHT_STRTAB {
        return Err(Error::SectionNamesKind { found: raw.sh_type });
    }
    let names = range(Part::SectionNames, raw.sh_offset, raw.sh_size)?;
    within(Part::SectionNames, &names, file_len)?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ElfBuilder;

    fn layout(file: &[u8], file_len: u64) -> Result<MetadataLayout, Error> {
        let header = Header::parse(file)?;
        let table = header.section_headers();
        MetadataLayout::of(
            &header,
            file.get(table.start as usize..table.end as usize).unwrap_or_default(),
            file_len,
        )
    }

    #[test]
    fn a_file_without_sections_has_empty_ranges() {
        for builder in [ElfBuilder::elf32(), ElfBuilder::elf64()] {
            let file = builder.load(0, &[1, 2]).build();
            let layout = layout(&file, file.len() as u64).unwrap();
            assert_eq!(layout.section_headers, 0..0);
            assert_eq!(layout.section_names, 0..0);
            assert!(!layout.program_headers.is_empty());
        }
    }

    #[test]
    fn names_must_lie_in_the_file_and_be_a_string_table() {
        let file = ElfBuilder::elf32().load(0, &[1, 2]).section_in_segment(".text", 0, 0..2).build();
        let good = layout(&file, file.len() as u64).unwrap();
        let names = &file[good.section_names.start as usize..good.section_names.end as usize];
        assert_eq!(names, b"\0.text\0.shstrtab\0");

        let names_header = good.section_headers.start as usize + 2 * 40;
        let mut moved = file.clone();
        moved[names_header + 16..names_header + 20].copy_from_slice(&0xffff_0000u32.to_le_bytes());
        assert!(matches!(
            layout(&moved, file.len() as u64),
            Err(Error::OutsideFile { part: Part::SectionNames, start: 0xffff_0000, .. })
        ));
        let mut retyped = file.clone();
        retyped[names_header + 4] = 1;
        assert_eq!(layout(&retyped, file.len() as u64), Err(Error::SectionNamesKind { found: 1 }));
        let mut reindexed = file.clone();
        reindexed[50] = 3;
        assert_eq!(
            layout(&reindexed, file.len() as u64),
            Err(Error::SectionNamesIndex { index: 3, count: 3 })
        );
    }

    #[test]
    fn the_section_headers_given_must_be_the_ones_announced() {
        let file = ElfBuilder::elf32().load(0, &[1, 2]).section_in_segment(".text", 0, 0..2).build();
        let header = Header::parse(&file).unwrap();
        assert_eq!(
            MetadataLayout::of(&header, &[0; 40], file.len() as u64),
            Err(Error::SectionHeadersLength { expected: 120, found: 40 })
        );
    }
}
