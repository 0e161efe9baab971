//! One remote processor: boots, stops, attaches, detaches and recovers it, as Linux's remoteproc core does.

mod boot;
mod crash;
mod power;
mod stop;
mod talk;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::description::Description;
use crate::error::Error;
use crate::event::{Channel, Event};
use crate::journal::Journal;
use crate::loader::Loader;
use crate::machine::{Machine, Mailbox};
use crate::resources::Resources;
use crate::session::Session;
use crate::state::State;
use crate::supply::{Clocks, PowerDomains, Supply};

/// How long the firmware has to answer a shutdown request (Linux `stm32_rproc.c`, 500 ms).
pub const SHUTDOWN_LIMIT: Duration = Duration::from_millis(500);
/// How long the firmware has to answer a detach notice (Linux `stm32_rproc.c`, 200 ms).
pub const DETACH_LIMIT: Duration = Duration::from_millis(200);

/// Whether a processor is booted when it is found. The policy of whoever runs the normal world, not of the device tree: the
/// maintainers of its bindings refuse `auto-boot` there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoBoot {
    /// It stays as it is found until somebody boots it.
    No,
    /// It is booted, or attached to when it runs.
    Yes,
}

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
    supply: Supply,
    /// What it was before the normal world went to sleep.
    before_sleep: State,
    /// Requests that ran out of time and that no firmware has taken since.
    stale: Vec<Mailbox>,
    /// This run was asked to come to rest: asked again, firmware at rest would not answer.
    asked: bool,
}

impl<L: Loader, M: Machine> Remoteproc<L, M> {
    /// A processor that is held in reset, as far as is known before [`Remoteproc::probe`] asks.
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
            supply: Supply::default(),
            before_sleep: State::Running,
            stale: Vec::new(),
            asked: false,
        }
    }

    /// Gives the provider of the clocks that the processor's node names.
    pub fn provide_clocks(&mut self, clocks: impl Clocks + 'static) {
        self.supply.clocks = Some(Box::new(clocks));
    }

    /// Gives the provider of the power domains that the processor's node names.
    pub fn provide_power_domains(&mut self, domains: impl PowerDomains + 'static) {
        self.supply.domains = Some(Box::new(domains));
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

    fn tell(&mut self, event: Event) {
        self.journal.record(self.machine.now(), event);
    }

    fn enter(&mut self, to: State) {
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            self.tell(Event::State { from, to });
        }
    }

    /// Switches on and claims what the node names, if that is not done yet.
    fn claim_supply(&mut self) -> Result<(), Error<L::Error>> {
        let happened = self.journal.at(self.machine.now());
        Ok(self.supply.claim(&self.description, happened)?)
    }

    /// Takes the claims back, unless the processor may still be running on them.
    fn release_supply(&mut self) {
        if self.owed != Owed::StopAndRelease {
            let happened = self.journal.at(self.machine.now());
            self.supply.release(&self.description, happened);
        }
    }
}
