//! The header of the container, and where it says the parts are.

use crate::error::{Error, Part};
use core::ops::Range;

/// Size of the header in bytes.
pub const HEADER_SIZE: usize = 20;

/// The first word of the container, little-endian (OP-TEE `RPROC_HDR_MAGIC`).
pub const MAGIC: u32 = 0x3543_a468;

/// The version of the format, the only one there is.
pub const VERSION: u32 = 1;

/// A header whose magic and version are right and whose parts are not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Length of the TLVs in bytes. Signing tools write a multiple of 8; OP-TEE rounds up what is not.
    pub tlv_len: u32,
    /// Length of the signature in bytes, without its padding.
    pub sign_len: u32,
    /// Length of all images in bytes, with the padding of each.
    pub img_len: u32,
}

impl Header {
    /// Decodes the header.
    ///
    /// # Errors
    /// [`Error::NotSigned`] for an ELF file, [`Error::NotContainer`], [`Error::Version`], [`Error::EmptyPart`].
    pub fn parse(bytes: &[u8; HEADER_SIZE]) -> Result<Self, Error> {
        let mut words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        let mut word = || words.next().unwrap_or_default();
        let (magic, version) = (word(), word());
        let header = Self { tlv_len: word(), sign_len: word(), img_len: word() };
        if magic == u32::from_le_bytes(rproc_elf::header::ELF_MAGIC) {
            return Err(Error::NotSigned);
        }
        if magic != MAGIC {
            return Err(Error::NotContainer { expected: MAGIC, found: magic });
        }
        if version != VERSION {
            return Err(Error::Version { found: version });
        }
        for (part, len) in
            [(Part::Tlvs, header.tlv_len), (Part::Signature, header.sign_len), (Part::Images, header.img_len)]
        {
            if len == 0 {
                return Err(Error::EmptyPart { part });
            }
        }
        Ok(header)
    }

    /// Decodes the header at the start of a file.
    ///
    /// # Errors
    /// As [`Header::parse`]; a file without room for a header is [`Error::NotSigned`] when it is an ELF file,
    /// and [`Error::PartLength`] otherwise.
    pub fn of_file(file: &[u8]) -> Result<Self, Error> {
        match file.first_chunk() {
            Some(bytes) => Self::parse(bytes),
            None if file.starts_with(&rproc_elf::header::ELF_MAGIC) => Err(Error::NotSigned),
            None => Err(Error::PartLength {
                part: Part::Header,
                expected: HEADER_SIZE as u64,
                found: file.len() as u64,
            }),
        }
    }

    /// Encodes the header.
    pub fn to_bytes(self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        let words = [MAGIC, VERSION, self.tlv_len, self.sign_len, self.img_len];
        for (chunk, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *chunk = word.to_le_bytes();
        }
        bytes
    }

    /// Where the parts are in a file of `file_len` bytes, which must be exactly what they add up to (OP-TEE's rule).
    ///
    /// # Errors
    /// [`Error::FileLength`].
    pub fn layout(&self, file_len: u64) -> Result<Layout, Error> {
        let tlvs_start = HEADER_SIZE as u64;
        let signature_start = tlvs_start + pad8(self.tlv_len);
        let images_start = signature_start + pad8(self.sign_len);
        let expected = images_start + pad8(self.img_len);
        if file_len != expected {
            return Err(Error::FileLength { expected, found: file_len });
        }
        Ok(Layout {
            header_and_tlvs: 0..signature_start,
            tlvs: tlvs_start..tlvs_start + u64::from(self.tlv_len),
            signature: signature_start..signature_start + u64::from(self.sign_len),
            images: images_start..images_start + u64::from(self.img_len),
        })
    }
}

/// Offsets of the parts in the file, all inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What is signed: the header and the TLVs with their padding.
    pub header_and_tlvs: Range<u64>,
    /// The TLVs without their padding.
    pub tlvs: Range<u64>,
    /// The signature without its padding.
    pub signature: Range<u64>,
    /// The images, one after the other.
    pub images: Range<u64>,
}

/// Rounds a length up to a multiple of 8 bytes.
pub(crate) fn pad8(len: u32) -> u64 {
    u64::from(len).next_multiple_of(8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: Header = Header { tlv_len: 16, sign_len: 61, img_len: 24 };

    #[test]
    fn an_elf_file_is_told_to_be_signed_first() {
        let mut bytes = GOOD.to_bytes();
        bytes[..4].copy_from_slice(b"\x7fELF");
        assert_eq!(Header::parse(&bytes), Err(Error::NotSigned));
        assert_eq!(Header::of_file(b"\x7fELF\x01"), Err(Error::NotSigned));
        assert_eq!(
            Header::of_file(b"\x7fEL"),
            Err(Error::PartLength { part: Part::Header, expected: 20, found: 3 })
        );
    }

    #[test]
    fn magic_version_and_lengths_are_checked() {
        let with = |at: usize, value: u8| {
            let mut bytes = GOOD.to_bytes();
            bytes[at] = value;
            Header::parse(&bytes)
        };
        assert_eq!(with(3, 0), Err(Error::NotContainer { expected: MAGIC, found: 0x0043_a468 }));
        assert_eq!(with(4, 2), Err(Error::Version { found: 2 }));
        assert_eq!(with(8, 0), Err(Error::EmptyPart { part: Part::Tlvs }));
        assert_eq!(with(12, 0), Err(Error::EmptyPart { part: Part::Signature }));
        assert_eq!(with(16, 0), Err(Error::EmptyPart { part: Part::Images }));
    }

    #[test]
    fn only_the_exact_size_has_a_layout() {
        let layout = GOOD.layout(20 + 16 + 64 + 24).unwrap();
        assert_eq!(
            layout,
            Layout { header_and_tlvs: 0..36, tlvs: 20..36, signature: 36..97, images: 100..124 }
        );
        assert_eq!(GOOD.layout(123), Err(Error::FileLength { expected: 124, found: 123 }));
        assert_eq!(GOOD.layout(125), Err(Error::FileLength { expected: 124, found: 125 }));
    }

    proptest! {
        #[test]
        fn round_trip(tlv_len in 1u32.., sign_len in 1u32.., img_len in 1u32..) {
            let header = Header { tlv_len, sign_len, img_len };
            prop_assert_eq!(Header::parse(&header.to_bytes()), Ok(header));
            let Err(Error::FileLength { expected, .. }) = header.layout(0) else { panic!() };
            let layout = header.layout(expected).unwrap();
            prop_assert!(layout.tlvs.end <= layout.signature.start && layout.signature.end <= layout.images.start);
            prop_assert!(layout.images.end <= expected && expected - layout.images.end < 8);
        }
    }
}
