//! Virtual time: a count of core cycles that only the board's run loop advances.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The board's clock. Reading is free of locks; one thread, the one that runs the core, advances it.
#[derive(Debug)]
pub struct Clock {
    hertz: u64,
    cycles: AtomicU64,
}

impl Clock {
    /// A clock at zero that counts `hertz` cycles a second. Zero hertz is taken as one.
    pub fn new(hertz: u64) -> Self {
        Clock { hertz: hertz.max(1), cycles: AtomicU64::new(0) }
    }

    /// Cycles since power-on.
    pub fn cycles(&self) -> u64 {
        self.cycles.load(Ordering::Relaxed)
    }

    /// Virtual time since power-on, to the nanosecond below.
    pub fn now(&self) -> Duration {
        let nanoseconds = u128::from(self.cycles()) * 1_000_000_000 / u128::from(self.hertz);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// The first cycle count at which [`Clock::now`] is at least `time`.
    pub fn cycles_at(&self, time: Duration) -> u64 {
        let cycles = (time.as_nanos().saturating_mul(u128::from(self.hertz))).div_ceil(1_000_000_000);
        u64::try_from(cycles).unwrap_or(u64::MAX)
    }

    /// Moves time forward. Only the thread that runs the core may call this: a plain load and store, because this sits in
    /// the loop that runs once an instruction.
    pub(crate) fn advance(&self, cycles: u64) {
        self.cycles.store(self.cycles().saturating_add(cycles), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reached_exactly_at_its_cycle_count() {
        let clock = Clock::new(400_000_000);
        for nanoseconds in [0, 1, 2, 3, 999, 1_000_000, 7_777_777] {
            let deadline = Duration::from_nanos(nanoseconds);
            let clock = Clock::new(400_000_000);
            clock.advance(clock.cycles_at(deadline));
            assert!(clock.now() >= deadline);
            assert!(clock.now() - deadline < Duration::from_nanos(3));
        }
        clock.advance(400);
        assert_eq!(clock.now(), Duration::from_micros(1));
    }

    #[test]
    fn absurd_deadlines_saturate() {
        assert_eq!(Clock::new(400_000_000).cycles_at(Duration::MAX), u64::MAX);
    }
}
