//! The facts that a refusal carries, and the places it points at.

use core::fmt;

/// Up to 32 bytes of text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Words([u8; 32]);

impl Words {
    /// The text; cut at the last whole character that fits.
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(32);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; 32];
        if let (Some(room), Some(text)) = (bytes.get_mut(..end), text.as_bytes().get(..end)) {
            room.copy_from_slice(text);
        }
        Self(bytes)
    }

    /// The text up to its first NUL or its first byte that is not UTF-8.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let text = self.0.get(..len).unwrap_or_default();
        match core::str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => text
                .get(..error.valid_up_to())
                .and_then(|valid| core::str::from_utf8(valid).ok())
                .unwrap_or_default(),
        }
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Something that was expected or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Nothing to say.
    None,
    /// A plain number.
    Number(u64),
    /// An address.
    Address(u64),
    /// A number of bytes.
    Size(u64),
    /// A range of addresses.
    Range {
        /// First address.
        start: u64,
        /// Bytes.
        size: u64,
    },
    /// A SHA-256 digest or key fingerprint.
    Digest([u8; 32]),
    /// A few words.
    Words(Words),
}

impl Fact {
    /// Bytes of the encoded form.
    pub const ENCODED_SIZE: usize = 33;

    /// A few words, cut after 32 bytes.
    pub fn words(text: &str) -> Self {
        Self::Words(Words::new(text))
    }

    pub(super) fn encode(&self) -> [u8; Self::ENCODED_SIZE] {
        let two = |a: u64, b: u64| {
            let mut payload = [0; 32];
            payload[..8].copy_from_slice(&a.to_le_bytes());
            payload[8..16].copy_from_slice(&b.to_le_bytes());
            payload
        };
        let (tag, payload) = match *self {
            Self::None => (0, [0; 32]),
            Self::Number(number) => (1, two(number, 0)),
            Self::Address(address) => (2, two(address, 0)),
            Self::Size(size) => (3, two(size, 0)),
            Self::Range { start, size } => (4, two(start, size)),
            Self::Digest(digest) => (5, digest),
            Self::Words(Words(bytes)) => (6, bytes),
        };
        let mut bytes = [tag; Self::ENCODED_SIZE];
        bytes[1..].copy_from_slice(&payload);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Self::ENCODED_SIZE]) -> Option<Self> {
        let (tag, payload) = bytes.split_first()?;
        let payload: &[u8; 32] = payload.try_into().ok()?;
        let word = |at: usize| {
            payload.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes)
        };
        Some(match tag {
            0 => Self::None,
            1 => Self::Number(word(0)?),
            2 => Self::Address(word(0)?),
            3 => Self::Size(word(0)?),
            4 => Self::Range { start: word(0)?, size: word(8)? },
            5 => Self::Digest(*payload),
            6 => Self::Words(Words(*payload)),
            _ => return None,
        })
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::words(text)
    }
}

struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 byte"),
            size if size >= 1 << 20 && size % (1 << 20) == 0 => write!(f, "{} MiB", size >> 20),
            size if size >= 1 << 10 && size % (1 << 10) == 0 => write!(f, "{} KiB", size >> 10),
            size => write!(f, "{size} bytes"),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nothing"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Address(address) => write!(f, "{address:#x}"),
            Self::Size(size) => Size(*size).fmt(f),
            Self::Range { start, size } => match start.checked_add(*size) {
                Some(end) => write!(f, "{start:#x}..{end:#x} ({})", Size(*size)),
                None => write!(f, "{size:#x} bytes from {start:#x}, past the end of the address space"),
            },
            Self::Digest(digest) => digest.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Words(words) => f.write_str(words.as_str()),
        }
    }
}

/// Where something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere in particular.
    None,
    /// A byte of the container, counted from its start.
    Offset(u64),
    /// An entry of the signed segment table.
    Segment {
        /// Which ELF image, from 0.
        image: u32,
        /// Which of its program headers, from 0.
        index: u32,
    },
    /// A whole ELF image of the container.
    Image {
        /// Which, from 0.
        image: u32,
    },
    /// A TLV.
    Tlv {
        /// Its type.
        kind: u32,
    },
    /// A device register.
    Register {
        /// Its physical address.
        address: u64,
    },
}

impl Place {
    /// Bytes of the encoded form.
    pub const ENCODED_SIZE: usize = 9;

    pub(super) fn encode(&self) -> [u8; Self::ENCODED_SIZE] {
        let (tag, payload) = match *self {
            Self::None => (0, 0),
            Self::Offset(offset) => (1, offset),
            Self::Segment { image, index } => (2, u64::from(image) << 32 | u64::from(index)),
            Self::Image { image } => (3, u64::from(image)),
            Self::Tlv { kind } => (4, u64::from(kind)),
            Self::Register { address } => (5, address),
        };
        let mut bytes = [tag; Self::ENCODED_SIZE];
        bytes[1..].copy_from_slice(&payload.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Self::ENCODED_SIZE]) -> Option<Self> {
        let (tag, payload) = bytes.split_first()?;
        let payload = u64::from_le_bytes(payload.try_into().ok()?);
        Some(match tag {
            0 => Self::None,
            1 => Self::Offset(payload),
            2 => Self::Segment { image: (payload >> 32) as u32, index: payload as u32 },
            3 => Self::Image { image: payload as u32 },
            4 => Self::Tlv { kind: payload as u32 },
            5 => Self::Register { address: payload },
            _ => return None,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Offset(offset) => write!(f, "at byte {offset:#x} of the image"),
            Self::Segment { image, index } => write!(f, "in segment {index} of image {image}"),
            Self::Image { image } => write!(f, "in image {image}"),
            Self::Tlv { kind } => write!(f, "in TLV {kind:#x}"),
            Self::Register { address } => write!(f, "at register {address:#x}"),
        }
    }
}
