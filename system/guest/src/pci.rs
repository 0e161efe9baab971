//! The virtual SoC's PCI device, as Linux shows it in sysfs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use rproc_aperture::{DEVICE_ID, IDENTITY_SIZE, Identity, MEMORY_BAR, MEMORY_BAR_SIZE, NORMAL_BAR};
use rproc_aperture::{REGISTER_BAR_SIZE, VENDOR_ID, locate_register};

use crate::window::Window;

const DEVICES: &str = "/sys/bus/pci/devices";

/// The registers as the normal world sees them.
pub fn registers() -> Result<Window> {
    let window = map(NORMAL_BAR, REGISTER_BAR_SIZE, true)?;
    let bytes = window.bytes(0, IDENTITY_SIZE)?;
    let bytes = bytes.first_chunk().context("a short identity")?;
    match Identity::decode(bytes) {
        Ok(_) => Ok(window),
        Err(other) => bail!("BAR {NORMAL_BAR} does not begin with the identity of a virtual SoC: {other:?}"),
    }
}

/// The on-chip memories.
pub fn memories() -> Result<Window> {
    map(MEMORY_BAR, MEMORY_BAR_SIZE, false)
}

/// Offset of a register in [`registers`], by its address on the SoC.
pub fn register(address: u64) -> Result<usize> {
    let place = locate_register(address, 4).with_context(|| format!("no register at {address:#x}"))?;
    Ok(usize::try_from(place.offset)?)
}

fn map(bar: u8, size: u64, write: bool) -> Result<Window> {
    let folder = find(Path::new(DEVICES))?;
    // Memory decoding may be off while no driver has the device.
    let enable = folder.join("enable");
    if fs::read_to_string(&enable).is_ok_and(|enabled| enabled.trim() == "0") {
        fs::write(&enable, "1").with_context(|| format!("cannot write {}", enable.display()))?;
    }
    let path = folder.join(format!("resource{bar}"));
    let file = File::options()
        .read(true)
        .write(write)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let found = file.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
    ensure!(found >= size, "{} has {found:#x} bytes instead of {size:#x}", path.display());
    Window::map(&file, 0, usize::try_from(size)?, write)
}

fn find(devices: &Path) -> Result<PathBuf> {
    let cannot = || format!("cannot read {}", devices.display());
    for entry in fs::read_dir(devices).with_context(cannot)? {
        let folder = entry.with_context(cannot)?.path();
        let id = |name: &str| -> Option<u16> {
            let text = fs::read_to_string(folder.join(name)).ok()?;
            u16::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
        };
        if (id("vendor"), id("device")) == (Some(VENDOR_ID), Some(DEVICE_ID)) {
            return Ok(folder);
        }
    }
    bail!(
        "there is no PCI device {VENDOR_ID:04x}:{DEVICE_ID:04x}: does `rproc board serve` run, and has QEMU its socket?"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_is_found_by_its_ids() {
        let folder = std::env::temp_dir().join(format!("rproc-guest-pci-{}", std::process::id()));
        for (name, vendor, device) in [("a", "0x1234", "0x1111"), ("b", "0x1234", "0x5260")] {
            fs::create_dir_all(folder.join(name)).unwrap();
            fs::write(folder.join(name).join("vendor"), format!("{vendor}\n")).unwrap();
            fs::write(folder.join(name).join("device"), format!("{device}\n")).unwrap();
        }
        assert_eq!(find(&folder).unwrap(), folder.join("b"));
        fs::remove_dir_all(folder.join("b")).unwrap();
        assert!(find(&folder).unwrap_err().to_string().contains("1234:5260"));
        fs::remove_dir_all(folder).unwrap();
    }
}
