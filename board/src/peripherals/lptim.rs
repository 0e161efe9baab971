//! LPTIM: a low-power timer that counts up to its reload value again and again (ST's `LPTIM_TypeDef` of the STM32MP25).
//!
//! Modelled: counting, continuous or once, with prescaler; compare channel 1; interrupts. Inputs, triggers, encoder, repetition and
//! waveform outputs are stored only. Board's model: what is written arrives in the timer's clock domain at once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{RegisterWrite, Ticks};

const ISR: u32 = 0x00;
const ICR: u32 = 0x04;
const DIER: u32 = 0x08;
const CFGR: u32 = 0x0C;
const CR: u32 = 0x10;
const CCR1: u32 = 0x14;
const ARR: u32 = 0x18;
/// The counter: reading it in a loop is waiting, and it changes by itself.
pub(super) const CNT: u32 = 0x1C;

/// `ISR`, `ICR`, `DIER`: the counter has reached `CCR1`.
const COMPARED: u32 = 1 << 0;
/// `ISR`, `ICR`, `DIER`: the counter has reached `ARR`.
const MATCHED: u32 = 1 << 1;
/// `ISR`, `ICR`: the write of `CCR1`, `ARR` or `DIER` has arrived.
const CCR1_WRITTEN: u32 = 1 << 3;
const ARR_WRITTEN: u32 = 1 << 4;
const DIER_WRITTEN: u32 = 1 << 24;
/// `CR`.
const ENABLE: u32 = 1 << 0;
const START_ONCE: u32 = 1 << 1;
const START_CONTINUOUS: u32 = 1 << 2;
const RESET_COUNTER: u32 = 1 << 3;
/// `CFGR`: a power of two in bits 11:9.
const PRESCALER_SHIFT: u32 = 9;
const COUNTER: u32 = 0xFFFF;

/// A count that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    since: Duration,
    once: bool,
    /// Ticks since then whose flags have been raised.
    seen: u64,
}

/// One timer.
#[derive(Debug, Clone)]
pub struct Lptim {
    hertz: u64,
    flags: u32,
    dier: u32,
    cfgr: u32,
    enabled: bool,
    ccr1: u32,
    arr: u32,
    run: Option<Run>,
    stored: BTreeMap<u32, u32>,
    /// Since when it has had no clock.
    stopped: Option<Duration>,
}

impl Lptim {
    /// A timer at reset, off, on a kernel clock of `hertz`.
    pub fn new(hertz: u64) -> Self {
        Lptim {
            hertz,
            flags: 0,
            dier: 0,
            cfgr: 0,
            enabled: false,
            ccr1: 0,
            arr: 1,
            run: None,
            stored: BTreeMap::new(),
            stopped: None,
        }
    }

    /// Register read.
    pub fn read(&mut self, offset: u32, now: Duration) -> u32 {
        self.advance(now);
        match offset {
            ISR => self.flags,
            ICR => 0,
            DIER => self.dier,
            CFGR => self.cfgr,
            CR => u32::from(self.enabled) * ENABLE,
            CCR1 => self.ccr1,
            ARR => self.arr,
            CNT => self.counter(now),
            _ => self.stored.get(&offset).copied().unwrap_or(0),
        }
    }

    /// Register write. `CFGR` is locked while the timer is on, and `CCR1`, `ARR` and `DIER` while it is off, as on the chip.
    pub fn write(&mut self, offset: u32, write: RegisterWrite, now: Duration) {
        self.advance(now);
        match offset {
            ISR | CNT => {}
            ICR => self.flags &= !write.value,
            CFGR if !self.enabled => self.cfgr = write.merge(self.cfgr),
            DIER if self.enabled => {
                self.dier = write.merge(self.dier);
                self.flags |= DIER_WRITTEN;
            }
            CCR1 if self.enabled => {
                self.ccr1 = write.merge(self.ccr1) & COUNTER;
                self.flags |= CCR1_WRITTEN;
            }
            ARR if self.enabled => {
                // The count goes on from where it stands, in a round of the new length.
                let (counter, ticks) = (u64::from(self.counter(now)), self.ticks());
                self.arr = write.merge(self.arr) & COUNTER;
                self.flags |= ARR_WRITTEN;
                if let Some(run) = &mut self.run {
                    let counter = counter.min(u64::from(self.arr));
                    let back = ticks.after(Duration::ZERO, counter);
                    *run = Run { since: now.saturating_sub(back), seen: counter, ..*run };
                }
            }
            CR => self.control(write.value, now),
            CFGR | DIER | CCR1 | ARR => {}
            _ => {
                let slot = self.stored.entry(offset).or_insert(0);
                *slot = write.merge(*slot);
            }
        }
    }

    /// Its clock stops, or goes on. Without it the counter stands still, and goes on from there.
    pub fn set_clock(&mut self, on: bool, now: Duration) {
        match (on, self.stopped) {
            (false, None) => {
                self.advance(now);
                self.stopped = Some(now);
            }
            (true, Some(since)) => {
                self.stopped = None;
                if let Some(run) = &mut self.run {
                    run.since += now.saturating_sub(since);
                }
            }
            _ => {}
        }
    }

    /// When the next flag will rise that is not up already: firmware may wait for it with or without an interrupt.
    pub fn next_event(&self) -> Option<Duration> {
        let run = self.run.filter(|_| self.stopped.is_none())?;
        let next = |flag: u32, at: u32| {
            let down = self.flags & flag == 0;
            down.then(|| self.next_tick_at(run, u64::from(at))).flatten()
        };
        let ticks = [next(COMPARED, self.ccr1), next(MATCHED, self.arr)].into_iter().flatten().min()?;
        Some(self.ticks().after(run.since, ticks))
    }

    /// Counts up to `now`.
    pub fn advance(&mut self, now: Duration) {
        let Some(run) = self.run.filter(|_| self.stopped.is_none()) else { return };
        let ticks = self.ticks().between(run.since, now);
        for (flag, at) in [(COMPARED, self.ccr1), (MATCHED, self.arr)] {
            if self.next_tick_at(run, u64::from(at)).is_some_and(|tick| tick <= ticks) {
                self.flags |= flag;
            }
        }
        let over = run.once && ticks > u64::from(self.arr);
        self.run = (!over).then_some(Run { seen: ticks.max(run.seen), ..run });
    }

    /// Level of its interrupt.
    pub fn line(&self) -> bool {
        self.flags & self.dier & (COMPARED | MATCHED) != 0
    }

    fn control(&mut self, value: u32, now: Duration) {
        self.enabled = value & ENABLE != 0;
        if !self.enabled {
            (self.run, self.flags, self.dier, self.ccr1, self.arr) = (None, 0, 0, 0, 1);
            return;
        }
        let start = |once| Run { since: now, once, seen: 0 };
        if value & START_CONTINUOUS != 0 {
            let run = self.run.get_or_insert(start(false));
            run.once = false;
        } else if value & START_ONCE != 0 && self.run.is_none() {
            self.run = Some(start(true));
        }
        if value & RESET_COUNTER != 0
            && let Some(run) = &mut self.run
        {
            *run = start(run.once);
        }
    }

    fn ticks(&self) -> Ticks {
        Ticks::new(self.hertz, 1 << (self.cfgr >> PRESCALER_SHIFT & 7))
    }

    fn round(&self) -> u64 {
        u64::from(self.arr) + 1
    }

    fn counter(&self, now: Duration) -> u32 {
        let count = self.run.map_or(0, |run| self.ticks().between(run.since, now) % self.round());
        u32::try_from(count).unwrap_or(0)
    }

    /// The first tick after those seen at which the counter stands at `at`; none when it never will.
    fn next_tick_at(&self, run: Run, at: u64) -> Option<u64> {
        let round = self.round();
        if at >= round {
            return None;
        }
        let rounds = if run.seen < at { 0 } else { (run.seen - at) / round + 1 };
        (rounds == 0 || !run.once).then_some(at + rounds * round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn write(timer: &mut Lptim, offset: u32, value: u32, now: Duration) {
        timer.write(offset, RegisterWrite::word(value), now);
    }

    /// On, a millisecond a tick, 10 ticks a round.
    fn prepared(dier: u32) -> Lptim {
        let mut timer = Lptim::new(32_000);
        write(&mut timer, CFGR, 5 << PRESCALER_SHIFT, ms(0));
        for (offset, value) in [(CR, ENABLE), (DIER, dier), (ARR, 9), (CCR1, 4)] {
            write(&mut timer, offset, value, ms(0));
        }
        timer
    }

    #[test]
    fn without_its_clock_it_stands_still_and_then_goes_on() {
        let mut timer = prepared(MATCHED);
        write(&mut timer, CR, ENABLE | START_CONTINUOUS, ms(100));
        timer.set_clock(false, ms(104));
        assert_eq!(timer.next_event(), None);
        timer.advance(ms(500));
        assert!(!timer.line());
        timer.set_clock(true, ms(1000));
        assert_eq!((timer.read(CNT, ms(1000)), timer.next_event()), (4, Some(ms(1005))));
        timer.set_clock(true, ms(1002));
        assert_eq!(timer.next_event(), Some(ms(1005)), "it had its clock");
        timer.advance(ms(1005));
        assert!(timer.line());
    }

    #[test]
    fn it_matches_once_a_round() {
        let mut timer = prepared(MATCHED);
        write(&mut timer, CR, ENABLE | START_CONTINUOUS, ms(100));
        assert_eq!(timer.next_event(), Some(ms(104)), "who reads the flags may wait for a comparison");
        timer.advance(ms(104));
        assert_eq!((timer.line(), timer.next_event()), (false, Some(ms(109))));
        timer.advance(ms(109) - Duration::from_nanos(1));
        assert!(!timer.line());
        timer.advance(ms(109));
        assert!(timer.line());
        assert_eq!(timer.next_event(), None, "pending already");
        write(&mut timer, ICR, MATCHED, ms(112));
        assert!(!timer.line());
        assert_eq!((timer.next_event(), timer.read(CNT, ms(112))), (Some(ms(119)), 2));
    }

    #[test]
    fn writes_are_reported_to_have_arrived() {
        let mut timer = prepared(MATCHED);
        assert_eq!(timer.read(ISR, ms(0)), CCR1_WRITTEN | ARR_WRITTEN | DIER_WRITTEN);
        write(&mut timer, ICR, !0, ms(0));
        assert_eq!((timer.read(ISR, ms(0)), timer.read(ICR, ms(0))), (0, 0));
    }

    #[test]
    fn once_is_once() {
        let mut timer = prepared(MATCHED | COMPARED);
        write(&mut timer, CR, ENABLE | START_ONCE, ms(0));
        assert_eq!(timer.next_event(), Some(ms(4)));
        timer.advance(ms(30));
        assert_eq!(timer.read(ISR, ms(30)) & 3, 3);
        write(&mut timer, ICR, 3, ms(30));
        assert_eq!((timer.next_event(), timer.read(CNT, ms(35))), (None, 0));
    }

    #[test]
    fn off_forgets_and_is_locked() {
        let mut timer = prepared(MATCHED);
        write(&mut timer, CR, ENABLE | START_CONTINUOUS, ms(0));
        write(&mut timer, CFGR, 0, ms(1));
        assert_eq!(timer.read(CFGR, ms(1)), 5 << PRESCALER_SHIFT, "locked while on");
        write(&mut timer, CR, 0, ms(50));
        assert_eq!((timer.next_event(), timer.line(), timer.read(DIER, ms(50))), (None, false, 0));
        write(&mut timer, DIER, 2, ms(50));
        write(&mut timer, ARR, 7, ms(50));
        assert_eq!((timer.read(DIER, ms(50)), timer.read(ARR, ms(50))), (0, 1), "locked while off");
    }

    #[test]
    fn a_new_length_keeps_the_count() {
        let mut timer = prepared(MATCHED);
        write(&mut timer, CR, ENABLE | START_CONTINUOUS, ms(0));
        write(&mut timer, ARR, 19, ms(5));
        timer.advance(ms(5));
        assert_eq!((timer.read(CNT, ms(5)), timer.next_event()), (5, Some(ms(19))));
    }

    proptest! {
        /// Against a counter that is stepped a tick at a time.
        #[test]
        fn agrees_with_a_stepped_counter(arr in 1u32..20, ccr1 in 0u32..25, looks in proptest::collection::vec((0u64..30, any::<bool>()), 1..20)) {
            let mut timer = prepared(MATCHED | COMPARED);
            write(&mut timer, ARR, arr, ms(0));
            write(&mut timer, CCR1, ccr1, ms(0));
            write(&mut timer, CR, ENABLE | START_CONTINUOUS, ms(0));
            let (mut tick, mut flags) = (0u64, 0);
            for (pause, clear) in looks {
                for _ in 0..pause {
                    tick += 1;
                    let counter = (tick % u64::from(arr + 1)) as u32;
                    flags |= if counter == arr { MATCHED } else { 0 };
                    flags |= if counter == ccr1 { COMPARED } else { 0 };
                }
                let now = ms(tick);
                prop_assert_eq!(timer.read(ISR, now) & 3, flags);
                prop_assert_eq!(timer.read(CNT, now), (tick % u64::from(arr + 1)) as u32);
                if clear {
                    write(&mut timer, ICR, 3, now);
                    flags = 0;
                }
            }
        }
    }
}
