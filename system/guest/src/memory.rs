//! The remote processor's memory as Linux can reach it here: QEMU has no firewall, so all of it is open.

use std::fs::File;

use anyhow::{Context as _, Result};
use rproc_aperture::locate_memory;

use crate::pci;
use crate::window::Window;

/// A multiple of every page size of arm64.
const GRANULE: u64 = 64 << 10;

/// Copies bytes from a physical address of the SoC: DDR by `/dev/mem`, on-chip memory by the PCI device.
pub fn read(address: u64, length: usize) -> Result<Vec<u8>> {
    let read = || -> Result<Vec<u8>> {
        if length == 0 {
            return Ok(Vec::new());
        }
        if let Some(place) = locate_memory(address, length as u64) {
            return pci::memories()?.bytes(usize::try_from(place.offset)?, length);
        }
        let (window, inside) = map(address, length, false)?;
        window.bytes(inside, length)
    };
    read().with_context(|| format!("cannot read the memory at {address:#x}"))
}

/// Writes a word to an aligned physical address of the SoC's DDR.
pub fn write(address: u64, word: u32) -> Result<()> {
    let write = || -> Result<()> {
        let (window, inside) = map(address, size_of_val(&word), true)?;
        window.write(inside, word)
    };
    write().with_context(|| format!("cannot write the memory at {address:#x}"))
}

/// A window that the memory is in, and where.
fn map(address: u64, length: usize, write: bool) -> Result<(Window, usize)> {
    let start = address / GRANULE * GRANULE;
    let inside = usize::try_from(address - start)?;
    let size = (inside + length).next_multiple_of(usize::try_from(GRANULE)?);
    let file = File::options().read(true).write(write).open("/dev/mem").context("cannot open /dev/mem")?;
    Ok((Window::map(&file, start, size, write)?, inside))
}
