//! What ELF files say about themselves that is worth binding: vector table and resource table.

use std::path::Path;

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_elf::{ElfFile, LoadedSection};
use rproc_image::ContainerBuilder;

use crate::failure::Refused;
use crate::limits;
use crate::load_plan::{LoadPlan, check_resource_table};
use crate::sign::refusal::{self, Purpose};

/// A section, and where a loader puts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedSection {
    /// Which ELF file it is in, from 0.
    pub image: usize,
    /// Its name.
    pub name: String,
    /// The device address that it is loaded to.
    pub load_address: u32,
    /// The address that the linker gave it; the firmware copies it there at start when it is another.
    pub link_address: u64,
    /// Its size in bytes.
    pub size: u32,
}

/// What was found in the files that are signed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// What would be loaded.
    pub plan: LoadPlan,
    /// The first vector table.
    pub vector_table: Option<PlacedSection>,
    /// The resource table.
    pub resource_table: Option<PlacedSection>,
}

impl Survey {
    /// Looks through the files, in the order in which they are loaded.
    ///
    /// # Errors
    /// Those of [`LoadPlan::of`]; more headers than the service has room for; damaged sections; a resource table that is not loaded, malformed or not the only one.
    pub fn of(files: &[ElfFile<'_>]) -> Result<Self, Refused> {
        let plan = LoadPlan::of(files.iter().map(|file| (file.bytes().len() as u64, file.segments())))?;
        let mut survey = Self { plan, vector_table: None, resource_table: None };
        for (image, file) in files.iter().enumerate() {
            for piece in file.metadata() {
                let place = Place::Image { image: image as u32 };
                limits::check_metadata(limits::ELF_TABLE, piece.len() as u64)
                    .map_err(|refusal| refusal.at(place))?;
            }
            let in_image = |error: rproc_elf::Error| Refused::from(error).at(format!("in image {image}"));
            if survey.vector_table.is_none() {
                // One that no segment carries is none to boot from.
                survey.vector_table =
                    file.vector_table().map_err(in_image)?.and_then(|section| placed(image, &section));
            }
            if let Some(section) = file.find_resource_table().map_err(in_image)? {
                survey.add_resource_table(image, file, &section)?;
            }
        }
        Ok(survey)
    }

    fn add_resource_table(
        &mut self,
        image: usize,
        file: &ElfFile<'_>,
        section: &LoadedSection<'_>,
    ) -> Result<(), Refused> {
        let bad = || Refusal::new(Reason::BadResourceTable);
        let place = format!("in section {} of image {image}", section.section.name);
        let Some(table) = placed(image, section) else {
            let refusal = bad().expected("inside one loaded segment").found("in no loaded segment");
            return Err(Refused::from(refusal).at(place));
        };
        if section.size > limits::RESOURCE_TABLE {
            let refusal = bad().expected(Fact::Size(limits::RESOURCE_TABLE)).found(Fact::Size(section.size));
            return Err(Refused::from(refusal).at(place));
        }
        check_table(file, section, &place)?;
        if let Some(first) = &self.resource_table {
            let range = |table: &PlacedSection| Fact::Range {
                start: table.load_address.into(),
                size: table.size.into(),
            };
            return Err(Refused::from(
                Refusal::new(Reason::AmbiguousResourceTable).expected(range(first)).found(range(&table)),
            )
            .saying("two of the ELF files have a resource table, but there can be one only")
            .at(place));
        }
        self.resource_table = Some(table);
        Ok(())
    }
}

/// Checks the ELF file of a processor that Linux loads by itself: what is refused for the TEE is refused for it with the same
/// sentence, but for what only the TEE needs (limits of its memory, a table that is loaded).
///
/// # Errors
/// What [`ContainerBuilder::image`] and [`LoadPlan::of`] refuse, a file that is no program, a damaged resource table.
pub fn check_unsigned(path: &Path, content: &[u8]) -> Result<(), Refused> {
    let checked = ContainerBuilder::new().image(content).map(|_| ());
    checked.map_err(|error| refusal::of_build(path, Purpose::Load, error))?;
    let file = ElfFile::parse(content)?;
    refusal::check_kind(path, Purpose::Load, &file)?;
    LoadPlan::of([(content.len() as u64, file.segments())])?;
    match file.find_resource_table()? {
        Some(section) => {
            let place = format!("in section {} of image 0", section.section.name);
            check_table(&file, &section, &place)
        }
        None => Ok(()),
    }
}

fn check_table(file: &ElfFile<'_>, section: &LoadedSection<'_>, place: &str) -> Result<(), Refused> {
    let bad = || Refused::from(Refusal::new(Reason::BadResourceTable));
    let bytes = file.section_bytes(&section.section).map_err(Refused::from)?;
    check_resource_table(bytes).map_err(|error| bad().saying(error).at(place))
}

/// The section with its load address, if it has one that a 32-bit processor can reach.
fn placed(image: usize, section: &LoadedSection<'_>) -> Option<PlacedSection> {
    Some(PlacedSection {
        image,
        name: section.section.name.to_string(),
        load_address: section.load_address?.try_into().ok()?,
        link_address: section.address,
        size: section.size.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_elf::testing::{ElfBuilder, Segment, resource_table};

    fn survey(files: &[Vec<u8>]) -> Result<Survey, Refused> {
        let files: Vec<_> = files.iter().map(|bytes| ElfFile::parse(bytes).unwrap()).collect();
        Survey::of(&files)
    }

    fn with_table(table: &[u8]) -> Vec<u8> {
        ElfBuilder::elf32().resource_table(0x8120_0000, table).build()
    }

    #[test]
    fn the_load_address_counts_not_the_link_address() {
        let table = resource_table::sample();
        let size = table.len() as u64;
        let file = ElfBuilder::elf32()
            .vectors(0x8010_0000, &[0; 16])
            .segment(Segment::load(0x2000_0000, &table).physical(0x8010_1000))
            .section_in_segment(".resource_table", 1, 0..size)
            .build();
        let found = survey(&[file]).unwrap().resource_table.unwrap();
        assert_eq!((found.load_address, found.link_address), (0x8010_1000, 0x2000_0000));
        assert_eq!((u64::from(found.size), found.name.as_str()), (size, ".resource_table"));
    }

    #[test]
    fn tables_that_cannot_be_used_are_refused() {
        let table = resource_table::sample();
        let not_loaded = ElfBuilder::elf32()
            .load(0x8010_0000, &[0; 16])
            .section(".resource_table", 0x2000_0000, &table)
            .build();
        assert_eq!(survey(&[not_loaded]).unwrap_err().found.as_deref(), Some("in no loaded segment"));
        let mut long = table.clone();
        long.resize(4097, 0);
        assert_eq!(survey(&[with_table(&long)]).unwrap_err().found.as_deref(), Some("4097 bytes"));
        let mut bad = table.clone();
        bad[0] = 2;
        assert!(survey(&[with_table(&bad)]).unwrap_err().sentence.contains("version 2"));
        let other = ElfBuilder::elf32().resource_table(0x8130_0000, &table).build();
        assert_eq!(survey(&[with_table(&table), other]).unwrap_err().reason, "ambiguous-resource-table");
    }

    #[test]
    fn the_first_vector_table_of_all_files_is_found() {
        let none = ElfBuilder::elf32().load(0x8000_0000, &[0; 4]).build();
        let second = ElfBuilder::elf32().vectors(0x8010_0000, &[0; 16]).build();
        let third = ElfBuilder::elf32().vectors(0x8020_0000, &[0; 16]).build();
        let found = survey(&[none.clone(), second, third]).unwrap().vector_table.unwrap();
        assert_eq!((found.image, found.load_address, found.name.as_str()), (1, 0x8010_0000, ".isr_vectors"));
        assert_eq!(survey(&[none]).unwrap().vector_table, None);
    }
}
