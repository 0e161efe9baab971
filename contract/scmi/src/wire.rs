//! Messages as bytes: little-endian words into a buffer of fixed size, and out of a payload of checked size.

use crate::{BadMessage, Header, Name};

/// The most bytes of a message, header and status included: what Linux's buffer holds (`SCMI_SHMEM_MAX_PAYLOAD_SIZE` in
/// `drivers/firmware/arm_scmi/common.h`).
pub const MAX_MESSAGE: usize = 104;

/// A whole message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    bytes: [u8; MAX_MESSAGE],
    len: usize,
}

impl Message {
    pub(crate) fn new(header: Header) -> Self {
        let mut message = Self { bytes: [0; MAX_MESSAGE], len: 0 };
        message.word(header.word());
        message
    }

    /// The bytes as they go on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Appends bytes. Every message of this crate has room, which its tests show; what has none is left out whole.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
            self.len = end;
        }
    }

    pub(crate) fn word(&mut self, word: u32) {
        self.bytes(&word.to_le_bytes());
    }

    pub(crate) fn words(&mut self, words: &[u32]) {
        for word in words {
            self.word(*word);
        }
    }

    pub(crate) fn long(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    pub(crate) fn name(&mut self, name: &Name) {
        self.bytes(name.wire());
    }
}

/// A payload on its way to be understood, with whose it is for the error.
#[derive(Clone, Copy)]
pub(crate) struct Payload<'a> {
    pub(crate) protocol: u8,
    pub(crate) message: u8,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Payload<'a> {
    /// No message of the protocol has this number.
    pub(crate) fn unknown(&self) -> BadMessage {
        BadMessage::UnknownMessage { protocol: self.protocol, message: self.message }
    }

    pub(crate) fn value(&self, field: &'static str, found: u32) -> BadMessage {
        BadMessage::Value { protocol: self.protocol, message: self.message, field, found }
    }

    pub(crate) fn size(&self, expected: usize) -> BadMessage {
        BadMessage::Size { protocol: self.protocol, message: self.message, expected, found: self.bytes.len() }
    }

    /// The first `N` words, and what follows them.
    pub(crate) fn head<const N: usize>(&self) -> Result<([u32; N], &'a [u8]), BadMessage> {
        let (words, _) = self.bytes.as_chunks::<4>();
        let rest = self.bytes.get(4 * N..).ok_or(self.size(4 * N))?;
        let mut head = [0; N];
        for (to, from) in head.iter_mut().zip(words) {
            *to = u32::from_le_bytes(*from);
        }
        Ok((head, rest))
    }

    /// Exactly `N` words.
    pub(crate) fn words<const N: usize>(&self) -> Result<[u32; N], BadMessage> {
        match self.head()? {
            (words, []) => Ok(words),
            _ => Err(self.size(4 * N)),
        }
    }

    /// `N` words and a name, and what follows them.
    pub(crate) fn named<const N: usize>(&self) -> Result<([u32; N], Name, &'a [u8]), BadMessage> {
        let (words, rest) = self.head()?;
        let (name, rest) = rest.split_first_chunk::<{ Name::SIZE }>().ok_or(self.size(4 * N + Name::SIZE))?;
        Ok((words, Name::from_wire(name), rest))
    }

    /// Exactly `N` words and a name.
    pub(crate) fn ends_named<const N: usize>(&self) -> Result<([u32; N], Name), BadMessage> {
        match self.named()? {
            (words, name, []) => Ok((words, name)),
            _ => Err(self.size(4 * N + Name::SIZE)),
        }
    }
}

/// A 64-bit number of two words, low word first.
pub(crate) const fn long(low: u32, high: u32) -> u64 {
    (high as u64) << 32 | low as u64
}
