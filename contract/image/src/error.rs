//! Why a file cannot be read as a signed container.

use crate::tlv::TlvKind;
use core::fmt;

/// A part of the container, as error messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The header of 20 bytes.
    Header,
    /// The header together with the padded TLVs: what is signed.
    HeaderAndTlvs,
    /// The TLVs.
    Tlvs,
    /// The signature.
    Signature,
    /// The images.
    Images,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::HeaderAndTlvs => "header with TLVs",
            Self::Tlvs => "TLV area",
            Self::Signature => "signature",
            Self::Images => "image area",
        })
    }
}

/// What is wrong with the container. Offsets and sizes are bytes from the start of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file starts with the ELF magic.
    #[error("this is an ELF file, not a signed image")]
    NotSigned,
    /// The file starts with neither magic.
    #[error("the file starts with {found:#010x} instead of {expected:#010x}: it is not a signed image")]
    NotContainer {
        /// [`crate::MAGIC`].
        expected: u32,
        /// The first four bytes, little-endian.
        found: u32,
    },
    /// The version of the format is not 1.
    #[error("the signed image has format version {found}, but only version 1 exists")]
    Version {
        /// The version found.
        found: u32,
    },
    /// A part has no bytes at all.
    #[error("the {part} of the signed image is said to be empty: the file is damaged")]
    EmptyPart {
        /// The part.
        part: Part,
    },
    /// A part that the caller cut out has another length than the header says.
    #[error("the {part} should have {expected} bytes, but {found} were given")]
    PartLength {
        /// The part.
        part: Part,
        /// The length by the header.
        expected: u64,
        /// The length given.
        found: u64,
    },
    /// The parts do not add up to the file.
    #[error(
        "by its header the signed image has {expected} bytes, but the file has {found}: it was cut short or bytes were appended"
    )]
    FileLength {
        /// The length by the header.
        expected: u64,
        /// The length of the file.
        found: u64,
    },
    /// A TLV runs past the end of the TLV area.
    #[error(
        "the TLV at offset {offset:#x} needs {needed} bytes, but the TLV area has only {found} left: the file is damaged"
    )]
    TlvTruncated {
        /// Offset of the TLV.
        offset: u64,
        /// Bytes that it needs, padding included.
        needed: u64,
        /// Bytes that are left.
        found: u64,
    },
    /// The padding behind a value is not zero.
    #[error(
        "the padding behind TLV {kind} at offset {offset:#x} is not zero, but every signing tool writes zeros: the file is damaged"
    )]
    TlvPadding {
        /// The TLV.
        kind: TlvKind,
        /// Its offset.
        offset: u64,
    },
    /// A TLV that may stand there once stands there twice.
    #[error(
        "TLV {kind} is at offset {first:#x} and again at {second:#x}, so that readers could disagree on it: sign the image anew"
    )]
    DuplicateTlv {
        /// The TLV.
        kind: TlvKind,
        /// Offset of the first.
        first: u64,
        /// Offset of the second.
        second: u64,
    },
    /// A TLV that must be there is not.
    #[error("the signed image has no TLV {kind}: sign it anew")]
    MissingTlv {
        /// The TLV.
        kind: TlvKind,
    },
    /// The value of a TLV has the wrong length.
    #[error("the value of TLV {kind} has {found} bytes instead of {expected}: sign the image anew")]
    TlvLength {
        /// The TLV.
        kind: TlvKind,
        /// The length it must have, in bytes.
        expected: usize,
        /// The length it has.
        found: usize,
    },
    /// SIGNTYPE is not known.
    #[error("the image is signed with algorithm {found}, but only 1 (RSA) and 2 (ECDSA P-256) exist")]
    SignatureAlgorithm {
        /// The value of SIGNTYPE.
        found: u8,
    },
    /// The signature is not as long as its algorithm prescribes.
    #[error(
        "the signature has {found} bytes, but those of its algorithm have {expected}: the file is damaged"
    )]
    SignatureLength {
        /// The length it must have.
        expected: u32,
        /// The length it has.
        found: u32,
    },
    /// HASHTYPE is not SHA-256.
    #[error("the segments are hashed with algorithm {found}, but only 1 (SHA-256) exists")]
    HashAlgorithm {
        /// The value of HASHTYPE.
        found: u8,
    },
    /// NUM_IMG is 0.
    #[error("the signed image says that it holds no ELF file: sign it anew")]
    NoImages,
    /// The image is encrypted.
    #[error(
        "the image is encrypted (TLV {kind}), which is not supported: sign the ELF file without encryption"
    )]
    Encrypted {
        /// The TLV that says so: IMGTYPE, ENCTYPE or ENCTABLE.
        kind: TlvKind,
    },
    /// An image is of a type that nobody knows.
    #[error("ELF file number {index} in the signed image has type {found}, but only 1 (ELF) can be loaded")]
    ImageType {
        /// The image, from 0.
        index: usize,
        /// Its IMGTYPE.
        found: u8,
    },
    /// An image's size is 0 or not a multiple of 8.
    #[error(
        "ELF file number {index} in the signed image has {found} bytes, but the size must be a multiple of 8 above 0"
    )]
    ImageSize {
        /// The image, from 0.
        index: usize,
        /// Its IMGSIZE.
        found: u32,
    },
    /// The images do not add up to the image area.
    #[error("the ELF files in the signed image have {found} bytes in all, but the header says {expected}")]
    ImagesLength {
        /// `img_len` of the header.
        expected: u64,
        /// The sum of IMGSIZE.
        found: u64,
    },
    /// The hash table is empty or not a whole number of entries.
    #[error(
        "the hash table has {found} bytes, but it must have 64 for each segment and one segment at least"
    )]
    HashTableLength {
        /// Its length.
        found: usize,
    },
    /// The target is too short to name a SoC, or too long.
    #[error(
        "the target in the signed image has {found} bytes, but it must have 5 to 31: a processor id of 4 bytes and a SoC name of 1 to 27"
    )]
    TargetLength {
        /// The length of the value.
        found: usize,
    },
    /// The SoC name of the target has a character that no SoC name has.
    #[error(
        "the SoC name in the target has byte {found:#04x} at position {position}, but only printable ASCII without spaces is allowed"
    )]
    TargetName {
        /// Position in the name, from 0.
        position: usize,
        /// The byte.
        found: u8,
    },
    /// BOOTSEC is neither 0 nor 1.
    #[error("TLV BOOTSEC has value {found}, but must be 0 (boot non-secure) or 1 (boot secure)")]
    BootSecure {
        /// The value.
        found: u32,
    },
    /// A resource table wraps around the end of the address space.
    #[error("the resource table at {address:#x} with {size:#x} bytes runs past the end of the address space")]
    ResourceTableOverflow {
        /// Its device address.
        address: u32,
        /// Its size.
        size: u32,
    },
}

/// Why a container was not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError<E> {
    /// The verifier did not accept the signature.
    #[error("{0}")]
    Signature(E),
    /// The signature is good, but what was signed makes no sense.
    #[error("{0}")]
    Content(Error),
}
