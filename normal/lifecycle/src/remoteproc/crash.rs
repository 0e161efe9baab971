//! Crash reports and recovery.

use super::{Owed, Remoteproc};
use crate::error::Error;
use crate::event::Event;
use crate::loader::Loader;
use crate::machine::{Crash, Interrupts, Machine};
use crate::state::{Request, State};

impl<L: Loader, M: Machine> Remoteproc<L, M> {
    /// Takes a crash report. If recovery is on and there is firmware, the processor is stopped, its memory dumped, and the
    /// firmware loaded and started anew; else it stays crashed until it is shut down. A processor that was attached to is
    /// loaded as any other, as the stock stm32 driver has it.
    ///
    /// # Errors
    /// An illegal transition when offline. When recovery fails: why. The processor is then off and no longer counted as
    /// booted, so that a boot tries again (Linux leaves it counted, and can then neither start nor stop it); but when it
    /// cannot even be stopped, it stays crashed.
    pub fn report_crash(&mut self, crash: Crash) -> Result<(), Error<L::Error>> {
        let to = self.state.after(Request::Crash)?;
        if self.state == State::Crashed {
            return Ok(());
        }
        self.tell(Event::Crashed(crash));
        if self.state == State::Suspended {
            self.machine.listen(Interrupts::ALL);
            if let Err(error) = self.claim_supply() {
                self.tell(Event::ResumeFailed { reason: error.to_string() });
            }
        }
        self.enter(to);
        self.last_words();
        if self.recovery && self.firmware.is_some() { self.recover() } else { Ok(()) }
    }

    /// Recovers a crashed processor, as writing `recover` to Linux's sysfs does.
    ///
    /// # Errors
    /// As [`Remoteproc::report_crash`].
    pub fn recover(&mut self) -> Result<(), Error<L::Error>> {
        let to = self.state.after(Request::Recover)?;
        self.leave_rpmsg();
        self.loader.stop().map_err(Error::Stop)?;
        self.tell(Event::Stopped);
        match self.loader.coredump() {
            Ok(dump) => {
                self.tell(Event::CoredumpTaken { size: dump.len() });
                self.coredump = Some(dump);
            }
            Err(error) => self.tell(Event::CoredumpFailed { reason: error.to_string() }),
        }
        // What crashed has written to its memory: a loader that still holds it would take a second load for done.
        self.owed = Owed::Release;
        let session = self.session.take();
        match self.bring_up(session) {
            Ok(mut session) => {
                session.recoveries = session.recoveries.saturating_add(1);
                let count = session.recoveries;
                self.session = Some(session);
                self.power = self.power.max(1);
                self.tell(Event::Recovered { count });
                self.enter(to);
                Ok(())
            }
            Err(error) => {
                self.power = 0;
                let to = self.state.after(Request::GiveUp)?;
                self.enter(to);
                Err(error)
            }
        }
    }
}
