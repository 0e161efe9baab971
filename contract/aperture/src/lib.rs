//! Where the registers and on-chip memories of the virtual SoC lie in the BARs of its PCI device.
//!
//! QEMU's `virt` machine has no STM32MP25 in it, but it has PCI: the virtual SoC joins it as a device. Each register block
//! keeps its layout and gets a slot of 64 KiB; a driver that knows the SoC's addresses adds one subtraction. There are two
//! BARs of registers, because PCI does not carry the security state of an access and the chip's registers depend on it.
#![no_std]
#![forbid(unsafe_code)]

mod block;
mod identity;
mod interrupt;

pub use block::{BLOCKS, Block, MEMORIES, Place, locate_memory, locate_register};
pub use identity::{IDENTITY_SIZE, Identity, NotOurs};
pub use interrupt::{MAILBOX_MESSAGE, MESSAGES, WATCHDOG_MESSAGE, WATCHDOGS, Watchdog};

/// PCI vendor id. QEMU's own (0x1234), under which it keeps devices that no silicon has.
pub const VENDOR_ID: u16 = 0x1234;
/// PCI device id; not one of QEMU's (`docs/specs/pci-ids.rst`).
pub const DEVICE_ID: u16 = 0x5260;

/// The BAR through which the normal world sees the registers.
pub const NORMAL_BAR: u8 = 0;
/// The BAR through which the secure world sees the registers. QEMU cannot keep Linux off it; the board can tell them apart.
pub const SECURE_BAR: u8 = 2;
/// The BAR with the on-chip memories, which QEMU maps directly.
pub const MEMORY_BAR: u8 = 4;

/// Bytes of each BAR of registers.
pub const REGISTER_BAR_SIZE: u64 = 0x20_0000;
/// Bytes of the BAR of memories.
pub const MEMORY_BAR_SIZE: u64 = 0x10_0000;
/// Bytes between two register blocks.
pub const SLOT: u64 = 0x1_0000;
