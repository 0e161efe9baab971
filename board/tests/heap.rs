//! How much heap the service needs to load an image: that of its metadata and a little more, whatever the image's size.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod lab;
#[path = "support/meter.rs"]
mod meter;

use lab::bench::Bench;
use lab::elf;
use lab::forge::{self, Forge};
use rproc_board::tee::NormalMemory;
use rproc_service::Policy;

/// What the service may need beyond the image's metadata.
const ALLOWANCE: usize = 16 * 1024;

/// Loads an image and returns the most heap that the service had at one time. The platform service and the board below
/// it are not counted: they are OP-TEE's core and the hardware.
fn peak(policy: Policy, image: &[u8]) -> usize {
    let probe = |_: &rproc_board::Board| -> lab::bench::Probe { Box::new(|_| meter::toggle()) };
    let mut bench = Bench::probed(policy, probe);
    let address = 0x9000_0000;
    bench.board.port(rproc_board::Initiator::A35NonSecure).write(address, image).unwrap();
    let secure = bench.board.port(rproc_board::Initiator::A35Secure);
    let memory = NormalMemory::new(secure, address, image.len());
    // A first load makes what stays for good, such as the table of states.
    bench.load(memory.clone()).unwrap();
    bench.release().unwrap();
    meter::count(true);
    let loaded = bench.load(memory);
    meter::count(false);
    loaded.unwrap();
    meter::peak()
}

/// Bytes of header, TLVs, signature and all ELF headers with the section names.
fn metadata(image: &[u8], elf: &[u8]) -> usize {
    let headers = rproc_elf::ElfFile::parse(elf).unwrap().metadata().concat().len();
    forge::parts(image).images.start + headers
}

/// Firmware of this many bytes, in two segments.
fn firmware(size: usize) -> Vec<u8> {
    let mut code = elf::code();
    code.resize(size, 0x5A);
    elf::builder_with(&code).load(elf::DATA, &elf::data()).build()
}

#[test]
fn a_load_needs_no_room_for_the_image() {
    let sizes = [1 << 10, 1 << 20, 8 << 20];
    for policy in [Policy::Strict, Policy::Compatible] {
        let peaks = sizes.map(|size| {
            let elf = firmware(size);
            let image = match policy {
                Policy::Strict => Forge::bound_without_table(&elf).sign(),
                Policy::Compatible => Forge::plain(&[&elf]).sign(),
            };
            let peak = peak(policy, &image);
            assert!(peak > 0, "the meter counts");
            let limit = ALLOWANCE + metadata(&image, &elf);
            println!("{policy:?} {size}: {peak} of {limit} bytes");
            assert!(peak < limit, "{policy:?}, {size} bytes: {peak} bytes of heap, {limit} allowed");
            peak
        });
        // Searching for a resource table looks through a window, so that only a tiny image needs less.
        assert_eq!(peaks[1], peaks[2], "the size of the image does not count");
    }
}

#[test]
fn a_load_with_a_resource_table_and_many_segments_keeps_to_it_too() {
    let mut builder = elf::builder().resource_table(elf::TABLE, &elf::table());
    for index in 0..100 {
        builder = builder.load(elf::DATA + 64 * index, &[index as u8; 32]);
    }
    let elf = builder.build();
    for (policy, image) in
        [(Policy::Strict, Forge::bound(&[&elf]).sign()), (Policy::Compatible, Forge::plain(&[&elf]).sign())]
    {
        let (peak, limit) = (peak(policy, &image), ALLOWANCE + metadata(&image, &elf));
        println!("{policy:?}: {peak} of {limit} bytes");
        assert!(peak < limit, "{policy:?}: {peak} bytes of heap, {limit} allowed");
    }
}
