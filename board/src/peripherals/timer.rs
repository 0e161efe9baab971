//! A timer of either kind, as the board runs it.

use std::time::Duration;

use super::{Lptim, RegisterWrite, Tim, lptim, tim};

/// One timer.
#[derive(Debug, Clone)]
pub enum Timer {
    /// On the low-speed clock.
    LowPower(Lptim),
    /// On a bus clock.
    General(Tim),
}

impl Timer {
    /// Register read.
    pub fn read(&mut self, offset: u32, now: Duration) -> u32 {
        match self {
            Timer::LowPower(timer) => timer.read(offset, now),
            Timer::General(timer) => timer.read(offset, now),
        }
    }

    /// Whether this is the counter, which reads otherwise each time.
    pub fn counts_at(&self, offset: u32) -> bool {
        match self {
            Timer::LowPower(_) => offset == lptim::CNT,
            Timer::General(_) => offset == tim::CNT,
        }
    }

    /// Register write.
    pub fn write(&mut self, offset: u32, write: RegisterWrite, now: Duration) {
        match self {
            Timer::LowPower(timer) => timer.write(offset, write, now),
            Timer::General(timer) => timer.write(offset, write, now),
        }
    }

    /// Its clock stops, or goes on.
    pub fn set_clock(&mut self, on: bool, now: Duration) {
        match self {
            Timer::LowPower(timer) => timer.set_clock(on, now),
            // No SoC's table of gates names one, so that their clocks never stop.
            Timer::General(_) => {}
        }
    }

    /// When one of its flags will next rise that is not up already.
    pub fn next_event(&self) -> Option<Duration> {
        match self {
            Timer::LowPower(timer) => timer.next_event(),
            Timer::General(timer) => timer.next_event(),
        }
    }

    /// Counts up to `now`.
    pub fn advance(&mut self, now: Duration) {
        match self {
            Timer::LowPower(timer) => timer.advance(now),
            Timer::General(timer) => timer.advance(now),
        }
    }

    /// Level of its interrupt.
    pub fn line(&self) -> bool {
        match self {
            Timer::LowPower(timer) => timer.line(),
            Timer::General(timer) => timer.line(),
        }
    }
}
