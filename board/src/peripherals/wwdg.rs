//! WWDG: the window watchdog, on a bus clock (ST's `WWDG_TypeDef`, `stm32mp1xx_hal_wwdg.c`).
//!
//! Board's model: a write of the counter starts a whole tick.

use std::time::Duration;

use super::{RegisterWrite, Ticks};

const CR: u32 = 0x0;
const CFR: u32 = 0x4;
const SR: u32 = 0x8;

/// `CR`: the seven-bit counter; the watchdog bites when its highest bit falls.
const T: u32 = 0x7F;
const T6: u32 = 0x40;
/// `CR`: on; only a reset clears it.
const WDGA: u32 = 1 << 7;
/// `CFR`: the counter may be written when it is not above this.
const W: u32 = 0x7F;
/// `CFR`: the early warning is an interrupt.
const EWI: u32 = 1 << 9;
/// `CFR`: prescaler, a power of two in bits 13:11.
const WDGTB_SHIFT: u32 = 11;
const CFR_MASK: u32 = W | EWI | 7 << WDGTB_SHIFT;
/// `SR`: the counter has reached 0x40; cleared by writing 0.
const EWIF: u32 = 1;

/// What the counter counted down from, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Load {
    at: Duration,
    from: u32,
}

/// One window watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wwdg {
    hertz: u64,
    cfr: u32,
    /// What `CR` holds while it is off.
    idle: u32,
    load: Option<Load>,
    warned: bool,
    ewif: bool,
    bitten: bool,
}

impl Wwdg {
    /// A watchdog at reset, off, on a bus clock of `hertz`.
    pub fn new(hertz: u64) -> Self {
        Wwdg { hertz, cfr: W, idle: T, load: None, warned: false, ewif: false, bitten: false }
    }

    /// Register read; unknown offsets read 0.
    pub fn read(&mut self, offset: u32, now: Duration) -> u32 {
        self.count_to(now);
        match offset {
            CR => self.load.map_or(self.idle, |load| WDGA | self.counter(load, now)),
            CFR => self.cfr,
            SR => u32::from(self.ewif) * EWIF,
            _ => 0,
        }
    }

    /// Register write.
    pub fn write(&mut self, offset: u32, write: RegisterWrite, now: Duration) {
        self.count_to(now);
        match offset {
            CR => self.control(write, now),
            CFR => {
                // The count so far was at the old pace.
                self.load = self.load.map(|load| Load { at: now, from: self.counter(load, now) });
                self.cfr = write.merge(self.cfr) & CFR_MASK;
            }
            SR => self.ewif &= write.merge(EWIF) & EWIF != 0,
            _ => {}
        }
    }

    /// When it next warns or bites, if nobody feeds it until then.
    pub fn next_event(&self) -> Option<Duration> {
        let load = self.load.filter(|_| !self.bitten)?;
        let target = if self.warned { T6 - 1 } else { T6 };
        Some(self.ticks().after(load.at, u64::from(load.from.saturating_sub(target))))
    }

    /// Counts up to `now`. True if it has bitten: the caller resets the processor, and this watchdog with [`Wwdg::reset`].
    #[must_use]
    pub fn advance(&mut self, now: Duration) -> bool {
        self.count_to(now);
        self.bitten
    }

    /// Level of the early-warning interrupt at its processor.
    pub fn warning_line(&self) -> bool {
        self.ewif && self.cfr & EWI != 0
    }

    /// What a reset of its processor does: it is off, and everything is as at power-on.
    pub fn reset(&mut self) {
        *self = Wwdg::new(self.hertz);
    }

    fn control(&mut self, write: RegisterWrite, now: Duration) {
        let old = self.load.map_or(self.idle, |load| WDGA | self.counter(load, now));
        let new = write.merge(old) & (T | WDGA);
        if self.load.is_none() && new & WDGA == 0 {
            self.idle = new;
            return;
        }
        // Fed before its window, or told to count from below the limit.
        let early = self.load.is_some() && old & T > self.cfr & W;
        self.bitten |= early || new & T6 == 0;
        self.load = Some(Load { at: now, from: new & T });
        self.warned = false;
        self.count_to(now);
    }

    fn ticks(&self) -> Ticks {
        Ticks::new(self.hertz, 4096 << (self.cfr >> WDGTB_SHIFT & 7))
    }

    fn counter(&self, load: Load, now: Duration) -> u32 {
        let ticks = u32::try_from(self.ticks().between(load.at, now)).unwrap_or(u32::MAX);
        load.from.saturating_sub(ticks)
    }

    fn count_to(&mut self, now: Duration) {
        let Some(load) = self.load else { return };
        let counter = self.counter(load, now);
        if !self.warned && counter <= T6 {
            self.warned = true;
            self.ewif = true;
        }
        self.bitten |= counter < T6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A millisecond a tick.
    const HERTZ: u64 = 4_096_000;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn write(dog: &mut Wwdg, offset: u32, value: u32, now: Duration) {
        dog.write(offset, RegisterWrite::word(value), now);
    }

    fn started() -> Wwdg {
        let mut dog = Wwdg::new(HERTZ);
        write(&mut dog, CR, WDGA | 0x49, ms(0));
        dog
    }

    #[test]
    fn it_warns_at_0x40_and_bites_below() {
        let mut dog = started();
        assert_eq!(dog.next_event(), Some(ms(9)));
        assert!(!dog.advance(ms(9)) && !dog.warning_line(), "flagged, but no interrupt is enabled");
        assert_eq!((dog.read(SR, ms(9)), dog.read(CR, ms(9))), (EWIF, WDGA | 0x40));
        assert_eq!(dog.next_event(), Some(ms(10)));
        assert!(!dog.advance(ms(10) - Duration::from_nanos(1)));
        assert!(dog.advance(ms(10)));
        dog.reset();
        assert_eq!((dog.read(CR, ms(10)), dog.read(CFR, ms(10)), dog.next_event()), (T, W, None));
    }

    #[test]
    fn the_prescaler_and_the_warning_interrupt() {
        let mut dog = started();
        write(&mut dog, CFR, W | EWI | 3 << WDGTB_SHIFT, ms(0));
        assert_eq!(dog.next_event(), Some(ms(72)));
        assert!(!dog.advance(ms(72)) && dog.warning_line());
        write(&mut dog, SR, 1, ms(72));
        assert!(dog.warning_line(), "writing 1 leaves it");
        write(&mut dog, SR, 0, ms(72));
        assert!(!dog.warning_line());
        write(&mut dog, CR, WDGA | 0x49, ms(79));
        assert_eq!(dog.next_event(), Some(ms(79 + 72)), "fed, it will warn again");
    }

    #[test]
    fn feeding_before_the_window_bites_at_once() {
        let mut dog = started();
        write(&mut dog, CFR, 0x45, ms(0));
        let mut patient = dog.clone();
        write(&mut patient, CR, WDGA | 0x49, ms(4));
        assert!(!patient.advance(ms(4)), "the counter stands at 0x45");
        write(&mut dog, CR, WDGA | 0x49, ms(3));
        assert!(dog.advance(ms(3)));
    }

    #[test]
    fn it_cannot_be_switched_off() {
        let mut dog = started();
        write(&mut dog, CR, 0x7F, ms(1));
        assert_eq!(dog.read(CR, ms(1)), WDGA | 0x7F, "that only fed it");
        write(&mut dog, CR, 0x3F, ms(2));
        assert!(dog.advance(ms(2)), "that is software's way to a reset");
    }

    #[test]
    fn off_it_only_remembers() {
        let mut dog = Wwdg::new(HERTZ);
        write(&mut dog, CR, 0x20, ms(0));
        assert_eq!((dog.read(CR, ms(500)), dog.next_event()), (0x20, None));
        assert!(!dog.advance(ms(1000)));
    }
}
