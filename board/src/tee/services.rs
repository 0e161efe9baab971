//! The services that a TEE hosts: when each is there, who finds it, who opens it.

use rproc_abi::enumeration::Scope;
use rproc_abi::{Client, Completion, Params, ProcessorId, TeeResult, Uuid};

use super::NormalMemory;

/// When a service becomes visible on the TEE bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// At once, as an early TA or a part of the TEE's core.
    Always,
    /// Once tee-supplicant runs.
    WithSupplicant,
    /// Never: this TEE was built without it.
    Absent,
}

/// Which services a TEE hosts, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    /// The remoteproc TA.
    pub remoteproc: Presence,
    /// Clocks, resets and power domains.
    pub scmi: Presence,
    /// Random numbers.
    pub hwrng: Presence,
    /// The processors that the TEE owns. The others are given to the normal world when the TEE boots: their memory, and
    /// their resets.
    pub owned: Vec<ProcessorId>,
}

impl Services {
    /// Every processor that there can be.
    pub const PROCESSORS: [ProcessorId; 3] =
        [ProcessorId::CORTEX_M4, ProcessorId::CORTEX_M33, ProcessorId::CORTEX_M0_PLUS];

    /// Every service from the start, and every processor the TEE's own.
    pub fn all() -> Self {
        Self {
            remoteproc: Presence::Always,
            scmi: Presence::Always,
            hwrng: Presence::Always,
            owned: Self::PROCESSORS.to_vec(),
        }
    }
}

/// A service as the TEE calls it.
pub(super) trait Hosted: Send {
    /// A client wants a session.
    fn open_session(&mut self, client: Client, params: Params<NormalMemory>) -> Result<(), TeeResult>;

    /// A client calls a command.
    fn invoke(&mut self, command: u32, params: Params<NormalMemory>) -> Completion;
}

struct Entry {
    uuid: Uuid,
    presence: Presence,
    service: Box<dyn Hosted>,
}

/// The services of one TEE.
#[derive(Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    supplicant: bool,
}

impl Table {
    /// Adds a service; one that is absent is not there at all.
    pub(super) fn add(&mut self, uuid: Uuid, presence: Presence, service: impl Hosted + 'static) {
        if presence != Presence::Absent {
            self.entries.push(Entry { uuid, presence, service: Box::new(service) });
        }
    }

    /// tee-supplicant runs now.
    pub(super) fn start_supplicant(&mut self) {
        self.supplicant = true;
    }

    /// The UUIDs that the enumeration service gives, one after the other.
    pub(super) fn listed(&self, scope: Scope) -> Vec<u8> {
        let here = |entry: &&Entry| match (entry.presence, scope) {
            (Presence::Always, Scope::Always) => true,
            (Presence::WithSupplicant, Scope::Supplicant) => self.supplicant,
            _ => false,
        };
        self.entries.iter().filter(here).flat_map(|entry| entry.uuid.octets()).collect()
    }

    /// Where the service is that can be opened by this UUID now.
    pub(super) fn find(&self, uuid: Uuid) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| entry.uuid == uuid && (self.supplicant || entry.presence == Presence::Always))
    }

    /// The service at a place that [`Table::find`] gave.
    pub(super) fn get(&mut self, place: usize) -> Option<&mut dyn Hosted> {
        let entry = self.entries.get_mut(place)?;
        Some(entry.service.as_mut())
    }
}
