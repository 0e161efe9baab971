//! The keys that the virtual platform trusts.

use rproc_abi::Refusal;
use rproc_abi::platform::KeyInfo;
use rproc_abi::refusal::{Fact, Reason};
use rproc_keys::{KeyKind, PublicKey, VerifyError};
use rproc_platform::KeyStore;

/// A list of trusted public keys.
#[derive(Clone, Debug, Default)]
pub struct TrustedKeys {
    keys: Vec<PublicKey>,
}

impl TrustedKeys {
    /// Trusts these keys and no others.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { keys: keys.into_iter().collect() }
    }

    fn candidates(&self, key: KeyInfo<'_>) -> Result<impl Iterator<Item = &PublicKey>, Refusal> {
        let rsa = match key.algorithm {
            KeyInfo::RSASSA_PKCS1_V1_5_SHA256 => true,
            KeyInfo::ECDSA_SHA256 => false,
            other => {
                return Err(Refusal::new(Reason::UnsupportedSignature)
                    .expected("RSA or ECDSA P-256, SHA-256")
                    .found(Fact::Address(u64::from(other))));
            }
        };
        Ok(self.keys.iter().filter(move |key| (key.kind() != KeyKind::P256) == rsa))
    }
}

impl KeyStore for TrustedKeys {
    fn verify(&mut self, key: KeyInfo<'_>, digest: &[u8; 32], signature: &[u8]) -> Result<(), Refusal> {
        let Some(trusted) = self.keys.first() else {
            return Err(Refusal::new(Reason::UntrustedKey).expected("a platform that trusts a key"));
        };
        if key.algorithm == KeyInfo::RSASSA_PKCS1_V1_5_SHA256 && signature.len() < 256 {
            return Err(Refusal::new(Reason::KeyTooSmall)
                .expected("RSA of 2048 bits or more")
                .found(Fact::Number(signature.len() as u64 * 8)));
        }
        let mut why = None;
        for candidate in self.candidates(key)? {
            match candidate.verify(digest, signature) {
                Ok(()) => return Ok(()),
                // Another key's size says less than this key's mismatch.
                Err(VerifyError::Mismatch) => {
                    why = Some(
                        Refusal::new(Reason::SignatureInvalid)
                            .expected(Fact::Digest(candidate.fingerprint())),
                    );
                }
                Err(VerifyError::Size { .. }) => {}
            }
        }
        if let Some(refusal) = why {
            return Err(refusal);
        }
        // A key of this kind and size is not among the trusted ones.
        let found = match key.algorithm {
            KeyInfo::ECDSA_SHA256 => "an ECDSA P-256 signature".to_owned(),
            _ => format!("an RSA-{} signature", signature.len() * 8),
        };
        Err(Refusal::new(Reason::UntrustedKey)
            .expected(Fact::Digest(trusted.fingerprint()))
            .found(Fact::words(&found)))
    }
}
