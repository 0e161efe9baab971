//! The keys that the virtual platform trusts.

use rproc_abi::Refusal;
use rproc_abi::platform::KeyInfo;
use rproc_keys::{KeyKind, PublicKey};
use rproc_platform::{KeyStore, TrustedKey, verify_with_trusted};

/// A list of trusted public keys.
#[derive(Clone, Debug, Default)]
pub struct TrustedKeys {
    keys: Vec<HostKey>,
}

impl TrustedKeys {
    /// Trusts these keys and no others.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { keys: keys.into_iter().map(HostKey).collect() }
    }
}

/// A public key of the host's own cryptography.
#[derive(Clone, Debug)]
struct HostKey(PublicKey);

impl TrustedKey for HostKey {
    fn algorithm(&self) -> u32 {
        match self.0.kind() {
            KeyKind::P256 => KeyInfo::ECDSA_SHA256,
            KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => KeyInfo::RSASSA_PKCS1_V1_5_SHA256,
        }
    }

    fn signature_size(&self) -> usize {
        self.0.kind().signature_size()
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.0.fingerprint()
    }

    fn signed(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        self.0.verify(digest, signature).is_ok()
    }
}

impl KeyStore for TrustedKeys {
    fn verify(&mut self, key: KeyInfo<'_>, digest: &[u8; 32], signature: &[u8]) -> Result<(), Refusal> {
        verify_with_trusted(&self.keys, key, digest, signature)
    }
}
