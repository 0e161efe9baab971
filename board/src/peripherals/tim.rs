//! TIM: a general-purpose or basic timer as a time base (RM0436 and RM0457, ST's `TIM_TypeDef`).
//!
//! Modelled: counting up or down with prescaler, continuous or one pulse; the update event with its preloaded registers and its
//! interrupt. Capture, compare, triggers, outputs, DMA and centred counting are stored only.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{RegisterWrite, Ticks};

const CR1: u32 = 0x00;
const DIER: u32 = 0x0C;
const SR: u32 = 0x10;
const EGR: u32 = 0x14;
/// The counter: reading it in a loop is waiting, and it changes by itself.
pub(super) const CNT: u32 = 0x24;
const PSC: u32 = 0x28;
const ARR: u32 = 0x2C;

/// `CR1`.
const ENABLE: u32 = 1 << 0;
const UPDATE_DISABLE: u32 = 1 << 1;
const UPDATE_BY_COUNTER_ALONE: u32 = 1 << 2;
const ONE_PULSE: u32 = 1 << 3;
const DOWN: u32 = 1 << 4;
const PRELOAD: u32 = 1 << 7;
/// `DIER`, `SR`, `EGR`: the update.
const UPDATE: u32 = 1 << 0;

/// A count that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// When the counter stood at its start.
    since: Duration,
    /// Ticks since then that have had their effect.
    seen: u64,
}

/// What an update loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Loaded {
    psc: u32,
    arr: u32,
}

/// One timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tim {
    hertz: u64,
    /// The bits that counter and reload value have.
    width: u32,
    cr1: u32,
    dier: u32,
    flags: u32,
    /// As written, and as they count.
    written: Loaded,
    active: Loaded,
    /// Ticks into the round of a counter that stands still.
    held: u64,
    run: Option<Run>,
    stored: BTreeMap<u32, u32>,
}

impl Tim {
    /// A timer at reset, off, on a kernel clock of `hertz`; `wide` ones count in 32 bits, the others in 16.
    pub fn new(hertz: u64, wide: bool) -> Self {
        let width = if wide { u32::MAX } else { 0xFFFF };
        let at_reset = Loaded { psc: 0, arr: width };
        Tim {
            hertz,
            width,
            cr1: 0,
            dier: 0,
            flags: 0,
            written: at_reset,
            active: at_reset,
            held: 0,
            run: None,
            stored: BTreeMap::new(),
        }
    }

    /// Register read.
    pub fn read(&mut self, offset: u32, now: Duration) -> u32 {
        self.advance(now);
        match offset {
            CR1 => self.cr1,
            DIER => self.dier,
            SR => self.flags,
            EGR => 0,
            CNT => self.counter(self.into_round(now)),
            PSC => self.written.psc,
            ARR => self.written.arr,
            _ => self.stored.get(&offset).copied().unwrap_or(0),
        }
    }

    /// Register write. Board's model: a reload value below the counter ends the round at the next tick, where silicon counts on to
    /// the counter's end.
    pub fn write(&mut self, offset: u32, write: RegisterWrite, now: Duration) {
        self.advance(now);
        match offset {
            CR1 => self.control(write.merge(self.cr1), now),
            DIER => self.dier = write.merge(self.dier),
            // Flags are cleared by writing 0.
            SR => self.flags &= write.merge(self.flags),
            EGR if write.value & UPDATE != 0 => {
                if self.cr1 & UPDATE_DISABLE == 0 {
                    self.active = self.written;
                    self.flags |= if self.cr1 & UPDATE_BY_COUNTER_ALONE == 0 { UPDATE } else { 0 };
                }
                self.restart(0, now);
            }
            CNT => {
                let value = write.merge(self.counter(self.into_round(now))) & self.width;
                self.restart(self.ticks_of(value), now);
            }
            PSC => self.written.psc = write.merge(self.written.psc) & 0xFFFF,
            ARR => {
                self.written.arr = write.merge(self.written.arr) & self.width;
                if self.cr1 & PRELOAD == 0 {
                    let counter = self.counter(self.into_round(now));
                    self.active.arr = self.written.arr;
                    self.restart(self.ticks_of(counter), now);
                }
            }
            EGR => {}
            _ => {
                let slot = self.stored.entry(offset).or_insert(0);
                *slot = write.merge(*slot);
            }
        }
    }

    /// When the update flag will next rise, if it is not up already: firmware may wait for it with or without an interrupt.
    pub fn next_event(&self) -> Option<Duration> {
        let run = self.run?;
        let comes = (self.flags & UPDATE == 0 && self.cr1 & UPDATE_DISABLE == 0) || self.cr1 & ONE_PULSE != 0;
        comes.then(|| self.ticks().after(run.since, self.next_update(run)))
    }

    /// Counts up to `now`.
    pub fn advance(&mut self, now: Duration) {
        // The second turn counts what came after an update that changed the clock or the round.
        for _ in 0..2 {
            let Some(run) = self.run else { return };
            let (ticks, update) = (self.ticks().between(run.since, now), self.next_update(run));
            if ticks < update {
                return;
            }
            let loads = self.cr1 & UPDATE_DISABLE == 0;
            self.flags |= if loads { UPDATE } else { 0 };
            let changed = loads && self.active != self.written;
            let since = self.ticks().after(run.since, update);
            if changed {
                self.active = self.written;
            }
            if self.cr1 & ONE_PULSE != 0 {
                self.cr1 &= !ENABLE;
                (self.run, self.held) = (None, 0);
            } else if changed {
                self.held = 0;
                self.run = (self.active.arr != 0).then_some(Run { since, seen: 0 });
            } else {
                self.run = Some(Run { seen: ticks, ..run });
                return;
            }
        }
    }

    /// Level of its interrupt.
    pub fn line(&self) -> bool {
        self.flags & self.dier & UPDATE != 0
    }

    fn control(&mut self, value: u32, now: Duration) {
        let counter = self.counter(self.into_round(now));
        let turned = (value ^ self.cr1) & (ENABLE | DOWN) != 0;
        self.cr1 = value;
        if turned {
            self.restart(self.ticks_of(counter), now);
        }
    }

    /// Counts on, or stands, from so many ticks into a round. A reload value of 0 stops the counter.
    fn restart(&mut self, ticks: u64, now: Duration) {
        let back = self.ticks().after(Duration::ZERO, ticks);
        let counts = self.cr1 & ENABLE != 0 && self.active.arr != 0;
        self.run = counts.then(|| Run { since: now.saturating_sub(back), seen: ticks });
        self.held = ticks;
    }

    fn ticks(&self) -> Ticks {
        Ticks::new(self.hertz, u64::from(self.active.psc) + 1)
    }

    fn round(&self) -> u64 {
        u64::from(self.active.arr) + 1
    }

    /// The first tick after those seen that ends a round.
    fn next_update(&self, run: Run) -> u64 {
        (run.seen / self.round() + 1).saturating_mul(self.round())
    }

    /// Ticks since the round began.
    fn into_round(&self, now: Duration) -> u64 {
        self.run.map_or(self.held, |run| self.ticks().between(run.since, now) % self.round())
    }

    /// The counter so many ticks into a round.
    fn counter(&self, ticks: u64) -> u32 {
        let up = u32::try_from(ticks).unwrap_or(u32::MAX);
        if self.cr1 & DOWN == 0 { up } else { self.active.arr.saturating_sub(up) }
    }

    /// How far into a round the counter has this value.
    fn ticks_of(&self, counter: u32) -> u64 {
        let counter = counter.min(self.active.arr);
        u64::from(if self.cr1 & DOWN == 0 { counter } else { self.active.arr - counter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn write(timer: &mut Tim, offset: u32, value: u32, at: u64) {
        timer.write(offset, RegisterWrite::word(value), ms(at));
    }

    /// A millisecond a tick, ten ticks a round, loaded as ST's HAL does it, not yet counting.
    fn prepared() -> Tim {
        let mut timer = Tim::new(104_000, false);
        for (offset, value) in [(ARR, 9), (PSC, 103), (EGR, UPDATE), (SR, !UPDATE)] {
            write(&mut timer, offset, value, 0);
        }
        timer
    }

    #[test]
    fn a_time_base_interrupts_once_a_round() {
        let mut timer = prepared();
        write(&mut timer, DIER, UPDATE, 0);
        assert_eq!(timer.next_event(), None, "off");
        write(&mut timer, CR1, ENABLE, 100);
        assert_eq!(timer.next_event(), Some(ms(110)));
        timer.advance(ms(110) - Duration::from_nanos(1));
        assert!(!timer.line());
        timer.advance(ms(110));
        assert!(timer.line());
        assert_eq!(timer.next_event(), None, "pending already");
        write(&mut timer, SR, !UPDATE, 113);
        assert_eq!((timer.line(), timer.next_event(), timer.read(CNT, ms(113))), (false, Some(ms(120)), 3));
    }

    #[test]
    fn an_update_that_is_made_by_hand_loads_what_was_written() {
        let mut timer = Tim::new(104_000, false);
        write(&mut timer, PSC, 103, 0);
        write(&mut timer, CR1, ENABLE | UPDATE_BY_COUNTER_ALONE, 0);
        assert_eq!(timer.read(CNT, ms(1)), 104, "the prescaler waits for an update");
        write(&mut timer, EGR, UPDATE, 1);
        assert_eq!((timer.read(CNT, ms(6)), timer.read(SR, ms(6)), timer.read(EGR, ms(6))), (5, 0, 0));
        write(&mut timer, CR1, ENABLE, 6);
        write(&mut timer, EGR, UPDATE, 6);
        assert_eq!(timer.read(SR, ms(6)), UPDATE);
    }

    #[test]
    fn a_preloaded_round_begins_with_the_next_one() {
        let mut timer = prepared();
        write(&mut timer, CR1, ENABLE | PRELOAD, 0);
        write(&mut timer, ARR, 4, 5);
        assert_eq!((timer.read(ARR, ms(8)), timer.read(CNT, ms(8))), (4, 8));
        assert_eq!(timer.read(CNT, ms(13)), 3);
        write(&mut timer, SR, 0, 13);
        assert_eq!(timer.next_event(), Some(ms(15)));
        write(&mut timer, CR1, ENABLE, 13);
        write(&mut timer, ARR, 7, 13);
        assert_eq!(timer.next_event(), Some(ms(18)), "without preload at once");
    }

    #[test]
    fn one_pulse_is_one() {
        let mut timer = prepared();
        write(&mut timer, CR1, ENABLE | ONE_PULSE, 0);
        timer.advance(ms(35));
        assert_eq!(
            (timer.read(CR1, ms(35)), timer.read(CNT, ms(35)), timer.next_event()),
            (ONE_PULSE, 0, None)
        );
        assert_eq!(timer.read(SR, ms(35)), UPDATE);
    }

    #[test]
    fn a_held_counter_goes_on_where_it_stood_and_may_count_down() {
        let mut timer = prepared();
        write(&mut timer, CR1, ENABLE, 0);
        write(&mut timer, CR1, 0, 4);
        assert_eq!((timer.read(CNT, ms(20)), timer.next_event()), (4, None));
        write(&mut timer, CR1, ENABLE | DOWN, 20);
        assert_eq!((timer.read(CNT, ms(21)), timer.next_event()), (3, Some(ms(25))));
        write(&mut timer, CNT, 9, 21);
        assert_eq!(timer.next_event(), Some(ms(31)));
    }

    #[test]
    fn updates_can_be_held_back_and_a_round_of_nothing_stands_still() {
        let mut timer = prepared();
        write(&mut timer, CR1, ENABLE | UPDATE_DISABLE, 0);
        assert_eq!((timer.next_event(), timer.read(SR, ms(25)), timer.read(CNT, ms(25))), (None, 0, 5));
        write(&mut timer, CR1, ENABLE, 25);
        write(&mut timer, ARR, 0, 25);
        assert_eq!((timer.next_event(), timer.read(CNT, ms(99))), (None, 0));
        let mut timer = prepared();
        write(&mut timer, CR1, ENABLE | PRELOAD, 0);
        write(&mut timer, CR1, PRELOAD, 4);
        write(&mut timer, CR1, ENABLE | PRELOAD, 4);
        write(&mut timer, ARR, 0, 4);
        assert_eq!((timer.read(CNT, ms(9)), timer.read(CNT, ms(12)), timer.next_event()), (9, 0, None));
    }

    #[test]
    fn only_a_wide_one_has_a_wide_counter() {
        for (wide, expected) in [(false, 0xFFFF), (true, u32::MAX)] {
            let mut timer = Tim::new(1000, wide);
            write(&mut timer, ARR, !0, 0);
            assert_eq!(timer.read(ARR, ms(0)), expected);
        }
    }

    proptest! {
        /// Against a counter that is stepped a tick at a time.
        #[test]
        fn agrees_with_a_stepped_counter(
            arr in 1u32..20, down: bool, looks in proptest::collection::vec((0u64..30, any::<bool>()), 1..20),
        ) {
            let mut timer = prepared();
            write(&mut timer, CR1, if down { DOWN } else { 0 }, 0);
            write(&mut timer, ARR, arr, 0);
            write(&mut timer, EGR, UPDATE, 0);
            write(&mut timer, SR, 0, 0);
            write(&mut timer, CR1, ENABLE | if down { DOWN } else { 0 }, 0);
            let (mut tick, mut flag) = (0u64, 0);
            for (pause, clear) in looks {
                for _ in 0..pause {
                    tick += 1;
                    flag |= u32::from(tick.is_multiple_of(u64::from(arr + 1)));
                }
                let up = (tick % u64::from(arr + 1)) as u32;
                prop_assert_eq!(timer.read(CNT, ms(tick)), if down { arr - up } else { up });
                prop_assert_eq!(timer.read(SR, ms(tick)), flag);
                if clear {
                    write(&mut timer, SR, 0, tick);
                    flag = 0;
                }
                let next = (tick / u64::from(arr + 1) + 1) * u64::from(arr + 1);
                prop_assert_eq!(timer.next_event(), (flag == 0).then(|| ms(next)));
            }
        }
    }
}
