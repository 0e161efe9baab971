//! What the protocol says of one processor (docs/protocol.md), and nothing about how it is done.

use rproc_abi::refusal::Reason;

/// One of two firmwares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Firmware {
    A,
    B,
}

/// Something that happens to a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Load(Firmware),
    /// Signed by nobody.
    LoadForged,
    /// Damaged in its last segment.
    LoadBroken,
    /// Signed for another processor.
    LoadForeign,
    Start,
    Stop,
    Table,
    Dump,
    Release,
    /// It resets itself.
    Crash,
}

pub const COMMANDS: [Command; 11] = [
    Command::Load(Firmware::A),
    Command::Load(Firmware::B),
    Command::LoadForged,
    Command::LoadBroken,
    Command::LoadForeign,
    Command::Start,
    Command::Stop,
    Command::Table,
    Command::Dump,
    Command::Release,
    Command::Crash,
];

/// What the service knows of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Service {
    /// Nothing: it has begun after whatever was before.
    Fresh,
    Off,
    /// Off after a run.
    Stopped,
    Loaded,
    Started,
}

/// What is in a processor's memory, and who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Memory {
    /// As boot firmware left it: zero, and the normal world's.
    Open,
    /// Zero, and closed to the normal world.
    Wiped,
    /// A firmware that has not run.
    Closed(Firmware),
    /// The processor's own.
    Running(Firmware),
    /// What a run left.
    Left(Firmware),
}

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Processor {
    service: Service,
    pub memory: Memory,
    /// It executes.
    pub alive: bool,
    /// It stays held when it resets itself.
    holds: bool,
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Refused(Reason),
    /// Not a command to the service.
    Silent,
}

impl Processor {
    pub const fn new(holds: bool) -> Self {
        Self { service: Service::Fresh, memory: Memory::Open, alive: false, holds }
    }

    /// The service ends and begins again; the processor knows nothing of it.
    pub fn restart(&mut self) {
        self.service = Service::Fresh;
    }

    fn load(&mut self, good: Result<Firmware, Reason>) -> Outcome {
        match (self.service, self.memory) {
            (Service::Started, _) => return Outcome::Refused(Reason::AlreadyStarted),
            (Service::Loaded, _) => return Outcome::Done,
            (Service::Fresh, Memory::Running(_)) => return Outcome::Refused(Reason::StartedBefore),
            _ => {}
        }
        match good {
            Ok(firmware) => {
                (self.service, self.memory) = (Service::Loaded, Memory::Closed(firmware));
                Outcome::Done
            }
            Err(reason) => {
                self.service = Service::Off;
                self.wipe();
                // The bytes of its segments are only looked at in the processor's memory.
                if reason == Reason::SegmentDigest {
                    self.memory = Memory::Wiped;
                }
                Outcome::Refused(reason)
            }
        }
    }

    /// What the TEE has used is zeroed, and stays closed.
    fn wipe(&mut self) {
        if self.memory != Memory::Open {
            self.memory = Memory::Wiped;
        }
    }

    /// Its memory after it was held.
    fn hold(&mut self) {
        self.alive = false;
        if let Memory::Running(firmware) = self.memory {
            self.memory = Memory::Left(firmware);
        }
    }

    pub fn step(&mut self, command: Command) -> Outcome {
        match command {
            Command::Load(firmware) => self.load(Ok(firmware)),
            Command::LoadForged => self.load(Err(Reason::SignatureInvalid)),
            Command::LoadBroken => self.load(Err(Reason::SegmentDigest)),
            Command::LoadForeign => self.load(Err(Reason::WrongProcessor)),
            Command::Start => match (self.service, self.memory) {
                (Service::Loaded, Memory::Closed(firmware)) => {
                    (self.service, self.memory) = (Service::Started, Memory::Running(firmware));
                    self.alive = true;
                    Outcome::Done
                }
                (Service::Started, _) => Outcome::Done,
                _ => Outcome::Refused(Reason::NotLoaded),
            },
            Command::Stop => match self.service {
                Service::Loaded => Outcome::Refused(Reason::NotStarted),
                Service::Started => {
                    self.hold();
                    self.service = Service::Stopped;
                    Outcome::Done
                }
                Service::Fresh => {
                    self.hold();
                    Outcome::Done
                }
                Service::Off | Service::Stopped => Outcome::Done,
            },
            Command::Table => match (self.service, self.memory) {
                (Service::Loaded | Service::Started, _) => Outcome::Done,
                (Service::Fresh, Memory::Running(_)) => Outcome::Refused(Reason::StartedBefore),
                _ => Outcome::Refused(Reason::NotLoaded),
            },
            Command::Dump => match self.service {
                Service::Loaded | Service::Stopped => Outcome::Done,
                Service::Started => Outcome::Refused(Reason::AlreadyStarted),
                Service::Fresh | Service::Off => Outcome::Refused(Reason::NotLoaded),
            },
            Command::Release => {
                if self.service == Service::Started {
                    return Outcome::Refused(Reason::AlreadyStarted);
                }
                self.alive = false;
                self.service = Service::Off;
                self.wipe();
                Outcome::Done
            }
            Command::Crash => {
                self.alive &= !self.holds;
                Outcome::Silent
            }
        }
    }
}
