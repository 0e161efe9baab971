//! The system's allocator with a meter: how much of a thread's allocations lives, and the most that lived.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Whether what this thread allocates and frees is counted.
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Meter;

fn note(freed: usize, taken: usize) {
    // A thread that is ending has no meter any more.
    if COUNTING.try_with(Cell::get) == Ok(true) {
        LIVE.set(LIVE.get() + taken as isize - freed as isize);
        PEAK.set(PEAK.get().max(LIVE.get()));
    }
}

// SAFETY: every call goes to the system's allocator as it came; the meter only looks at the sizes.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        // SAFETY: the caller keeps the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(layout.size(), 0);
        // SAFETY: the caller keeps the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The old block is still there while the new one is filled.
        note(0, size);
        note(layout.size(), 0);
        // SAFETY: the caller keeps the same contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static METER: Meter = Meter;

/// Counts this thread's allocations from zero on, or counts them no more.
pub fn count(on: bool) {
    if on {
        LIVE.set(0);
        PEAK.set(0);
    }
    COUNTING.set(on);
}

/// Stops counting, or goes on: what another part of the thread's work allocates.
#[allow(dead_code, reason = "each test binary uses its own part")]
pub fn toggle() {
    COUNTING.set(!COUNTING.get());
}

/// Bytes that were allocated and not freed since counting began; below zero when older ones were freed.
#[allow(dead_code, reason = "each test binary uses its own part")]
pub fn live() -> isize {
    LIVE.get()
}

/// The most that lived at one time since then.
#[allow(dead_code, reason = "each test binary uses its own part")]
pub fn peak() -> usize {
    PEAK.get().unsigned_abs()
}
