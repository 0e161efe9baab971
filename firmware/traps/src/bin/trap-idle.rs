//! Idles as most firmware does: it spins on a word in memory, while a 1 kHz tick counts.
//!
//! Counter 0 counts ticks. The test ends when somebody writes something else than 0 into counter 1; `done` is then 1.
//! The host measures what the idling costs it.
#![no_std]
#![no_main]

use rproc_runtime::cortex_m::start_tick;
use rproc_runtime::handler;
use rproc_runtime::results::results;

rproc_runtime::entry!(main);
handler!(SysTick, tick);

/// A millisecond at 400 MHz.
const TICK: u32 = 400_000;

fn main() -> ! {
    let results = results();
    results.start();
    start_tick(TICK);
    while results.get(1) == 0 {}
    results.finish(true)
}

fn tick() {
    results().count(0);
}
