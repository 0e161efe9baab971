//! What happened in the whole system, in the order in which it happened.

use std::sync::Arc;
use std::time::Duration;

use rproc_abi::enumeration::Scope;
use rproc_devicetree::Owner;

use crate::bus::Bus;
use crate::log::Happening;
use crate::tee::{HostTee, SecureEvent};

/// Something that happened, anywhere in the system.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// The device tree was read and has the processor.
    DeviceTree {
        /// The board's name.
        board: String,
        /// The processor's name.
        processor: String,
        /// Path of its node.
        path: String,
        /// Its processor id.
        id: u32,
        /// Who loads it: the TEE or Linux.
        owner: Owner,
    },
    /// The TEE bus has a service.
    ServiceFound {
        /// The device's name on the bus.
        device: String,
        /// When it became visible.
        scope: Scope,
    },
    /// Linux has ended its boot and switched off the clocks that nobody had claimed.
    UnusedClocks {
        /// Those that went off.
        off: Vec<String>,
        /// Why others did not.
        errors: Vec<String>,
    },
    /// The secure world did something.
    Secure(SecureEvent),
    /// The normal world's remoteproc framework did something.
    Lifecycle(rproc_lifecycle::Event),
    /// The board did something.
    Board(Happening),
}

/// A moment and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Virtual time since power-on.
    pub at: Duration,
    /// The name of the processor that it is about, where it is about one.
    pub processor: Option<String>,
    /// What happened.
    pub moment: Moment,
}

/// Collects the moments of all three worlds.
pub struct Timeline {
    tee: Arc<HostTee>,
    bus: Arc<Bus>,
    entries: Vec<Entry>,
}

impl Timeline {
    /// An empty timeline.
    pub fn new(tee: Arc<HostTee>, bus: Arc<Bus>) -> Self {
        Self { tee, bus, entries: Vec::new() }
    }

    /// Adds a moment of a processor, by its name, or of none: it happens now, behind what the other worlds did until now.
    pub fn push(&mut self, processor: Option<&str>, moment: Moment) {
        self.collect();
        self.entries.push(Entry { at: self.bus.now(), processor: processor.map(str::to_owned), moment });
    }

    /// Forgets what the TEE has refused since the last entry was added: answers to a question that has no other ones.
    pub fn forget_refusals(&mut self) {
        let before = self.entries.len();
        self.collect();
        let mut place = 0;
        self.entries.retain(|entry| {
            place += 1;
            place <= before || !matches!(entry.moment, Moment::Secure(SecureEvent::Refused { .. }))
        });
    }

    /// Takes everything, oldest first.
    pub fn drain(&mut self) -> Vec<Entry> {
        self.collect();
        std::mem::take(&mut self.entries)
    }

    /// Board and secure world each log in order; where both have something, time decides, and the secure world, which
    /// acts on the board, comes first.
    fn collect(&mut self) {
        let secure = self.tee.drain_entries().into_iter().map(|entry| Entry {
            at: entry.at,
            processor: entry.processor.and_then(|id| self.name(id.0)),
            moment: Moment::Secure(entry.event),
        });
        let board = self.bus.drain_events().into_iter().map(|event| Entry {
            at: event.at,
            processor: event.what.core().and_then(|id| self.name(id)),
            moment: Moment::Board(event.what),
        });
        let mut both: Vec<Entry> = secure.chain(board).collect();
        both.sort_by_key(|entry| entry.at);
        self.entries.extend(both);
    }

    /// The name of a processor.
    fn name(&self, id: u32) -> Option<String> {
        self.bus.description().coprocessor(id).map(|one| one.name.clone())
    }
}
