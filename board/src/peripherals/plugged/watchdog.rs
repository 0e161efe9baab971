//! A watchdog on the bus: it warns its coprocessor, resets it, and tells the A side through EXTI.

use std::time::Duration;

use super::super::{Access, Iwdg, Line, Peripheral, RegisterWrite, ResetPulse, Watchdog, Wwdg};
use super::exti::SharedExti;
use crate::description::{WatchdogKind, WatchdogSite};

/// One watchdog. Board's model: every reset of its coprocessor stops it, so that one which the A side has stopped is not bitten.
#[derive(Debug)]
pub struct WatchdogBlock {
    site: WatchdogSite,
    watchdog: Watchdog,
    told: Option<(SharedExti, u8)>,
    /// It has bitten, and nobody has taken the reset yet.
    reset: bool,
}

impl WatchdogBlock {
    /// The watchdog at power-on, and the line that it raises when it bites.
    pub fn new(site: WatchdogSite, told: Option<(SharedExti, u8)>) -> Self {
        let watchdog = match site.kind {
            WatchdogKind::Iwdg => Watchdog::Independent(Iwdg::new(site.hertz)),
            WatchdogKind::Wwdg => Watchdog::Window(Wwdg::new(site.hertz)),
        };
        WatchdogBlock { site, watchdog, told, reset: false }
    }

    fn count_to(&mut self, now: Duration) {
        if self.watchdog.advance(now) {
            self.watchdog.reset();
            self.reset = true;
            if let Some((exti, line)) = &self.told {
                exti.lock().raise(*line);
            }
        }
    }
}

impl Peripheral for WatchdogBlock {
    fn read(&mut self, offset: u32, access: Access) -> u32 {
        self.watchdog.read(offset, access.now)
    }

    fn write(&mut self, offset: u32, write: RegisterWrite, access: Access) {
        self.watchdog.write(offset, write, access.now);
        self.count_to(access.now);
    }

    fn next_event(&self) -> Option<Duration> {
        self.watchdog.next_event()
    }

    fn advance(&mut self, now: Duration) {
        self.count_to(now);
    }

    fn lines(&self, drive: &mut dyn FnMut(Line, bool)) {
        if let Some(number) = self.site.early_warning {
            let coprocessor = self.site.coprocessor;
            drive(Line::Nvic { coprocessor, number }, self.watchdog.warning_line());
        }
    }

    fn take_reset(&mut self) -> Option<ResetPulse> {
        let WatchdogSite { coprocessor, name, reset_cause, .. } = self.site;
        std::mem::take(&mut self.reset).then_some(ResetPulse {
            coprocessor,
            source: name,
            cause: reset_cause,
        })
    }

    fn coprocessor_reset(&mut self, coprocessor: u32, _now: Duration) {
        if coprocessor == self.site.coprocessor {
            self.watchdog.reset();
        }
    }
}
