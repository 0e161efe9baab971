//! Keys that sign firmware: PEM and DER files, fingerprints, signatures by RSA and ECDSA P-256.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod development;
mod error;
mod kind;
mod private;
mod public;

pub use development::development_key;
pub use error::{KeyError, VerifyError};
pub use kind::{KeyKind, UnknownKeyKind};
pub use private::PrivateKey;
pub use public::{Numbers, PublicKey};

/// SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}
