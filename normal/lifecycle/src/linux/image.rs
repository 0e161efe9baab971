//! A firmware file, checked against the processor's memory before a byte is written.

use rproc_elf::{ElfFile, ResourceTable};

use super::{BootAddress, LinuxLoadError, is_buffer};
use crate::coredump::CoreHead;
use crate::description::Description;
use crate::loader::TableLocation;

/// The section whose load address is the boot address (ST's linker scripts; its driver looks for this name only).
const VECTORS: &str = ".isr_vectors";

/// What goes to one place.
pub(super) struct Part<'a> {
    /// Physical address.
    pub(super) address: u64,
    pub(super) bytes: &'a [u8],
    /// Bytes in memory, at least as many as there are; the rest is zeroed.
    pub(super) memory_size: u64,
}

/// Where the resource table goes.
pub(super) struct ImageTable {
    /// Where the firmware reads it.
    pub(super) location: TableLocation,
    /// Device and physical address that a segment loads it to, where that is elsewhere.
    pub(super) loaded: Option<(u64, u64)>,
}

/// A file of which everything has its place.
pub(super) struct Image<'a> {
    pub(super) head: CoreHead,
    /// In the order in which they are written.
    pub(super) parts: Vec<Part<'a>>,
    pub(super) boot_address: Option<u64>,
    pub(super) table: Option<ImageTable>,
}

impl<'a> Image<'a> {
    pub(super) fn check(
        firmware: &'a [u8],
        description: &Description,
        boot: BootAddress,
    ) -> Result<Image<'a>, LinuxLoadError> {
        if firmware.starts_with(&rproc_image::MAGIC.to_le_bytes()) {
            return Err(LinuxLoadError::SignedImage { processor: description.name.clone() });
        }
        let elf = ElfFile::parse(firmware)?;
        let mut parts = segments(&elf, description)?;
        let boot_address = match boot {
            BootAddress::Fixed => None,
            BootAddress::Vectors { alignment } => Some(boot_address(&elf, description, alignment)?),
        };
        let table = table(&elf, description, &mut parts)?;
        let header = elf.header();
        let entry = boot_address.unwrap_or(header.entry());
        let head = CoreHead { class: header.class(), machine: header.machine(), entry };
        Ok(Image { head, parts, boot_address, table })
    }
}

fn segments<'a>(elf: &ElfFile<'a>, description: &Description) -> Result<Vec<Part<'a>>, LinuxLoadError> {
    let mut parts = Vec::new();
    for (number, segment) in elf.segments().enumerate().filter(|(_, segment)| segment.is_load()) {
        segment.validate(elf.header().class())?;
        let bytes = elf.segment_bytes(&segment)?;
        let (device_address, memory_size) = (segment.physical_address, segment.memory_size);
        if memory_size == 0 {
            continue;
        }
        let address = in_region(description, device_address, memory_size)
            .ok_or_else(|| outside(format!("segment {number}"), device_address, memory_size, description))?;
        parts.push(Part { address, bytes, memory_size });
    }
    if parts.is_empty() { Err(LinuxLoadError::NoSegment) } else { Ok(parts) }
}

fn boot_address(elf: &ElfFile<'_>, description: &Description, alignment: u64) -> Result<u64, LinuxLoadError> {
    let section = elf.section(VECTORS).filter(|section| section.size != 0);
    let placed = elf.place(section.ok_or(LinuxLoadError::NoVectors)?)?;
    let address = placed.load_address.ok_or(LinuxLoadError::NoVectors)?;
    if address == 0 || !address.is_multiple_of(alignment.max(1)) {
        return Err(LinuxLoadError::BootAddress { address, alignment });
    }
    match in_region(description, address, placed.size) {
        Some(_) => Ok(address),
        None => Err(outside("the vector table".to_owned(), address, placed.size, description)),
    }
}

/// Where the table goes. Linux completes it where the firmware reads it (`sh_addr`); where its bytes are loaded elsewhere
/// (a plain gcc image, or no segment at all), they are put there as well.
fn table<'a>(
    elf: &ElfFile<'a>,
    description: &Description,
    parts: &mut Vec<Part<'a>>,
) -> Result<Option<ImageTable>, LinuxLoadError> {
    let Some(section) = elf.find_resource_table()? else { return Ok(None) };
    let bytes = elf.section_bytes(&section.section)?;
    ResourceTable::parse(bytes)?;
    let size = section.size;
    let address = in_region(description, section.address, size)
        .ok_or(LinuxLoadError::TableUnreachable { device_address: section.address, size })?;
    let elsewhere = section.load_address.filter(|loaded| *loaded != section.address);
    let loaded = elsewhere.and_then(|loaded| Some((loaded, in_region(description, loaded, size)?)));
    if section.load_address != Some(section.address) {
        parts.push(Part { address, bytes, memory_size: size });
    }
    Ok(Some(ImageTable { location: TableLocation { address, size }, loaded }))
}

/// The physical address of what lies wholly in one memory region that Linux's driver maps.
fn in_region(description: &Description, device_address: u64, size: u64) -> Option<u64> {
    let address = description.physical_address(device_address, size)?;
    let region = description.region_around(address, size)?;
    (!is_buffer(region)).then_some(address)
}

fn outside(what: String, device_address: u64, size: u64, description: &Description) -> LinuxLoadError {
    let regions: Vec<String> = description
        .regions
        .iter()
        .filter(|region| !is_buffer(region))
        .map(|region| match description.device_address(region.address, region.size) {
            Some(start) => format!("{} {start:#x}..{:#x}", region.name, start.saturating_add(region.size)),
            None => format!("{} (in no address window)", region.name),
        })
        .collect();
    let regions = if regions.is_empty() { "none".to_owned() } else { regions.join(", ") };
    LinuxLoadError::OutsideRegions {
        what,
        device_address,
        size,
        processor: description.name.clone(),
        regions,
    }
}
