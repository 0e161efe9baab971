//! The signed container of remote-processor firmware, version 1: reader, verifier and builder.
//!
//! The format is the one that OP-TEE's `scripts/sign_rproc_fw.py` writes and its remoteproc Trusted Application reads,
//! byte for byte; what we add to it (target, security counter, resource table, digest of the ELF metadata) travels as
//! platform TLVs that the upstream Trusted Application ignores.
//!
//! ```text
//! header 20 bytes | TLVs, padded to 8 | signature, padded to 8 | images, each padded to 8
//! `------ signed --------------------'
//! ```
//!
//! Reading has two stages, and the types keep them apart. [`metadata::Metadata`] is parsed but not verified: it tells
//! what is needed to verify it and nothing else. [`metadata::Metadata::authenticate`] turns it into an
//! [`authenticated::Authenticated`], which alone knows images, segments and bindings. Writing is
//! `builder::ContainerBuilder`, with feature `alloc`.
//!
//! Reading neither panics nor allocates, whatever the bytes.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod authenticated;
pub mod binding;
#[cfg(feature = "alloc")]
pub mod builder;
pub mod crypto;
pub mod error;
pub mod hash_table;
pub mod header;
pub mod metadata;
mod refusal;
pub mod tlv;

pub use authenticated::{Authenticated, Image, ImageKind};
pub use binding::{BoundResourceTable, Target};
#[cfg(feature = "alloc")]
pub use builder::{BuildError, Container, ContainerBuilder, SignError, Signer, Unsigned};
pub use crypto::{Sha256, SignatureAlgorithm, Verifier};
pub use error::{AuthError, Error};
pub use hash_table::{HashEntry, HashTable};
pub use header::{HEADER_SIZE, Header, Layout, MAGIC};
pub use metadata::Metadata;
pub use tlv::{Tlv, TlvKind, Tlvs};
