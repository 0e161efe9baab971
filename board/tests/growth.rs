//! Thousands of crashes and recoveries of a whole system: none of the three worlds keeps anything of them. Ten thousand:
//!
//!     RPROC_CYCLES=10000 cargo test --release -p rproc-board --test growth -- --nocapture
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

#[path = "support/meter.rs"]
mod meter;
mod signing;

use std::time::Duration;

use rproc_abi::ProcessorId;
use rproc_board::boards::BOARDS;
use rproc_board::system::{System, SystemConfig};
use rproc_devicetree::Tree;
use rproc_lifecycle::{Event, State};

/// Cycles of a quick run.
const CYCLES: u32 = 2_000;
const LIMIT: Duration = Duration::from_secs(1);

/// The Cortex-M4 of an STM32MP157F-DK2, which has little memory to be wiped and dumped, with firmware that fails on demand.
fn system() -> System {
    let board = BOARDS.into_iter().find(|board| board.name == "stm32mp157f-dk2").unwrap();
    let mut system = System::start(SystemConfig {
        linux_tree: &Tree::parse(board.linux_tree).unwrap(),
        secure_tree: &Tree::parse(board.secure_tree).unwrap(),
        processors: &["m4"],
        tee: signing::tee(),
        real_time: false,
    })
    .unwrap();
    let image = signing::sign_for(&signing::firmware("obey-m4.elf"), ProcessorId::CORTEX_M4, "stm32mp157");
    system.processors[0].set_firmware(image).unwrap();
    system.processors[0].boot().unwrap();
    system
}

/// One message, which the firmware takes as an order to fault, and the recovery from it.
fn cycle(system: &mut System) {
    let end = system.now() + LIMIT;
    while system.processors[0].channels().is_empty() {
        system.wait(LIMIT);
        assert!(system.now() < end, "it announces no channel");
    }
    let channel = system.processors[0].channels()[0].id;
    system.processors[0].send(channel, b"fault", LIMIT).unwrap();
    let end = system.now() + LIMIT;
    loop {
        let events = system.wait(LIMIT);
        if events.iter().any(|(_, event)| matches!(event, Event::Recovered { .. })) {
            break;
        }
        assert!(system.now() < end, "it does not recover");
    }
    system.drain();
    assert_eq!(system.processors[0].state(), State::Running);
}

#[test]
fn thousands_of_recoveries_leave_no_trace() {
    let cycles = std::env::var("RPROC_CYCLES").map_or(CYCLES, |cycles| cycles.parse().unwrap());
    let mut system = system();
    meter::count(true);
    for _ in 0..100 {
        cycle(&mut system);
    }
    let before = meter::live();
    assert!(before > 0, "the meter counts");
    for _ in 0..cycles {
        cycle(&mut system);
    }
    let grown = meter::live() - before;
    meter::count(false);
    println!("{grown} bytes more after {cycles} recoveries");
    assert!(grown.abs() < 4096, "{grown} bytes more after {cycles} recoveries");
    system.processors[0].shutdown().unwrap();
    assert_eq!(system.processors[0].state(), State::Offline);
}
