//! IWDG: the independent watchdog, on the low-speed clock (Linux `stm32_iwdg.c`, ST's `IWDG_TypeDef`).
//!
//! Board's model: values cross into the slow clock's domain at once, so the update bits of `SR` always read 0.

use std::time::Duration;

use super::{RegisterWrite, Ticks};

const KR: u32 = 0x00;
const PR: u32 = 0x04;
const RLR: u32 = 0x08;
const SR: u32 = 0x0C;
const WINR: u32 = 0x10;
const EWCR: u32 = 0x14;

const KEY_RELOAD: u32 = 0xAAAA;
const KEY_START: u32 = 0xCCCC;
const KEY_UNLOCK: u32 = 0x5555;
/// Counter, reload, window and early-warning values have twelve bits.
const VALUE: u32 = 0xFFF;
/// `EWCR`: early-warning comparator.
const EWIT: u32 = VALUE;
/// `EWCR`: acknowledges the early warning; reads 0.
const EWIC: u32 = 1 << 14;
/// `EWCR`: enables the early warning.
const EWIE: u32 = 1 << 15;
/// `SR`: the watchdog runs.
const ONF: u32 = 1 << 8;
/// `SR`: an early warning is pending.
const EWIF: u32 = 1 << 14;

/// What the counter counted down from, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Load {
    at: Duration,
    from: u32,
}

/// One independent watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iwdg {
    hertz: u64,
    unlocked: bool,
    pr: u32,
    rlr: u32,
    winr: u32,
    ewcr: u32,
    /// None until it is started; then it cannot be stopped.
    load: Option<Load>,
    warned: bool,
    warning: bool,
    bitten: bool,
}

impl Iwdg {
    /// A watchdog at reset, stopped, on a clock of `hertz`.
    pub fn new(hertz: u64) -> Self {
        Iwdg {
            hertz,
            unlocked: false,
            pr: 0,
            rlr: VALUE,
            winr: VALUE,
            ewcr: 0,
            load: None,
            warned: false,
            warning: false,
            bitten: false,
        }
    }

    /// Register read. `KR` and unknown offsets read 0.
    pub fn read(&mut self, offset: u32, now: Duration) -> u32 {
        self.count_to(now);
        match offset {
            PR => self.pr,
            RLR => self.rlr,
            SR => (if self.load.is_some() { ONF } else { 0 }) | (if self.warning { EWIF } else { 0 }),
            WINR => self.winr,
            EWCR => self.ewcr,
            _ => 0,
        }
    }

    /// Register write. All but `KR` are ignored unless the last key was the unlocking one.
    pub fn write(&mut self, offset: u32, write: RegisterWrite, now: Duration) {
        self.count_to(now);
        match offset {
            KR => self.key(write.value & 0xFFFF, now),
            _ if !self.unlocked => {}
            PR => {
                // The count so far was at the old pace.
                self.load = self.load.map(|load| Load { at: now, from: self.counter(load, now) });
                self.pr = write.merge(self.pr) & 7;
            }
            RLR => self.rlr = write.merge(self.rlr) & VALUE,
            WINR => {
                self.winr = write.merge(self.winr) & VALUE;
                self.reload(now);
            }
            EWCR => {
                let value = write.merge(self.ewcr);
                if value & EWIC != 0 {
                    self.warning = false;
                }
                self.ewcr = value & (EWIE | EWIT);
            }
            _ => {}
        }
    }

    /// When it next warns or bites, if nobody feeds it until then.
    pub fn next_event(&self) -> Option<Duration> {
        let load = self.load.filter(|_| !self.bitten)?;
        let warning = self.warning_ticks(load).filter(|_| !self.warned);
        Some(self.ticks().after(load.at, warning.unwrap_or(u64::from(load.from) + 1)))
    }

    /// Counts up to `now`. True if it has bitten: the caller resets the processor, and this watchdog with [`Iwdg::reset`].
    #[must_use]
    pub fn advance(&mut self, now: Duration) -> bool {
        self.count_to(now);
        self.bitten
    }

    /// Level of the early-warning interrupt at its processor.
    pub fn warning_line(&self) -> bool {
        self.warning
    }

    /// What a reset of its processor does: it is stopped, and everything is as at power-on.
    pub fn reset(&mut self) {
        *self = Iwdg::new(self.hertz);
    }

    fn key(&mut self, key: u32, now: Duration) {
        self.unlocked = key == KEY_UNLOCK;
        match key {
            KEY_START if self.load.is_none() => self.load = Some(Load { at: now, from: self.rlr }),
            KEY_RELOAD => {
                let early = self.load.is_some_and(|load| self.counter(load, now) > self.winr);
                self.bitten |= early;
                self.reload(now);
            }
            _ => {}
        }
    }

    fn reload(&mut self, now: Duration) {
        if self.load.is_some() {
            self.load = Some(Load { at: now, from: self.rlr });
            self.warned = false;
        }
    }

    fn ticks(&self) -> Ticks {
        Ticks::new(self.hertz, 4 << self.pr)
    }

    fn counter(&self, load: Load, now: Duration) -> u32 {
        let ticks = u32::try_from(self.ticks().between(load.at, now)).unwrap_or(u32::MAX);
        load.from.saturating_sub(ticks)
    }

    /// Ticks after which the counter stands one below `EWIT`, if the warning is on and lies ahead of the load.
    fn warning_ticks(&self, load: Load) -> Option<u64> {
        let enabled = self.ewcr & EWIE != 0;
        let at = (self.ewcr & EWIT).checked_sub(1).filter(|_| enabled)?;
        load.from.checked_sub(at).map(u64::from)
    }

    fn count_to(&mut self, now: Duration) {
        let Some(load) = self.load else { return };
        let ticks = self.ticks().between(load.at, now);
        if !self.warned && self.warning_ticks(load).is_some_and(|warning| ticks >= warning) {
            self.warned = true;
            self.warning = true;
        }
        self.bitten |= ticks > u64::from(load.from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Started at time 0, a millisecond a tick, 100 ticks.
    fn started() -> Iwdg {
        let mut dog = Iwdg::new(32_000);
        for (offset, value) in [(KR, KEY_START), (KR, KEY_UNLOCK), (PR, 3), (RLR, 99), (KR, KEY_RELOAD)] {
            dog.write(offset, RegisterWrite::word(value), ms(0));
        }
        dog
    }

    #[test]
    fn it_bites_a_tick_after_zero_and_not_before() {
        let mut dog = started();
        assert_eq!(dog.next_event(), Some(ms(100)));
        assert!(!dog.advance(ms(100) - Duration::from_nanos(1)));
        assert!(dog.advance(ms(100)));
        assert_eq!(dog.next_event(), None, "once is enough");
        dog.reset();
        assert_eq!(dog, Iwdg::new(32_000));
    }

    #[test]
    fn feeding_puts_it_off_and_nothing_stops_it() {
        let mut dog = started();
        dog.write(KR, RegisterWrite::word(KEY_RELOAD), ms(60));
        assert!(!dog.advance(ms(159)));
        for offset in [KR, PR, RLR, WINR, EWCR] {
            dog.write(offset, RegisterWrite::word(0), ms(159));
        }
        assert!(dog.advance(ms(160)));
    }

    #[test]
    fn registers_are_locked_but_after_the_key() {
        let mut dog = Iwdg::new(32_000);
        dog.write(RLR, RegisterWrite::word(5), ms(0));
        assert_eq!(dog.read(RLR, ms(0)), 0xFFF);
        dog.write(KR, RegisterWrite::word(KEY_UNLOCK), ms(0));
        dog.write(RLR, RegisterWrite::word(0xFFFF_F005), ms(0));
        assert_eq!(dog.read(RLR, ms(0)), 5);
        dog.write(KR, RegisterWrite::word(KEY_RELOAD), ms(0));
        dog.write(RLR, RegisterWrite::word(6), ms(0));
        assert_eq!(dog.read(RLR, ms(0)), 5, "another key locks again");
        assert_eq!((dog.read(KR, ms(0)), dog.read(SR, ms(0)), dog.next_event()), (0, 0, None));
    }

    #[test]
    fn feeding_too_early_bites_at_once() {
        let mut dog = started();
        dog.write(KR, RegisterWrite::word(KEY_UNLOCK), ms(0));
        dog.write(WINR, RegisterWrite::word(50), ms(0));
        let mut patient = dog.clone();
        patient.write(KR, RegisterWrite::word(KEY_RELOAD), ms(49));
        assert!(!patient.advance(ms(49)), "the counter stands at 50");
        dog.write(KR, RegisterWrite::word(KEY_RELOAD), ms(48));
        assert!(dog.advance(ms(48)));
    }

    #[test]
    fn it_warns_once_a_round() {
        let mut dog = started();
        dog.write(KR, RegisterWrite::word(KEY_UNLOCK), ms(0));
        dog.write(EWCR, RegisterWrite::word(EWIE | 20), ms(0));
        assert_eq!(dog.next_event(), Some(ms(80)), "the counter stands at 19");
        assert!(!dog.advance(ms(80)) && dog.warning_line());
        assert_eq!(dog.next_event(), Some(ms(100)));
        assert_eq!(dog.read(SR, ms(80)), ONF | EWIF);
        dog.write(EWCR, RegisterWrite::word(EWIC | EWIE | 20), ms(81));
        assert!(!dog.advance(ms(82)) && !dog.warning_line());
        dog.write(KR, RegisterWrite::word(KEY_RELOAD), ms(90));
        assert_eq!(dog.next_event(), Some(ms(170)));
    }

    proptest! {
        #[test]
        fn no_event_is_missed_or_invented(pr in 0u32..8, rlr in 0u32..0x1000, ewcr in any::<u32>(), meals in proptest::collection::vec(1u64..3_000_000_000, 0..8)) {
            let mut dog = Iwdg::new(32_000);
            for (offset, value) in [(KR, KEY_UNLOCK), (PR, pr), (RLR, rlr), (EWCR, ewcr & !EWIC), (KR, KEY_START)] {
                dog.write(offset, RegisterWrite::word(value), ms(0));
            }
            let mut now = ms(0);
            for pause in meals {
                let Some(event) = dog.next_event() else { break };
                let before = dog.clone();
                // A warning at the reload value is due at once.
                if let Some(just_before) = event.checked_sub(Duration::from_nanos(1)) {
                    prop_assert!(!dog.advance(just_before));
                }
                prop_assert_eq!(dog.warning_line(), before.warning_line(), "nothing happens before its time");
                let bitten = dog.advance(event);
                prop_assert!(bitten || dog.warning_line(), "and something does at its time");
                now = now.max(event) + Duration::from_nanos(pause);
                dog.write(KR, RegisterWrite::word(KEY_RELOAD), now);
            }
        }
    }
}
