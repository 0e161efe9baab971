//! Virtual time: picoseconds since power-on, because processors with different clocks share it.
//!
//! While one of several cores runs its slice, the clock shows *that core's* time; between two slices it shows the board's, which
//! no running core is behind. Only the board's run loop moves it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Picoseconds of a nanosecond.
const PER_NANOSECOND: u64 = 1000;
const PER_SECOND: u64 = 1_000_000_000_000;
/// Binary places of a period's fraction.
const FRACTION: u32 = 16;

/// The board's clock. Reading is free of locks; one thread, the one that runs the cores, moves it.
#[derive(Debug, Default)]
pub struct Clock {
    picoseconds: AtomicU64,
}

impl Clock {
    /// Picoseconds since power-on; they last for 213 days.
    #[inline]
    pub fn picoseconds(&self) -> u64 {
        self.picoseconds.load(Ordering::Relaxed)
    }

    /// Virtual time since power-on, to the nanosecond below.
    pub fn now(&self) -> Duration {
        duration(self.picoseconds())
    }

    /// Sets the time. Only the thread that runs the cores may call this: a plain store, because this sits in the loop that runs
    /// once an instruction.
    #[inline]
    pub(crate) fn set(&self, picoseconds: u64) {
        self.picoseconds.store(picoseconds, Ordering::Relaxed);
    }
}

/// A time in picoseconds, to the nanosecond below.
pub fn duration(picoseconds: u64) -> Duration {
    Duration::from_nanos(picoseconds / PER_NANOSECOND)
}

/// A duration in picoseconds; one that is too long is the longest there is.
pub fn picoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).saturating_mul(PER_NANOSECOND)
}

/// The period of a clock: cycles to picoseconds and back, without a drift where the period is not a whole number of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// One cycle in picoseconds, with [`FRACTION`] binary places.
    cycle: u64,
    /// What has passed of the picosecond that is not over yet.
    rest: u64,
}

impl Period {
    /// The period of a clock of so many hertz; zero hertz is taken as one.
    pub fn of(hertz: u64) -> Self {
        let cycle = (u128::from(PER_SECOND) << FRACTION) / u128::from(hertz.max(1));
        Period { cycle: u64::try_from(cycle).unwrap_or(u64::MAX).max(1), rest: 0 }
    }

    /// Lets `cycles` pass; returns the picoseconds that takes.
    #[inline]
    pub fn pass(&mut self, cycles: u64) -> u64 {
        let passed = u128::from(self.cycle) * u128::from(cycles) + u128::from(self.rest);
        self.rest = passed as u64 & ((1 << FRACTION) - 1);
        (passed >> FRACTION) as u64
    }

    /// The picoseconds that [`Period::pass`] would return.
    pub fn picoseconds(&self, cycles: u64) -> u64 {
        let passed = u128::from(self.cycle) * u128::from(cycles) + u128::from(self.rest);
        u64::try_from(passed >> FRACTION).unwrap_or(u64::MAX)
    }

    /// The fewest cycles in which at least so many picoseconds pass.
    pub fn cycles(&self, picoseconds: u64) -> u64 {
        let wanted = (u128::from(picoseconds) << FRACTION).saturating_sub(u128::from(self.rest));
        u64::try_from(wanted.div_ceil(u128::from(self.cycle))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_and_picoseconds_find_each_other() {
        for hertz in [16_000_000, 209_000_000, 400_000_000, 32_000] {
            let mut period = Period::of(hertz);
            period.pass(12_345);
            for cycles in [1, 2, 3, 999, 1_000_000] {
                assert_eq!(period.cycles(period.picoseconds(cycles)), cycles, "{cycles} at {hertz}");
            }
        }
    }

    #[test]
    fn a_period_that_is_not_whole_does_not_drift() {
        let mut period = Period::of(209_000_000);
        let second: u64 = (0..209_000).map(|_| period.pass(1000)).sum();
        assert!(second.abs_diff(PER_SECOND) < 10_000, "{second}");
        assert_eq!(Period::of(400_000_000).pass(400), 1_000_000);
    }

    #[test]
    fn absurd_times_saturate() {
        assert_eq!(picoseconds(Duration::MAX), u64::MAX);
        assert_eq!(Period::of(0).cycles(u64::MAX), u64::MAX / PER_SECOND + 1);
        assert_eq!(duration(1_999), Duration::from_nanos(1));
    }
}
