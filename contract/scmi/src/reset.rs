//! The reset domain protocol, 0x16.

use crate::wire::{Message, Payload};
use crate::{BadMessage, Name};

/// What a reset command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Flags bit 0: into reset and out again.
    Autonomous,
    /// Flags bit 1: into reset, where it stays.
    Assert,
    /// Flags 0: out of reset.
    Deassert,
}

/// A command of the reset domain protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// 3, RESET_DOMAIN_ATTRIBUTES.
    DomainAttributes {
        /// The domain's number.
        domain: u32,
    },
    /// 4, RESET, waiting until it is done.
    Reset {
        /// The domain's number.
        domain: u32,
        /// What to do.
        action: Action,
        /// Which reset; Linux asks for [`Request::COLD`].
        state: u32,
    },
}

impl Request {
    /// A cold reset, as Linux asks for it (`ARCH_COLD_RESET` in `drivers/firmware/arm_scmi/reset.c`).
    pub const COLD: u32 = 0x8000_0001;

    pub(crate) const fn message(&self) -> u8 {
        match self {
            Self::DomainAttributes { .. } => 3,
            Self::Reset { .. } => 4,
        }
    }

    pub(crate) fn encode(&self, to: &mut Message) {
        match self {
            Self::DomainAttributes { domain } => to.word(*domain),
            Self::Reset { domain, action, state } => {
                let flags = match action {
                    Action::Autonomous => 1,
                    Action::Assert => 2,
                    Action::Deassert => 0,
                };
                to.words(&[*domain, flags, *state]);
            }
        }
    }

    pub(crate) fn decode(from: Payload<'_>) -> Result<Self, BadMessage> {
        match from.message {
            3 => from.words().map(|[domain]| Self::DomainAttributes { domain }),
            4 => {
                let [domain, flags, state] = from.words()?;
                let action = match flags {
                    // "Assert" says nothing beside "autonomous".
                    1 | 3 => Action::Autonomous,
                    2 => Action::Assert,
                    0 => Action::Deassert,
                    _ => return Err(from.value("flags", flags)),
                };
                Ok(Self::Reset { domain, action, state })
            }
            _ => Err(from.unknown()),
        }
    }
}

/// A reply of the reset domain protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::DomainAttributes`].
    DomainAttributes {
        /// Bit 31 asynchronous resets, bit 30 notifications.
        attributes: u32,
        /// The longest time that a reset takes, in microseconds; [`Reply::UNKNOWN_LATENCY`] where nobody knows.
        latency: u32,
        /// The domain's name.
        name: Name,
    },
    /// To [`Request::Reset`].
    Reset,
}

impl Reply {
    /// The latency of a reset of which nobody knows how long it takes (`SCMI_RESET_DOMAIN_ATTR_UNK_LAT` in OP-TEE).
    pub const UNKNOWN_LATENCY: u32 = 0x7fff_ffff;

    pub(crate) fn encode(&self, to: &mut Message) {
        match self {
            Self::DomainAttributes { attributes, latency, name } => {
                to.words(&[*attributes, *latency]);
                to.name(name);
            }
            Self::Reset => {}
        }
    }

    pub(crate) fn decode(from: Payload<'_>) -> Result<Self, BadMessage> {
        match from.message {
            3 => from.ends_named().map(|([attributes, latency], name)| Self::DomainAttributes {
                attributes,
                latency,
                name,
            }),
            4 => from.words::<0>().map(|_| Self::Reset),
            _ => Err(from.unknown()),
        }
    }
}
