//! The header word of a message, and the protocols.

use crate::BadMessage;

/// A protocol that this crate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// 0x10: who the platform is and what it implements.
    Base,
    /// 0x11: power domains on and off.
    Power,
    /// 0x14: clocks on and off, and their rates.
    Clock,
    /// 0x16: reset domains.
    Reset,
}

impl Protocol {
    /// Those that are listed by the base protocol, which is never listed itself.
    pub const LISTED: [Self; 3] = [Self::Power, Self::Clock, Self::Reset];

    /// The number on the wire.
    pub const fn id(self) -> u8 {
        match self {
            Self::Base => 0x10,
            Self::Power => 0x11,
            Self::Clock => 0x14,
            Self::Reset => 0x16,
        }
    }

    /// From the number on the wire.
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0x10 => Some(Self::Base),
            0x11 => Some(Self::Power),
            0x14 => Some(Self::Clock),
            0x16 => Some(Self::Reset),
            _ => None,
        }
    }

    /// The version spoken here, major number in the upper half (OP-TEE's `scmi-msg`; of the clock protocol the first
    /// with CLOCK_CONFIG_GET).
    pub const fn version(self) -> u32 {
        match self {
            Self::Base | Self::Power => 0x2_0000,
            Self::Clock => 0x3_0000,
            Self::Reset => 0x1_0000,
        }
    }

    /// Whether a message of the protocol is implemented here.
    pub const fn implements(self, message: u32) -> bool {
        match self {
            Self::Base => message <= 7,
            Self::Power => message <= 5,
            Self::Clock => message <= 7 || message == 0xb,
            Self::Reset => message <= 4,
        }
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// 0: a command, or its immediate reply.
    Command,
    /// 2: the delayed reply to an asynchronous command.
    DelayedReply,
    /// 3: a notification.
    Notification,
    /// 1: reserved.
    Reserved,
}

/// The first word of a message (DEN0056, "Message header format").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Bits 7:0, the message's number within its protocol.
    pub message: u8,
    /// Bits 9:8.
    pub kind: MessageType,
    /// Bits 17:10, the protocol's number.
    pub protocol: u8,
    /// Bits 27:18: what the agent chose so that it knows the reply again, at most [`Header::MAX_TOKEN`].
    pub token: u16,
}

impl Header {
    /// The largest token.
    pub const MAX_TOKEN: u16 = 0x3ff;

    /// The word.
    pub const fn word(self) -> u32 {
        let kind = match self.kind {
            MessageType::Command => 0,
            MessageType::Reserved => 1,
            MessageType::DelayedReply => 2,
            MessageType::Notification => 3,
        };
        self.message as u32
            | kind << 8
            | (self.protocol as u32) << 10
            | ((self.token & Self::MAX_TOKEN) as u32) << 18
    }

    /// From the word; the reserved bits 31:28 are left out.
    pub const fn from_word(word: u32) -> Self {
        Self {
            message: word as u8,
            kind: match word >> 8 & 3 {
                0 => MessageType::Command,
                1 => MessageType::Reserved,
                2 => MessageType::DelayedReply,
                _ => MessageType::Notification,
            },
            protocol: (word >> 10) as u8,
            token: (word >> 18) as u16 & Self::MAX_TOKEN,
        }
    }

    /// The header of a message, and its payload.
    pub fn split(message: &[u8]) -> Result<(Self, &[u8]), BadMessage> {
        match message.split_first_chunk::<4>() {
            Some((word, payload)) => Ok((Self::from_word(u32::from_le_bytes(*word)), payload)),
            None => Err(BadMessage::NoHeader { found: message.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_where_the_specification_has_them() {
        let header = Header { message: 7, kind: MessageType::Command, protocol: 0x14, token: 5 };
        assert_eq!(header.word(), 7 | 0x14 << 10 | 5 << 18);
        assert_eq!(Header::from_word(0xf000_0000), Header::from_word(0));
        assert_eq!(Header::split(&[1, 2, 3]), Err(BadMessage::NoHeader { found: 3 }));
    }

    #[test]
    fn every_protocol_survives_its_number() {
        for protocol in [Protocol::Base, Protocol::Power, Protocol::Clock, Protocol::Reset] {
            assert_eq!(Protocol::from_id(protocol.id()), Some(protocol));
        }
        assert_eq!(Protocol::from_id(0x13), None);
    }

    proptest::proptest! {
        #[test]
        fn every_header_survives_its_word(word in 0u32..1 << 28) {
            proptest::prop_assert_eq!(Header::from_word(word).word(), word);
        }
    }
}
