//! The errors of this crate as refusals, for a service that must say over the wire why it refused an image.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};

use crate::error::Error;
use crate::tlv::TlvKind;

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let number = |number: u8| Fact::Number(u64::from(number));
        let size = |size: usize| Fact::Size(size as u64);
        let refusal = Self::new(reason(&error));
        match error {
            Error::NotSigned | Error::EmptyPart { .. } | Error::NoImages => refusal,
            Error::NotContainer { expected, found } => refusal
                .expected(Fact::Address(u64::from(expected)))
                .found(Fact::Address(u64::from(found)))
                .at(Place::Offset(0)),
            Error::Version { found } => {
                refusal.expected(Fact::Number(1)).found(Fact::Number(u64::from(found))).at(Place::Offset(4))
            }
            Error::PartLength { expected, found, .. }
            | Error::FileLength { expected, found }
            | Error::ImagesLength { expected, found } => {
                refusal.expected(Fact::Size(expected)).found(Fact::Size(found))
            }
            Error::TlvTruncated { offset, needed, found } => {
                refusal.expected(Fact::Size(needed)).found(Fact::Size(found)).at(Place::Offset(offset))
            }
            Error::TlvPadding { offset, .. } => refusal.at(Place::Offset(offset)),
            Error::DuplicateTlv { kind, .. } | Error::MissingTlv { kind } | Error::Encrypted { kind } => {
                refusal.at(tlv(kind))
            }
            Error::TlvLength { kind, expected, found } => {
                refusal.expected(size(expected)).found(size(found)).at(tlv(kind))
            }
            Error::SignatureAlgorithm { found } => refusal
                .expected("1 (RSA) or 2 (ECDSA P-256)")
                .found(number(found))
                .at(tlv(TlvKind::SIGN_TYPE)),
            Error::SignatureLength { expected, found } => {
                refusal.expected(Fact::Size(u64::from(expected))).found(Fact::Size(u64::from(found)))
            }
            Error::HashAlgorithm { found } => {
                refusal.expected("1 (SHA-256)").found(number(found)).at(tlv(TlvKind::HASH_TYPE))
            }
            Error::ImageType { index, found } => {
                refusal.expected("1 (ELF)").found(number(found)).at(Place::Image { image: index as u32 })
            }
            Error::ImageSize { index, found } => refusal
                .expected("a multiple of 8 above 0")
                .found(Fact::Size(u64::from(found)))
                .at(Place::Image { image: index as u32 }),
            Error::HashTableLength { found } => {
                refusal.expected("a multiple of 64 bytes").found(size(found)).at(tlv(TlvKind::HASH_TABLE))
            }
            Error::TargetLength { found } => {
                refusal.expected("5 to 31 bytes").found(size(found)).at(tlv(TlvKind::TARGET))
            }
            Error::TargetName { found, .. } => {
                refusal.expected("printable ASCII").found(number(found)).at(tlv(TlvKind::TARGET))
            }
            Error::BootSecure { found } => {
                refusal.expected("0 or 1").found(Fact::Number(u64::from(found))).at(tlv(TlvKind::BOOT_SECURE))
            }
            Error::ResourceTableOverflow { address, size } => refusal
                .found(Fact::Range { start: u64::from(address), size: u64::from(size) })
                .at(tlv(TlvKind::RESOURCE_TABLE)),
        }
    }
}

fn tlv(kind: TlvKind) -> Place {
    Place::Tlv { kind: kind.0 }
}

fn reason(error: &Error) -> Reason {
    match error {
        Error::NotSigned => Reason::NotSigned,
        Error::NotContainer { .. } => Reason::BadMagic,
        Error::Version { .. } => Reason::BadVersion,
        Error::EmptyPart { .. } | Error::PartLength { .. } | Error::FileLength { .. } => Reason::SizeMismatch,
        Error::TlvTruncated { .. }
        | Error::TlvPadding { .. }
        | Error::TlvLength { .. }
        | Error::TargetLength { .. }
        | Error::TargetName { .. }
        | Error::BootSecure { .. } => Reason::BadTlv,
        Error::DuplicateTlv { .. } => Reason::DuplicateTlv,
        Error::MissingTlv { .. } => Reason::MissingTlv,
        Error::SignatureAlgorithm { .. } => Reason::UnsupportedSignature,
        Error::SignatureLength { .. } => Reason::SignatureSize,
        Error::HashAlgorithm { .. } => Reason::UnsupportedHash,
        Error::Encrypted { .. } | Error::ImageType { .. } => Reason::UnsupportedImage,
        Error::NoImages
        | Error::ImageSize { .. }
        | Error::ImagesLength { .. }
        | Error::HashTableLength { .. } => Reason::InconsistentTlv,
        Error::ResourceTableOverflow { .. } => Reason::BadResourceTable,
    }
}
