//! Both ends of an RPMsg channel on rings that somebody else scribbles on: typed errors, and no access outside.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rproc_rpmsg::Ring;
use rproc_rpmsg::host::{Host, region_size};
use rproc_rpmsg::message::MAX_PAYLOAD;
use rproc_rpmsg::remote::{Remote, Vdev, Vring};
use rproc_rpmsg::testing::TestMemory;
use rproc_rpmsg::vring::Layout;
use std::ops::Range;

const SHARED: Range<u64> = 0x812F_8000..0x8130_0000;
const RINGS: [u32; 2] = [0x812F_8000, 0x812F_9000];
const BUFFERS: u64 = 0x812F_A000;

// The first byte chooses the rings' size; then each four bytes scribble one byte (place, value) and take one step.
fuzz_target!(|script: &[u8]| {
    let Some((size, script)) = script.split_first() else { return };
    let num = 1u16 << (size % 5);
    let layouts = RINGS.map(|address| Layout::new(address.into(), num.into(), 16).expect("a ring"));
    let mut memory = TestMemory::new(SHARED);
    let mut host =
        Host::new(layouts[0], layouts[1], BUFFERS..BUFFERS + region_size(num), num).expect("a host");
    host.start(&mut memory).expect("memory for the rings");
    let vrings = RINGS.map(|address| Vring { address, align: 16, num: num.into() });
    let mut remote = Remote::connect(&Vdev { status: 4, features: 1, vrings }, SHARED).expect("a channel");

    let mut into = [0; MAX_PAYLOAD];
    for step in script.chunks_exact(4) {
        let [place_low, place_high, value, step] = [step[0], step[1], step[2], step[3]];
        if step & 0x80 != 0 {
            let place = usize::from(u16::from_le_bytes([place_low, place_high]) & 0x7FFF);
            memory.bytes_mut()[place] = value;
        }
        match step % 6 {
            0 => drop(host.send(&mut memory, 1, 2, &into[..usize::from(value)])),
            1 => drop(remote.send(&mut memory, 1, 2, &into[..usize::from(value)])),
            2 => drop(host.receive(&mut memory, &mut into)),
            3 => drop(remote.receive(&mut memory, &mut into)),
            4 => drop(host.take_notification(&memory, Ring::ToRemote)),
            _ => drop(remote.take_notification(&memory, Ring::ToHost)),
        }
    }
    assert_eq!(memory.faults(), 0, "an access outside the shared memory");
});
