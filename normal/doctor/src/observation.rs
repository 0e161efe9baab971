//! What was seen of one processor's surroundings at one moment.

use std::fmt;

use rproc_abi::ProcessorId;
use rproc_tee::Outcome;

/// Who loads a processor's firmware, by `status` and `secure-status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The TEE.
    Tee,
    /// Linux.
    Linux,
    /// Linux, after the TEE gave it the rights at boot.
    Both,
    /// Nobody: it is switched off everywhere.
    Nobody,
}

/// The TEE's remoteproc service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Service {
    /// There is no TEE to ask.
    NoTee,
    /// It is not among the services that are there at once, and those that need tee-supplicant were not asked for yet.
    WaitsForSupplicant,
    /// All services were asked for, and it is not among them.
    Absent,
    /// It is there and cannot be used.
    Refused {
        /// Why, as a sentence.
        reason: String,
    },
    /// It is there.
    Present,
}

impl Service {
    /// From what became of the wish for it on the TEE bus; `reason` is why the probe failed, where it did.
    #[must_use]
    pub fn of(outcome: Outcome, reason: Option<&str>) -> Service {
        match outcome {
            Outcome::Bound => Service::Present,
            Outcome::ProbeFailed => {
                Service::Refused { reason: reason.unwrap_or("it would not be opened").to_owned() }
            }
            Outcome::WaitsForSupplicant => Service::WaitsForSupplicant,
            Outcome::Absent => Service::Absent,
        }
    }
}

/// Whether the service knows the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Known {
    /// It was not asked, or could not be.
    NotAsked,
    /// It drives it.
    Yes,
    /// It answered that it does not.
    No,
}

/// Whether something that others provide is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It can be used.
    There,
    /// Its provider is in the tree, and its driver has not come yet.
    NotYet,
    /// Its provider is there, and has nothing of this number.
    NoSuch,
    /// Nothing will bring it.
    Never,
}

/// What a need is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NeedKind {
    /// A channel of `mboxes`.
    Mailbox,
    /// A region of `memory-region`.
    MemoryRegion,
    /// One of `clocks`.
    Clock,
    /// One of `power-domains`.
    PowerDomain,
    /// One of `resets`.
    Reset,
}

impl fmt::Display for NeedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NeedKind::Mailbox => "mailbox",
            NeedKind::MemoryRegion => "memory region",
            NeedKind::Clock => "clock",
            NeedKind::PowerDomain => "power domain",
            NeedKind::Reset => "reset",
        })
    }
}

/// Something that the processor's node names and somebody else provides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Need {
    /// What it is.
    pub kind: NeedKind,
    /// Its name in the node.
    pub name: String,
    /// Path of the node that provides it.
    pub provider: String,
    /// Whether it is there.
    pub presence: Presence,
}

/// The firmware file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Firmware {
    /// Its name, as Linux asks for it.
    pub name: String,
    /// The folder where it belongs, such as `/lib/firmware`.
    pub folder: String,
    /// Whether the file is there.
    pub there: bool,
}

/// One processor, seen at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Its name, such as `m33`.
    pub name: String,
    /// Path of its node; what one doctor knows a processor by.
    pub path: String,
    /// The number by which the service knows it.
    pub id: ProcessorId,
    /// Who owns it by Linux's device tree.
    pub owner: Owner,
    /// Who owns it by what the secure world says, as far as that is known.
    pub secure_owner: Option<Owner>,
    /// Paths of its nodes in Linux's device tree that are switched off.
    pub off: Vec<String>,
    /// Errors of the processor's description, each as a sentence.
    pub flaws: Vec<String>,
    /// The TEE's service.
    pub service: Service,
    /// Whether the service knows it.
    pub known: Known,
    /// What its node names, in the order of the tree.
    pub needs: Vec<Need>,
    /// Its firmware file; nothing when it needs none, since it runs already.
    pub firmware: Option<Firmware>,
}
