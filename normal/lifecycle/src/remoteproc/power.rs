//! The normal world goes to sleep and wakes up, while the processor goes on.

use super::Remoteproc;
use crate::error::Error;
use crate::event::Event;
use crate::loader::Loader;
use crate::machine::{Machine, Mailbox};
use crate::state::{Request, State};

impl<L: Loader, M: Machine> Remoteproc<L, M> {
    /// The normal world goes to sleep: messages wait in the rings until [`Remoteproc::resume`]. Where the mailbox is a wake-up
    /// source, a signal of the firmware resumes at the next poll or wait.
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
        self.enter(to);
        Ok(())
    }

    /// The normal world woke up; the next poll takes what waited.
    ///
    /// # Errors
    /// An illegal transition unless suspended; [`Error::Supply`] when its power domain cannot be switched on again. Then it
    /// stays suspended.
    pub fn resume(&mut self) -> Result<(), Error<L::Error>> {
        self.state.after(Request::Resume)?;
        self.claim_supply()?;
        self.enter(self.before_sleep);
        Ok(())
    }

    /// Resumes when the firmware has signalled and may wake the normal world.
    pub(super) fn wake_up(&mut self) {
        if self.state != State::Suspended || !self.description.wakeup {
            return;
        }
        let (description, machine) = (&self.description, &mut self.machine);
        let mut signals = Mailbox::ALL.into_iter().filter(|mailbox| description.has_mailbox(*mailbox));
        if let Some(mailbox) = signals.find(|mailbox| machine.is_pending(*mailbox)) {
            self.tell(Event::WokenUp { mailbox });
            if let Err(error) = self.resume() {
                self.tell(Event::ResumeFailed { reason: error.to_string() });
            }
        }
    }
}
