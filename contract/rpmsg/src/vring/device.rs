//! The device's role in a split ring: it takes the buffers that the driver offers, uses them, and returns them.

use super::{
    Access, DESCRIPTOR_INDIRECT, DESCRIPTOR_NEXT, DESCRIPTOR_WRITE, Error, Layout, LayoutError, NO_INTERRUPT,
    NO_NOTIFY,
};
use crate::memory::Memory;
use core::ops::Range;
use core::sync::atomic::{Ordering, fence};

/// What a buffer must be to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Direction of the ring's buffers.
    pub access: Access,
    /// Fewest bytes it must have.
    pub minimum: u32,
    /// Most bytes it may have.
    pub maximum: u32,
}

/// A buffer that the driver offered and that passed all checks: it lies inside the permitted window, has a permitted
/// length and the right direction. It can be returned once, and only to the ring it came from.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a buffer that is not pushed back is lost to the driver"]
pub struct Buffer {
    head: u16,
    address: u32,
    length: u32,
}

impl Buffer {
    /// Address of its first byte.
    pub fn address(&self) -> u64 {
        self.address.into()
    }
    /// The addresses of its bytes.
    pub(crate) fn within(&self) -> impl Fn(u32) -> u64 + use<> {
        let address = self.address;
        move |offset| place(address, offset)
    }
    /// Its length in bytes.
    pub fn length(&self) -> u32 {
        self.length
    }
}

/// The device's side of one ring. Its addresses have 32 bits, as the resource table that tells of the ring does.
#[derive(Debug, Clone)]
pub struct Device {
    layout: Layout,
    // What the layout says, in words of the small processors that play this role.
    descriptors: u32,
    available: u32,
    used: u32,
    window: Range<u32>,
    next_available: u16,
    next_used: u16,
    returned: bool,
}

impl Device {
    /// A device on a ring that the driver has just reset; buffers are accepted inside `window` only, as far as that lies in the
    /// first 4 GiB.
    ///
    /// # Errors
    /// The ring does not lie there.
    pub fn new(layout: Layout, window: Range<u64>) -> Result<Self, LayoutError> {
        let Range { start: address, end } = layout.range();
        let overflow = LayoutError::Overflow { address, num: layout.size().into() };
        u32::try_from(end).map_err(|_| overflow)?;
        let low = |address| u32::try_from(address).unwrap_or(u32::MAX);
        let [descriptors, available, used] = [address, layout.available(), layout.used()].map(low);
        let window = low(window.start)..low(window.end);
        Ok(Self {
            layout,
            descriptors,
            available,
            used,
            window,
            next_available: 0,
            next_used: 0,
            returned: false,
        })
    }

    /// The ring's places.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether the driver has reset the ring since: the index of returned buffers is not what was written there last.
    pub fn is_reset(&self, memory: &impl Memory) -> Result<bool, Error> {
        Ok(memory.load_u16(place(self.used, 2))? != self.next_used)
    }

    /// The next buffer that the driver offers, if any. Each field of the descriptor is read once.
    #[inline(always)]
    pub fn pop(&mut self, memory: &impl Memory, demand: Demand) -> Result<Option<Buffer>, Error> {
        let size = self.layout.size();
        let index = memory.load_u16(place(self.available, 2))?;
        let offered = index.wrapping_sub(self.next_available);
        if offered == 0 {
            return Ok(None);
        }
        if offered > size {
            return Err(Error::AvailableIndex {
                address: self.available.into(),
                expected: self.next_available,
                found: index,
                size,
            });
        }
        let head = memory.load_u16(place(self.available, 4 + 2 * self.wrapped(self.next_available)))?;
        if head >= size {
            return Err(Error::Head { head, size });
        }
        let buffer = self.descriptor(memory, head, demand)?;
        self.next_available = self.next_available.wrapping_add(1);
        Ok(Some(buffer))
    }

    #[inline(always)]
    fn descriptor(&self, memory: &impl Memory, head: u16, demand: Demand) -> Result<Buffer, Error> {
        let [low, high, length, flags] = memory.load_words(place(self.descriptors, 16 * u32::from(head)))?;
        let flags = flags as u16; // the high half is `next`, of no meaning here
        if flags & (DESCRIPTOR_NEXT | DESCRIPTOR_INDIRECT) != 0 {
            return Err(Error::Chained { head, flags });
        }
        let found = if flags & DESCRIPTOR_WRITE == 0 { Access::DeviceReads } else { Access::DeviceWrites };
        if found != demand.access {
            return Err(Error::Direction { head, expected: demand.access, found });
        }
        let Range { start, end } = self.window;
        if high != 0 || low < start || low > end || length > end.wrapping_sub(low) {
            let address = u64::from(high) << 32 | u64::from(low);
            return Err(Error::OutsideWindow { head, address, length, start: start.into(), end: end.into() });
        }
        if !(demand.minimum..=demand.maximum).contains(&length) {
            let Demand { minimum, maximum, .. } = demand;
            return Err(Error::BufferLength { head, length, minimum, maximum });
        }
        Ok(Buffer { head, address: low, length })
    }

    /// Returns a buffer to the driver, with the number of bytes written into it.
    #[inline(always)]
    pub fn push(&mut self, memory: &mut impl Memory, buffer: Buffer, written: u32) -> Result<(), Error> {
        let Buffer { head, length, .. } = buffer;
        if written > length {
            return Err(Error::Written { head, written, length });
        }
        let entry = place(self.used, 4 + 8 * self.wrapped(self.next_used));
        memory.store_words(entry, [u32::from(head), written])?;
        let next = self.next_used.wrapping_add(1);
        // Release: the driver sees the entry and the buffer's content before the index.
        memory.store_u16(place(self.used, 2), next)?;
        self.next_used = next;
        self.returned = true;
        Ok(())
    }

    /// Whether the driver must be interrupted: buffers were returned since the last call, and it did not ask for silence
    /// (`VRING_AVAIL_F_NO_INTERRUPT`).
    pub fn take_notification(&mut self, memory: &impl Memory) -> Result<bool, Error> {
        if !self.returned {
            return Ok(false);
        }
        // The index must be out before the flag is read; else both sides may wait for each other.
        fence(Ordering::SeqCst);
        let flags = memory.load_u16(place(self.available, 0))?;
        self.returned = false;
        Ok(flags & NO_INTERRUPT == 0)
    }

    /// Asks the driver for notifications, or for none (`VRING_USED_F_NO_NOTIFY`). A hint; after enabling, look at the
    /// ring once more.
    pub fn enable_notifications(&mut self, memory: &mut impl Memory, enable: bool) -> Result<(), Error> {
        memory.store_u16(place(self.used, 0), if enable { 0 } else { NO_NOTIFY })?;
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// Indices count on past the ring's end; the size is a power of two, so the low bits are the place.
    fn wrapped(&self, index: u16) -> u32 {
        u32::from(index & self.layout.size().wrapping_sub(1))
    }
}

/// An address within a part of the ring or a buffer, all of which lies below 4 GiB.
fn place(part: u32, offset: u32) -> u64 {
    part.wrapping_add(offset).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestMemory;

    const DEMAND: Demand = Demand { access: Access::DeviceReads, minimum: 16, maximum: 512 };
    const WINDOW: Range<u64> = 0x2000..0x4000;

    fn device() -> (TestMemory, Device) {
        let layout = Layout::new(0x1000, 4, 16).unwrap();
        (TestMemory::new(0x1000..0x4000), Device::new(layout, WINDOW).unwrap())
    }

    /// Offers one descriptor, as a driver would, with whatever it is told to say.
    fn offer(memory: &mut TestMemory, device: &Device, head: u16, address: u64, length: u32, flags: u32) {
        let layout = device.layout();
        let descriptor = layout.descriptor(head);
        memory.write(descriptor, &address.to_le_bytes()).unwrap();
        memory.store_u32(descriptor + 8, length).unwrap();
        memory.store_u32(descriptor + 12, flags).unwrap();
        memory.store_u16(layout.available_entry(device.next_available), head).unwrap();
        memory.store_u16(layout.available_index(), device.next_available.wrapping_add(1)).unwrap();
    }

    #[test]
    fn an_honest_buffer_is_taken_and_returned() {
        let (mut memory, mut device) = device();
        assert_eq!(device.pop(&memory, DEMAND), Ok(None));
        offer(&mut memory, &device, 3, 0x3E00, 512, 0);
        let buffer = device.pop(&memory, DEMAND).unwrap().unwrap();
        assert_eq!((buffer.address(), buffer.length()), (0x3E00, 512));
        device.push(&mut memory, buffer, 7).unwrap();
        assert_eq!(memory.load_u32(device.layout().used_entry(0)), Ok(3));
        assert_eq!(memory.load_u32(device.layout().used_entry(0) + 4), Ok(7));
        assert_eq!(memory.load_u16(device.layout().used_index()), Ok(1));
        assert_eq!(device.take_notification(&memory), Ok(true));
        assert_eq!(device.take_notification(&memory), Ok(false));
    }

    #[test]
    fn lies_in_a_descriptor_are_errors_and_consume_nothing() {
        let (mut memory, mut device) = device();
        let outside =
            |address, length| Error::OutsideWindow { head: 1, address, length, start: 0x2000, end: 0x4000 };
        let length = |length| Error::BufferLength { head: 1, length, minimum: 16, maximum: 512 };
        let cases = [
            (0x1FF0, 512, 0, outside(0x1FF0, 512)),
            (0x3E01, 512, 0, outside(0x3E01, 512)),
            (0x2000, u32::MAX, 0, outside(0x2000, u32::MAX)),
            (u64::MAX, 512, 0, outside(u64::MAX, 512)),
            (0x1_0000_2000, 512, 0, outside(0x1_0000_2000, 512)),
            (0x2000, 513, 0, length(513)),
            (0x2000, 15, 0, length(15)),
            (0x2000, 512, 1, Error::Chained { head: 1, flags: 1 }),
            (0x2000, 512, 4, Error::Chained { head: 1, flags: 4 }),
            (
                0x2000,
                512,
                2,
                Error::Direction { head: 1, expected: Access::DeviceReads, found: Access::DeviceWrites },
            ),
        ];
        for (address, length, flags, error) in cases {
            offer(&mut memory, &device, 1, address, length, flags);
            assert_eq!(device.pop(&memory, DEMAND), Err(error));
        }
        offer(&mut memory, &device, 1, 0x2000, 512, 0x7_0000);
        assert!(device.pop(&memory, DEMAND).unwrap().is_some(), "`next` has no meaning without its flag");
        assert_eq!(memory.faults(), 0);
    }

    #[test]
    fn a_ring_beyond_32_bits_is_refused_and_a_window_ends_there() {
        let layout = |address| Layout::new(address, 4, 16).unwrap();
        let beyond = LayoutError::Overflow { address: 0xFFFF_FFC0, num: 4 };
        assert_eq!(Device::new(layout(0xFFFF_FFC0), WINDOW).map(|_| ()), Err(beyond));
        let mut memory = TestMemory::new(0x1000..0x4000);
        let mut device = Device::new(layout(0x1000), 0..u64::MAX).unwrap();
        offer(&mut memory, &device, 0, 0xFFFF_FFF0, 16, 0);
        assert!(matches!(device.pop(&memory, DEMAND), Err(Error::OutsideWindow { end: 0xFFFF_FFFF, .. })));
        offer(&mut memory, &device, 0, 0xFFFF_FFE0, 16, 0);
        assert!(device.pop(&memory, DEMAND).unwrap().is_some());
    }

    #[test]
    fn lies_in_the_available_ring_are_errors() {
        let (mut memory, mut device) = device();
        let layout = *device.layout();
        memory.store_u16(layout.available_index(), 1).unwrap();
        for head in [4, 5, u16::MAX] {
            memory.store_u16(layout.available_entry(0), head).unwrap();
            assert_eq!(device.pop(&memory, DEMAND), Err(Error::Head { head, size: 4 }));
        }
        for found in [5, 0x8000, u16::MAX] {
            memory.store_u16(layout.available_index(), found).unwrap();
            let jumped = Error::AvailableIndex { address: layout.available(), expected: 0, found, size: 4 };
            assert_eq!(device.pop(&memory, DEMAND), Err(jumped));
        }
    }

    #[test]
    fn more_cannot_be_written_than_the_buffer_holds() {
        let (mut memory, mut device) = device();
        offer(&mut memory, &device, 0, 0x2000, 16, 0);
        let buffer = device.pop(&memory, DEMAND).unwrap().unwrap();
        let refused = Err(Error::Written { head: 0, written: 17, length: 16 });
        assert_eq!(device.push(&mut memory, buffer, 17), refused);
    }

    #[test]
    fn a_ring_that_the_driver_has_reset_is_noticed_once_a_buffer_was_returned() {
        let (mut memory, mut device) = device();
        assert_eq!(device.is_reset(&memory), Ok(false));
        offer(&mut memory, &device, 0, 0x2000, 16, 0);
        let buffer = device.pop(&memory, DEMAND).unwrap().unwrap();
        device.push(&mut memory, buffer, 0).unwrap();
        assert_eq!(device.is_reset(&memory), Ok(false));
        memory.write(device.layout().used(), &[0; 4]).unwrap();
        assert_eq!(device.is_reset(&memory), Ok(true));
    }

    #[test]
    fn a_driver_that_wants_silence_gets_it() {
        let (mut memory, mut device) = device();
        memory.store_u16(device.layout().available_flags(), NO_INTERRUPT).unwrap();
        offer(&mut memory, &device, 0, 0x2000, 16, 0);
        let buffer = device.pop(&memory, DEMAND).unwrap().unwrap();
        device.push(&mut memory, buffer, 0).unwrap();
        assert_eq!(device.take_notification(&memory), Ok(false));
    }
}
