//! The driver's role in a split ring: it owns the buffers, offers them, and collects what the device returns.

use super::{Access, DESCRIPTOR_WRITE, Error, Layout, NO_INTERRUPT, NO_NOTIFY};
use crate::memory::Memory;
use core::sync::atomic::{Ordering, fence};

/// Most buffers a driver keeps in one ring: half of the 512 that Linux allows a channel (`MAX_RPMSG_NUM_BUFS`).
pub const MAX_SLOTS: u16 = 256;

/// A set of slot numbers below [`MAX_SLOTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slots([u64; MAX_SLOTS as usize / 64]);

impl Slots {
    /// Whether the slot is in the set.
    pub fn contains(&self, slot: u16) -> bool {
        self.0.get(usize::from(slot / 64)).is_some_and(|word| word & Self::bit(slot) != 0)
    }
    /// How many slots are in the set.
    pub fn count(&self) -> u16 {
        self.0.iter().fold(0, |sum, word| sum + word.count_ones() as u16)
    }
    /// The lowest slot that is not in the set.
    fn first_absent(&self) -> u16 {
        let absent_before = |word: &u64| word.trailing_ones() as u16;
        let full = self.0.iter().take_while(|word| **word == u64::MAX).count();
        full as u16 * 64 + self.0.get(full).map_or(0, absent_before)
    }
    fn set(&mut self, slot: u16, present: bool) {
        if let Some(word) = self.0.get_mut(usize::from(slot / 64)) {
            *word = if present { *word | Self::bit(slot) } else { *word & !Self::bit(slot) };
        }
    }
    fn bit(slot: u16) -> u64 {
        1 << (slot % 64)
    }
}

/// A buffer that the device returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The slot it was offered in; it is free again.
    pub slot: u16,
    /// Bytes that the device says it wrote, at most the length of the buffer.
    pub length: u32,
}

/// The driver's side of one ring. A buffer is offered in a *slot*, a descriptor of its own; all buffers have one length.
#[derive(Debug, Clone)]
pub struct Driver {
    layout: Layout,
    slots: u16,
    buffer_length: u32,
    with_device: Slots,
    next_available: u16,
    next_used: u16,
    added: bool,
}

impl Driver {
    /// A driver that will use `slots` descriptors of the ring, but no more than the ring or [`MAX_SLOTS`] allow, for
    /// buffers of at most `buffer_length` bytes. It touches no memory; call [`Driver::reset`] before anything else.
    pub fn new(layout: Layout, slots: u16, buffer_length: u32) -> Self {
        Self {
            layout,
            slots: slots.min(layout.size()).min(MAX_SLOTS),
            buffer_length,
            with_device: Slots::default(),
            next_available: 0,
            next_used: 0,
            added: false,
        }
    }

    /// Empties the ring: zero in all its bytes, no buffer with the device. Only while the device does not run.
    pub fn reset(&mut self, memory: &mut impl Memory) -> Result<(), Error> {
        let mut range = self.layout.range();
        while range.start < range.end {
            let length = (range.end - range.start).min(64) as usize;
            memory.write(range.start, [0; 64].get(..length).unwrap_or_default())?;
            range.start += length as u64;
        }
        *self = Self::new(self.layout, self.slots, self.buffer_length);
        Ok(())
    }

    /// The ring's places.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
    /// Slots in use, at most [`MAX_SLOTS`].
    pub fn slots(&self) -> u16 {
        self.slots
    }
    /// The slots whose buffers are with the device.
    pub fn with_device(&self) -> &Slots {
        &self.with_device
    }
    /// A slot whose buffer is not with the device.
    pub fn free_slot(&self) -> Option<u16> {
        Some(self.with_device.first_absent()).filter(|slot| *slot < self.slots)
    }

    /// Offers `length` bytes at `address` to the device, in a free slot. The whole descriptor is written anew each time:
    /// what the other side may have left in it has no effect.
    pub fn add(
        &mut self,
        memory: &mut impl Memory,
        slot: u16,
        address: u64,
        length: u32,
        access: Access,
    ) -> Result<(), Error> {
        if slot >= self.slots || self.with_device.contains(slot) {
            return Err(Error::Slot { slot, slots: self.slots });
        }
        let flags = match access {
            Access::DeviceReads => 0,
            Access::DeviceWrites => DESCRIPTOR_WRITE,
        };
        let descriptor = self.layout.descriptor(slot);
        memory.store_u32(descriptor, address as u32)?;
        memory.store_u32(descriptor + 4, (address >> 32) as u32)?;
        memory.store_u32(descriptor + 8, length)?;
        memory.store_u32(descriptor + 12, u32::from(flags))?;
        memory.store_u16(self.layout.available_entry(self.next_available), slot)?;
        let next = self.next_available.wrapping_add(1);
        // Release: the device sees descriptor, entry and the buffer's content before the index.
        memory.store_u16(self.layout.available_index(), next)?;
        self.next_available = next;
        self.with_device.set(slot, true);
        self.added = true;
        Ok(())
    }

    /// The next buffer that the device returned, if any.
    pub fn take_used(&mut self, memory: &impl Memory) -> Result<Option<Used>, Error> {
        let index = memory.load_u16(self.layout.used_index())?;
        let returned = index.wrapping_sub(self.next_used);
        let outstanding = self.with_device.count();
        if returned == 0 {
            return Ok(None);
        }
        if returned > outstanding {
            return Err(Error::UsedIndex {
                address: self.layout.used(),
                expected: self.next_used,
                found: index,
                outstanding,
            });
        }
        let entry = self.layout.used_entry(self.next_used);
        let id = memory.load_u32(entry)?;
        let length = memory.load_u32(entry + 4)?;
        let slot = u16::try_from(id)
            .ok()
            .filter(|slot| self.with_device.contains(*slot))
            .ok_or(Error::UsedId { id, slots: self.slots })?;
        if length > self.buffer_length {
            return Err(Error::UsedLength { slot, length, posted: self.buffer_length });
        }
        self.next_used = self.next_used.wrapping_add(1);
        self.with_device.set(slot, false);
        Ok(Some(Used { slot, length }))
    }

    /// Whether the device must be notified: buffers were added since the last call, and it did not ask for silence
    /// (`VRING_USED_F_NO_NOTIFY`).
    pub fn take_notification(&mut self, memory: &impl Memory) -> Result<bool, Error> {
        if !self.added {
            return Ok(false);
        }
        // The index must be out before the flag is read; else both sides may wait for each other.
        fence(Ordering::SeqCst);
        let flags = memory.load_u16(self.layout.used_flags())?;
        self.added = false;
        Ok(flags & NO_NOTIFY == 0)
    }

    /// Asks the device for interrupts, or for none (`VRING_AVAIL_F_NO_INTERRUPT`). A hint: the device may interrupt all
    /// the same. After enabling, look at the ring once more: what came before causes no interrupt.
    pub fn enable_interrupts(&mut self, memory: &mut impl Memory, enable: bool) -> Result<(), Error> {
        memory.store_u16(self.layout.available_flags(), if enable { 0 } else { NO_INTERRUPT })?;
        fence(Ordering::SeqCst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestMemory;

    const BASE: u64 = 0x1000;

    fn driver() -> (TestMemory, Driver) {
        let layout = Layout::new(BASE, 4, 16).unwrap();
        let mut memory = TestMemory::new(layout.range());
        let mut driver = Driver::new(layout, 4, 512);
        driver.reset(&mut memory).unwrap();
        (memory, driver)
    }

    fn device_returns(memory: &mut TestMemory, driver: &Driver, index: u16, id: u32, length: u32) {
        let layout = driver.layout();
        memory.store_u32(layout.used_entry(index), id).unwrap();
        memory.store_u32(layout.used_entry(index) + 4, length).unwrap();
        memory.store_u16(layout.used_index(), index.wrapping_add(1)).unwrap();
    }

    #[test]
    fn reset_leaves_zero_in_every_byte_of_the_ring_and_touches_no_other() {
        let layout = Layout::new(BASE, 4, 16).unwrap();
        let mut memory = TestMemory::new(layout.range());
        memory.bytes_mut().fill(0xa5);
        Driver::new(layout, 4, 512).reset(&mut memory).unwrap();
        assert!(memory.bytes().iter().all(|byte| *byte == 0));
        assert_eq!(memory.faults(), 0);
    }

    #[test]
    fn descriptor_says_where_how_long_and_which_way() {
        let (mut memory, mut driver) = driver();
        driver.add(&mut memory, 2, 0x1_8000_0200, 512, Access::DeviceWrites).unwrap();
        let descriptor = &memory.bytes()[32..48];
        assert_eq!(descriptor, [0, 2, 0, 0x80, 1, 0, 0, 0, 0, 2, 0, 0, 2, 0, 0, 0]);
        assert_eq!(memory.load_u16(driver.layout().available_entry(0)), Ok(2));
        assert_eq!(memory.load_u16(driver.layout().available_index()), Ok(1));
    }

    #[test]
    fn a_slot_is_offered_once() {
        let (mut memory, mut driver) = driver();
        driver.add(&mut memory, 3, 0, 16, Access::DeviceReads).unwrap();
        let again = driver.add(&mut memory, 3, 0, 16, Access::DeviceReads);
        assert_eq!(again, Err(Error::Slot { slot: 3, slots: 4 }));
        assert!(driver.add(&mut memory, 4, 0, 16, Access::DeviceReads).is_err());
        assert_eq!(driver.free_slot(), Some(0));
    }

    #[test]
    fn lies_in_the_used_ring_are_errors_and_consume_nothing() {
        let (mut memory, mut driver) = driver();
        driver.add(&mut memory, 1, 0, 512, Access::DeviceWrites).unwrap();
        for id in [0, 2, 4, 0x1_0001, u32::MAX] {
            device_returns(&mut memory, &driver, 0, id, 0);
            assert_eq!(driver.take_used(&memory), Err(Error::UsedId { id, slots: 4 }));
        }
        device_returns(&mut memory, &driver, 0, 1, 513);
        assert_eq!(driver.take_used(&memory), Err(Error::UsedLength { slot: 1, length: 513, posted: 512 }));
        for found in [2, 5, 0x8000, u16::MAX] {
            memory.store_u16(driver.layout().used_index(), found).unwrap();
            let jumped =
                Error::UsedIndex { address: driver.layout().used(), expected: 0, found, outstanding: 1 };
            assert_eq!(driver.take_used(&memory), Err(jumped));
        }
        device_returns(&mut memory, &driver, 0, 1, 512);
        assert_eq!(driver.take_used(&memory), Ok(Some(Used { slot: 1, length: 512 })));
        assert_eq!(driver.take_used(&memory), Ok(None));
    }

    #[test]
    fn a_returned_buffer_cannot_be_returned_again() {
        let (mut memory, mut driver) = driver();
        driver.add(&mut memory, 0, 0, 512, Access::DeviceWrites).unwrap();
        driver.add(&mut memory, 1, 0, 512, Access::DeviceWrites).unwrap();
        device_returns(&mut memory, &driver, 0, 0, 1);
        driver.take_used(&memory).unwrap();
        device_returns(&mut memory, &driver, 1, 0, 1);
        assert_eq!(driver.take_used(&memory), Err(Error::UsedId { id: 0, slots: 4 }));
    }

    #[test]
    fn device_is_notified_once_per_batch_and_not_when_it_wants_silence() {
        let (mut memory, mut driver) = driver();
        assert_eq!(driver.take_notification(&memory), Ok(false));
        driver.add(&mut memory, 0, 0, 512, Access::DeviceWrites).unwrap();
        driver.add(&mut memory, 1, 0, 512, Access::DeviceWrites).unwrap();
        assert_eq!(driver.take_notification(&memory), Ok(true));
        assert_eq!(driver.take_notification(&memory), Ok(false));
        memory.store_u16(driver.layout().used_flags(), NO_NOTIFY).unwrap();
        driver.add(&mut memory, 2, 0, 512, Access::DeviceWrites).unwrap();
        assert_eq!(driver.take_notification(&memory), Ok(false));
    }

    #[test]
    fn slots_fill_from_the_lowest_across_words() {
        let mut slots = Slots::default();
        for slot in 0..MAX_SLOTS {
            assert_eq!((slots.first_absent(), slots.count()), (slot, slot));
            slots.set(slot, true);
        }
        assert_eq!(slots.first_absent(), MAX_SLOTS);
        slots.set(130, false);
        assert_eq!(slots.first_absent(), 130);
    }
}
