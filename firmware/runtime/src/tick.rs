//! Waiting by SysTick, asleep in between. The firmware puts [`count`] into its SysTick handler.

use crate::chip::CYCLES_PER_MILLISECOND;
use crate::cortex_m::{sleep_unless, start_tick, stop_tick};
use core::sync::atomic::{AtomicU32, Ordering};

/// Ticks since reset, modulo 2^32.
static TICKS: AtomicU32 = AtomicU32::new(0);

/// Counts a tick. Only the SysTick handler may call this.
pub fn count() {
    // Nobody else writes, so this needs no atomic addition, which Armv6-M has not.
    TICKS.store(TICKS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
}

/// Ticks every millisecond from now on.
pub fn start() {
    start_tick(CYCLES_PER_MILLISECOND);
}

/// Sleeps for at least so many milliseconds. Other interrupts are served in between. The tick is stopped afterwards.
pub fn wait(milliseconds: u32) {
    start();
    for _ in 0..milliseconds {
        let seen = TICKS.load(Ordering::Acquire);
        while TICKS.load(Ordering::Acquire) == seen {
            sleep_unless(|| TICKS.load(Ordering::Acquire) != seen);
        }
    }
    stop_tick();
}
