//! Why a container cannot be built.

use crate::error::Error;
use crate::tlv::TlvKind;
use rproc_elf::header::MACHINE_ARM;

/// What is wrong with what goes into the container. Images are numbered from 0, in the order they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No image was added.
    #[error("there is no ELF file to sign")]
    NoImages,
    /// More images than NUM_IMG can count.
    #[error("a signed image holds at most 255 ELF files")]
    TooManyImages,
    /// The file is a signed container already.
    #[error("file number {image} is a signed image already: sign the ELF file that it was made of")]
    AlreadySigned {
        /// The image.
        image: usize,
    },
    /// The file cannot be read as ELF.
    #[error("file number {image} cannot be signed: {error}")]
    Elf {
        /// The image.
        image: usize,
        /// Why.
        error: rproc_elf::Error,
    },
    /// The file is ELF64, whose program headers do not fit the hash table.
    #[error(
        "file number {image} is a 64-bit ELF file, but the format holds 32-bit ones only: build for a Cortex-M"
    )]
    NotElf32 {
        /// The image.
        image: usize,
    },
    /// The file is for another machine.
    #[error(
        "file number {image} is for ELF machine {found}, but only {MACHINE_ARM} (Arm) can be signed: build for a Cortex-M"
    )]
    NotArm {
        /// The image.
        image: usize,
        /// Its `e_machine`.
        found: u16,
    },
    /// A segment is damaged or runs past the end of the file.
    #[error("segment {segment} of file number {image} cannot be signed: {error}")]
    Segment {
        /// The image.
        image: usize,
        /// The program header, from 0.
        segment: usize,
        /// Why.
        error: rproc_elf::Error,
    },
    /// There is nothing to load in the file.
    #[error("file number {image} has {segments} segments, but none to load (PT_LOAD): is it an object file?")]
    NoLoadSegment {
        /// The image.
        image: usize,
        /// Number of its program headers.
        segments: usize,
    },
    /// A length does not fit the 32 bits that the format has for it.
    #[error("the signed image would have a part of {found} bytes, but the format's lengths end at 4 GiB")]
    TooLarge {
        /// The length.
        found: u64,
    },
    /// The TLV is not of the platform's range.
    #[error("TLV {kind} is not a platform TLV: their types are 0x10000 to 0x1ffff")]
    NotPlatformTlv {
        /// The TLV.
        kind: TlvKind,
    },
    /// The value is not what this type of TLV holds.
    #[error(transparent)]
    TlvValue(#[from] Error),
    /// The signature has another length than was announced, or than its algorithm prescribes.
    #[error(
        "the signature has {found} bytes, but {expected} were announced to be signed with: is it of the right key?"
    )]
    SignatureLength {
        /// The length announced or prescribed.
        expected: u32,
        /// The length given.
        found: usize,
    },
}

/// Why a container cannot be built and signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError<E> {
    /// What should be signed is not right.
    #[error("{0}")]
    Build(#[from] BuildError),
    /// The signer failed.
    #[error("{0}")]
    Signer(E),
}
