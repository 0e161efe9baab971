//! Shutting a processor down, and leaving one that runs on.

use std::time::Duration;

use super::{DETACH_LIMIT, Owed, Remoteproc, SHUTDOWN_LIMIT};
use crate::error::Error;
use crate::event::Event;
use crate::leave::{Left, leave};
use crate::loader::Loader;
use crate::machine::{Machine, Mailbox};
use crate::state::{Request, State};

impl<L: Loader, M: Machine> Remoteproc<L, M> {
    /// Stops the processor when its last user is done: the firmware is asked to come to rest and has
    /// [`SHUTDOWN_LIMIT`] for it.
    ///
    /// # Errors
    /// [`Error::Stop`] leaves everything as it was but RPMsg, so that shutdown can be tried again. After
    /// [`Error::Release`] the processor is off nevertheless, and the next boot releases before it loads.
    pub fn shutdown(&mut self) -> Result<(), Error<L::Error>> {
        let to = self.state.after(Request::Shutdown)?;
        if self.power > 1 {
            self.power -= 1;
            return Ok(());
        }
        self.leave_rpmsg();
        if self.state != State::Crashed && !self.asked {
            self.leave(Mailbox::Shutdown, SHUTDOWN_LIMIT);
            self.asked = true;
        }
        self.last_words();
        self.loader.stop().map_err(Error::Stop)?;
        self.tell(Event::Stopped);
        self.session = None;
        self.power = 0;
        self.owed = Owed::Release;
        let released = self.settle();
        self.release_supply();
        self.enter(to);
        released
    }

    /// Leaves firmware alone that this side attached to; the firmware has [`DETACH_LIMIT`] to answer. Its clocks and power
    /// domains stay claimed, since it runs on.
    ///
    /// # Errors
    /// An illegal transition unless attached; [`Error::Memory`] when its table cannot be written back, [`Error::Detach`].
    /// Then RPMsg is gone, and detach can be tried again.
    pub fn detach(&mut self) -> Result<(), Error<L::Error>> {
        let to = self.state.after(Request::Detach)?;
        if self.power > 1 {
            self.power -= 1;
            return Ok(());
        }
        self.leave_rpmsg();
        if let Some(session) = &self.session {
            session.restore_table(&mut self.machine)?;
        }
        self.leave(Mailbox::Detach, DETACH_LIMIT);
        self.last_words();
        self.loader.detach().map_err(Error::Detach)?;
        self.session = None;
        self.power = 0;
        self.enter(to);
        Ok(())
    }

    pub(super) fn leave_rpmsg(&mut self) {
        if let Some(session) = &mut self.session {
            let happened = self.journal.at(self.machine.now());
            session.stop_rpmsg(&mut self.machine, happened);
        }
    }

    fn leave(&mut self, mailbox: Mailbox, limit: Duration) {
        let journal = &mut self.journal;
        let happened = |at, event| journal.record(at, event);
        let left = leave(mailbox, limit, &self.description, &mut self.machine, happened);
        self.stale.retain(|known| *known != mailbox);
        if left == Left::TimedOut {
            self.stale.push(mailbox);
        }
    }

    /// Looks whether a request that ran out of time was taken since, by whatever runs now.
    pub(super) fn notice_late_answers(&mut self) {
        for mailbox in std::mem::take(&mut self.stale) {
            if self.machine.is_unacknowledged(mailbox) {
                self.stale.push(mailbox);
            } else {
                self.tell(Event::LateAcknowledgement { mailbox });
            }
        }
    }

    pub(super) fn last_words(&mut self) {
        if let Some(session) = &mut self.session {
            let happened = self.journal.at(self.machine.now());
            session.last_words(&self.machine, happened);
        }
    }
}
