//! The type-length-value records between header and signature.

use crate::error::Error;
use crate::header::HEADER_SIZE;
use core::fmt;
use core::ops::RangeInclusive;

/// The type of a TLV. Types below 0x10000 belong to the format, 0x10000 to 0x1ffff to the platform.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlvKind(pub u32);

impl TlvKind {
    /// u8: the signature's algorithm.
    pub const SIGN_TYPE: Self = Self(0x01);
    /// u8: the algorithm of the segments' digests.
    pub const HASH_TYPE: Self = Self(0x02);
    /// u8: number of images.
    pub const NUM_IMG: Self = Self(0x03);
    /// u8 an image: its type.
    pub const IMG_TYPE: Self = Self(0x04);
    /// u32 an image: its size in bytes, padding included.
    pub const IMG_SIZE: Self = Self(0x05);
    /// u8: the cipher of encrypted segments (ST's ecosystem release).
    pub const ENC_TYPE: Self = Self(0x06);
    /// 64 bytes a program header: the header, then SHA-256 of the segment's bytes.
    pub const HASH_TABLE: Self = Self(0x10);
    /// Bytes that tell the platform which key to use.
    pub const PKEY_INFO: Self = Self(0x11);
    /// The table of encrypted segments (ST's ecosystem release).
    pub const ENC_TABLE: Self = Self(0x12);
    /// u32: the device address of the vector table to boot from (ST).
    pub const BOOT_ADDRESS: Self = Self(0x1_0001);
    /// u8 or u32, 0 or 1: whether the processor boots in its secure state (ST).
    pub const BOOT_SECURE: Self = Self(0x1_0002);
    /// Ours: u32 processor id, then the SoC's name.
    pub const TARGET: Self = Self(0x1_0100);
    /// Ours, u32: the image's version for protection against rollback.
    pub const SECURITY_COUNTER: Self = Self(0x1_0101);
    /// Ours: u32 device address and u32 size of the resource table; size 0 says that there is none.
    pub const RESOURCE_TABLE: Self = Self(0x1_0102);
    /// Ours, 32 bytes an image: SHA-256 of the ELF metadata (`rproc_elf::metadata`).
    pub const ELF_METADATA_DIGEST: Self = Self(0x1_0103);
    /// Ours, 32 bytes: SHA-256 of the signer's SubjectPublicKeyInfo in DER. It names a key and proves nothing.
    pub const KEY_FINGERPRINT: Self = Self(0x1_0104);

    /// The types that belong to the platform.
    pub const PLATFORM: RangeInclusive<u32> = 0x1_0000..=0x1_ffff;

    /// Whether the type belongs to the platform.
    pub fn is_platform(self) -> bool {
        Self::PLATFORM.contains(&self.0)
    }

    /// The name of a type that is known here.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::SIGN_TYPE => "SIGNTYPE",
            Self::HASH_TYPE => "HASHTYPE",
            Self::NUM_IMG => "NUM_IMG",
            Self::IMG_TYPE => "IMGTYPE",
            Self::IMG_SIZE => "IMGSIZE",
            Self::ENC_TYPE => "ENCTYPE",
            Self::HASH_TABLE => "HASHTABLE",
            Self::PKEY_INFO => "PKEYINFO",
            Self::ENC_TABLE => "ENCTABLE",
            Self::BOOT_ADDRESS => "BOOTADDR",
            Self::BOOT_SECURE => "BOOTSEC",
            Self::TARGET => "TARGET",
            Self::SECURITY_COUNTER => "SECURITY_COUNTER",
            Self::RESOURCE_TABLE => "RESOURCE_TABLE",
            Self::ELF_METADATA_DIGEST => "ELF_METADATA_DIGEST",
            Self::KEY_FINGERPRINT => "KEY_FINGERPRINT",
            _ => return None,
        })
    }
}

impl fmt::Display for TlvKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({:#x})", self.0),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for TlvKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Size in bytes of a TLV's type and length.
pub(crate) const PREFIX: usize = 8;

/// One TLV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Its type.
    pub kind: TlvKind,
    /// Its value, without padding.
    pub value: &'a [u8],
    /// Its offset from the start of the file.
    pub offset: u64,
}

/// Reads the TLVs of an area one by one. After an error it ends, for where the next one starts is then unknown.
#[derive(Debug, Clone)]
pub struct TlvReader<'a> {
    rest: &'a [u8],
    /// Padding of the area, which the last value may be padded into.
    padding: usize,
    offset: u64,
}

impl<'a> TlvReader<'a> {
    /// Reads `area`, the TLVs of a file with the padding of the area, of which `len` bytes are not padding.
    pub fn new(area: &'a [u8], len: u32) -> Self {
        let padding = usize::try_from(len).map_or(0, |len| area.len().saturating_sub(len));
        Self { rest: area, padding, offset: HEADER_SIZE as u64 }
    }

    fn read(&mut self) -> Result<Tlv<'a>, Error> {
        let (rest, offset) = (self.rest, self.offset);
        let left = rest.len().saturating_sub(self.padding) as u64;
        let truncated = |needed: u64| Error::TlvTruncated { offset, needed, found: left };
        if left < PREFIX as u64 {
            return Err(truncated(PREFIX as u64));
        }
        let (&[k0, k1, k2, k3, l0, l1, l2, l3], rest) =
            rest.split_first_chunk::<PREFIX>().ok_or(truncated(PREFIX as u64))?;
        let kind = TlvKind(u32::from_le_bytes([k0, k1, k2, k3]));
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        let needed = PREFIX as u64 + u64::from(len);
        if needed > left {
            return Err(truncated(needed));
        }
        let too_long = truncated(needed);
        let (value, rest) =
            usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len)).ok_or(too_long)?;
        let pad = value.len().next_multiple_of(8) - value.len();
        let (padding, rest) = rest.split_at_checked(pad).ok_or(truncated(needed + pad as u64))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Error::TlvPadding { kind, offset });
        }
        self.rest = rest;
        self.offset = offset + needed + pad as u64;
        Ok(Tlv { kind, value, offset })
    }
}

impl<'a> Iterator for TlvReader<'a> {
    type Item = Result<Tlv<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        // Padding of the last value may have eaten up padding of the area.
        if self.rest.len() <= self.padding {
            return None;
        }
        let tlv = self.read();
        if tlv.is_err() {
            self.rest = &[];
        }
        Some(tlv)
    }
}

/// A TLV area that was read to its end without error. The order of the TLVs has no meaning.
#[derive(Debug, Clone)]
pub struct Tlvs<'a> {
    reader: TlvReader<'a>,
}

impl<'a> Tlvs<'a> {
    /// Checks an area, of which `len` bytes are not padding.
    ///
    /// # Errors
    /// [`Error::TlvTruncated`], [`Error::TlvPadding`].
    pub fn parse(area: &'a [u8], len: u32) -> Result<Self, Error> {
        let reader = TlvReader::new(area, len);
        for tlv in reader.clone() {
            tlv?;
        }
        Ok(Self { reader })
    }

    /// All TLVs in the order in which they stand.
    pub fn iter(&self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        self.reader.clone().filter_map(Result::ok)
    }

    /// The value of a type, if it is there.
    ///
    /// # Errors
    /// [`Error::DuplicateTlv`].
    pub fn get(&self, kind: TlvKind) -> Result<Option<&'a [u8]>, Error> {
        let mut found = self.iter().filter(|tlv| tlv.kind == kind);
        let Some(first) = found.next() else { return Ok(None) };
        match found.next() {
            Some(second) => Err(Error::DuplicateTlv { kind, first: first.offset, second: second.offset }),
            None => Ok(Some(first.value)),
        }
    }

    /// The value of a type that must be there.
    ///
    /// # Errors
    /// [`Error::MissingTlv`], [`Error::DuplicateTlv`].
    pub fn require(&self, kind: TlvKind) -> Result<&'a [u8], Error> {
        self.get(kind)?.ok_or(Error::MissingTlv { kind })
    }

    /// The value of a type that has a fixed size, if it is there.
    ///
    /// # Errors
    /// [`Error::TlvLength`], [`Error::DuplicateTlv`].
    pub fn get_array<const N: usize>(&self, kind: TlvKind) -> Result<Option<&'a [u8; N]>, Error> {
        self.get(kind)?.map(|value| exactly(kind, value)).transpose()
    }

    /// The value of a type that has a fixed size and must be there.
    ///
    /// # Errors
    /// [`Error::MissingTlv`], [`Error::TlvLength`], [`Error::DuplicateTlv`].
    pub fn require_array<const N: usize>(&self, kind: TlvKind) -> Result<&'a [u8; N], Error> {
        exactly(kind, self.require(kind)?)
    }

    /// Checks that no type stands there twice, known or not. It compares each with each: only for authenticated areas.
    ///
    /// # Errors
    /// [`Error::DuplicateTlv`].
    pub(crate) fn check_unique(&self) -> Result<(), Error> {
        self.iter().try_for_each(|tlv| self.get(tlv.kind).map(|_| ()))
    }
}

/// The value as an array.
pub(crate) fn exactly<const N: usize>(kind: TlvKind, value: &[u8]) -> Result<&[u8; N], Error> {
    value.try_into().map_err(|_| Error::TlvLength { kind, expected: N, found: value.len() })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn area(tlvs: &[(u32, &[u8])]) -> Vec<u8> {
        let mut area = Vec::new();
        for (kind, value) in tlvs {
            area.extend(kind.to_le_bytes());
            area.extend((value.len() as u32).to_le_bytes());
            area.extend(*value);
            area.resize(area.len().next_multiple_of(8), 0);
        }
        area
    }

    fn parse(area: &[u8]) -> Result<Tlvs<'_>, Error> {
        Tlvs::parse(area, area.len() as u32)
    }

    #[test]
    fn finds_values_in_any_order_and_offsets_from_the_start_of_the_file() {
        for order in [[1u32, 7], [7, 1]] {
            let bytes = area(&order.map(|kind| (kind, if kind == 1 { &[1][..] } else { &[7; 9] })));
            let tlvs = parse(&bytes).unwrap();
            assert_eq!(tlvs.require(TlvKind::SIGN_TYPE), Ok(&[1][..]));
            assert_eq!(tlvs.get(TlvKind(7)), Ok(Some(&[7; 9][..])));
            assert_eq!(tlvs.get(TlvKind(8)), Ok(None));
            assert_eq!(tlvs.require(TlvKind(8)), Err(Error::MissingTlv { kind: TlvKind(8) }));
            assert_eq!(tlvs.iter().next().unwrap().offset, 20);
        }
    }

    #[test]
    fn a_repeated_type_is_refused() {
        let bytes = area(&[(3, &[1]), (4, &[1]), (3, &[1])]);
        let tlvs = parse(&bytes).unwrap();
        let duplicate = Error::DuplicateTlv { kind: TlvKind::NUM_IMG, first: 20, second: 52 };
        assert_eq!(tlvs.get(TlvKind::NUM_IMG), Err(duplicate));
        assert_eq!(tlvs.check_unique(), Err(duplicate));
        assert_eq!(tlvs.get(TlvKind::IMG_TYPE), Ok(Some(&[1][..])));
    }

    #[test]
    fn padding_must_be_zero() {
        let mut bytes = area(&[(3, &[1])]);
        bytes[15] = 1;
        assert_eq!(parse(&bytes).err(), Some(Error::TlvPadding { kind: TlvKind::NUM_IMG, offset: 20 }));
    }

    #[test]
    fn a_value_may_be_padded_into_the_padding_of_the_area_but_not_reach_it() {
        let bytes = area(&[(3, &[1, 2, 3])]);
        assert_eq!(bytes.len(), 16);
        for len in 11..=16 {
            assert_eq!(Tlvs::parse(&bytes, len).unwrap().iter().count(), 1, "{len}");
        }
        assert_eq!(
            Tlvs::parse(&bytes, 10).err(),
            Some(Error::TlvTruncated { offset: 20, needed: 11, found: 10 })
        );
    }

    #[test]
    fn bytes_that_are_no_tlv_are_refused() {
        let mut bytes = area(&[(3, &[1])]);
        bytes.extend([0; 4]);
        assert_eq!(parse(&bytes).err(), Some(Error::TlvTruncated { offset: 36, needed: 8, found: 4 }));
        let huge = [3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(
            parse(&huge).err(),
            Some(Error::TlvTruncated { offset: 20, needed: 0x1_0000_0007, found: 8 })
        );
    }

    proptest! {
        #[test]
        fn no_panic_and_no_endless_loop_on_random_bytes(bytes in proptest::collection::vec(0u8..12, 0..200), len: u32) {
            for len in [len, len % 256, bytes.len() as u32] {
                prop_assert!(TlvReader::new(&bytes, len).count() <= bytes.len() / PREFIX + 1);
            }
        }
    }
}
