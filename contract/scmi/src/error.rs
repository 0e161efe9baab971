//! Messages that do not follow the protocol.

use thiserror::Error;

use crate::Status;

/// Bytes that are no message, or not the one that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadMessage {
    /// Not even a header.
    #[error("an SCMI message has a header of 4 bytes; this one has {found} bytes in all")]
    NoHeader {
        /// Bytes of the message.
        found: usize,
    },
    /// More than a message can have.
    #[error("an SCMI message has at most {limit} bytes; this one has {found}")]
    TooLong {
        /// The most bytes of a message.
        limit: usize,
        /// Bytes of the message.
        found: usize,
    },
    /// A delayed reply or a notification where a command should be, or a reply to another command.
    #[error("the SCMI message with header {expected:#010x} was expected and one with {found:#010x} came")]
    Header {
        /// The expected header word.
        expected: u32,
        /// The header word of the message.
        found: u32,
    },
    /// A protocol that this crate does not know.
    #[error("SCMI protocol {protocol:#04x} is not known here")]
    UnknownProtocol {
        /// Its number.
        protocol: u8,
    },
    /// A message that the protocol does not have here.
    #[error("SCMI protocol {protocol:#04x} has no message {message:#04x} here")]
    UnknownMessage {
        /// The protocol's number.
        protocol: u8,
        /// The message's number.
        message: u8,
    },
    /// A payload of the wrong size.
    #[error(
        "message {message:#04x} of SCMI protocol {protocol:#04x} has a payload of {expected} bytes; this one has {found}"
    )]
    Size {
        /// The protocol's number.
        protocol: u8,
        /// The message's number.
        message: u8,
        /// Bytes that it should have; the least number where it varies.
        expected: usize,
        /// Bytes that it has.
        found: usize,
    },
    /// A field with a value that means nothing here.
    #[error(
        "message {message:#04x} of SCMI protocol {protocol:#04x} has {found:#x} as its {field}, which means nothing here"
    )]
    Value {
        /// The protocol's number.
        protocol: u8,
        /// The message's number.
        message: u8,
        /// The field's name.
        field: &'static str,
        /// Its value.
        found: u32,
    },
}

impl BadMessage {
    /// What the platform answers to such a command.
    pub const fn status(&self) -> Status {
        match self {
            Self::UnknownProtocol { .. } | Self::UnknownMessage { .. } => Status::NOT_SUPPORTED,
            Self::Value { .. } => Status::INVALID_PARAMETERS,
            Self::NoHeader { .. } | Self::TooLong { .. } | Self::Header { .. } | Self::Size { .. } => {
                Status::PROTOCOL_ERROR
            }
        }
    }
}
