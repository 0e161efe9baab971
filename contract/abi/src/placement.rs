//! One segment of an authenticated image, as the remoteproc TA tells the platform service to place it.

/// What to copy where, and what must then be there. The fields come from the signed table of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Which ELF image of the container, from 0; for a refusal to name.
    pub image: u32,
    /// Which program header of it, from 0; for a refusal to name.
    pub index: u32,
    /// Offset of the segment's bytes in the container.
    pub offset: u64,
    /// Device address of its first byte.
    pub address: u64,
    /// Bytes in the container.
    pub file_size: u64,
    /// Bytes in memory; those beyond the container's are zero.
    pub memory_size: u64,
    /// SHA-256 of the bytes in the container.
    pub digest: [u8; 32],
}

impl Placement {
    /// Bytes on the wire.
    pub const ENCODED_SIZE: usize = 72;

    /// As it goes on the wire: the fields in their order, little-endian.
    pub fn encode(&self) -> [u8; Self::ENCODED_SIZE] {
        let mut bytes = [0; Self::ENCODED_SIZE];
        bytes[..4].copy_from_slice(&self.image.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.index.to_le_bytes());
        for (at, field) in
            [(8, self.offset), (16, self.address), (24, self.file_size), (32, self.memory_size)]
        {
            bytes[at..at + 8].copy_from_slice(&field.to_le_bytes());
        }
        bytes[40..].copy_from_slice(&self.digest);
        bytes
    }

    /// From the wire; every pattern of bytes is one.
    pub fn decode(bytes: &[u8; Self::ENCODED_SIZE]) -> Self {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let wide = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let mut digest = [0; 32];
        digest.copy_from_slice(&bytes[40..]);
        Self {
            image: word(0),
            index: word(4),
            offset: wide(8),
            address: wide(16),
            file_size: wide(24),
            memory_size: wide(32),
            digest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_survives_the_wire(
            (image, index) in any::<(u32, u32)>(),
            (offset, address, file_size, memory_size) in any::<(u64, u64, u64, u64)>(),
            digest: [u8; 32],
        ) {
            let placement = Placement { image, index, offset, address, file_size, memory_size, digest };
            prop_assert_eq!(Placement::decode(&placement.encode()), placement);
        }
    }
}
