//! The power domain protocol, 0x11.

use crate::wire::{Message, Payload};
use crate::{BadMessage, Name};

/// The power state of a domain: bit 30 says that its context is lost, bits 27:0 are the platform's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State(pub u32);

impl State {
    /// On.
    pub const ON: Self = Self(0);
    /// Off, with the context lost (`SCMI_POWER_STATE_GENERIC_OFF` in Linux's `scmi_protocol.h`).
    pub const OFF: Self = Self(1 << 30);
}

/// A command of the power domain protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// 3, POWER_DOMAIN_ATTRIBUTES.
    DomainAttributes {
        /// The domain's number.
        domain: u32,
    },
    /// 4, POWER_STATE_SET, waiting until it is done.
    StateSet {
        /// The domain's number.
        domain: u32,
        /// The state it shall have.
        state: State,
    },
    /// 5, POWER_STATE_GET.
    StateGet {
        /// The domain's number.
        domain: u32,
    },
}

impl Request {
    pub(crate) const fn message(&self) -> u8 {
        match self {
            Self::DomainAttributes { .. } => 3,
            Self::StateSet { .. } => 4,
            Self::StateGet { .. } => 5,
        }
    }

    pub(crate) fn encode(&self, to: &mut Message) {
        match self {
            Self::DomainAttributes { domain } | Self::StateGet { domain } => to.word(*domain),
            Self::StateSet { domain, state } => to.words(&[0, *domain, state.0]),
        }
    }

    pub(crate) fn decode(from: Payload<'_>) -> Result<Self, BadMessage> {
        Ok(match from.message {
            3 => from.words().map(|[domain]| Self::DomainAttributes { domain })?,
            4 => match from.words()? {
                [0, domain, state] => Self::StateSet { domain, state: State(state) },
                [flags, ..] => return Err(from.value("flags", flags)),
            },
            5 => from.words().map(|[domain]| Self::StateGet { domain })?,
            _ => return Err(from.unknown()),
        })
    }
}

/// A reply of the power domain protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::DomainAttributes`].
    DomainAttributes {
        /// Bit 29 when the state can be set and waited for; see DEN0056 for the others.
        flags: u32,
        /// The domain's name.
        name: Name,
    },
    /// To [`Request::StateSet`].
    StateSet,
    /// To [`Request::StateGet`].
    StateGet(State),
}

impl Reply {
    /// In the attributes' flags: POWER_STATE_SET can be waited for.
    pub const SETS_AND_WAITS: u32 = 1 << 29;

    pub(crate) fn encode(&self, to: &mut Message) {
        match self {
            Self::DomainAttributes { flags, name } => {
                to.word(*flags);
                to.name(name);
            }
            Self::StateSet => {}
            Self::StateGet(state) => to.word(state.0),
        }
    }

    pub(crate) fn decode(from: Payload<'_>) -> Result<Self, BadMessage> {
        Ok(match from.message {
            3 => from.ends_named().map(|([flags], name)| Self::DomainAttributes { flags, name })?,
            4 => from.words::<0>().map(|_| Self::StateSet)?,
            5 => from.words().map(|[state]| Self::StateGet(State(state)))?,
            _ => return Err(from.unknown()),
        })
    }
}
