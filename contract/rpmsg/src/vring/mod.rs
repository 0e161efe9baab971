//! Split virtqueues as Linux lays them out for remoteproc: where the parts lie, and what can be wrong with them.
//!
//! Layout and flags are those of the virtio 1.x split ring in its legacy placement (Linux
//! `include/uapi/linux/virtio_ring.h`, `vring_init`). `VIRTIO_RING_F_EVENT_IDX` and indirect descriptors are never
//! negotiated for RPMsg and not supported.

mod device;
mod driver;
mod layout;

pub use device::{Buffer, Demand, Device};
pub use driver::{Driver, MAX_SLOTS, Slots, Used};
pub use layout::{Layout, LayoutError, MAX_SIZE};

use crate::memory::Fault;
use thiserror::Error;

/// Descriptor flag: the chain goes on at `next` (`VRING_DESC_F_NEXT`).
const DESCRIPTOR_NEXT: u16 = 1;
/// Descriptor flag: the device writes the buffer (`VRING_DESC_F_WRITE`).
const DESCRIPTOR_WRITE: u16 = 2;
/// Descriptor flag: the buffer is a table of descriptors (`VRING_DESC_F_INDIRECT`).
const DESCRIPTOR_INDIRECT: u16 = 4;
/// Flag of the available ring: the driver wants no interrupt (`VRING_AVAIL_F_NO_INTERRUPT`).
const NO_INTERRUPT: u16 = 1;
/// Flag of the used ring: the device wants no notification (`VRING_USED_F_NO_NOTIFY`).
const NO_NOTIFY: u16 = 1;

/// Which of the two sides touches the bytes of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The driver filled it, the device reads it.
    DeviceReads,
    /// The device fills it.
    DeviceWrites,
}

impl core::fmt::Display for Access {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::DeviceReads => "read",
            Self::DeviceWrites => "write",
        })
    }
}

/// What the other side did wrong with a ring, or this side with its own. The ring's state is as before the call, so an
/// error that the other side caused repeats until it repairs the ring: such a ring is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// Memory refused an access.
    #[error("the ring or a buffer lies where memory cannot be used: {0}")]
    Memory(#[from] Fault),
    /// The index of the available ring ran further than the ring is long.
    #[error(
        "the available ring at {address:#x} jumped from index {expected} to {found}, \
         further than its {size} entries"
    )]
    AvailableIndex {
        /// Address of the available ring.
        address: u64,
        /// Index up to which this side has consumed.
        expected: u16,
        /// Index that the ring holds.
        found: u16,
        /// Entries of the ring.
        size: u16,
    },
    /// The index of the used ring ran further than buffers are with the device.
    #[error(
        "the used ring at {address:#x} jumped from index {expected} to {found}, \
         but only {outstanding} buffers are with the device"
    )]
    UsedIndex {
        /// Address of the used ring.
        address: u64,
        /// Index up to which this side has consumed.
        expected: u16,
        /// Index that the ring holds.
        found: u16,
        /// Buffers that the device could return.
        outstanding: u16,
    },
    /// The available ring offers a descriptor that does not exist.
    #[error("the available ring offers descriptor {head}, but the table has {size}")]
    Head {
        /// Descriptor number found.
        head: u16,
        /// Descriptors of the table.
        size: u16,
    },
    /// The used ring returns a descriptor that the device does not have.
    #[error("the used ring returns descriptor {id}, which is not with the device ({slots} exist)")]
    UsedId {
        /// Descriptor number found.
        id: u32,
        /// Descriptors that this side uses.
        slots: u16,
    },
    /// The used ring claims more bytes than the buffer has.
    #[error("the used ring claims {length} bytes in descriptor {slot}, whose buffer has {posted}")]
    UsedLength {
        /// The descriptor.
        slot: u16,
        /// Bytes claimed.
        length: u32,
        /// Bytes of the buffer.
        posted: u32,
    },
    /// A descriptor goes on in another one, or is indirect: RPMsg uses single descriptors only.
    #[error(
        "descriptor {head} has flags {flags:#06x}: RPMsg buffers are single descriptors, \
         neither chained (1) nor indirect (4)"
    )]
    Chained {
        /// The descriptor.
        head: u16,
        /// Its flags.
        flags: u16,
    },
    /// A buffer lies outside the memory that the two sides share for buffers.
    #[error(
        "descriptor {head} points to {length} bytes at {address:#x}, \
         outside the shared buffers at {start:#x}..{end:#x}"
    )]
    OutsideWindow {
        /// The descriptor.
        head: u16,
        /// Address of the buffer.
        address: u64,
        /// Length of the buffer in bytes.
        length: u32,
        /// First permitted byte.
        start: u64,
        /// First byte after the permitted ones.
        end: u64,
    },
    /// A buffer is longer or shorter than the use it is for allows.
    #[error("descriptor {head} has a buffer of {length} bytes; {minimum} to {maximum} are accepted here")]
    BufferLength {
        /// The descriptor.
        head: u16,
        /// Length of the buffer in bytes.
        length: u32,
        /// Fewest bytes accepted.
        minimum: u32,
        /// Most bytes accepted.
        maximum: u32,
    },
    /// A buffer is for the other direction.
    #[error(
        "descriptor {head} offers a buffer to {found}, this ring's buffers are for the device to {expected}"
    )]
    Direction {
        /// The descriptor.
        head: u16,
        /// Direction that this ring has.
        expected: Access,
        /// Direction found in the descriptor.
        found: Access,
    },
    /// This side reports more bytes written than the buffer has.
    #[error("{written} bytes cannot have been written into descriptor {head}, whose buffer has {length}")]
    Written {
        /// The descriptor.
        head: u16,
        /// Bytes that the caller reports.
        written: u32,
        /// Bytes of the buffer.
        length: u32,
    },
    /// This side offers a slot that does not exist or is already with the device.
    #[error("slot {slot} cannot be offered: it is with the device or beyond the {slots} in use")]
    Slot {
        /// The slot.
        slot: u16,
        /// Slots that exist.
        slots: u16,
    },
}
