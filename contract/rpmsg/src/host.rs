//! The host's end of a channel: the virtio driver, as Linux's `drivers/rpmsg/virtio_rpmsg_bus.c` plays it.

use crate::memory::Memory;
use crate::message::{BUFFER_SIZE, Malformed, Message, Payload};
use crate::name_service::{self, Announcement};
use crate::transfer::{Outgoing, ReceiveError, Ring, SendError, fetch};
use crate::vring::{self, Access, Driver, Layout, MAX_SLOTS};
use core::ops::Range;
use thiserror::Error;

/// Why three ranges of memory are no channel.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The number of buffers is none that the rings can hold.
    #[error("{count} buffers each way cannot be posted: the rings take 1 to {limit}")]
    Count {
        /// Buffers asked for, each way.
        count: u16,
        /// Most that the smaller ring, or Linux's limit of 256, allows.
        limit: u16,
    },
    /// The region is too small for the buffers.
    #[error(
        "the buffer region {start:#x}..{end:#x} is too small: \
         {count} buffers of {BUFFER_SIZE} bytes each way need {needed:#x} bytes"
    )]
    RegionTooSmall {
        /// First byte of the region.
        start: u64,
        /// First byte after it.
        end: u64,
        /// Buffers each way.
        count: u16,
        /// Bytes that they need.
        needed: u64,
    },
    /// Two of the parts share memory.
    #[error(
        "the {first} at {first_start:#x}..{first_end:#x} overlaps the {second} at {second_start:#x}..{second_end:#x}"
    )]
    Overlap {
        /// What lies there.
        first: &'static str,
        /// First byte of the one.
        first_start: u64,
        /// First byte after it.
        first_end: u64,
        /// What lies there too.
        second: &'static str,
        /// First byte of the other.
        second_start: u64,
        /// First byte after it.
        second_end: u64,
    },
}

/// What the firmware sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'b> {
    /// A message for an endpoint.
    Message(Message<'b>),
    /// An endpoint came or went.
    Announcement(Announcement),
}

/// The buffers that Linux posts each way for these rings: one an entry of the smaller ring, at most 256.
pub fn buffers_each_way(to_host: &Layout, to_remote: &Layout) -> u16 {
    to_host.size().min(to_remote.size()).min(MAX_SLOTS)
}

/// Bytes of the buffer region that a channel with so many buffers each way needs.
pub fn region_size(buffers_each_way: u16) -> u64 {
    2 * u64::from(buffers_each_way) * BUFFER_SIZE as u64
}

/// The host's end. Descriptor *n* of a ring always stands for buffer *n* of that ring's half of the buffer region, so no
/// address is ever read back from shared memory.
#[derive(Debug, Clone)]
pub struct Host {
    receive: Driver,
    transmit: Driver,
    receive_buffers: u64,
    transmit_buffers: u64,
    wants_free_buffer: bool,
}

impl Host {
    /// A host on the vdev's two rings with `count` buffers each way: the first half of what is used of `buffers` receives,
    /// the second transmits, as Linux divides it. Touches no memory.
    pub fn new(
        to_host: Layout,
        to_remote: Layout,
        buffers: Range<u64>,
        count: u16,
    ) -> Result<Self, ConfigError> {
        let limit = buffers_each_way(&to_host, &to_remote);
        if count == 0 || count > limit {
            return Err(ConfigError::Count { count, limit });
        }
        let needed = region_size(count);
        if buffers.end.checked_sub(buffers.start).is_none_or(|length| length < needed) {
            let Range { start, end } = buffers;
            return Err(ConfigError::RegionTooSmall { start, end, count, needed });
        }
        let used = buffers.start..buffers.start.saturating_add(needed);
        check_apart("first ring", &to_host.range(), "second ring", &to_remote.range())?;
        check_apart("first ring", &to_host.range(), "buffer region", &used)?;
        check_apart("second ring", &to_remote.range(), "buffer region", &used)?;
        Ok(Self {
            receive: Driver::new(to_host, count, BUFFER_SIZE as u32),
            transmit: Driver::new(to_remote, count, BUFFER_SIZE as u32),
            receive_buffers: buffers.start,
            transmit_buffers: buffers.start.saturating_add(needed / 2),
            wants_free_buffer: false,
        })
    }

    /// Empties both rings and posts every receive buffer. Call it before DRIVER_OK is set in the vdev's status; then set
    /// that, then kick the first ring if [`Host::take_notification`] says so.
    pub fn start(&mut self, memory: &mut impl Memory) -> Result<(), vring::Error> {
        self.receive.reset(memory)?;
        self.transmit.reset(memory)?;
        self.wants_free_buffer = false;
        // Linux looks for returned buffers when it needs one, and asks for an interrupt only when there is none.
        self.transmit.enable_interrupts(memory, false)?;
        for slot in 0..self.receive.slots() {
            self.post(memory, slot)?;
        }
        Ok(())
    }

    /// The next message or announcement, if any; its payload is copied into `into`, and its buffer posted again.
    pub fn receive<'b>(
        &mut self,
        memory: &mut impl Memory,
        into: &'b mut Payload,
    ) -> Result<Option<Event<'b>>, ReceiveError> {
        let Some(used) = self.receive.take_used(memory)? else { return Ok(None) };
        let fetched = fetch(memory, within(buffer(self.receive_buffers, used.slot)), used.length, into);
        self.post(memory, used.slot)?;
        let (header, payload) = fetched??;
        if header.destination != name_service::ADDRESS {
            let (source, destination) = (header.source, header.destination);
            return Ok(Some(Event::Message(Message { source, destination, payload })));
        }
        let announcement = Announcement::decode(payload)
            .map_err(|reason| Malformed::Announcement { source_address: header.source, reason })?;
        Ok(Some(Event::Announcement(announcement)))
    }

    /// Sends `payload`, 0 to 496 bytes, from endpoint `source` to endpoint `destination`. On [`SendError::Full`] the
    /// firmware is asked to interrupt when it returns a buffer.
    pub fn send(
        &mut self,
        memory: &mut impl Memory,
        source: u32,
        destination: u32,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let message = Outgoing::new(source, destination, payload)?;
        let slot = self.free_transmit_slot(memory)?;
        let address = buffer(self.transmit_buffers, slot);
        message.store(memory, within(address))?;
        self.transmit.add(memory, slot, address, message.length(), Access::DeviceReads)?;
        Ok(())
    }

    /// Messages that can be sent at once: transmit buffers that are not with the firmware, after collecting those that
    /// it returned.
    pub fn free_transmit_buffers(&mut self, memory: &impl Memory) -> Result<u16, vring::Error> {
        while self.transmit.take_used(memory)?.is_some() {}
        Ok(self.transmit.slots().saturating_sub(self.transmit.with_device().count()))
    }

    /// Whether the firmware must be kicked for this ring: buffers were added to it since the last call, and the firmware
    /// did not ask for silence.
    pub fn take_notification(&mut self, memory: &impl Memory, ring: Ring) -> Result<bool, vring::Error> {
        match ring {
            Ring::ToHost => self.receive.take_notification(memory),
            Ring::ToRemote => self.transmit.take_notification(memory),
        }
    }

    fn free_transmit_slot(&mut self, memory: &mut impl Memory) -> Result<u16, SendError> {
        self.free_transmit_buffers(memory)?;
        if self.transmit.free_slot().is_none() && !self.wants_free_buffer {
            self.transmit.enable_interrupts(memory, true)?;
            self.wants_free_buffer = true;
            // The firmware may have returned one just before it could see the request.
            self.free_transmit_buffers(memory)?;
        }
        let slot = self.transmit.free_slot().ok_or(SendError::Full)?;
        if self.wants_free_buffer {
            self.transmit.enable_interrupts(memory, false)?;
            self.wants_free_buffer = false;
        }
        Ok(slot)
    }

    fn post(&mut self, memory: &mut impl Memory, slot: u16) -> Result<(), vring::Error> {
        let address = buffer(self.receive_buffers, slot);
        self.receive.add(memory, slot, address, BUFFER_SIZE as u32, Access::DeviceWrites)
    }
}

/// Address of a buffer in its half of the region, which [`Host::new`] found to lie in the address space.
fn buffer(half: u64, slot: u16) -> u64 {
    half.saturating_add(u64::from(slot) * BUFFER_SIZE as u64)
}

/// The addresses of a buffer's bytes.
fn within(buffer: u64) -> impl Fn(u32) -> u64 {
    move |offset| buffer.saturating_add(offset.into())
}

fn check_apart(
    first: &'static str,
    one: &Range<u64>,
    second: &'static str,
    other: &Range<u64>,
) -> Result<(), ConfigError> {
    if one.start >= other.end || other.start >= one.end {
        return Ok(());
    }
    Err(ConfigError::Overlap {
        first,
        first_start: one.start,
        first_end: one.end,
        second,
        second_start: other.start,
        second_end: other.end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MAX_PAYLOAD;
    use crate::testing::TestMemory;

    const RINGS: [u64; 2] = [0x1000, 0x1800];
    const BUFFERS: Range<u64> = 0x2000..0x4000;

    fn layouts() -> (Layout, Layout) {
        (Layout::new(RINGS[0], 8, 16).unwrap(), Layout::new(RINGS[1], 8, 16).unwrap())
    }

    fn host() -> (TestMemory, Host) {
        let (to_host, to_remote) = layouts();
        let mut memory = TestMemory::new(0x1000..0x4000);
        let mut host = Host::new(to_host, to_remote, BUFFERS, 8).unwrap();
        host.start(&mut memory).unwrap();
        (memory, host)
    }

    #[test]
    fn start_posts_every_receive_buffer_and_silences_the_transmit_ring() {
        let (memory, mut host) = host();
        let (to_host, to_remote) = layouts();
        assert_eq!(memory.load_u16(to_host.available() + 2), Ok(8));
        assert_eq!(memory.load_u32(to_host.descriptors() + 16 * 7), Ok(0x2000 + 7 * 512));
        assert_eq!(memory.load_u32(to_host.descriptors() + 16 * 7 + 8), Ok(512));
        assert_eq!(memory.load_u16(to_remote.available()), Ok(1));
        assert_eq!(host.take_notification(&memory, Ring::ToHost), Ok(true));
        assert_eq!(host.take_notification(&memory, Ring::ToRemote), Ok(false));
    }

    #[test]
    fn a_message_lies_in_the_second_half_with_its_length_in_the_descriptor() {
        let (mut memory, mut host) = host();
        host.send(&mut memory, 0x400, 0x401, b"hello").unwrap();
        let (_, to_remote) = layouts();
        assert_eq!(memory.load_u32(to_remote.descriptors()), Ok(0x3000));
        assert_eq!(memory.load_u32(to_remote.descriptors() + 8), Ok(21));
        assert_eq!(&memory.bytes()[0x3000 - 0x1000 + 16..][..5], b"hello");
    }

    #[test]
    fn a_full_ring_asks_for_an_interrupt_until_a_buffer_is_free() {
        let (mut memory, mut host) = host();
        let (_, to_remote) = layouts();
        for _ in 0..8 {
            host.send(&mut memory, 1, 2, &[]).unwrap();
        }
        assert_eq!(host.send(&mut memory, 1, 2, &[]), Err(SendError::Full));
        assert_eq!(memory.load_u16(to_remote.available()), Ok(0));
        memory.store_u32(to_remote.used() + 4, 5).unwrap();
        memory.store_u16(to_remote.used() + 2, 1).unwrap();
        host.send(&mut memory, 1, 2, &[]).unwrap();
        assert_eq!(memory.load_u16(to_remote.available()), Ok(1));
        assert_eq!(memory.load_u16(to_remote.available() + 4), Ok(5), "the ring's ninth entry is its first");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (mut memory, mut host) = host();
        let long = [0; MAX_PAYLOAD + 1];
        assert_eq!(host.send(&mut memory, 1, 2, &long), Err(SendError::TooLong { length: 497 }));
        let (to_host, to_remote) = layouts();
        let new = |range, count| Host::new(to_host, to_remote, range, count).map(|_| ()).unwrap_err();
        assert_eq!(new(BUFFERS, 0), ConfigError::Count { count: 0, limit: 8 });
        assert_eq!(new(BUFFERS, 9), ConfigError::Count { count: 9, limit: 8 });
        assert!(matches!(new(0x2000..0x3FFF, 8), ConfigError::RegionTooSmall { needed: 0x2000, .. }));
        assert!(matches!(new(Range { start: 0x4000, end: 0x2000 }, 8), ConfigError::RegionTooSmall { .. }));
        assert!(matches!(new(0x1810..0x4000, 8), ConfigError::Overlap { first: "second ring", .. }));
    }

    #[test]
    fn a_malformed_message_is_dropped_and_its_buffer_posted_again() {
        let (mut memory, mut host) = host();
        let (to_host, _) = layouts();
        for (round, carried) in [(0u64, 15), (1, 16)] {
            memory.write(0x2000 + 512 * round, &[0xff; 16]).unwrap();
            memory.store_u32(to_host.used() + 4 + 8 * round, round as u32).unwrap();
            memory.store_u32(to_host.used() + 8 + 8 * round, carried).unwrap();
            memory.store_u16(to_host.used() + 2, round as u16 + 1).unwrap();
            let mut into = [0; MAX_PAYLOAD];
            let error = host.receive(&mut memory, &mut into).unwrap_err();
            assert!(matches!(error, ReceiveError::Malformed(_)), "{error}");
            assert_eq!(memory.load_u16(to_host.available() + 2), Ok(9 + round as u16));
        }
    }
}
