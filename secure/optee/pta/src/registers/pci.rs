//! A PCI device of QEMU's virt machine, found in configuration space.

use crate::mapping::{Area, Mapping};

/// Configuration space of bus 0 when the machine has its high-memory ECAM, as it does by default
/// (`hw/arm/virt.c`, `VIRT_HIGH_PCIE_ECAM`; the device tree's `pcie` node says the same).
const CONFIGURATION_SPACE: u64 = 0x40_1000_0000;
/// Bytes of it that one bus takes.
const BUS_SIZE: usize = 1 << 20;
const DEVICES: u64 = 32;
/// Bytes of one device's eight functions.
const DEVICE_SIZE: u64 = 0x8000;

// Registers of a type 0 header (PCI Local Bus Specification 3.0, 6.1).
const IDS: u64 = 0x00;
const COMMAND: u64 = 0x04;
const MEMORY_SPACE: u32 = 1 << 1;
const FIRST_BAR: u64 = 0x10;
const BAR_IO: u32 = 1 << 0;
const BAR_TYPE: u32 = 3 << 1;
const BAR_64_BIT: u32 = 2 << 1;
const BAR_FLAGS: u32 = 0xf;

/// What keeps a device from being used.
#[derive(Clone, Copy)]
pub enum Missing {
    /// Configuration space could not be mapped.
    ConfigurationSpace,
    /// No device on bus 0 has the ids.
    Device,
    /// The normal world has not given this BAR an address yet.
    Bar(u8),
}

/// The addresses of some memory BARs of the device with these ids on bus 0, which answers at them from now on.
///
/// The normal world gives BARs their addresses. It could lie about them: this machine is for development.
pub fn find<const N: usize>(vendor: u16, device: u16, bars: [u8; N]) -> Result<[u64; N], Missing> {
    let space = Mapping::new(Area::SecureRegisters, CONFIGURATION_SPACE, BUS_SIZE)
        .ok_or(Missing::ConfigurationSpace)?;
    let ids = u32::from(device) << 16 | u32::from(vendor);
    let header = (0..DEVICES)
        .map(|device| device * DEVICE_SIZE)
        .find(|header| space.read32(header + IDS) == Some(ids))
        .ok_or(Missing::Device)?;
    let mut addresses = [0; N];
    for (address, bar) in addresses.iter_mut().zip(bars) {
        *address = bar_address(&space, header, bar).ok_or(Missing::Bar(bar))?;
    }
    let command = space.read32(header + COMMAND).ok_or(Missing::Device)?;
    // The upper half is the status, of which a written 1 would clear a bit.
    space.write32(header + COMMAND, command & 0xffff | MEMORY_SPACE).ok_or(Missing::Device)?;
    Ok(addresses)
}

fn bar_address(space: &Mapping, header: u64, bar: u8) -> Option<u64> {
    let register = header + FIRST_BAR + 4 * u64::from(bar);
    let low = space.read32(register)?;
    if low & BAR_IO != 0 {
        return None;
    }
    let high = if low & BAR_TYPE == BAR_64_BIT { space.read32(register + 4)? } else { 0 };
    let address = u64::from(high) << 32 | u64::from(low & !BAR_FLAGS);
    (address != 0).then_some(address)
}
