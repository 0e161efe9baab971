//! A low-power timer on the bus: it interrupts a coprocessor.

use std::time::Duration;

use super::super::{Access, Line, Lptim, Peripheral, RegisterWrite};
use crate::description::TimerSite;

/// One timer. It is not in the coprocessor's reset domain: it counts on until it is switched off.
#[derive(Debug)]
pub struct TimerBlock {
    site: TimerSite,
    timer: Lptim,
}

impl TimerBlock {
    /// The timer at power-on.
    pub fn new(site: TimerSite) -> Self {
        TimerBlock { site, timer: Lptim::new(site.hertz) }
    }
}

impl Peripheral for TimerBlock {
    fn read(&mut self, offset: u32, access: Access) -> u32 {
        self.timer.read(offset, access.now)
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
