//! Section headers and their names.

use crate::header::Class;
use core::fmt;
use elf::abi;
use elf::endian::LittleEndian;
use elf::parse::ParseAt;
use elf::section::SectionHeader;
use elf::string_table::StringTable;

/// A section's name: bytes, since nothing makes a linker write UTF-8. Displayed, bad UTF-8 becomes U+FFFD.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SectionName<'a>(pub &'a [u8]);

impl fmt::Display for SectionName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::resource_table::write_lossy(f, self.0)
    }
}

impl fmt::Debug for SectionName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl PartialEq<str> for SectionName<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

/// One section as its header describes it: nothing in it has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    /// The name; empty when the file has no names or the header points outside them.
    pub name: SectionName<'a>,
    /// `sh_type`.
    pub kind: u32,
    /// `sh_flags`.
    pub flags: u64,
    /// `sh_addr`: the address that the section's symbols were resolved to.
    pub address: u64,
    /// `sh_offset`: where its bytes start in the file.
    pub offset: u64,
    /// `sh_size` in bytes.
    pub size: u64,
}

impl Section<'_> {
    /// Whether the section takes no bytes in the file (SHT_NOBITS, as `.bss`).
    pub fn is_without_bytes(&self) -> bool {
        self.kind == abi::SHT_NOBITS
    }

    /// Whether the section is meant to be in memory when the firmware runs (SHF_ALLOC).
    pub fn is_allocated(&self) -> bool {
        self.flags & u64::from(abi::SHF_ALLOC) != 0
    }
}

/// Iterates over the sections described by the bytes of a section header table and of its name table.
#[derive(Debug, Clone)]
pub struct Sections<'a> {
    class: Class,
    headers: &'a [u8],
    names: &'a [u8],
}

impl<'a> Sections<'a> {
    /// Reads tables that were cut out of a file by [`crate::MetadataLayout`].
    pub fn new(class: Class, headers: &'a [u8], names: &'a [u8]) -> Self {
        Self { class, headers, names }
    }

    /// The first section of this name, as Linux and OP-TEE look it up.
    pub fn named(&self, name: &str) -> Option<Section<'a>> {
        self.clone().find(|section| section.name == *name)
    }

    fn name_at(&self, offset: u32) -> &'a [u8] {
        let offset = offset as usize;
        // A last name without its NUL is still a name.
        StringTable::new(self.names)
            .get_raw(offset)
            .unwrap_or_else(|_| self.names.get(offset..).unwrap_or_default())
    }
}

/// The header at the start of `bytes`, or `None` when they are too few.
pub(crate) fn parse_header(class: Class, bytes: &[u8]) -> Option<SectionHeader> {
    SectionHeader::parse_at(LittleEndian, class.of_crate(), &mut 0, bytes).ok()
}

impl<'a> Iterator for Sections<'a> {
    type Item = Section<'a>;

    fn next(&mut self) -> Option<Section<'a>> {
        let raw = parse_header(self.class, self.headers)?;
        self.headers = self.headers.get(usize::from(self.class.section_header_size())..)?;
        Some(Section {
            name: SectionName(self.name_at(raw.sh_name)),
            kind: raw.sh_type,
            flags: raw.sh_flags,
            address: raw.sh_addr,
            offset: raw.sh_offset,
            size: raw.sh_size,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.headers.len() / usize::from(self.class.section_header_size());
        (left, Some(left))
    }
}

impl ExactSizeIterator for Sections<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_survive_bad_text_and_bad_offsets() {
        let names = b"\0.text\0\xff\xfe\0tail";
        let mut headers = [0u8; 40 * 4];
        for (i, offset) in [1u8, 7, 10, 99].into_iter().enumerate() {
            headers[40 * i] = offset;
        }
        let mut sections = Sections::new(Class::Elf32, &headers, names).map(|s| s.name.to_string());
        assert_eq!(sections.next().as_deref(), Some(".text"));
        assert_eq!(sections.next().as_deref(), Some("\u{fffd}\u{fffd}"));
        assert_eq!(sections.next().as_deref(), Some("tail"));
        assert_eq!(sections.next().as_deref(), Some(""));
        assert_eq!(sections.next(), None);
    }

    #[test]
    fn the_first_of_two_equal_names_is_found() {
        let mut headers = [0u8; 80];
        (headers[0], headers[40]) = (1, 1);
        (headers[12], headers[52]) = (0xaa, 0xbb);
        let found = Sections::new(Class::Elf32, &headers, b"\0.x\0").named(".x").unwrap();
        assert_eq!(found.address, 0xaa);
    }
}
