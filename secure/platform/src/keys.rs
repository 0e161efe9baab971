//! What only the platform can vouch for: the trusted keys and the security counters.

use rproc_abi::platform::KeyInfo;
use rproc_abi::{ProcessorId, Refusal};

/// The public keys that the platform trusts.
pub trait KeyStore {
    /// Checks a signature over a SHA-256 digest with the trusted key that `key` asks for.
    ///
    /// Refuses with [`UntrustedKey`](rproc_abi::refusal::Reason::UntrustedKey),
    /// [`UnsupportedSignature`](rproc_abi::refusal::Reason::UnsupportedSignature),
    /// [`KeyTooSmall`](rproc_abi::refusal::Reason::KeyTooSmall),
    /// [`SignatureSize`](rproc_abi::refusal::Reason::SignatureSize) or
    /// [`SignatureInvalid`](rproc_abi::refusal::Reason::SignatureInvalid).
    fn verify(&mut self, key: KeyInfo<'_>, digest: &[u8; 32], signature: &[u8]) -> Result<(), Refusal>;
}

/// One counter a processor that only goes up, kept where the normal world cannot set it back.
pub trait SecurityCounters {
    /// The lowest counter that an image may have.
    fn get(&mut self, processor: ProcessorId) -> Result<u32, Refusal>;

    /// Raises the counter; a lower value leaves it as it is.
    fn raise(&mut self, processor: ProcessorId, value: u32) -> Result<(), Refusal>;
}
