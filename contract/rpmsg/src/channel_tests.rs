//! Both ends of a channel against each other, and each against an other side that lies.

extern crate std;

use crate::host::{Event, Host, region_size};
use crate::memory::{Fault, Memory};
use crate::message::MAX_PAYLOAD;
use crate::name_service::{Announcement, Change, Name};
use crate::remote::{Remote, Vdev, Vring};
use crate::testing::TestMemory;
use crate::vring::{self, Layout};
use crate::{ReceiveError, Ring, SendError};
use core::ops::Range;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::string::ToString;
use std::vec::Vec;

const SHARED: Range<u64> = 0x812F_8000..0x8130_0000;
const TO_HOST: u32 = 0x812F_8000;
const TO_REMOTE: u32 = 0x812F_9000;
const BUFFERS: u64 = 0x812F_A000;

fn layout(address: u32, num: u32) -> Layout {
    Layout::new(u64::from(address), num, 16).unwrap()
}

fn channel(num: u16) -> (TestMemory, Host, Remote) {
    let mut memory = TestMemory::new(SHARED);
    let size = u32::from(num);
    let buffers = BUFFERS..BUFFERS + region_size(num);
    let mut host = Host::new(layout(TO_HOST, size), layout(TO_REMOTE, size), buffers, num).unwrap();
    host.start(&mut memory).unwrap();
    let vring = |address| Vring { address, align: 16, num: size };
    let vdev = Vdev { status: 7, features: 1, vrings: [vring(TO_HOST), vring(TO_REMOTE)] };
    (memory, host, Remote::connect(&vdev, SHARED).unwrap())
}

/// A payload that tells its number, with a length that depends on it.
fn payload(number: u32) -> Vec<u8> {
    let length = (number.wrapping_mul(2_654_435_761) % (MAX_PAYLOAD as u32 + 1)) as usize;
    number.to_le_bytes().into_iter().cycle().take(length.max(4)).collect()
}

#[derive(Debug, Clone, Copy)]
enum Step {
    HostSends,
    RemoteSends,
    HostReceives,
    RemoteReceives,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Step::*;
    let step = prop_oneof![Just(HostSends), Just(RemoteSends), Just(HostReceives), Just(RemoteReceives)];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn every_message_arrives_once_in_order_and_whole(steps in steps(), power in 0u32..5) {
        let num = 1 << power;
        let (mut memory, mut host, mut remote) = channel(num);
        let (mut to_remote, mut to_host) = (VecDeque::new(), VecDeque::new());
        let mut number = 0;
        let mut into = [0; MAX_PAYLOAD];
        for step in steps {
            number += 1;
            match step {
                Step::HostSends => match host.send(&mut memory, 0x400, number, &payload(number)) {
                    Ok(()) => to_remote.push_back(number),
                    Err(error) => {
                        prop_assert_eq!(error, SendError::Full);
                        prop_assert_eq!(to_remote.len(), usize::from(num), "full only when all are under way");
                    }
                },
                Step::RemoteSends => match remote.send(&mut memory, number, 0x400, &payload(number)) {
                    Ok(()) => to_host.push_back(number),
                    Err(error) => {
                        prop_assert_eq!(error, SendError::Full);
                        prop_assert_eq!(to_host.len(), usize::from(num));
                    }
                },
                Step::HostReceives => match host.receive(&mut memory, &mut into).unwrap() {
                    Some(Event::Message(message)) => {
                        let sent = to_host.pop_front();
                        prop_assert_eq!(Some(message.source), sent);
                        prop_assert_eq!(message.payload, payload(message.source));
                    }
                    other => prop_assert!(other.is_none() && to_host.is_empty()),
                },
                Step::RemoteReceives => match remote.receive(&mut memory, &mut into).unwrap() {
                    Some(message) => {
                        prop_assert_eq!(Some(message.destination), to_remote.pop_front());
                        prop_assert_eq!(message.payload, payload(message.destination));
                    }
                    None => prop_assert!(to_remote.is_empty()),
                },
            }
        }
        prop_assert_eq!(memory.faults(), 0);
    }

    /// Any bytes the other side may write anywhere, at any time: a typed error or a message, never a panic, and never an
    /// access outside the shared memory.
    #[test]
    fn rubbish_is_an_error_or_a_message(
        pokes in prop::collection::vec((0usize..0x8000, any::<u8>(), 0u8..4), 1..300),
        in_rings in any::<bool>(),
    ) {
        let (mut memory, mut host, mut remote) = channel(16);
        let mut into = [0; MAX_PAYLOAD];
        for (place, value, step) in pokes {
            let place = if in_rings { (place & 0x1000) | (place % 0x1B6) } else { place };
            memory.bytes_mut()[place] = value;
            match step {
                0 => drop(host.send(&mut memory, 1, 2, &payload(7))),
                1 => drop(remote.send(&mut memory, 1, 2, &payload(8))),
                2 => drop(host.receive(&mut memory, &mut into)),
                _ => drop(remote.receive(&mut memory, &mut into)),
            }
        }
        prop_assert_eq!(memory.faults(), 0);
    }
}

#[test]
fn indices_wrap_past_65535_both_ways() {
    let (mut memory, mut host, mut remote) = channel(16);
    let mut into = [0; MAX_PAYLOAD];
    for number in 0..70_000u32 {
        host.send(&mut memory, 1, number, &number.to_le_bytes()).unwrap();
        let message = remote.receive(&mut memory, &mut into).unwrap().unwrap();
        assert_eq!((message.destination, message.payload), (number, &number.to_le_bytes()[..]));
        remote.send(&mut memory, number, 1, &number.to_be_bytes()).unwrap();
        match host.receive(&mut memory, &mut into).unwrap() {
            Some(Event::Message(message)) => assert_eq!(message.payload, number.to_be_bytes()),
            other => std::panic!("message {number} became {other:?}"),
        }
    }
    assert_eq!(memory.load_u16(layout(TO_REMOTE, 16).used() + 2), Ok((70_000u32 % 65_536) as u16));
}

#[test]
fn announcements_come_as_what_they_are() {
    let (mut memory, mut host, mut remote) = channel(16);
    let name = Name::new("rproc-echo").unwrap();
    for change in [Change::Created, Change::Destroyed] {
        remote.announce(&mut memory, name, 0x400, change).unwrap();
        let mut into = [0; MAX_PAYLOAD];
        let event = host.receive(&mut memory, &mut into).unwrap();
        assert_eq!(event, Some(Event::Announcement(Announcement { name, address: 0x400, change })));
    }
    remote.send(&mut memory, 0x400, 0x35, b"not one").unwrap();
    let error = host.receive(&mut memory, &mut [0; MAX_PAYLOAD]).unwrap_err();
    let sentence = "endpoint 0x400 sent the name service something else than an announcement: \
                    an announcement has 40 bytes, this one has 7";
    assert_eq!(error.to_string(), sentence);
}

#[test]
fn kicks_are_asked_for_when_the_other_side_wants_them() {
    let (mut memory, mut host, mut remote) = channel(16);
    let mut into = [0; MAX_PAYLOAD];
    assert_eq!(host.take_notification(&memory, Ring::ToHost), Ok(true), "posted buffers");
    host.send(&mut memory, 1, 2, &[]).unwrap();
    assert_eq!(host.take_notification(&memory, Ring::ToRemote), Ok(true));
    remote.receive(&mut memory, &mut into).unwrap();
    assert_eq!(
        remote.take_notification(&memory, Ring::ToRemote),
        Ok(false),
        "Linux silences returned buffers"
    );
    remote.send(&mut memory, 2, 1, &[]).unwrap();
    assert_eq!(remote.take_notification(&memory, Ring::ToHost), Ok(true));
    assert_eq!(remote.take_notification(&memory, Ring::ToHost), Ok(false));
    for _ in 0..16 {
        host.send(&mut memory, 1, 2, &[]).unwrap();
    }
    assert_eq!(host.send(&mut memory, 1, 2, &[]), Err(SendError::Full));
    remote.receive(&mut memory, &mut into).unwrap();
    assert_eq!(remote.take_notification(&memory, Ring::ToRemote), Ok(true), "a full host waits for buffers");
}

#[test]
fn a_host_is_asked_for_signals_only_while_it_has_posted_no_buffer() {
    let (mut memory, mut host, mut remote) = channel(2);
    let mut into = [0; MAX_PAYLOAD];
    host.take_notification(&memory, Ring::ToHost).unwrap();
    for round in 0..3 {
        remote.send(&mut memory, 2, 1, &[]).unwrap();
        host.receive(&mut memory, &mut into).unwrap();
        assert_eq!(host.take_notification(&memory, Ring::ToHost), Ok(false), "round {round}");
        for _ in 0..2 {
            remote.send(&mut memory, 2, 1, &[]).unwrap();
        }
        assert_eq!(remote.send(&mut memory, 2, 1, &[]), Err(SendError::Full));
        for _ in 0..2 {
            host.receive(&mut memory, &mut into).unwrap();
        }
        assert_eq!(host.take_notification(&memory, Ring::ToHost), Ok(true), "round {round}");
    }
}

/// A host that posts a buffer while the firmware asks for a signal: it saw the ring before the request.
#[test]
fn a_buffer_posted_just_before_the_request_is_used() {
    struct Late<'m> {
        memory: &'m mut TestMemory,
        host: &'m mut Host,
        flags: u64,
    }
    impl Memory for Late<'_> {
        fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
            self.memory.read(address, buffer)
        }
        fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
            self.memory.write(address, bytes)
        }
        fn load_u16(&self, address: u64) -> Result<u16, Fault> {
            self.memory.load_u16(address)
        }
        fn load_u32(&self, address: u64) -> Result<u32, Fault> {
            self.memory.load_u32(address)
        }
        fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
            if address == self.flags && value == 0 {
                self.host.receive(self.memory, &mut [0; MAX_PAYLOAD]).unwrap();
                assert_eq!(self.host.take_notification(self.memory, Ring::ToHost), Ok(false));
            }
            self.memory.store_u16(address, value)
        }
        fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
            self.memory.store_u32(address, value)
        }
    }
    let (mut memory, mut host, mut remote) = channel(1);
    remote.send(&mut memory, 2, 1, b"first").unwrap();
    host.take_notification(&memory, Ring::ToHost).unwrap();
    let mut late = Late { memory: &mut memory, host: &mut host, flags: layout(TO_HOST, 1).used() };
    assert_eq!(remote.send(&mut late, 2, 1, b"second"), Ok(()));
    let mut into = [0; MAX_PAYLOAD];
    match host.receive(&mut memory, &mut into) {
        Ok(Some(Event::Message(message))) => assert_eq!(message.payload, b"second"),
        other => std::panic!("{other:?}"),
    }
}

/// Nothing says that a host's buffers begin at a word.
#[test]
fn buffers_may_begin_anywhere() {
    for shift in 0..4u64 {
        let (mut memory, mut host, mut remote) = channel(4);
        host.send(&mut memory, 0x400, 0x401, b"there").unwrap();
        for (ring, buffer) in [(TO_HOST, BUFFERS), (TO_REMOTE, BUFFERS + 4 * 512)] {
            let moved = buffer + shift;
            let mut bytes = [0; 21];
            memory.read(buffer, &mut bytes).unwrap();
            memory.write(moved, &bytes).unwrap();
            memory.store_u32(layout(ring, 4).descriptors(), moved as u32).unwrap();
        }
        let mut into = [0; MAX_PAYLOAD];
        let message = remote.receive(&mut memory, &mut into).unwrap().unwrap();
        assert_eq!((message.source, message.destination, message.payload), (0x400, 0x401, &b"there"[..]));
        remote.send(&mut memory, 0x401, 0x400, b"and back").unwrap();
        let mut bytes = [0; 24];
        memory.read(BUFFERS + shift, &mut bytes).unwrap();
        assert_eq!(&bytes[16..], b"and back", "shifted by {shift}");
        assert_eq!(&bytes[..8], [1, 4, 0, 0, 0, 4, 0, 0], "shifted by {shift}");
    }
}

/// Each field that the firmware's end reads, corrupted: what it must say. Addresses are offsets in the shared memory.
#[test]
fn a_hostile_host_gets_typed_errors() {
    let (mut memory, mut host, remote) = channel(16);
    host.send(&mut memory, 1, 2, b"good").unwrap();
    let rings = [layout(TO_HOST, 16), layout(TO_REMOTE, 16)];
    for (ring, layout) in rings.iter().enumerate() {
        let attempt = |address: u64, bytes: &[u8]| {
            let (mut memory, mut remote) = (memory.clone(), remote.clone());
            memory.write(address, bytes).unwrap();
            let error = match ring {
                0 => match remote.send(&mut memory, 1, 2, b"reply") {
                    Err(SendError::Ring(error)) => error,
                    other => std::panic!("{other:?}"),
                },
                _ => match remote.receive(&mut memory, &mut [0; MAX_PAYLOAD]) {
                    Err(ReceiveError::Ring(error)) => error,
                    other => std::panic!("{other:?}"),
                },
            };
            assert_eq!(memory.faults(), 0);
            error
        };
        let descriptor = layout.descriptors();
        let entry = layout.available() + 4;
        assert!(matches!(
            attempt(layout.available() + 2, &[17, 0]),
            vring::Error::AvailableIndex { expected: 0, found: 17, size: 16, .. }
        ));
        assert_eq!(attempt(entry, &[16, 0]), vring::Error::Head { head: 16, size: 16 });
        assert!(matches!(attempt(descriptor, &[0; 4]), vring::Error::OutsideWindow { address: 0, .. }));
        assert!(matches!(attempt(descriptor + 4, &[1]), vring::Error::OutsideWindow { head: 0, .. }));
        assert!(matches!(attempt(descriptor + 8, &[0xff; 4]), vring::Error::OutsideWindow { .. }));
        assert!(matches!(attempt(descriptor + 8, &[15, 0]), vring::Error::BufferLength { length: 15, .. }));
        let right = if ring == 0 { 2 } else { 0 };
        assert!(matches!(attempt(descriptor + 12, &[right ^ 2]), vring::Error::Direction { head: 0, .. }));
        assert!(matches!(attempt(descriptor + 12, &[right | 1]), vring::Error::Chained { .. }));
        assert!(matches!(attempt(descriptor + 12, &[right | 4]), vring::Error::Chained { .. }));
    }
}

#[test]
fn a_host_that_lies_in_the_header_loses_one_message() {
    let (mut memory, mut host, mut remote) = channel(16);
    host.send(&mut memory, 1, 2, b"bad").unwrap();
    host.send(&mut memory, 1, 2, b"good").unwrap();
    memory.write(BUFFERS + 16 * 512 + 12, &[4, 0]).unwrap();
    let mut into = [0; MAX_PAYLOAD];
    assert!(matches!(remote.receive(&mut memory, &mut into), Err(ReceiveError::Malformed(_))));
    assert_eq!(remote.receive(&mut memory, &mut into).unwrap().unwrap().payload, b"good");
    assert_eq!(host.free_transmit_buffers(&memory), Ok(16), "both buffers came back");
}
