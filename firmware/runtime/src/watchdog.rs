//! The watchdog of this processor: once started it cannot be stopped, only fed (IWDG and WWDG, RM0436 and RM0457).

use crate::chip::{WATCHDOG, Watchdog};
use crate::mmio::Register;

/// Milliseconds without [`feed`] after which it resets the processor, to within a tenth.
pub const PERIOD: u32 = 100;

/// IWDG key: start.
const START: u32 = 0xCCCC;
/// IWDG key: let the prescaler and the reload value be written.
const UNLOCK: u32 = 0x5555;
/// IWDG key: count from the reload value again.
const RELOAD: u32 = 0xAAAA;
/// IWDG prescaler 3: a 32nd of the 32 kHz clock, so a millisecond a count.
const MILLISECONDS: u32 = 3;
/// WWDG prescaler 6: a 64th of a 4096th of the bus clock.
const WINDOW_PRESCALER: u32 = 6;
/// WWDG control: on. Below it lie 7 bits of counter, which reset the processor when their highest one falls.
const WINDOW_ON: u32 = 1 << 7;

/// A register of a watchdog.
const fn register(watchdog: u32, offset: u32) -> Register {
    // SAFETY: an aligned register of the watchdog for every value of the masked offset, not memory.
    unsafe { Register::at(watchdog + (offset & 0x1C)) }
}

/// What a WWDG on a bus of `hertz` counts down from, with its highest bit set, so that the bit falls after [`PERIOD`].
const fn window_counter(hertz: u32) -> u32 {
    let counts = hertz / 1000 * PERIOD / (4096 << WINDOW_PRESCALER);
    // More than 64 counts do not fit, less than one is none.
    let counts = if counts > 64 {
        64
    } else if counts == 0 {
        1
    } else {
        counts
    };
    0x3F + counts
}

/// Starts it.
pub fn start() {
    match WATCHDOG {
        Watchdog::Independent(registers) => {
            register(registers, 0).write(START);
            register(registers, 0).write(UNLOCK);
            register(registers, 4).write(MILLISECONDS);
            register(registers, 8).write(PERIOD - 1);
            // The values cross into the 32 kHz domain.
            while register(registers, 0xC).read() & 3 != 0 {}
        }
        Watchdog::Window { registers, .. } => {
            // The window is the whole range: feeding is never too early.
            register(registers, 4).write(WINDOW_PRESCALER << 11 | 0x7F);
        }
    }
    feed();
}

/// Gives it another [`PERIOD`].
pub fn feed() {
    match WATCHDOG {
        Watchdog::Independent(registers) => register(registers, 0).write(RELOAD),
        Watchdog::Window { registers, hertz } => {
            register(registers, 0).write(WINDOW_ON | window_counter(hertz));
        }
    }
}
