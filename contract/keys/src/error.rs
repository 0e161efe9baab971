//! What can be wrong with a key or a signature.

use alloc::string::String;

use thiserror::Error;

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Neither PEM nor DER of a key.
    #[error("this is no key: expected a PEM or DER file with an RSA or ECDSA P-256 key, found {found}")]
    NotAKey {
        /// What it looks like.
        found: String,
    },
    /// A key that is protected by a passphrase.
    #[error("the key is encrypted: decrypt it first (openssl pkey -in FILE -out PLAIN)")]
    Encrypted,
    /// The public half where the private one is needed.
    #[error("this is a public key: signing needs the private key")]
    PublicOnly,
    /// The contents do not decode.
    #[error("the {label} does not decode: {cause}")]
    Damaged {
        /// What the file says it is.
        label: String,
        /// What the decoder says.
        cause: String,
    },
    /// A key of a kind that signs no images.
    #[error("this is a key for {kind}, which signs no images: RSA and ECDSA P-256 do")]
    OtherKind {
        /// What it is for.
        kind: &'static str,
    },
    /// An RSA key of another size.
    #[error("an RSA key of {bits} bits is not supported: use 2048, 3072 or 4096 bits")]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// The system's random numbers or the arithmetic failed.
    #[error("the key could not be used: {cause}")]
    Failed {
        /// What the library says.
        cause: String,
    },
}

/// A signature that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The signature's size is not the key's.
    #[error("a signature of this key has {expected} bytes, this one has {found}")]
    Size {
        /// Bytes of a signature of this key.
        expected: usize,
        /// Bytes of the signature.
        found: usize,
    },
    /// It is not a signature over this digest by this key.
    #[error("the signature does not match")]
    Mismatch,
}
