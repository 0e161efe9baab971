//! The base protocol, 0x10: who the platform is, which protocols it has, who its agents are.

use crate::wire::{Message, Payload};
use crate::{BadMessage, Name};

/// A command of the base protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// 3, BASE_DISCOVER_VENDOR.
    Vendor,
    /// 4, BASE_DISCOVER_SUB_VENDOR.
    SubVendor,
    /// 5, BASE_DISCOVER_IMPLEMENTATION_VERSION.
    ImplementationVersion,
    /// 6, BASE_DISCOVER_LIST_PROTOCOLS: those after the first `skip`.
    Protocols {
        /// How many to leave out, because an earlier reply had them.
        skip: u32,
    },
    /// 7, BASE_DISCOVER_AGENT.
    Agent {
        /// The agent's number; [`Request::ASKING_AGENT`] for the one that asks.
        agent: u32,
    },
}

impl Request {
    /// The number of "whoever asks".
    pub const ASKING_AGENT: u32 = 0xffff_ffff;

    pub(crate) const fn message(&self) -> u8 {
        match self {
            Self::Vendor => 3,
            Self::SubVendor => 4,
            Self::ImplementationVersion => 5,
            Self::Protocols { .. } => 6,
            Self::Agent { .. } => 7,
        }
    }

    pub(crate) fn encode(&self, to: &mut Message) {
        match self {
            Self::Vendor | Self::SubVendor | Self::ImplementationVersion => {}
            Self::Protocols { skip } => to.word(*skip),
            Self::Agent { agent } => to.word(*agent),
        }
    }

    pub(crate) fn decode(from: Payload<'_>) -> Result<Self, BadMessage> {
        Ok(match from.message {
            3 => from.words::<0>().map(|_| Self::Vendor)?,
            4 => from.words::<0>().map(|_| Self::SubVendor)?,
            5 => from.words::<0>().map(|_| Self::ImplementationVersion)?,
            6 => from.words().map(|[skip]| Self::Protocols { skip })?,
            7 => from.words().map(|[agent]| Self::Agent { agent })?,
            _ => return Err(from.unknown()),
        })
    }
}

/// The numbers of protocols in one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ProtocolList {
    ids: [u8; Self::MAX],
    len: usize,
}

impl ProtocolList {
    /// The most that one reply can have here; more come with the next.
    pub const MAX: usize = 32;

    /// The first [`ProtocolList::MAX`] of these.
    pub fn new(ids: impl IntoIterator<Item = u8>) -> Self {
        let mut list = Self::default();
        for (to, id) in list.ids.iter_mut().zip(ids) {
            *to = id;
            list.len += 1;
        }
        list
    }

    /// The numbers.
    pub fn ids(&self) -> &[u8] {
        self.ids.get(..self.len).unwrap_or_default()
    }
}

/// A reply of the base protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::Vendor`].
    Vendor(Name),
    /// To [`Request::SubVendor`].
    SubVendor(Name),
    /// To [`Request::ImplementationVersion`]: the vendor's own number.
    ImplementationVersion(u32),
    /// To [`Request::Protocols`].
    Protocols(ProtocolList),
    /// To [`Request::Agent`].
    Agent {
        /// Its number; 0 is the platform.
        agent: u32,
        /// Its name.
        name: Name,
    },
}

impl Reply {
    pub(crate) fn encode(&self, to: &mut Message) {
        match self {
            Self::Vendor(name) | Self::SubVendor(name) => to.name(name),
            Self::ImplementationVersion(version) => to.word(*version),
            Self::Protocols(list) => {
                to.word(list.len as u32);
                // Four to a word, the last word filled up with zeros.
                to.bytes(list.ids.get(..list.len.next_multiple_of(4)).unwrap_or_default());
            }
            Self::Agent { agent, name } => {
                to.word(*agent);
                to.name(name);
            }
        }
    }

    pub(crate) fn decode(from: Payload<'_>) -> Result<Self, BadMessage> {
        Ok(match from.message {
            3 => from.ends_named().map(|([], name)| Self::Vendor(name))?,
            4 => from.ends_named().map(|([], name)| Self::SubVendor(name))?,
            5 => from.words().map(|[version]| Self::ImplementationVersion(version))?,
            6 => {
                let ([count], ids) = from.head()?;
                let len = usize::try_from(count).unwrap_or(usize::MAX);
                if len > ProtocolList::MAX {
                    return Err(from.value("number of protocols", count));
                }
                if ids.len() != len.next_multiple_of(4) {
                    return Err(from.size(4 + len.next_multiple_of(4)));
                }
                Self::Protocols(ProtocolList::new(ids.iter().copied().take(len)))
            }
            7 => from.ends_named().map(|([agent], name)| Self::Agent { agent, name })?,
            _ => return Err(from.unknown()),
        })
    }
}
