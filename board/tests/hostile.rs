//! A normal world that changes an image while the secure world loads it: what ends up in the processor's memory is one
//! authentic image, whole, or nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod lab;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lab::bench::Bench;
use lab::elf::{self, segment};
use lab::forge::{self, Forge};
use lab::{Lab, M33};
use rproc_abi::service::{Request, open_params};
use rproc_abi::{Login, OutOfRange, SharedMemory, Uuid};
use rproc_keys::{KeyKind, PrivateKey};
use rproc_service::Policy;
use rproc_tee::TeeClient;

/// An image and what it must leave in memory.
struct Authentic {
    image: Vec<u8>,
    contents: Vec<(u64, Vec<u8>)>,
}

/// Two images that are both good, of the same size, with not one segment in common.
fn two_authentic() -> [Authentic; 2] {
    [0x11, 0x22].map(|byte| {
        let contents = vec![
            (elf::CODE, [&elf::code()[..], &[byte; 900]].concat()),
            (elf::DATA, vec![byte; 2500]),
            (elf::SRAM, vec![byte ^ 0xff; 100]),
        ];
        let [code, data, sram] = &contents[..] else { unreachable!() };
        let elf = rproc_elf::testing::ElfBuilder::elf32()
            .entry(elf::CODE | 1)
            .vectors(code.0, &code.1)
            .load(data.0, &data.1)
            .load(sram.0, &sram.1)
            .build();
        Authentic { image: Forge::bound_without_table(&elf).sign(), contents }
    })
}

/// Images of the same size that nobody authentic signed.
fn forgeries(good: &[u8]) -> Vec<Vec<u8>> {
    let parts = forge::parts(good);
    let elf = good[parts.images.clone()].to_vec();
    let mut forgeries: Vec<Vec<u8>> = Vec::new();
    // A byte of each segment.
    for index in 0..3 {
        for at in [elf::segment_bytes(&elf, index).start, elf::segment_bytes(&elf, index).end - 1] {
            let mut changed = elf.clone();
            changed[at] ^= 0x40;
            forgeries.push(forge::with_elf(good, &changed));
        }
    }
    // Code that the hash table of the same forgery describes.
    let mut code = elf.clone();
    let range = elf::segment_bytes(&code, 0);
    code[range.start + 0x408..range.end].fill(0xE7);
    let thief = || PrivateKey::generate(KeyKind::P256).unwrap();
    forgeries.push(Forge::bound_without_table(&code).key(thief()).sign());
    let mut table = forgeries.last().unwrap().clone();
    table[parts.signature.clone()].copy_from_slice(&good[parts.signature.clone()]);
    forgeries.push(table);
    // Elsewhere, more, less.
    for (index, field, value) in [
        (1, segment::PHYSICAL, elf::DATA as u32 + 0x10_0000),
        (1, segment::OFFSET, elf::segment_bytes(&elf, 0).start as u32),
        (2, segment::FILE_SIZE, 50),
        (2, segment::KIND, 0),
    ] {
        forgeries.push(forge::with_elf(good, &elf::with_segment(&elf, index, field, value)));
    }
    let mut fewer = elf.clone();
    elf::set_half(&mut fewer, elf::header::PROGRAM_HEADER_COUNT, 2);
    forgeries.push(forge::with_elf(good, &fewer));
    // The file gone.
    forgeries.push(vec![0; good.len()]);
    forgeries.push(vec![0xff; good.len()]);
    assert!(forgeries.iter().all(|forgery| forgery.len() == good.len() && forgery != good));
    forgeries
}

/// Memory holds just this image.
#[track_caller]
fn assert_holds(lab: &rproc_board::Board, image: &Authentic) {
    for (address, bytes) in &image.contents {
        let mut found = vec![0; bytes.len()];
        lab.port(rproc_board::Initiator::A35Secure).read(*address, &mut found).unwrap();
        assert!(found == *bytes, "what is at {address:#x} is not what was signed");
    }
    let ranges: Vec<_> = image.contents.iter().map(|(at, bytes)| *at..*at + bytes.len() as u64).collect();
    lab::assert_zero_but(lab.bus(), &ranges);
}

/// Shared memory that is exchanged as a whole between two reads.
#[derive(Clone)]
struct Shifty {
    before: Rc<Vec<u8>>,
    after: Rc<Vec<u8>>,
    reads: Rc<Cell<usize>>,
    /// Reads that still see `before`.
    shift: usize,
    /// What was read, offset and length.
    seen: Rc<RefCell<Vec<(usize, usize)>>>,
    start: usize,
    len: usize,
}

impl Shifty {
    fn new(before: &[u8], after: &[u8], shift: usize) -> Self {
        let len = before.len();
        let (before, after) = (Rc::new(before.to_vec()), Rc::new(after.to_vec()));
        Self { before, after, reads: Rc::default(), shift, seen: Rc::default(), start: 0, len }
    }
}

impl SharedMemory for Shifty {
    fn size(&self) -> usize {
        self.len
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfRange> {
        if offset + into.len() > self.len {
            return Err(OutOfRange { offset, len: into.len(), size: self.len });
        }
        let from = if self.reads.get() < self.shift { &self.before } else { &self.after };
        self.reads.set(self.reads.get() + 1);
        let offset = self.start + offset;
        self.seen.borrow_mut().push((offset, into.len()));
        into.copy_from_slice(&from[offset..offset + into.len()]);
        Ok(())
    }

    fn write(&self, _: usize, _: &[u8]) -> Result<(), OutOfRange> {
        panic!("LOAD writes to the image")
    }

    fn part(&self, offset: usize, len: usize) -> Result<Self, OutOfRange> {
        if offset + len > self.len {
            return Err(OutOfRange { offset, len, size: self.len });
        }
        Ok(Self { start: self.start + offset, len, ..self.clone() })
    }
}

#[test]
fn each_byte_of_the_image_is_read_at_most_once() {
    let mut bench = Bench::new(Policy::Strict);
    for image in [forge::good(), two_authentic()[0].image.clone()] {
        let memory = Shifty::new(&image, &image, 0);
        bench.load(memory.clone()).unwrap();
        let mut times = vec![0; image.len()];
        for (offset, len) in memory.seen.borrow().iter() {
            times[*offset..offset + len].iter_mut().for_each(|times| *times += 1);
        }
        let twice = times.iter().position(|times| *times > 1);
        assert_eq!(twice, None, "byte {twice:x?} is read again");
        bench.release().unwrap();
    }
}

#[test]
fn an_image_exchanged_between_any_two_reads_is_one_image_or_none() {
    let mut bench = Bench::new(Policy::Strict);
    let [a, b] = two_authentic();
    let reads = {
        let memory = Shifty::new(&a.image, &a.image, 0);
        bench.load(memory.clone()).unwrap();
        bench.release().unwrap();
        memory.reads.get()
    };
    let mut others = forgeries(&a.image);
    others.push(b.image.clone());
    let [mut loaded, mut refused] = [0; 2];
    for other in &others {
        for (before, after) in [(&a.image, other), (other, &a.image)] {
            for shift in 0..=reads + 1 {
                match bench.load(Shifty::new(before, after, shift)) {
                    Ok(()) => {
                        let first = bench.memory(elf::DATA, 1);
                        let which = [&a, &b].into_iter().find(|image| image.contents[1].1[0] == first[0]);
                        assert_holds(&bench.board, which.unwrap());
                        bench.release().unwrap();
                        loaded += 1;
                    }
                    Err(_) => refused += 1,
                }
                lab::assert_zero(bench.board.bus());
            }
        }
    }
    assert!(loaded > 2 * others.len() && refused > 10 * others.len(), "{loaded} loaded, {refused} refused");
}

/// Says that it is over when it goes, also when that is a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_hundred_thousand_rewrites_while_loads_run() {
    const REWRITES: u64 = 100_000;
    let lab = Lab::new(Policy::Strict);
    let [a, b] = two_authentic();
    let mut others = forgeries(&a.image);
    others.push(b.image.clone());
    let (loading, done, rewrites) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));

    let client = &*lab.tee;
    let session = client.open_session(Uuid::REMOTEPROC_TA, Login::ReeKernel, open_params(M33)).unwrap();
    let buffer = client.share(a.image.len()).unwrap();
    let (address, _) = client.buffer_address(buffer).unwrap();
    client.write_shared(buffer, 0, &a.image).unwrap();
    let [mut loaded, mut refused] = [0u64; 2];

    std::thread::scope(|scope| {
        let linux = lab.linux();
        let (loading, done, rewrites) = (&loading, &done, &rewrites);
        let (others, good) = (&others, &a.image);
        scope.spawn(move || {
            let mut random = 1u64;
            while !done.load(Ordering::Relaxed) {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // What differs of one of the forgeries, put in and taken out again after waits of any length.
                let other = &others[(random >> 33) as usize % others.len()];
                let from = good.iter().zip(other).position(|(a, b)| a != b).unwrap();
                let until =
                    good.len() - good.iter().rev().zip(other.iter().rev()).position(|(a, b)| a != b).unwrap();
                for (bytes, wait) in
                    [(&other[from..until], random >> 40 & 0x7ff), (&good[from..until], random >> 52)]
                {
                    let during = loading.load(Ordering::Relaxed);
                    linux.write(address + from as u64, bytes).unwrap();
                    if during && loading.load(Ordering::Relaxed) {
                        rewrites.fetch_add(1, Ordering::Relaxed);
                    }
                    for _ in 0..wait {
                        std::hint::spin_loop();
                    }
                }
            }
        });
        let _over = Over(done);
        let started = Instant::now();
        while rewrites.load(Ordering::Relaxed) < REWRITES || loaded < 20 || refused < 20 {
            let (command, params) =
                Request::LoadFirmware { processor: M33, image: buffer.whole() }.into_params();
            loading.store(true, Ordering::Relaxed);
            let outcome = client.invoke(session, command, params);
            loading.store(false, Ordering::Relaxed);
            match outcome {
                Ok(_) => {
                    let first = lab.memory(elf::DATA..elf::DATA + 1)[0];
                    let which = [&a, &b].into_iter().find(|image| image.contents[1].1[0] == first);
                    assert_holds(&lab.board, which.unwrap());
                    lab.service.release(M33).unwrap();
                    loaded += 1;
                }
                Err(_) => refused += 1,
            }
            lab::assert_zero(lab.board.bus());
            lab.tee.drain_log();
            if started.elapsed() > Duration::from_secs(60) {
                break;
            }
        }
    });
    let rewrites = rewrites.into_inner();
    println!("{rewrites} rewrites during {loaded} good and {refused} refused loads");
    assert!(rewrites >= REWRITES && loaded >= 20 && refused >= 20, "{rewrites} {loaded} {refused}");
}
