//! A timer on the bus: it interrupts a coprocessor.

use std::time::Duration;

use super::super::{Access, Line, Lptim, Peripheral, RegisterWrite, Tim, Timer};
use crate::description::{TimerKind, TimerSite};

/// One timer. It is not in the coprocessor's reset domain: it counts on until it is switched off.
#[derive(Debug)]
pub struct TimerBlock {
    site: TimerSite,
    timer: Timer,
}

impl TimerBlock {
    /// The timer at power-on.
    pub fn new(site: TimerSite) -> Self {
        let timer = match site.kind {
            TimerKind::LowPower => Timer::LowPower(Lptim::new(site.hertz)),
            TimerKind::General { wide } => Timer::General(Tim::new(site.hertz, wide)),
        };
        TimerBlock { site, timer }
    }
}

impl Peripheral for TimerBlock {
    fn read(&mut self, offset: u32, access: Access) -> u32 {
        self.timer.read(offset, access.now)
    }

    fn reading_changes(&self, offset: u32) -> bool {
        self.timer.counts_at(offset)
    }

    fn write(&mut self, offset: u32, write: RegisterWrite, access: Access) {
        self.timer.write(offset, write, access.now);
    }

    fn set_clock(&mut self, on: bool, now: Duration) {
        self.timer.set_clock(on, now);
    }

    fn next_event(&self) -> Option<Duration> {
        self.timer.next_event()
    }

    fn advance(&mut self, now: Duration) {
        self.timer.advance(now);
    }

    fn lines(&self, drive: &mut dyn FnMut(Line, bool)) {
        let TimerSite { coprocessor, nvic, .. } = self.site;
        drive(Line::Nvic { coprocessor, number: nvic }, self.timer.line());
    }
}
