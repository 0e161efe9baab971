//! Feeds its watchdog for half a second, then sleeps for ever: the watchdog resets the processor a period later.
#![no_std]
#![no_main]

use rproc_runtime::{cortex_m, handler, log, tick, watchdog};

rproc_runtime::resource_table!();
rproc_runtime::entry!(main);
handler!(SysTick, tick::count);

/// How often it is fed.
const MEALS: u32 = 10;
/// Milliseconds between two meals.
const PAUSE: u32 = watchdog::PERIOD / 2;

fn main() -> ! {
    watchdog::start();
    log!("starve: the watchdog runs");
    for _ in 0..MEALS {
        tick::wait(PAUSE);
        watchdog::feed();
    }
    log!("starve: the watchdog is no longer fed");
    cortex_m::stop()
}
