//! The secure world's log: what the TA and the platform service did, with the board's time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rproc_abi::service::TableLocation;
use rproc_abi::{ProcessorId, Refusal};
use rproc_image::SignatureAlgorithm;
use rproc_platform::Region;
use rproc_service::Unbound;

use crate::bus::Bus;

/// Something that the secure world did to a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecureEvent {
    /// The signature was good.
    Authenticated {
        /// The signature's type.
        algorithm: SignatureAlgorithm,
        /// The signer's fingerprint, where the image has it.
        key: Option<[u8; 32]>,
        /// The SoC that the image is bound to.
        soc: Option<String>,
        /// The processor that the image was loaded for, and is bound to if it is bound to a SoC.
        processor: ProcessorId,
        /// The image's security counter.
        security_counter: Option<u32>,
        /// What the image leaves open.
        unbound: Unbound,
    },
    /// The processor's memory was closed to the normal world.
    FirewallClosed {
        /// Its regions.
        regions: Vec<Region>,
    },
    /// A segment is in place.
    SegmentLoaded {
        /// Which ELF image.
        image: u32,
        /// Which program header.
        index: u32,
        /// Device address.
        address: u64,
        /// Bytes from the file.
        file_size: u64,
        /// Bytes in memory.
        memory_size: u64,
    },
    /// Everything is in place.
    Loaded {
        /// Where the resource table is.
        resource_table: Option<TableLocation>,
        /// Found by looking, not given by the image.
        derived: bool,
    },
    /// The processor was let go.
    Released {
        /// Its vector table.
        boot_address: u64,
    },
    /// The processor was stopped.
    Held,
    /// The processor's memory was zeroed.
    Wiped {
        /// Bytes.
        size: u64,
    },
    /// The processor was given to the normal world, with its memory.
    FirewallOpened,
    /// A register did not do what an SCMI message asked for, which got the status HARDWARE_ERROR.
    RegisterRefused {
        /// Which register, and how.
        refusal: Refusal,
    },
    /// The processor runs since before the TEE began, and goes on.
    FoundRunning {
        /// Its vector table.
        boot_address: u64,
        /// Device address of its resource table, as a register says.
        resource_table: Option<u64>,
    },
    /// The processor does not run, though it may since before the TEE began.
    FoundHeld,
    /// The service goes on with a processor that runs since before the TEE began.
    Inherited {
        /// Where its resource table is.
        resource_table: Option<TableLocation>,
    },
    /// The processor ran before the TEE began, and must not go on.
    TakenOver {
        /// Why not.
        refusal: Refusal,
    },
    /// It could not be stopped and wiped.
    NotHeld {
        /// Why not.
        refusal: Refusal,
    },
    /// The service refused something.
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

/// The log; clones share it.
#[derive(Clone, Debug)]
pub struct SecureLog {
    bus: Arc<Bus>,
    events: Arc<Mutex<Vec<SecureEntry>>>,
}

/// An event, when it happened and to which processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureEntry {
    /// Virtual time since power-on.
    pub at: Duration,
    /// Whom it is about, where it is about a processor.
    pub processor: Option<ProcessorId>,
    /// What happened.
    pub event: SecureEvent,
}

/// The log keeps this many events; a client that never reads it does not fill the host's memory.
const LIMIT: usize = 4096;

impl SecureLog {
    /// An empty log that takes its time from the board.
    pub fn new(bus: Arc<Bus>) -> Self {
        Self { bus, events: Arc::default() }
    }

    /// Takes what was logged, oldest first.
    pub fn drain(&self) -> Vec<SecureEntry> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Logs a register that did not do what an SCMI agent wanted of it.
    pub(super) fn register_refused(&self, refusal: Refusal) {
        self.push(None, SecureEvent::RegisterRefused { refusal });
    }

    fn push(&self, processor: Option<ProcessorId>, event: SecureEvent) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == LIMIT {
            events.remove(0);
        }
        events.push(SecureEntry { at: self.bus.now(), processor, event });
    }
}

impl rproc_service::Observer for SecureLog {
    fn event(&mut self, event: rproc_service::Event<'_>) {
        use rproc_service::Event;
        let (processor, event) = match event {
            Event::Authenticated { processor, algorithm, key, soc, security_counter, unbound } => {
                let (key, soc) = (key.copied(), soc.map(str::to_owned));
                let event =
                    SecureEvent::Authenticated { algorithm, key, soc, processor, security_counter, unbound };
                (processor, event)
            }
            Event::SegmentLoaded { processor, image, index, address, file_size, memory_size } => {
                (processor, SecureEvent::SegmentLoaded { image, index, address, file_size, memory_size })
            }
            Event::Loaded { processor, resource_table, derived } => {
                (processor, SecureEvent::Loaded { resource_table, derived })
            }
            Event::Inherited { processor, resource_table } => {
                (processor, SecureEvent::Inherited { resource_table })
            }
            Event::TakenOver { processor, refusal } => (processor, SecureEvent::TakenOver { refusal }),
            Event::Refused { processor, refusal } => (processor, SecureEvent::Refused { refusal }),
            // The platform service tells these from closer by.
            Event::Started { .. } | Event::Stopped { .. } | Event::Released { .. } => return,
        };
        self.push(Some(processor), event);
    }
}

impl rproc_platform::Observer for SecureLog {
    fn event(&mut self, event: rproc_platform::Event<'_>) {
        use rproc_platform::Event;
        let (processor, event) = match event {
            Event::FirewallClosed { processor, regions } => {
                (processor, SecureEvent::FirewallClosed { regions: once(regions) })
            }
            Event::Released { processor, boot_address } => {
                (processor, SecureEvent::Released { boot_address })
            }
            Event::Held { processor } => (processor, SecureEvent::Held),
            Event::Wiped { processor, size } => (processor, SecureEvent::Wiped { size }),
            Event::FirewallOpened { processor } => (processor, SecureEvent::FirewallOpened),
            Event::FoundRunning { processor, boot_address, resource_table } => {
                (processor, SecureEvent::FoundRunning { boot_address, resource_table })
            }
            Event::FoundHeld { processor } => (processor, SecureEvent::FoundHeld),
            Event::TakenOver { processor, refusal } => (processor, SecureEvent::TakenOver { refusal }),
            Event::NotHeld { processor, refusal } => (processor, SecureEvent::NotHeld { refusal }),
            // The service passes the platform's refusals on as its own.
            Event::Refused { .. } => return,
        };
        self.push(Some(processor), event);
    }
}

/// Each region once, at the first of the processor's addresses of it.
fn once(regions: &[Region]) -> Vec<Region> {
    let mut distinct: Vec<Region> = Vec::new();
    for region in regions {
        if !distinct.iter().any(|known| known.physical == region.physical && known.size == region.size) {
            distinct.push(*region);
        }
    }
    distinct
}
