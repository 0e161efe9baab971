//! What only the platform can vouch for: the trusted keys and the security counters.

use rproc_abi::platform::KeyInfo;
use rproc_abi::refusal::{Fact, Reason};
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

/// One public key that a platform trusts, with whatever cryptography the platform has.
pub trait TrustedKey {
    /// [`KeyInfo::RSASSA_PKCS1_V1_5_SHA256`] or [`KeyInfo::ECDSA_SHA256`].
    fn algorithm(&self) -> u32;

    /// Bytes of a signature by this key.
    fn signature_size(&self) -> usize;

    /// SHA-256 of the key's SubjectPublicKeyInfo, by which people know it.
    fn fingerprint(&self) -> [u8; 32];

    /// Whether a signature of [`TrustedKey::signature_size`] bytes is this key's, over this SHA-256 digest.
    fn signed(&self, digest: &[u8; 32], signature: &[u8]) -> bool;
}

/// Checks a signature with those of the trusted keys that it can be of, as [`KeyStore::verify`] wants it.
///
/// The image names no key: every trusted key of its algorithm and size is tried.
///
/// # Errors
/// Those of [`KeyStore::verify`].
pub fn verify_with_trusted<K: TrustedKey>(
    trusted: &[K],
    key: KeyInfo<'_>,
    digest: &[u8; 32],
    signature: &[u8],
) -> Result<(), Refusal> {
    let Some(first) = trusted.first() else {
        return Err(Refusal::new(Reason::UntrustedKey).expected("a platform that trusts a key"));
    };
    match key.algorithm {
        KeyInfo::RSASSA_PKCS1_V1_5_SHA256 if signature.len() < SMALLEST_RSA => {
            return Err(Refusal::new(Reason::KeyTooSmall)
                .expected("RSA of 2048 bits or more")
                .found(Fact::Number(signature.len() as u64 * 8)));
        }
        KeyInfo::RSASSA_PKCS1_V1_5_SHA256 | KeyInfo::ECDSA_SHA256 => {}
        other => {
            return Err(Refusal::new(Reason::UnsupportedSignature)
                .expected("RSA or ECDSA P-256, SHA-256")
                .found(Fact::Address(u64::from(other))));
        }
    }
    let mut mismatch = None;
    for candidate in trusted {
        if candidate.algorithm() != key.algorithm || candidate.signature_size() != signature.len() {
            continue;
        }
        if candidate.signed(digest, signature) {
            return Ok(());
        }
        mismatch = Some(candidate);
    }
    if let Some(candidate) = mismatch {
        return Err(Refusal::new(Reason::SignatureInvalid).expected(Fact::Digest(candidate.fingerprint())));
    }
    // A key of this kind and size is not among the trusted ones.
    let found = match (key.algorithm, signature.len()) {
        (KeyInfo::ECDSA_SHA256, _) => "an ECDSA P-256 signature",
        (_, 256) => "an RSA-2048 signature",
        (_, 384) => "an RSA-3072 signature",
        (_, 512) => "an RSA-4096 signature",
        _ => "an RSA signature of another size",
    };
    Err(Refusal::new(Reason::UntrustedKey).expected(Fact::Digest(first.fingerprint())).found(found))
}

/// Bytes of the shortest RSA signature that is trusted: 2048 bits.
const SMALLEST_RSA: usize = 256;

/// One counter a processor that only goes up, kept where the normal world cannot set it back.
pub trait SecurityCounters {
    /// The lowest counter that an image may have.
    fn get(&mut self, processor: ProcessorId) -> Result<u32, Refusal>;

    /// Raises the counter; a lower value leaves it as it is.
    fn raise(&mut self, processor: ProcessorId, value: u32) -> Result<(), Refusal>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs by repeating its fingerprint's first byte.
    struct Key(u32, usize, u8);

    impl TrustedKey for Key {
        fn algorithm(&self) -> u32 {
            self.0
        }

        fn signature_size(&self) -> usize {
            self.1
        }

        fn fingerprint(&self) -> [u8; 32] {
            [self.2; 32]
        }

        fn signed(&self, _: &[u8; 32], signature: &[u8]) -> bool {
            assert_eq!(signature.len(), self.1, "a key sees only signatures of its size");
            signature.iter().all(|byte| *byte == self.2)
        }
    }

    const RSA: u32 = KeyInfo::RSASSA_PKCS1_V1_5_SHA256;
    const ECDSA: u32 = KeyInfo::ECDSA_SHA256;

    fn check(trusted: &[Key], algorithm: u32, signature: &[u8]) -> Result<(), (Reason, Fact, Fact)> {
        let key = KeyInfo { algorithm, info: &[] };
        verify_with_trusted(trusted, key, &[0; 32], signature)
            .map_err(|refusal| (refusal.reason, refusal.expected, refusal.found))
    }

    #[test]
    fn every_trusted_key_of_the_kind_and_size_is_tried() {
        let trusted = [Key(RSA, 256, 1), Key(ECDSA, 64, 2), Key(RSA, 512, 3), Key(RSA, 256, 4)];
        assert_eq!(check(&trusted, RSA, &[1; 256]), Ok(()));
        assert_eq!(check(&trusted, RSA, &[4; 256]), Ok(()));
        assert_eq!(check(&trusted, ECDSA, &[2; 64]), Ok(()));
        let last = Fact::Digest([4; 32]);
        assert_eq!(check(&trusted, RSA, &[2; 256]), Err((Reason::SignatureInvalid, last, Fact::None)));
    }

    #[test]
    fn a_signature_that_no_trusted_key_can_have_made_is_told_apart() {
        let trusted = [Key(RSA, 256, 1)];
        let first = Fact::Digest([1; 32]);
        let untrusted = |found| Err((Reason::UntrustedKey, first, Fact::words(found)));
        assert_eq!(check(&trusted, RSA, &[1; 512]), untrusted("an RSA-4096 signature"));
        assert_eq!(check(&trusted, ECDSA, &[1; 64]), untrusted("an ECDSA P-256 signature"));
        assert_eq!(check(&trusted, RSA, &[1; 255]).unwrap_err().0, Reason::KeyTooSmall);
        assert_eq!(check(&trusted, 7, &[1; 256]).unwrap_err().0, Reason::UnsupportedSignature);
        assert_eq!(check(&[], RSA, &[1; 256]).unwrap_err().0, Reason::UntrustedKey);
    }
}
