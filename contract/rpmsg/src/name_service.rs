//! The name service: how a side tells the other that an endpoint with a name came or went.

use core::fmt;
use thiserror::Error;

/// Endpoint to which announcements are sent (Linux `include/linux/rpmsg/ns.h`, `RPMSG_NS_ADDR`).
pub const ADDRESS: u32 = 0x35;
/// Bytes of an announcement on the wire (`struct rpmsg_ns_msg`).
pub const ANNOUNCEMENT_SIZE: usize = NAME_SIZE + 8;
/// Bytes of the name field, its terminating NUL included (`RPMSG_NAME_SIZE`).
pub const NAME_SIZE: usize = 32;
/// Feature bit 0 of the vdev: the host runs a name service (`VIRTIO_RPMSG_F_NS`).
pub const FEATURE: u32 = 1;

const DESTROY: u32 = 1;

/// The name of a channel: 1 to 31 printable ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name([u8; NAME_SIZE]);

impl Name {
    /// A name from text; refused when it is empty, longer than 31 bytes, or not printable ASCII.
    pub fn new(text: &str) -> Result<Self, Error> {
        let mut field = [0; NAME_SIZE];
        match field.get_mut(..text.len()) {
            Some(room) if text.len() < NAME_SIZE => room.copy_from_slice(text.as_bytes()),
            _ => return Err(Error::NameTooLong { length: text.len() }),
        }
        if text.as_bytes().contains(&0) {
            return Err(Error::NameCharacter { byte: 0 });
        }
        Self::from_field(field)
    }

    /// A name from its field: up to the first NUL, or the first 31 bytes when there is none, as Linux cuts it.
    fn from_field(mut field: [u8; NAME_SIZE]) -> Result<Self, Error> {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(NAME_SIZE - 1).min(NAME_SIZE - 1);
        for (index, byte) in field.iter_mut().enumerate() {
            if index >= end {
                *byte = 0;
            } else if !matches!(*byte, b' '..=b'~') {
                return Err(Error::NameCharacter { byte: *byte });
            }
        }
        if end == 0 { Err(Error::NameEmpty) } else { Ok(Self(field)) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(NAME_SIZE);
        self.0.get(..end).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Whether an endpoint came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The endpoint exists from now on.
    Created,
    /// The endpoint is gone.
    Destroyed,
}

/// What an announcement says, `struct rpmsg_ns_msg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Name of the channel.
    pub name: Name,
    /// Address of the announced endpoint.
    pub address: u32,
    /// Whether it came or went.
    pub change: Change,
}

impl Announcement {
    /// The announcement as payload of a message to [`ADDRESS`].
    pub fn encode(&self) -> [u8; ANNOUNCEMENT_SIZE] {
        let flags = match self.change {
            Change::Created => 0,
            Change::Destroyed => DESTROY,
        };
        let fields = self.address.to_le_bytes().into_iter().chain(u32::to_le_bytes(flags));
        let mut bytes = [0; ANNOUNCEMENT_SIZE];
        for (to, from) in bytes.iter_mut().zip(self.name.0.into_iter().chain(fields)) {
            *to = from;
        }
        bytes
    }

    /// Takes a payload apart. Like Linux's `rpmsg_ns_cb`, it wants exactly [`ANNOUNCEMENT_SIZE`] bytes and looks at the
    /// lowest bit of the flags only.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        let wrong_size = Error::Size { length: payload.len() };
        let bytes: &[u8; ANNOUNCEMENT_SIZE] = payload.try_into().map_err(|_| wrong_size)?;
        let (name, rest) = bytes.split_first_chunk::<NAME_SIZE>().ok_or(wrong_size)?;
        let (address, rest) = rest.split_first_chunk::<4>().ok_or(wrong_size)?;
        let flags: &[u8; 4] = rest.try_into().map_err(|_| wrong_size)?;
        let change = match u32::from_le_bytes(*flags) & DESTROY {
            0 => Change::Created,
            _ => Change::Destroyed,
        };
        Ok(Self { name: Name::from_field(*name)?, address: u32::from_le_bytes(*address), change })
    }
}

/// Why something is no announcement, or no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// The payload has another size than an announcement.
    #[error("an announcement has {ANNOUNCEMENT_SIZE} bytes, this one has {length}")]
    Size {
        /// Bytes found.
        length: usize,
    },
    /// The name has no character.
    #[error("the channel name is empty")]
    NameEmpty,
    /// The name does not fit its field.
    #[error("the channel name has {length} bytes; at most 31 fit beside the terminating NUL")]
    NameTooLong {
        /// Bytes found.
        length: usize,
    },
    /// The name holds something that cannot be printed.
    #[error("the channel name holds byte {byte:#04x}, which is not printable ASCII")]
    NameCharacter {
        /// The first such byte.
        byte: u8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn announcement_lies_in_the_payload_as_linux_lays_it_out() {
        let name = Name::new("rproc-echo").unwrap();
        let bytes = Announcement { name, address: 0x400, change: Change::Destroyed }.encode();
        assert_eq!(&bytes[..11], b"rproc-echo\0");
        assert_eq!(bytes[32..], [0, 4, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(Name::new(""), Err(Error::NameEmpty));
        assert_eq!(Name::new(&"x".repeat(32)), Err(Error::NameTooLong { length: 32 }));
        assert_eq!(Name::new(&"x".repeat(31)).unwrap().as_str().len(), 31);
        assert_eq!(Name::new("a\nb"), Err(Error::NameCharacter { byte: b'\n' }));
        assert_eq!(Name::new("a\0b"), Err(Error::NameCharacter { byte: 0 }));
    }

    #[test]
    fn a_name_without_nul_is_cut_after_31_bytes_and_rubbish_after_the_nul_is_dropped() {
        let mut bytes = [b'x'; ANNOUNCEMENT_SIZE];
        assert_eq!(Announcement::decode(&bytes).unwrap().name.as_str(), "x".repeat(31));
        bytes[4] = 0;
        assert_eq!(Announcement::decode(&bytes).unwrap().name, Name::new("xxxx").unwrap());
    }

    proptest! {
        #[test]
        fn what_is_announced_is_understood(text in "[ -~]{1,31}", address: u32, gone: bool) {
            let change = if gone { Change::Destroyed } else { Change::Created };
            let announcement = Announcement { name: Name::new(&text).unwrap(), address, change };
            prop_assert_eq!(Announcement::decode(&announcement.encode()), Ok(announcement));
            prop_assert_eq!(announcement.name.as_str(), text);
        }

        #[test]
        fn any_bytes_are_an_announcement_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(found) = Announcement::decode(&bytes) {
                prop_assert_eq!(bytes.len(), ANNOUNCEMENT_SIZE);
                prop_assert!(!found.name.as_str().is_empty());
            }
        }
    }
}
