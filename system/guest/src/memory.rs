//! The remote processor's memory as Linux can read it here: QEMU has no firewall, so all of it is open.

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
        let start = address / GRANULE * GRANULE;
        let inside = usize::try_from(address - start)?;
        let size = (inside + length).next_multiple_of(usize::try_from(GRANULE)?);
        let file = File::open("/dev/mem").context("cannot open /dev/mem")?;
        Window::map(&file, start, size, false)?.bytes(inside, length)
    };
    read().with_context(|| format!("cannot read the memory at {address:#x}"))
}
