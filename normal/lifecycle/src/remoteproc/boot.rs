//! Finding a processor, loading and starting it, and joining one that runs already.

use super::{AutoBoot, Owed, Remoteproc, SHUTDOWN_LIMIT};
use crate::error::Error;
use crate::event::Event;
use crate::leave::outlast;
use crate::loader::Loader;
use crate::machine::{Machine, Mailbox};
use crate::session::Session;
use crate::state::{Request, State};

impl<L: Loader, M: Machine> Remoteproc<L, M> {
    /// Finds out whether the processor runs already, started by somebody else; then it is detached, and what it runs on is
    /// claimed, so that nobody switches it off as unused. After that does as `auto_boot` says. Returns the state.
    ///
    /// Does nothing to a processor that is in use already.
    ///
    /// # Errors
    /// [`Error::Probe`], [`Error::Supply`], and with [`AutoBoot::Yes`] those of [`Remoteproc::boot`].
    pub fn probe(&mut self, auto_boot: AutoBoot) -> Result<State, Error<L::Error>> {
        if self.state != State::Offline {
            return Ok(self.state);
        }
        for mailbox in Mailbox::ALL {
            if !self.description.has_mailbox(mailbox) {
                self.tell(Event::MailboxMissing { mailbox });
            }
        }
        if self.loader.is_running().map_err(Error::Probe)? {
            self.enter(State::Detached);
            self.claim_supply()?;
        }
        if auto_boot == AutoBoot::Yes {
            self.boot()?;
        }
        Ok(self.state)
    }

    /// Loads and starts the firmware, or attaches to firmware that runs already; when the processor is up, only counts.
    ///
    /// # Errors
    /// What failed first. Everything done until then is undone: the processor is off (or detached) as before.
    pub fn boot(&mut self) -> Result<(), Error<L::Error>> {
        let to = self.state.after(Request::Boot)?;
        if to == self.state {
            self.power = self.power.saturating_add(1);
            return Ok(());
        }
        let session = match to {
            State::Attached => self.attach()?,
            _ => self.bring_up(None)?,
        };
        self.session = Some(session);
        self.power = 1;
        self.enter(to);
        Ok(())
    }

    /// Claims, loads, places and starts; on any failure stops, releases and takes the claims back. With the session of a
    /// crashed run, its cached table goes back into memory.
    pub(super) fn bring_up(&mut self, crashed: Option<Session>) -> Result<Session, Error<L::Error>> {
        let mut started = false;
        let result = match self.claim_supply().and_then(|()| self.settle()) {
            Ok(()) => {
                let result = self.load_and_start(crashed, &mut started);
                if result.is_err() {
                    self.owed = if started { Owed::StopAndRelease } else { Owed::Release };
                    if let Err(error) = self.settle() {
                        self.tell(Event::ReleaseFailed { reason: error.to_string() });
                    }
                }
                result
            }
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.release_supply();
        }
        result
    }

    fn load_and_start(
        &mut self,
        crashed: Option<Session>,
        started: &mut bool,
    ) -> Result<Session, Error<L::Error>> {
        let mut session = self.load(crashed)?;
        let old_request = self.machine.is_unacknowledged(Mailbox::Shutdown);
        self.start(started)?;
        if old_request && self.took_an_old_request() {
            // It has come to rest, as an earlier run was asked to and did not. The mailbox is empty now.
            self.owed = Owed::StopAndRelease;
            self.settle()?;
            *started = false;
            session = self.load(Some(session))?;
            self.start(started)?;
        }
        let happened = self.journal.at(self.machine.now());
        session.start_rpmsg(&mut self.machine, happened)?;
        Ok(session)
    }

    /// Has the firmware loaded and its table completed; with an earlier session, its cached table goes back into memory.
    fn load(&mut self, earlier: Option<Session>) -> Result<Session, Error<L::Error>> {
        let no_firmware = || Error::NoFirmware { processor: self.description.name.clone() };
        let firmware = self.firmware.as_ref().ok_or_else(no_firmware)?.as_ref().as_ref();
        let size = firmware.len() as u64;
        self.loader.load(firmware).map_err(Error::Load)?;
        self.tell(Event::Loaded { size });
        let location = self.loader.resource_table().map_err(Error::TableLocation)?;
        if let (Some(loaded), Some(location)) = (self.loader.table_loaded_at(), location) {
            self.tell(Event::TableMoved { loaded, address: location.address });
        }
        let now = self.machine.now();
        let mut session = match earlier {
            Some(mut session) => {
                session.reload(location, &self.description, self.journal.at(now))?;
                session
            }
            None => Session::prepare(location, &self.description, &self.machine, self.journal.at(now))?,
        };
        session.publish(&mut self.machine)?;
        session.clear_logs(&mut self.machine, self.journal.at(now));
        Ok(session)
    }

    fn start(&mut self, started: &mut bool) -> Result<(), Error<L::Error>> {
        // What an earlier run signalled is not this one's.
        self.set_aside();
        self.notice_late_answers();
        self.loader.start().map_err(Error::Start)?;
        *started = true;
        self.asked = false;
        self.tell(Event::Started);
        Ok(())
    }

    /// Whether the firmware that was just started takes the shutdown request of an earlier run for its own.
    fn took_an_old_request(&mut self) -> bool {
        let journal = &mut self.journal;
        let happened = |at, event| journal.record(at, event);
        let limit = SHUTDOWN_LIMIT;
        let taken = outlast(Mailbox::Shutdown, limit, &self.description, &mut self.machine, happened);
        if taken {
            self.stale.retain(|mailbox| *mailbox != Mailbox::Shutdown);
        }
        taken
    }

    /// Joins firmware that runs already. Its table is where the loader says, and is completed there; on a failure it is as it
    /// was found, and the firmware runs on.
    fn attach(&mut self) -> Result<Session, Error<L::Error>> {
        self.claim_supply()?;
        self.asked = false;
        let location = self.loader.resource_table().map_err(Error::TableLocation)?;
        let now = self.machine.now();
        let prepared = Session::prepare(location, &self.description, &self.machine, self.journal.at(now));
        let mut session = prepared?;
        self.loader.attach().map_err(Error::Attach)?;
        let published = session.publish(&mut self.machine);
        let joined = published.and_then(|()| session.start_rpmsg(&mut self.machine, self.journal.at(now)));
        if let Err(error) = joined {
            session.stop_rpmsg(&mut self.machine, self.journal.at(now));
            // The first error counts. A table that cannot be written is as it was found.
            let _ = session.restore_table::<L::Error>(&mut self.machine);
            if let Err(error) = self.loader.detach() {
                self.tell(Event::ReleaseFailed { reason: error.to_string() });
            }
            return Err(error);
        }
        Ok(session)
    }

    /// Has the loader stop and release what it still has to.
    pub(super) fn settle(&mut self) -> Result<(), Error<L::Error>> {
        if self.owed == Owed::StopAndRelease {
            self.loader.stop().map_err(Error::Stop)?;
            self.owed = Owed::Release;
            self.tell(Event::Stopped);
        }
        if self.owed == Owed::Release {
            self.loader.release().map_err(Error::Release)?;
            self.owed = Owed::Nothing;
            self.tell(Event::Released);
        }
        Ok(())
    }
}
