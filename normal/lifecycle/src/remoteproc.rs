//! One remote processor: boots, stops, attaches, detaches and recovers it, as Linux's remoteproc core does.

mod talk;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::description::Description;
use crate::error::Error;
use crate::event::{Channel, Event};
use crate::journal::Journal;
use crate::loader::Loader;
use crate::machine::{Crash, Machine, Mailbox};
use crate::resources::Resources;
use crate::session::{Session, leave};
use crate::state::{Request, State};

/// How long the firmware has to answer a shutdown request (Linux `stm32_rproc.c`, 500 ms).
pub const SHUTDOWN_LIMIT: Duration = Duration::from_millis(500);
/// How long the firmware has to answer a detach notice (Linux `stm32_rproc.c`, 200 ms).
pub const DETACH_LIMIT: Duration = Duration::from_millis(200);

/// What the loader still has to do before anything may be loaded, because it failed to. Without it, a loader that takes a
/// second load for done would start what is left in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    Nothing,
    Release,
    StopAndRelease,
}

/// One remote processor. Every boot needs a shutdown: power is counted, and the first and the last one act.
pub struct Remoteproc<L: Loader, M: Machine> {
    description: Description,
    loader: L,
    machine: M,
    journal: Journal,
    state: State,
    power: u32,
    firmware: Option<Box<dyn AsRef<[u8]>>>,
    recovery: bool,
    session: Option<Session>,
    coredump: Option<Vec<u8>>,
    owed: Owed,
}

impl<L: Loader, M: Machine> Remoteproc<L, M> {
    /// A processor that is held in reset.
    pub fn new(description: Description, loader: L, machine: M) -> Self {
        Self {
            description,
            loader,
            machine,
            journal: Journal::default(),
            state: State::Offline,
            power: 0,
            firmware: None,
            recovery: true,
            session: None,
            coredump: None,
            owed: Owed::Nothing,
        }
    }

    /// A processor that somebody else has started; its first boot attaches to it.
    pub fn new_detached(description: Description, loader: L, machine: M) -> Self {
        Self { state: State::Detached, ..Self::new(description, loader, machine) }
    }

    /// Has every event told to `observer`, with the machine's time, from now on.
    pub fn observe(&mut self, observer: impl FnMut(Duration, &Event) + 'static) {
        self.journal.observe(Box::new(observer));
    }

    /// Chooses the firmware file for the next boot, and for every recovery after it.
    ///
    /// # Errors
    /// [`Error::FirmwareInUse`] unless the processor is offline or detached.
    pub fn set_firmware(&mut self, firmware: impl AsRef<[u8]> + 'static) -> Result<(), Error<L::Error>> {
        match self.state {
            State::Offline | State::Detached => {
                self.firmware = Some(Box::new(firmware));
                Ok(())
            }
            state => Err(Error::FirmwareInUse { state }),
        }
    }

    /// Whether a crash is followed by a recovery; on at first.
    pub fn set_recovery(&mut self, enabled: bool) {
        self.recovery = enabled;
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// How many boots have not been shut down.
    pub fn power(&self) -> u32 {
        self.power
    }

    /// What the device tree says about the processor.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What the firmware asked for and got, while it is booted.
    pub fn resources(&self) -> Option<&Resources> {
        self.session.as_ref().map(|session| &session.resources)
    }

    /// The channels that the firmware has announced.
    pub fn channels(&self) -> &[Channel] {
        let link = self.session.as_ref().and_then(|session| session.link.as_ref());
        link.map(|link| link.channels()).unwrap_or_default()
    }

    /// The first channel of that name.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels().iter().find(|channel| channel.name == name)
    }

    /// The core file of the last crash, an ELF file.
    pub fn coredump(&self) -> Option<&[u8]> {
        self.coredump.as_deref()
    }

    /// The loader.
    pub fn loader(&self) -> &L {
        &self.loader
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, for what lies outside the lifecycle; changing shared memory is the firmware's part.
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Loads and starts the firmware, or attaches to firmware that runs already; when the processor is up, only counts.
    ///
    /// # Errors
    /// What failed first. Everything done until then is undone: the processor is off (or detached) as before.
    pub fn boot(&mut self) -> Result<(), Error<L::Error>> {
        if self.power > 0 && matches!(self.state, State::Running | State::Attached) {
            self.power = self.power.saturating_add(1);
            return Ok(());
        }
        let to = self.state.after(Request::Boot)?;
        let session = match to {
            State::Attached => self.attach()?,
            _ => self.bring_up(None)?,
        };
        self.session = Some(session);
        self.power = 1;
        self.enter(to);
        Ok(())
    }

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
        if self.state != State::Crashed {
            self.leave(Mailbox::Shutdown, SHUTDOWN_LIMIT);
        }
        self.last_words();
        self.loader.stop().map_err(Error::Stop)?;
        self.tell(Event::Stopped);
        self.session = None;
        self.power = 0;
        self.owed = Owed::Release;
        let released = self.settle();
        self.enter(to);
        released
    }

    /// Leaves firmware alone that this side attached to; the firmware has [`DETACH_LIMIT`] to answer.
    ///
    /// # Errors
    /// An illegal transition unless attached, or [`Error::Memory`] when its table cannot be written back; then RPMsg is
    /// gone, and detach can be tried again.
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
        self.session = None;
        self.power = 0;
        self.enter(to);
        Ok(())
    }

    /// The normal world goes to sleep: messages wait in the rings until [`Remoteproc::resume`].
    ///
    /// # Errors
    /// An illegal transition unless running.
    pub fn suspend(&mut self) -> Result<(), Error<L::Error>> {
        let to = self.state.after(Request::Suspend)?;
        self.enter(to);
        Ok(())
    }

    /// The normal world woke up; the next poll takes what waited.
    ///
    /// # Errors
    /// An illegal transition unless suspended.
    pub fn resume(&mut self) -> Result<(), Error<L::Error>> {
        let to = self.state.after(Request::Resume)?;
        self.enter(to);
        Ok(())
    }

    /// Takes a crash report. If recovery is on and there is firmware, the processor is stopped, its memory dumped, and the
    /// firmware loaded and started anew; else it stays crashed until it is shut down.
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

    /// Loads, places and starts; on any failure stops and releases. With the session of a crashed run, its cached table
    /// goes back into memory.
    fn bring_up(&mut self, crashed: Option<Session>) -> Result<Session, Error<L::Error>> {
        self.settle()?;
        let mut started = false;
        let result = self.load_and_start(crashed, &mut started);
        if result.is_err() {
            self.owed = if started { Owed::StopAndRelease } else { Owed::Release };
            if let Err(error) = self.settle() {
                self.tell(Event::ReleaseFailed { reason: error.to_string() });
            }
        }
        result
    }

    fn load_and_start(
        &mut self,
        crashed: Option<Session>,
        started: &mut bool,
    ) -> Result<Session, Error<L::Error>> {
        let no_firmware = || Error::NoFirmware { processor: self.description.name.clone() };
        let firmware = self.firmware.as_ref().ok_or_else(no_firmware)?.as_ref().as_ref();
        let size = firmware.len() as u64;
        self.loader.load(firmware).map_err(Error::Load)?;
        self.tell(Event::Loaded { size });
        let location = self.loader.resource_table().map_err(Error::TableLocation)?;
        let now = self.machine.now();
        let mut session = match crashed {
            Some(mut session) => {
                session.reload(location, &self.description, self.journal.at(now))?;
                session
            }
            None => Session::prepare(location, &self.description, &self.machine, self.journal.at(now))?,
        };
        session.publish(&mut self.machine)?;
        session.clear_logs(&mut self.machine, self.journal.at(now));
        self.loader.start().map_err(Error::Start)?;
        *started = true;
        self.tell(Event::Started);
        let happened = self.journal.at(self.machine.now());
        session.start_rpmsg(&mut self.machine, happened)?;
        Ok(session)
    }

    /// Joins firmware that runs already. Its table is where the loader says, and is completed there.
    fn attach(&mut self) -> Result<Session, Error<L::Error>> {
        let location = self.loader.resource_table().map_err(Error::TableLocation)?;
        let now = self.machine.now();
        let prepared = Session::prepare(location, &self.description, &self.machine, self.journal.at(now));
        let mut session = prepared?;
        session.publish(&mut self.machine)?;
        session.start_rpmsg(&mut self.machine, self.journal.at(now))?;
        Ok(session)
    }

    /// Has the loader stop and release what it still has to.
    fn settle(&mut self) -> Result<(), Error<L::Error>> {
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

    fn leave_rpmsg(&mut self) {
        if let Some(session) = &mut self.session {
            let happened = self.journal.at(self.machine.now());
            session.stop_rpmsg(&mut self.machine, happened);
        }
    }

    fn leave(&mut self, mailbox: Mailbox, limit: Duration) {
        let journal = &mut self.journal;
        leave(mailbox, limit, &self.description, &mut self.machine, |at, event| journal.record(at, event));
    }

    fn last_words(&mut self) {
        if let Some(session) = &mut self.session {
            let happened = self.journal.at(self.machine.now());
            session.last_words(&self.machine, happened);
        }
    }

    fn tell(&mut self, event: Event) {
        self.journal.record(self.machine.now(), event);
    }

    fn enter(&mut self, to: State) {
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            self.tell(Event::State { from, to });
        }
    }
}
