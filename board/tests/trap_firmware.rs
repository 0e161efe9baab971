//! The bundled `trap-*` firmware on the board: what an emulated Cortex-M is known to get wrong is right, and is wrong
//! again without its work-around.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod signing;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use rproc_board::core::WorkAround;
use rproc_board::{Board, Initiator, Wake};
use rproc_elf::ElfFile;
use support::{board, board_without, start};

/// Where a trap tells what it found: "TRAP", done, verdict, counters.
const RESULTS: u64 = 0x8121_0000;
const MAGIC: u32 = u32::from_le_bytes(*b"TRAP");

/// What a trap found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    done: bool,
    /// 1 good, 2 bad, 0 not known.
    verdict: u32,
    counters: [u32; 13],
}

/// A board with this firmware in its memory, just started.
fn started(mut on: Board, firmware: &str) -> Board {
    let file = signing::firmware(firmware);
    let elf = ElfFile::parse(&file).unwrap();
    let secure = on.port(Initiator::A35Secure);
    for segment in elf.segments().filter(|segment| segment.is_load()) {
        secure.write(segment.physical_address, elf.segment_bytes(&segment).unwrap()).unwrap();
    }
    start(&on);
    on.run_for(Duration::from_micros(10));
    assert_eq!(word(&on, 0), MAGIC, "{firmware} runs");
    on
}

fn word(board: &Board, index: u64) -> u32 {
    board.port(Initiator::A35NonSecure).read32(RESULTS + 4 * index).unwrap()
}

fn found(board: &Board) -> Found {
    let counters = std::array::from_fn(|index| word(board, 3 + index as u64));
    Found { done: word(board, 1) == 1, verdict: word(board, 2), counters }
}

/// Lets a trap run for as long as it may take, and returns what it found.
fn spring(on: Board, firmware: &str) -> Found {
    let mut board = started(on, firmware);
    let deadline = board.now() + Duration::from_millis(500);
    while word(&board, 1) == 0 && board.now() < deadline {
        if let Wake::Crashed(report) = board.run_for(Duration::from_millis(5)) {
            panic!("{firmware}: {report}");
        }
    }
    found(&board)
}

#[test]
fn interrupts_inside_it_blocks() {
    let with = spring(board(), "trap-it.elf");
    assert!(with.done && with.verdict == 1, "{with:?}");
    assert_eq!(with.counters[..6], [0; 6]);
    assert!(with.counters[6..11].iter().all(|count| *count > 0), "every case was tried: {with:?}");
    let without = spring(board_without(WorkAround::ItState), "trap-it.elf");
    assert_eq!(without.verdict, 2, "the fault this works around is gone: {without:?}");
}

#[test]
fn a_warm_reset() {
    let with = spring(board(), "trap-warm-reset.elf");
    assert!(with.done && with.verdict == 1, "{with:?}");
    assert_eq!(with.counters[0], 2, "it started twice");
    let without = spring(board_without(WorkAround::ColdReset), "trap-warm-reset.elf");
    assert_eq!(without.verdict, 2, "the fault this works around is gone: {without:?}");
}

#[test]
fn waiting_for_events_that_have_happened() {
    let with = spring(board(), "trap-wfe.elf");
    assert!(with.done && with.verdict == 1, "{with:?}");
    assert_eq!(with.counters[..2], [2, 1]);
    let without = spring(board_without(WorkAround::WfeYields), "trap-wfe.elf");
    assert!(!without.done, "the fault this works around is gone: {without:?}");
}

#[test]
fn idling_costs_next_to_nothing() {
    let idle = |on: Board, time| {
        let mut board = started(on, "trap-idle.elf");
        board.run_for(time);
        let ticks = word(&board, 3);
        let instructions = board.instructions();
        // The end that it waits for is seen, although it was going in circles.
        board.port(Initiator::A35NonSecure).write32(RESULTS + 16, 1).unwrap();
        board.run_for(Duration::from_micros(100));
        assert_eq!(found(&board).verdict, 1);
        (ticks, instructions)
    };
    let (ticks, quick) = idle(board(), Duration::from_millis(1000));
    assert!((999..=1000).contains(&ticks), "{ticks} ticks of 1 ms in a second");
    assert!(quick < 1_000_000, "{quick} instructions in a second");
    let (ticks, slow) = idle(board_without(WorkAround::SkipCircles), Duration::from_millis(10));
    assert!((9..=10).contains(&ticks), "{ticks} ticks of 1 ms in 10 ms");
    assert!(slow > 1_000_000, "{slow}: the spinning this works around is gone");
}

#[test]
fn another_thread_sees_whole_words() {
    let mut board = started(board(), "trap-torn.elf");
    let port = board.port(Initiator::A35NonSecure);
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let reader = std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while stopped.try_recv().is_err() {
            let mut half = [0; 2];
            port.read(RESULTS + 12, &mut half).unwrap();
            seen.insert(u32::from(u16::from_le_bytes(half)));
            seen.insert(port.read32(RESULTS + 16).unwrap());
        }
        seen
    });
    board.run_for(Duration::from_millis(5));
    stop.send(()).unwrap();
    let seen = reader.join().unwrap();
    assert!(seen.is_subset(&BTreeSet::from([0x00ff, 0x0100, 0x0000_ffff, 0x0001_0000])), "{seen:x?}");
    assert!(word(&board, 5) > 1000, "it alternates");
    assert!(found(&board).done);
}
