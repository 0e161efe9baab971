//! The RPMsg message: a 16-byte header and its payload, inside a 512-byte buffer.

use thiserror::Error;

/// Bytes of one shared buffer, header included (Linux `drivers/rpmsg/virtio_rpmsg_bus.c`, `MAX_RPMSG_BUF_SIZE`).
pub const BUFFER_SIZE: usize = 512;
/// Bytes of the header (`struct rpmsg_hdr`).
pub const HEADER_SIZE: usize = 16;
/// Most payload bytes a buffer can carry.
pub const MAX_PAYLOAD: usize = BUFFER_SIZE - HEADER_SIZE;
/// First address that Linux gives to an endpoint without a fixed one (`RPMSG_RESERVED_ADDRESSES`).
pub const FIRST_DYNAMIC_ADDRESS: u32 = 1024;

/// The header of a message, `struct rpmsg_hdr`, little-endian on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Address of the endpoint that sent the message.
    pub source: u32,
    /// Address of the endpoint that shall receive it.
    pub destination: u32,
    /// Of no meaning to the other side; sent as 0.
    pub reserved: u32,
    /// Payload bytes after the header, 0 to [`MAX_PAYLOAD`] when honest.
    pub length: u16,
    /// No flag is defined; sent as 0.
    pub flags: u16,
}

impl Header {
    /// The header as it lies in the buffer.
    pub fn encode(&self) -> [u8; HEADER_SIZE] {
        let [[s0, s1, s2, s3], [d0, d1, d2, d3], [r0, r1, r2, r3], [l0, l1, f0, f1]] =
            self.words().map(u32::to_le_bytes);
        [s0, s1, s2, s3, d0, d1, d2, d3, r0, r1, r2, r3, l0, l1, f0, f1]
    }

    /// Takes a header apart. Every bit pattern decodes; see [`Header::payload_within`] for the check.
    pub fn decode(bytes: &[u8; HEADER_SIZE]) -> Self {
        let [s0, s1, s2, s3, d0, d1, d2, d3, r0, r1, r2, r3, l0, l1, f0, f1] = *bytes;
        let words = [[s0, s1, s2, s3], [d0, d1, d2, d3], [r0, r1, r2, r3], [l0, l1, f0, f1]];
        Self::from_words(words.map(u32::from_le_bytes))
    }

    /// The same as [`Header::encode`], in words.
    pub(crate) fn words(&self) -> [u32; HEADER_SIZE / 4] {
        let last = u32::from(self.flags) << 16 | u32::from(self.length);
        [self.source, self.destination, self.reserved, last]
    }

    /// The same as [`Header::decode`], of words.
    pub(crate) fn from_words([source, destination, reserved, last]: [u32; HEADER_SIZE / 4]) -> Self {
        Self { source, destination, reserved, length: last as u16, flags: (last >> 16) as u16 }
    }

    /// The payload's length, if header and payload fit into the `carried` bytes that the ring says were filled.
    pub fn payload_within(&self, carried: u32) -> Result<usize, Malformed> {
        let room =
            usize::try_from(carried).unwrap_or(usize::MAX).min(BUFFER_SIZE).saturating_sub(HEADER_SIZE);
        match usize::from(self.length) {
            length if length <= room => Ok(length),
            _ => Err(Malformed::Length { length: self.length, carried, source_address: self.source }),
        }
    }
}

/// A message that the other side filled in wrongly. Its buffer has been given back: the next message can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The ring says that fewer bytes were filled than a header has.
    #[error(
        "the ring reports a message of {carried} bytes, less than the {HEADER_SIZE} bytes of an RPMsg header"
    )]
    Short {
        /// Bytes that the ring reports.
        carried: u32,
    },
    /// The header claims more payload than the buffer carries.
    #[error(
        "a message from endpoint {source_address:#x} claims {length} bytes of payload, but the ring reports \
         {carried} bytes, header included"
    )]
    Length {
        /// The header's length field.
        length: u16,
        /// Bytes that the ring reports, header included.
        carried: u32,
        /// The header's source address.
        source_address: u32,
    },
    /// A message to the name service that is no announcement.
    #[error(
        "endpoint {source_address:#x} sent the name service something else than an announcement: {reason}"
    )]
    Announcement {
        /// The header's source address.
        source_address: u32,
        /// What is wrong with it.
        reason: crate::name_service::Error,
    },
}

/// A message that has been copied out of the shared buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'b> {
    /// Address of the endpoint that sent it; untrusted.
    pub source: u32,
    /// Address of the endpoint it is for; untrusted.
    pub destination: u32,
    /// The payload, in the buffer of the caller.
    pub payload: &'b [u8],
}

/// Where the caller wants a payload to be copied.
pub type Payload = [u8; MAX_PAYLOAD];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn header_lies_in_the_buffer_as_linux_lays_it_out() {
        let header = Header { source: 0x0400, destination: 0x35, reserved: 0, length: 40, flags: 0 };
        assert_eq!(header.encode(), [0, 4, 0, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0]);
    }

    #[test]
    fn payload_must_fit_what_the_ring_carried() {
        let header = Header { source: 7, length: 40, ..Header::default() };
        assert_eq!(header.payload_within(56), Ok(40));
        assert_eq!(header.payload_within(512), Ok(40));
        assert_eq!(
            header.payload_within(55),
            Err(Malformed::Length { length: 40, carried: 55, source_address: 7 })
        );
        let largest = Header { length: 497, ..Header::default() };
        assert!(largest.payload_within(u32::MAX).is_err());
    }

    proptest! {
        #[test]
        fn any_sixteen_bytes_survive_the_way_there_and_back(bytes: [u8; 16]) {
            prop_assert_eq!(Header::decode(&bytes).encode(), bytes);
        }
    }
}
