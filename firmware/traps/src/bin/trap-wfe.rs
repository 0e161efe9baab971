//! Waits for events that have already happened: each WFE must return at once.
//!
//! Counter 0 counts WFEs that returned (2 at the end), 1 counts interrupts taken (1), 2 says which WFE is about to run:
//! 1 after a SEV, 2 after an interrupt has run. A processor that sleeps for ever leaves `done` at 0.
#![no_std]
#![no_main]

use core::arch::asm;
use rproc_runtime::cortex_m::{STIR, barrier, enable_interrupt};
use rproc_runtime::handler;
use rproc_runtime::results::results;

rproc_runtime::entry!(main);
handler!(Interrupt0, interrupt);

fn main() -> ! {
    let results = results();
    results.start();
    enable_interrupt(0);

    results.set(2, 1);
    // SAFETY: sets the event register, then waits for it; touches no memory.
    unsafe { asm!("sev", "wfe") };
    results.count(0);

    STIR.write(0);
    barrier();
    results.set(2, 2);
    // SAFETY: waits; the return from the interrupt has set the event register (Armv8-M ARM, B3.30).
    unsafe { asm!("wfe") };
    results.count(0);

    results.finish(results.get(0) == 2 && results.get(1) == 1)
}

fn interrupt() {
    results().count(1);
}
