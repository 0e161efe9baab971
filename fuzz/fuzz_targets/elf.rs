//! Reads every part of an arbitrary file as ELF, whole as the host does and in pieces as the Trusted Application does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rproc_elf::{ElfFile, Header, MetadataLayout};

fuzz_target!(|bytes: &[u8]| {
    let whole = ElfFile::parse(bytes);
    let pieces = in_pieces(bytes);
    assert_eq!(whole.as_ref().ok().map(|file| file.metadata_layout().clone()), pieces, "both must agree");
    let Ok(file) = whole else { return };
    for segment in file.segments() {
        let _ = segment.validate(file.header().class());
        if let Ok(content) = file.segment_bytes(&segment) {
            assert_eq!(content.len() as u64, segment.file_size);
        }
        if let Some(raw) = segment.to_elf32() {
            assert_eq!(rproc_elf::ProgramHeader::from_elf32(&raw), segment);
        }
    }
    for section in file.sections() {
        let _ = (file.section_bytes(&section), section.name.to_string());
        if let Ok(placed) = file.place(section) {
            assert!(placed.offset + placed.size <= bytes.len() as u64);
        }
    }
    let _ = (file.find_resource_table(), file.vector_table());
});

fn in_pieces(bytes: &[u8]) -> Option<MetadataLayout> {
    let header = Header::parse(bytes.get(..Header::MAX_SIZE).unwrap_or(bytes)).ok()?;
    let table = header.section_headers();
    let table = bytes.get(usize::try_from(table.start).ok()?..usize::try_from(table.end).ok()?)?;
    MetadataLayout::of(&header, table, bytes.len() as u64).ok()
}
