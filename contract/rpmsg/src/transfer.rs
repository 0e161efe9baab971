//! Moving one message between a shared buffer and a private one, and what both ends say when it fails.

use crate::memory::{Fault, Memory};
use crate::message::{HEADER_SIZE, Header, MAX_PAYLOAD, Malformed, Payload};
use crate::vring;
use thiserror::Error;

/// One of the two rings of an RPMsg vdev, by the way its messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ring {
    /// The vdev's first ring: the host posts empty buffers, the firmware fills them.
    ToHost,
    /// The vdev's second ring: the host fills buffers, the firmware empties them.
    ToRemote,
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// The payload is longer than a buffer.
    #[error("a payload of {length} bytes does not fit into a buffer, which takes {MAX_PAYLOAD}")]
    TooLong {
        /// Bytes of the payload.
        length: usize,
    },
    /// No buffer is free; the other side returns one when it has read or posted more. Try again after its next kick.
    #[error("no buffer is free: the other side has not yet returned any")]
    Full,
    /// The vdev's features lack the name service, so nothing may be announced.
    #[error(
        "the host offers no name service (feature bit 0 of the vdev is not set), so nobody hears an announcement"
    )]
    NoNameService,
    /// The ring is broken.
    #[error(transparent)]
    Ring(#[from] vring::Error),
}

/// Why no message was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReceiveError {
    /// One message was malformed and has been dropped; the next call reads the next message.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The ring is broken; the next call says the same.
    #[error(transparent)]
    Ring(#[from] vring::Error),
}

impl From<Fault> for SendError {
    fn from(fault: Fault) -> Self {
        Self::Ring(fault.into())
    }
}

impl From<Fault> for ReceiveError {
    fn from(fault: Fault) -> Self {
        Self::Ring(fault.into())
    }
}

/// A payload that fits into a buffer, with its header: what a send is made of.
pub(crate) struct Outgoing<'p> {
    header: Header,
    payload: &'p [u8],
}

impl<'p> Outgoing<'p> {
    pub(crate) fn new(source: u32, destination: u32, payload: &'p [u8]) -> Result<Self, SendError> {
        let too_long = SendError::TooLong { length: payload.len() };
        if payload.len() > MAX_PAYLOAD {
            return Err(too_long);
        }
        let length = u16::try_from(payload.len()).map_err(|_| too_long)?;
        Ok(Self { header: Header { source, destination, length, ..Header::default() }, payload })
    }

    /// Bytes that the message takes in a buffer, header included: 16 to 512.
    pub(crate) fn length(&self) -> u32 {
        HEADER_SIZE as u32 + u32::from(self.header.length)
    }

    /// Copies the message into the buffer whose bytes lie where `at` says.
    #[inline(always)]
    pub(crate) fn store(&self, memory: &mut impl Memory, at: impl Fn(u32) -> u64) -> Result<(), Fault> {
        if at(0).is_multiple_of(4) {
            memory.store_words(at(0), self.header.words())?;
        } else {
            memory.write(at(0), &self.header.encode())?;
        }
        memory.write(at(HEADER_SIZE as u32), self.payload)
    }
}

/// Copies a message out of the `carried` bytes that lie where `at` says: the header once, then the payload it claims, once.
#[inline]
pub(crate) fn fetch<'b>(
    memory: &impl Memory,
    at: impl Fn(u32) -> u64,
    carried: u32,
    into: &'b mut Payload,
) -> Result<Result<(Header, &'b [u8]), Malformed>, Fault> {
    if carried < HEADER_SIZE as u32 {
        return Ok(Err(Malformed::Short { carried }));
    }
    let header = if at(0).is_multiple_of(4) {
        Header::from_words(memory.load_words(at(0))?)
    } else {
        let mut header = [0; HEADER_SIZE];
        memory.read(at(0), &mut header)?;
        Header::decode(&header)
    };
    let length = match header.payload_within(carried) {
        Ok(length) => length,
        Err(malformed) => return Ok(Err(malformed)),
    };
    let payload = into.get_mut(..length).unwrap_or_default();
    memory.read(at(HEADER_SIZE as u32), payload)?;
    Ok(Ok((header, payload)))
}
