//! When a counter on a slow clock ticks, in the board's virtual time.

use std::time::Duration;

const NANOSECONDS: u128 = 1_000_000_000;

/// A clock of `hertz` behind a divider. Every counter that uses it starts its first tick when it is loaded: silicon's prescalers run
/// on, so there the first tick may come up to one tick earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    hertz: u64,
    divider: u64,
}

impl Ticks {
    /// Ticks of `hertz / divider` a second. Zeros are taken as one.
    pub fn new(hertz: u64, divider: u64) -> Self {
        Ticks { hertz: hertz.max(1), divider: divider.max(1) }
    }

    /// Whole ticks from `start` to `now`; none when `now` is earlier.
    pub fn between(self, start: Duration, now: Duration) -> u64 {
        let elapsed = now.saturating_sub(start).as_nanos();
        let ticks = elapsed.saturating_mul(u128::from(self.hertz)) / self.period_numerator();
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// The first moment, to the nanosecond, at which [`Ticks::between`] has counted `ticks` since `start`.
    pub fn after(self, start: Duration, ticks: u64) -> Duration {
        let numerator = u128::from(ticks).saturating_mul(self.period_numerator());
        let nanoseconds = numerator.div_ceil(u128::from(self.hertz));
        start.saturating_add(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
    }

    fn period_numerator(self) -> u128 {
        u128::from(self.divider) * NANOSECONDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tick_is_counted_at_its_moment_and_not_before(
            hertz in 1u64..400_000_000, divider in 1u64..1_000_000, start in 0u64..1_000_000_000_000, ticks in 1u64..100_000,
        ) {
            let (clock, start) = (Ticks::new(hertz, divider), Duration::from_nanos(start));
            let moment = clock.after(start, ticks);
            // Clocks faster than the nanosecond have several ticks in one.
            prop_assert!(clock.between(start, moment) >= ticks);
            prop_assert!(clock.between(start, moment - Duration::from_nanos(1)) < ticks);
        }
    }

    #[test]
    fn the_low_speed_clock_is_exact() {
        let clock = Ticks::new(32_000, 32);
        assert_eq!(clock.after(Duration::from_secs(1), 100), Duration::from_millis(1100));
        assert_eq!(clock.between(Duration::from_secs(2), Duration::from_secs(1)), 0);
    }
}
