//! A watchdog of either kind, as the board runs it.

use std::time::Duration;

use super::{Iwdg, RegisterWrite, Wwdg};

/// One watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watchdog {
    /// On the low-speed clock.
    Independent(Iwdg),
    /// On a bus clock, with a window.
    Window(Wwdg),
}

impl Watchdog {
    /// Register read.
    pub fn read(&mut self, offset: u32, now: Duration) -> u32 {
        match self {
            Watchdog::Independent(dog) => dog.read(offset, now),
            Watchdog::Window(dog) => dog.read(offset, now),
        }
    }

    /// Register write.
    pub fn write(&mut self, offset: u32, write: RegisterWrite, now: Duration) {
        match self {
            Watchdog::Independent(dog) => dog.write(offset, write, now),
            Watchdog::Window(dog) => dog.write(offset, write, now),
        }
    }

    /// When it next warns or bites, if nobody feeds it until then.
    pub fn next_event(&self) -> Option<Duration> {
        match self {
            Watchdog::Independent(dog) => dog.next_event(),
            Watchdog::Window(dog) => dog.next_event(),
        }
    }

    /// Counts up to `now`. True if it has bitten: its processor is to be reset, and the watchdog with [`Watchdog::reset`].
    #[must_use]
    pub fn advance(&mut self, now: Duration) -> bool {
        match self {
            Watchdog::Independent(dog) => dog.advance(now),
            Watchdog::Window(dog) => dog.advance(now),
        }
    }

    /// Level of the early-warning interrupt at its processor.
    pub fn warning_line(&self) -> bool {
        match self {
            Watchdog::Independent(dog) => dog.warning_line(),
            Watchdog::Window(dog) => dog.warning_line(),
        }
    }

    /// What a reset of its processor does.
    pub fn reset(&mut self) {
        match self {
            Watchdog::Independent(dog) => dog.reset(),
            Watchdog::Window(dog) => dog.reset(),
        }
    }
}
