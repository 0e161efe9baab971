//! Sizes and field offsets of the resource table, for those who write single fields of one in the firmware's memory.
//!
//! All from Linux `include/linux/remoteproc.h`. An entry's offsets start at its type word, so they add to
//! [`super::Entry::offset`].

/// The only version of the table.
pub const VERSION: u32 = 1;
/// Size of the header in bytes: version, number of entries, two reserved words. The offsets follow, 4 bytes each.
pub const HEADER_SIZE: usize = 16;

/// `RSC_CARVEOUT`.
pub const KIND_CARVEOUT: u32 = 0;
/// `RSC_DEVMEM`.
pub const KIND_DEVICE_MEMORY: u32 = 1;
/// `RSC_TRACE`.
pub const KIND_TRACE: u32 = 2;
/// `RSC_VDEV`.
pub const KIND_VDEV: u32 = 3;
/// First and last type that belong to the vendor (`RSC_VENDOR_START`, `RSC_VENDOR_END`).
pub const KIND_VENDOR: core::ops::RangeInclusive<u32> = 128..=512;

/// Length of a name field in bytes.
pub const NAME_SIZE: usize = 32;

/// A carveout or device-memory entry (`struct fw_rsc_carveout`, `struct fw_rsc_devmem`).
pub mod memory {
    /// Size of the entry with its type.
    pub const SIZE: usize = 56;
    /// u32: device address.
    pub const DA: usize = 4;
    /// u32: physical address.
    pub const PA: usize = 8;
}

/// A trace entry (`struct fw_rsc_trace`).
pub mod trace {
    /// Size of the entry with its type.
    pub const SIZE: usize = 48;
    /// u32: device address of the buffer.
    pub const DA: usize = 4;
}

/// A virtio-device entry (`struct fw_rsc_vdev`).
pub mod vdev {
    /// Size of the entry with its type, without vrings and configuration space.
    pub const SIZE: usize = 28;
    /// u32: the number the host chose for configuration changes.
    pub const NOTIFYID: usize = 8;
    /// u32: the features that both sides agreed on.
    pub const GUEST_FEATURES: usize = 16;
    /// u32: size of the configuration space in bytes.
    pub const CONFIG_LEN: usize = 20;
    /// u8: the virtio device status; the firmware waits for its bit 2 (DRIVER_OK).
    pub const STATUS: usize = 24;
    /// u8: number of vrings.
    pub const VRING_COUNT: usize = 25;
    /// Two reserved bytes.
    pub const RESERVED: usize = 26;
    /// The vrings, [`super::vring::SIZE`] bytes each; the configuration space follows them.
    pub const VRINGS: usize = 28;
    /// The most vrings that Linux accepts (`RVDEV_NUM_VRINGS`).
    pub const MAX_VRINGS: usize = 2;
}

/// A vring inside a virtio-device entry (`struct fw_rsc_vdev_vring`); offsets start at the vring.
pub mod vring {
    /// Size in bytes.
    pub const SIZE: usize = 20;
    /// u32: device address.
    pub const DA: usize = 0;
    /// u32: alignment in bytes between the ring's parts.
    pub const ALIGN: usize = 4;
    /// u32: number of buffers.
    pub const NUM: usize = 8;
    /// u32: the number that the host and the firmware name this ring by when they kick.
    pub const NOTIFYID: usize = 12;
    /// u32: physical address.
    pub const PA: usize = 16;
}
