//! What `rproc run` reports: one value an event, the same for people and for `--json`.

use rproc_abi::Refusal;
use rproc_abi::enumeration::Scope;
use rproc_board::log::Happening;
use rproc_board::system::{Entry, Moment};
use rproc_board::tee::SecureEvent;
use rproc_devicetree::Owner;
use rproc_lifecycle as lifecycle;
use serde::Serialize;

use super::coredumps::Coredumps;
use crate::failure::Refused;
use crate::interrupt::Signal;

/// A range of device memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// Its name in the device tree.
    pub name: String,
    /// First address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// Which way a message went, seen from Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageDirection {
    /// To the processor.
    Sent,
    /// From the processor.
    Received,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything asked for happened.
    Done,
    /// The image was refused.
    Refused,
    /// The firmware failed.
    Failed,
    /// Something other than image and firmware stood in the way.
    Error,
    /// A signal has ended it.
    #[serde(untagged, serialize_with = "interrupted")]
    Interrupted(Signal),
}

/// Which signal it was is told by the exit code and the reason.
fn interrupted<S: serde::Serializer>(_: &Signal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("interrupted")
}

impl Outcome {
    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => crate::failure::REFUSED,
            Self::Failed => crate::failure::FAILED,
            Self::Error => crate::failure::TROUBLE,
            Self::Interrupted(signal) => signal.exit_code(),
        }
    }
}

/// One event. Field names are stable; `docs/run-events.md` describes them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// A plain ELF file was signed in memory.
    SignedInMemory { file: String, key: String, development_key: bool, boot_address: Option<u32> },
    /// The device tree was read.
    DeviceTree { board: String, processor: String, path: String, id: u32, owner: &'static str },
    /// The TEE bus has the service.
    Service { device: String, needs_supplicant: bool },
    /// The TEE accepted the signature.
    Authenticated {
        algorithm: String,
        key: Option<String>,
        soc: Option<String>,
        processor: String,
        security_counter: Option<u32>,
        not_authenticated: Vec<&'static str>,
    },
    /// The processor's memory was closed to Linux.
    FirewallClosed { regions: Vec<Range> },
    /// The processor was given to Linux, with its memory.
    FirewallOpened {},
    /// A segment is in place.
    Segment { image: u32, index: u32, address: u64, file_size: u64, memory_size: u64 },
    /// The firmware's resource table was found, or it has none.
    ResourceTable { address: Option<u64>, size: Option<u64>, derived: bool },
    /// A carveout got its memory.
    Carveout { name: String, region: String, address: u64, size: u64 },
    /// A trace buffer was found.
    TraceBuffer { name: String, address: Option<u64>, size: u64 },
    /// A vring got its memory.
    Vring { vring: usize, region: String, address: u64, entries: u16, notify_id: u32 },
    /// The message buffers got their memory.
    Buffers { region: String, address: u64, size: u64, each_way: u16 },
    /// Linux has put the firmware into its own processor's memory.
    Loaded { size: u64 },
    /// Linux has let its own processor go.
    Started {},
    /// The processor runs.
    Released { boot_address: u64 },
    /// A line in a trace buffer.
    Trace { buffer: usize, line: String },
    /// A line on a UART.
    Uart { uart: u64, line: String },
    /// A channel was announced or withdrawn.
    Channel { channel: String, address: u32, announced: bool },
    /// A message; `hex` instead of `text` where it is no UTF-8.
    Rpmsg { direction: MessageDirection, channel: String, text: Option<String>, hex: Option<String> },
    /// Something that deserves attention but ends nothing.
    Note { text: String },
    /// The bus refused an access.
    IllegalAccess { initiator: String, address: u64, text: String },
    /// The firmware crashed.
    Crashed { kind: String, reason: String },
    /// A crashed processor's memory was taken; into a file, if one was asked for.
    Coredump { size: usize, file: Option<String> },
    /// The processor runs again after a crash.
    Recovered { count: u32 },
    /// The firmware was asked to shut down, and whether it answered.
    Shutdown { acknowledged: bool },
    /// The processor was stopped, by who owns it.
    Stopped { by: &'static str },
    /// The processor's memory was zeroed.
    Wiped { size: u64 },
    /// The TEE refused.
    Refused {
        #[serde(flatten)]
        refused: Refused,
        tee_result: Option<String>,
    },
    /// An `--expect` was met.
    Expected { text: String },
    /// The end.
    Finished { outcome: Outcome, exit_code: u8, reason: String },
}

impl RunEvent {
    /// A refusal, with all it tells.
    pub fn refused(refusal: &Refusal) -> Self {
        let result = refusal.result();
        Self::Refused {
            refused: Refused::from(*refusal),
            tee_result: Some(result.name().map_or_else(|| format!("{:#010x}", result.0), str::to_owned)),
        }
    }

    /// A message as text where it is text.
    pub fn message(direction: MessageDirection, channel: String, payload: &[u8]) -> Self {
        match str::from_utf8(payload) {
            Ok(text) => Self::Rpmsg { direction, channel, text: Some(text.to_owned()), hex: None },
            Err(_) => Self::Rpmsg { direction, channel, text: None, hex: Some(hex(payload)) },
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who loads a processor.
pub const TEE: &str = "tee";
/// The same.
pub const LINUX: &str = "linux";

/// Turns the system's moments into events; remembers the names of channels.
#[derive(Default)]
pub struct Translator {
    /// With the processor whose they are.
    channels: Vec<(Option<String>, lifecycle::Channel)>,
    /// The processors that Linux loads.
    linux: Vec<String>,
    /// The files that crashed memory goes into.
    coredump: Option<Coredumps>,
}

impl Translator {
    /// One for a run whose crashed memory goes into these files.
    pub fn new(coredump: Option<Coredumps>) -> Self {
        Self { coredump, ..Self::default() }
    }

    /// The event of a moment; `None` for moments that tell a person nothing new.
    pub fn event(&mut self, entry: &Entry) -> Option<RunEvent> {
        match &entry.moment {
            Moment::DeviceTree { board, processor, path, id, owner } => {
                if *owner != Owner::Tee {
                    self.linux.push(processor.clone());
                }
                Some(RunEvent::DeviceTree {
                    board: board.clone(),
                    processor: processor.clone(),
                    path: path.clone(),
                    id: *id,
                    owner: if *owner == Owner::Tee { TEE } else { LINUX },
                })
            }
            Moment::ServiceFound { device, scope } => Some(RunEvent::Service {
                device: device.clone(),
                needs_supplicant: *scope == Scope::Supplicant,
            }),
            Moment::UnusedClocks { errors, .. } => {
                let text = || format!("unused clocks that do not go off: {}", errors.join("; "));
                (!errors.is_empty()).then(|| RunEvent::Note { text: text() })
            }
            Moment::Secure(event) => secure(event),
            Moment::Lifecycle(event) => self.lifecycle(entry.processor.as_deref(), event),
            Moment::Board(happening) => board(happening),
        }
    }

    fn name(&self, processor: Option<&str>, id: lifecycle::ChannelId) -> String {
        let found =
            self.channels.iter().rfind(|(whose, channel)| whose.as_deref() == processor && channel.id == id);
        found.map_or_else(|| format!("{:#x}", id.0), |(_, channel)| channel.name.clone())
    }

    fn lifecycle(&mut self, processor: Option<&str>, event: &lifecycle::Event) -> Option<RunEvent> {
        use lifecycle::Event;
        let is_linux = processor.is_some_and(|name| self.linux.iter().any(|one| one == name));
        Some(match event {
            Event::CarveoutMatched { name, region, address, size, .. } => RunEvent::Carveout {
                name: name.clone(),
                region: region.clone(),
                address: *address,
                size: u64::from(*size),
            },
            Event::TraceFound { name, address, size, .. } => {
                RunEvent::TraceBuffer { name: name.clone(), address: *address, size: u64::from(*size) }
            }
            Event::VringPlaced { vring, region, address, entries, notify_id, .. } => RunEvent::Vring {
                vring: *vring,
                region: region.clone(),
                address: *address,
                entries: *entries,
                notify_id: *notify_id,
            },
            Event::BuffersPlaced { region, address, size, each_way } => RunEvent::Buffers {
                region: region.clone(),
                address: *address,
                size: *size,
                each_way: *each_way,
            },
            Event::ChannelAnnounced(channel) => {
                self.channels.push((processor.map(str::to_owned), channel.clone()));
                RunEvent::Channel { channel: channel.name.clone(), address: channel.remote, announced: true }
            }
            Event::ChannelWithdrawn(channel) => {
                RunEvent::Channel { channel: channel.name.clone(), address: channel.remote, announced: false }
            }
            Event::MessageReceived { channel, payload, .. } => {
                RunEvent::message(MessageDirection::Received, self.name(processor, *channel), payload)
            }
            Event::MessageSent { channel, payload, .. } => {
                RunEvent::message(MessageDirection::Sent, self.name(processor, *channel), payload)
            }
            Event::TraceLine { trace, line } => RunEvent::Trace { buffer: *trace, line: line.clone() },
            Event::LeaveAcknowledged { .. } => RunEvent::Shutdown { acknowledged: true },
            Event::LeaveTimedOut { .. } => RunEvent::Shutdown { acknowledged: false },
            Event::Loaded { size } if is_linux => RunEvent::Loaded { size: *size },
            Event::Started if is_linux => RunEvent::Started {},
            Event::Stopped => RunEvent::Stopped { by: if is_linux { LINUX } else { TEE } },
            Event::Crashed(crash) => {
                RunEvent::Crashed { kind: crash.kind.to_string(), reason: crash.reason.clone() }
            }
            Event::CoredumpTaken { size } => {
                let file = self.coredump.as_mut().map(|files| files.next_name().display().to_string());
                RunEvent::Coredump { size: *size, file }
            }
            Event::Recovered { count } => RunEvent::Recovered { count: *count },
            Event::RecoveryFailed { reason } => {
                RunEvent::Note { text: format!("the processor does not run again: {reason}") }
            }
            Event::CoredumpFailed { reason } => {
                RunEvent::Note { text: format!("the crashed memory could not be dumped: {reason}") }
            }
            Event::LateAcknowledgement { mailbox } => RunEvent::Note {
                text: format!("the firmware took a {mailbox} request that had run out of time"),
            },
            Event::TableMoved { loaded, address } => RunEvent::Note {
                text: format!(
                    "the resource table is loaded to {loaded:#010x}, and the firmware reads it at {address:#010x}: it is \
                     completed at both"
                ),
            },
            Event::VdevIgnored { vdev, reason, .. } => {
                RunEvent::Note { text: format!("virtio device {vdev} stays without a driver: {reason}") }
            }
            Event::AnnouncementIgnored { name, reason, .. } => {
                RunEvent::Note { text: format!("the announcement of channel {name} has no effect: {reason}") }
            }
            Event::MessageMalformed { reason } => {
                RunEvent::Note { text: format!("a malformed message was dropped: {reason}") }
            }
            Event::MessageUndeliverable { source, destination, .. } => RunEvent::Note {
                text: format!("a message from {source:#x} to {destination:#x} was dropped: no such endpoint"),
            },
            Event::RpmsgBroken { reason } => {
                RunEvent::Note { text: format!("the firmware damaged a ring, RPMsg has stopped: {reason}") }
            }
            Event::TraceUnreadable { trace, reason } => {
                RunEvent::Note { text: format!("trace buffer {trace} cannot be read: {reason}") }
            }
            Event::EntrySkipped { entry, kind } => {
                RunEvent::Note { text: format!("resource {entry} has type {kind}, which is not handled") }
            }
            Event::ReleaseFailed { reason } => {
                RunEvent::Note { text: format!("the firmware's memory was not wiped: {reason}") }
            }
            _ => return None,
        })
    }
}

fn secure(event: &SecureEvent) -> Option<RunEvent> {
    Some(match event {
        SecureEvent::Authenticated { algorithm, key, soc, processor, security_counter, unbound } => {
            let open = [
                (unbound.target, "target"),
                (unbound.security_counter, "security_counter"),
                (unbound.elf_metadata, "elf_metadata"),
                (unbound.resource_table, "resource_table"),
            ];
            RunEvent::Authenticated {
                algorithm: algorithm.to_string(),
                key: key.as_ref().map(|key| hex(key)),
                soc: soc.clone(),
                processor: processor.to_string(),
                security_counter: *security_counter,
                not_authenticated: open.iter().filter(|(open, _)| *open).map(|(_, name)| *name).collect(),
            }
        }
        SecureEvent::FirewallClosed { regions } => RunEvent::FirewallClosed {
            regions: regions
                .iter()
                .filter(|region| region.kind == rproc_platform::RegionKind::Firmware)
                .map(|region| Range {
                    name: region.name.to_owned(),
                    address: region.device,
                    size: region.size,
                })
                .collect(),
        },
        SecureEvent::FirewallOpened => RunEvent::FirewallOpened {},
        SecureEvent::SegmentLoaded { image, index, address, file_size, memory_size } => RunEvent::Segment {
            image: *image,
            index: *index,
            address: *address,
            file_size: *file_size,
            memory_size: *memory_size,
        },
        SecureEvent::Loaded { resource_table, derived } => RunEvent::ResourceTable {
            address: resource_table.map(|table| table.address),
            size: resource_table.map(|table| table.size),
            derived: *derived,
        },
        SecureEvent::Released { boot_address } => RunEvent::Released { boot_address: *boot_address },
        SecureEvent::Wiped { size } => RunEvent::Wiped { size: *size },
        SecureEvent::Refused { refusal } => RunEvent::refused(refusal),
        SecureEvent::RegisterRefused { refusal } => RunEvent::Note {
            text: format!("the TEE's SCMI service could not do what Linux asked: {refusal}"),
        },
        SecureEvent::FoundRunning { boot_address, .. } => RunEvent::Note {
            text: format!("it runs since before the TEE, vector table at {boot_address:#x}"),
        },
        SecureEvent::TakenOver { refusal } => {
            RunEvent::Note { text: format!("it ran before the TEE and may not go on: {refusal}") }
        }
        SecureEvent::NotHeld { refusal } => {
            RunEvent::Note { text: format!("it could not be stopped and wiped: {refusal}") }
        }
        SecureEvent::FoundHeld => {
            RunEvent::Note { text: "it may run since before the TEE, and does not".to_owned() }
        }
        SecureEvent::Inherited { .. } | SecureEvent::Held => return None,
    })
}

fn board(happening: &Happening) -> Option<RunEvent> {
    Some(match happening {
        Happening::IllegalAccess(error) => RunEvent::IllegalAccess {
            initiator: error.initiator.to_string(),
            address: error.address,
            text: error.to_string(),
        },
        Happening::UartLine { uart, line } => RunEvent::Uart { uart: *uart, line: line.clone() },
        Happening::ResetRequested { .. } | Happening::WatchdogReset { .. } | Happening::Unmodelled { .. } => {
            RunEvent::Note { text: happening.to_string() }
        }
        // The secure world and the lifecycle tell these.
        Happening::Released { .. } | Happening::Held { .. } | Happening::Crashed(_) => return None,
    })
}
