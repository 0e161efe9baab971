//! Ten thousand crashes and recoveries: what the lifecycle keeps does not grow.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

// The simulated board of the unit tests names these by `crate::`.
use rproc_lifecycle::{
    Crash, CrashKind, Description, Event, Interrupts, Loader, Machine, Mailbox, MemoryRegion, Remoteproc,
    State, TableLocation, Wake,
};

#[path = "../src/testing.rs"]
#[allow(dead_code, reason = "the unit tests use the rest")]
mod testing;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator with a meter: bytes that this thread has allocated and not freed.
struct Meter;

fn note(change: isize) {
    // A thread that is ending has no meter any more.
    let _ = LIVE.try_with(|live| live.set(live.get() + change));
}

// SAFETY: every call goes to the system's allocator as it came; the meter only looks at the sizes.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: the caller keeps the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: the caller keeps the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size as isize - layout.size() as isize);
        // SAFETY: the caller keeps the same contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static METER: Meter = Meter;

const CYCLES: u32 = 10_000;
const MOMENT: Duration = Duration::from_millis(1);

/// One crash in the middle of an exchange, and the recovery from it.
fn cycle(processor: &mut Remoteproc<testing::FakeLoader, testing::FakeMachine>, board: &testing::Board) {
    let channel = processor.channels().first().unwrap().id;
    processor.send(channel, b"before the crash", MOMENT).unwrap();
    let crash = Crash { kind: CrashKind::Watchdog, reason: "the watchdog ran out".to_owned() };
    *board.crash.borrow_mut() = Some(crash);
    board.calls.borrow_mut().clear();
    let mut recovered = false;
    for _ in 0..6 {
        let events = processor.wait(MOMENT);
        recovered |= events.iter().any(|event| matches!(event, Event::Recovered { .. }));
    }
    assert!(recovered && processor.state() == State::Running);
}

#[test]
fn ten_thousand_recoveries_leave_no_trace() {
    let (mut processor, _board, _) = testing::processor();
    let board = Rc::clone(&processor.machine().board);
    processor.boot().unwrap();
    for _ in 0..6 {
        processor.wait(MOMENT);
    }
    for _ in 0..100 {
        cycle(&mut processor, &board);
    }
    let before = LIVE.get();
    assert!(before > 0, "the meter counts");
    for _ in 0..CYCLES {
        cycle(&mut processor, &board);
    }
    let grown = LIVE.get() - before;
    println!("{before} bytes before, {grown} more after {CYCLES} recoveries");
    // The simulated firmware's own buffers differ from moment to moment by a message or two.
    assert!(grown.abs() < 4096, "{grown} bytes more after {CYCLES} recoveries");
    processor.shutdown().unwrap();
    assert_eq!(processor.state(), State::Offline);
}
