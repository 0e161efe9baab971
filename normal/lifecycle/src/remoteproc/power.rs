//! The normal world goes to sleep and wakes up, while the processor goes on.

use super::Remoteproc;
use crate::error::Error;
use crate::event::Event;
use crate::loader::Loader;
use crate::machine::{Interrupts, Machine, Mailbox};
use crate::state::{Request, State};

impl<L: Loader, M: Machine> Remoteproc<L, M> {
    /// The normal world goes to sleep: signals, messages and crashes wait until [`Remoteproc::resume`]. A signal of the firmware,
    /// or a crash, resumes at the next poll or wait where it is a wake-up source ([`crate::Description::wakeup`]).
    ///
    /// The processor runs on: in its power domain `sleep`, or with none at all, as in the stock driver.
    ///
    /// # Errors
    /// An illegal transition unless running or attached; [`Error::Supply`] when it would lose its power. Nothing has changed
    /// then.
    pub fn suspend(&mut self) -> Result<(), Error<L::Error>> {
        let to = self.state.after(Request::Suspend)?;
        let happened = self.journal.at(self.machine.now());
        self.supply.sleep(&self.description, happened)?;
        self.before_sleep = self.state;
        self.machine.listen(self.description.wakeup);
        self.enter(to);
        Ok(())
    }

    /// The normal world woke up; the next poll or wait takes what waited.
    ///
    /// # Errors
    /// An illegal transition unless suspended; [`Error::Supply`] when its power domain cannot be switched on again. Then it
    /// stays suspended.
    pub fn resume(&mut self) -> Result<(), Error<L::Error>> {
        self.state.after(Request::Resume)?;
        self.claim_supply()?;
        self.machine.listen(Interrupts::ALL);
        self.enter(self.before_sleep);
        Ok(())
    }

    /// The normal world was woken by something else; a failure to resume is told as an event, since nobody has asked.
    pub fn wake(&mut self) {
        if let Err(error) = self.resume() {
            self.tell(Event::ResumeFailed { reason: error.to_string() });
        }
    }

    /// Resumes when the firmware has signalled and may wake the normal world.
    pub(super) fn wake_up(&mut self) {
        if self.state != State::Suspended || !self.description.wakeup.mailbox {
            return;
        }
        let (description, machine) = (&self.description, &mut self.machine);
        let mut signals = Mailbox::ALL.into_iter().filter(|mailbox| description.has_mailbox(*mailbox));
        if let Some(mailbox) = signals.find(|mailbox| machine.is_pending(*mailbox)) {
            self.tell(Event::WokenUp { mailbox });
            self.wake();
            if self.state == State::Suspended {
                // It would end every wait from now on.
                self.set_aside();
            }
        }
    }
}
