//! An authenticated load beside what it cannot do without: SHA-256 of the same bytes and one copy of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rproc_abi::{Login, ProcessorId};
use rproc_board::tee::{Counters, HostTee, Services, TeeConfig, TrustedKeys};
use rproc_board::{Board, boards};
use rproc_elf::testing::ElfBuilder;
use rproc_image::{BoundResourceTable, ContainerBuilder, Target};
use rproc_keys::development_key;
use rproc_service::Policy;
use rproc_tee::{RemoteprocService, TeeClient};
use sha2::{Digest, Sha256};

const MIB: usize = 1 << 20;
const ROUNDS: usize = 15;

fn container(size: usize) -> Vec<u8> {
    let content: Vec<u8> = (0..size as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    // Half of it to each of the two DDR regions, so that 8 MiB fit beside their vectors.
    let (code, data) = content.split_at(size / 2);
    let elf = ElfBuilder::elf32().load(0x8010_0000, code).load(0x80a0_0000, data).build();
    let mut key = development_key().expect("the development key is valid");
    let mut builder = ContainerBuilder::new();
    builder.image(&elf).expect("the ELF file is valid");
    builder.resource_table(BoundResourceTable::Absent).expect("no table is a valid table");
    builder
        .boot_address(0x8010_0000)
        .target(Target::new(ProcessorId::CORTEX_M33.0, "stm32mp257").expect("a valid target"))
        .security_counter(0)
        .bind_elf_metadata();
    builder.sign::<Sha256, _>(&mut key).expect("the development key signs").to_vec()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn main() {
    let board = Board::new(boards::stm32mp257f_ev1()).expect("the host has memory for a board");
    let keys = TrustedKeys::new([development_key().expect("the development key is valid").public_key()]);
    let tee = Arc::new(HostTee::new(
        board.bus().clone(),
        TeeConfig { keys, policy: Policy::Strict, services: Services::all(), counters: Counters::new() },
    ));
    let m33 = ProcessorId::CORTEX_M33;
    let service =
        RemoteprocService::open(tee.clone(), Login::ReeKernel, m33).expect("the kernel may open the service");
    println!(
        "authenticated load, median of {ROUNDS}, and SHA-256 + memcpy of the same bytes in the same run"
    );
    for size in [MIB, 8 * MIB] {
        let image = container(size);
        let buffer = tee.share(image.len()).expect("the normal world has memory to share");
        tee.write_shared(buffer, 0, &image).expect("the buffer is large enough");
        let (mut loads, mut floors) = (Vec::new(), Vec::new());
        let mut copy = vec![0; image.len()];
        for _ in 0..ROUNDS {
            let start = Instant::now();
            service.load_shared(m33, buffer).expect("the image is good");
            loads.push(start.elapsed());
            service.release(m33).expect("a loaded processor can be released");
            let start = Instant::now();
            copy.copy_from_slice(&image);
            std::hint::black_box(Sha256::digest(&copy));
            floors.push(start.elapsed());
        }
        tee.unshare(buffer);
        let (load, floor) = (median(loads), median(floors));
        println!(
            "load {:>2} MiB: {:>8.3} ms    SHA-256 + memcpy: {:>8.3} ms    ratio {:.2}",
            size / MIB,
            load.as_secs_f64() * 1e3,
            floor.as_secs_f64() * 1e3,
            load.as_secs_f64() / floor.as_secs_f64(),
        );
    }
}
