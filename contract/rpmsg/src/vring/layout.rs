//! Where the three parts of a split ring lie.

use thiserror::Error;

/// Most entries of a ring (virtio 1.x, split virtqueues).
pub const MAX_SIZE: u16 = 32768;
/// Alignment that descriptors need.
const DESCRIPTOR_ALIGN: u64 = 16;
/// Least alignment of the used ring, whose entries are 32-bit words.
const USED_ALIGN: u32 = 4;

/// The places of descriptor table, available ring and used ring. A value exists only for rings that end below 2^64, so
/// address arithmetic within one cannot overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    descriptors: u64,
    available: u64,
    used: u64,
    end: u64,
    size: u16,
}

/// Why three numbers of a resource table are no ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// The number of entries is none that a split ring can have.
    #[error("a ring has a power of two of entries, 1 to {MAX_SIZE}; the resource table says {num}")]
    Num {
        /// Entries asked for.
        num: u32,
    },
    /// The alignment is none that the used ring can have.
    #[error("a ring's alignment is a power of two, at least {USED_ALIGN}; the resource table says {align}")]
    Align {
        /// Alignment asked for, in bytes.
        align: u32,
    },
    /// The ring does not start where descriptors may lie.
    #[error("a ring starts at a multiple of {DESCRIPTOR_ALIGN}; the resource table says {address:#x}")]
    Address {
        /// Address asked for.
        address: u64,
    },
    /// The ring would run over the end of the address space.
    #[error("a ring of {num} entries at {address:#x} runs over the end of the address space")]
    Overflow {
        /// Address asked for.
        address: u64,
        /// Entries asked for.
        num: u32,
    },
}

impl Layout {
    /// The ring that Linux's `vring_init` lays at `address` for `num` entries, its used ring at a multiple of `align` bytes.
    pub fn new(address: u64, num: u32, align: u32) -> Result<Self, LayoutError> {
        let size = match u16::try_from(num) {
            Ok(size) if size.is_power_of_two() && size <= MAX_SIZE => size,
            _ => return Err(LayoutError::Num { num }),
        };
        if !align.is_power_of_two() || align < USED_ALIGN {
            return Err(LayoutError::Align { align });
        }
        if !address.is_multiple_of(DESCRIPTOR_ALIGN) {
            return Err(LayoutError::Address { address });
        }
        let entries = u64::from(size);
        // Flags, index and, though never negotiated, the word of VIRTIO_RING_F_EVENT_IDX: three 16-bit words each.
        let ends = || {
            let available = address.checked_add(16 * entries)?;
            let used = available.checked_add(2 * entries + 6)?.checked_next_multiple_of(u64::from(align))?;
            Some((available, used, used.checked_add(8 * entries + 6)?))
        };
        let (available, used, end) = ends().ok_or(LayoutError::Overflow { address, num })?;
        Ok(Self { descriptors: address, available, used, end, size })
    }

    /// Entries of the ring: a power of two, 1 to [`MAX_SIZE`].
    pub fn size(&self) -> u16 {
        self.size
    }
    /// Address of the descriptor table, and of the ring as a whole.
    pub fn descriptors(&self) -> u64 {
        self.descriptors
    }
    /// Address of the available ring, which the driver writes.
    pub fn available(&self) -> u64 {
        self.available
    }
    /// Address of the used ring, which the device writes.
    pub fn used(&self) -> u64 {
        self.used
    }
    /// The bytes of the whole ring, as Linux's `vring_size` counts them.
    pub fn range(&self) -> core::ops::Range<u64> {
        self.descriptors..self.end
    }

    pub(super) fn descriptor(&self, index: u16) -> u64 {
        self.descriptors + 16 * self.wrapped(index)
    }
    pub(super) fn available_flags(&self) -> u64 {
        self.available
    }
    pub(super) fn available_index(&self) -> u64 {
        self.available + 2
    }
    pub(super) fn available_entry(&self, index: u16) -> u64 {
        self.available + 4 + 2 * self.wrapped(index)
    }
    pub(super) fn used_flags(&self) -> u64 {
        self.used
    }
    pub(super) fn used_index(&self) -> u64 {
        self.used + 2
    }
    pub(super) fn used_entry(&self, index: u16) -> u64 {
        self.used + 4 + 8 * self.wrapped(index)
    }

    /// Indices count on past the ring's end; the size is a power of two, so the low bits are the place.
    fn wrapped(&self, index: u16) -> u64 {
        u64::from(index & self.size.wrapping_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sixteen_entries_lie_as_st_firmware_expects_them() {
        // 16 * 16 descriptors, then 4 + 32 bytes and the event word, rounded up to 16.
        let layout = Layout::new(0x812F_8000, 16, 16).unwrap();
        assert_eq!(layout.available(), 0x812F_8100);
        assert_eq!(layout.used(), 0x812F_8130);
        assert_eq!(layout.range(), 0x812F_8000..0x812F_81B6);
        let page = Layout::new(0x1000_0000, 256, 4096).unwrap();
        assert_eq!((page.available(), page.used()), (0x1000_1000, 0x1000_2000));
    }

    #[test]
    fn what_is_no_ring_is_refused() {
        for num in [0, 3, 24, 32769, 65536, u32::MAX] {
            assert_eq!(Layout::new(0, num, 16), Err(LayoutError::Num { num }));
        }
        for align in [0, 1, 2, 3, 24, u32::MAX] {
            assert_eq!(Layout::new(0, 16, align), Err(LayoutError::Align { align }));
        }
        assert_eq!(Layout::new(8, 16, 16), Err(LayoutError::Address { address: 8 }));
        for address in [!0xF, !0x1FF] {
            assert_eq!(Layout::new(address, 16, 4096), Err(LayoutError::Overflow { address, num: 16 }));
        }
    }

    proptest! {
        #[test]
        fn parts_follow_each_other_and_every_entry_lies_inside(
            address: u64, power in 0u32..16, align_power in 2u32..32, index: u16
        ) {
            let address = address & !15;
            if let Ok(layout) = Layout::new(address, 1 << power, 1 << align_power) {
                let inside = layout.range();
                prop_assert!(layout.descriptor(index) + 16 <= layout.available());
                prop_assert!(layout.available_entry(index) + 2 <= layout.used());
                prop_assert!(layout.used_entry(index) + 8 <= inside.end);
                prop_assert_eq!(layout.used() % (1 << align_power), 0);
                let linux_size = 16 * (1u64 << power) + 6 + 2 * (1u64 << power);
                prop_assert!(layout.used() - address >= linux_size);
            }
        }
    }
}
