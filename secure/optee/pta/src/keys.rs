//! The trusted keys, compiled in, and the core's cryptography to check signatures with them.

use core::ffi::c_int;
use core::ptr::null_mut;

use rproc_abi::Refusal;
use rproc_abi::platform::KeyInfo;
use rproc_platform::{KeyStore, TrustedKey, verify_with_trusted};

use crate::optee;

/// A public key from `RPROC_TRUSTED_KEYS`.
struct CompiledKey {
    fingerprint: [u8; 32],
    half: Half,
}

/// Its numbers, big-endian.
#[allow(dead_code, reason = "the keys of one build may all be of one kind")]
enum Half {
    Rsa { modulus: &'static [u8], exponent: &'static [u8] },
    P256 { x: [u8; 32], y: [u8; 32] },
}

static KEYS: &[CompiledKey] = include!(concat!(env!("OUT_DIR"), "/trusted_keys.rs"));

/// The keys that this build trusts.
pub struct TrustedKeys;

impl KeyStore for TrustedKeys {
    fn verify(&mut self, key: KeyInfo<'_>, digest: &[u8; 32], signature: &[u8]) -> Result<(), Refusal> {
        verify_with_trusted(KEYS, key, digest, signature)
    }
}

impl TrustedKey for CompiledKey {
    fn algorithm(&self) -> u32 {
        match self.half {
            Half::Rsa { .. } => KeyInfo::RSASSA_PKCS1_V1_5_SHA256,
            Half::P256 { .. } => KeyInfo::ECDSA_SHA256,
        }
    }

    fn signature_size(&self) -> usize {
        match &self.half {
            Half::Rsa { modulus, .. } => modulus.len(),
            Half::P256 { x, y } => x.len() + y.len(),
        }
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    fn signed(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        match &self.half {
            Half::Rsa { modulus, exponent } => {
                RsaKey::new(modulus, exponent).is_some_and(|mut key| key.signed(digest, signature))
            }
            Half::P256 { x, y } => P256Key::new(x, y).is_some_and(|mut key| key.signed(digest, signature)),
        }
    }
}

/// Puts a number into one of the core's.
///
/// # Safety
/// `into` is a bignum that the core allocated and that nobody else uses.
unsafe fn set(into: *mut optee::bignum, number: &[u8]) -> Option<()> {
    // SAFETY: as promised; the number has its length to read.
    let result = unsafe { optee::crypto_bignum_bin2bn(number.as_ptr(), number.len(), into) };
    (result == optee::TEE_SUCCESS).then_some(())
}

/// An RSA key on the core's heap.
struct RsaKey(optee::rsa_public_key);

impl RsaKey {
    /// `None` when the core's heap is full.
    fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let mut key = optee::rsa_public_key { e: null_mut(), n: null_mut() };
        // SAFETY: the core fills the structure that it is given.
        let result = unsafe { optee::crypto_acipher_alloc_rsa_public_key(&mut key, modulus.len() * 8) };
        if result != optee::TEE_SUCCESS {
            return None;
        }
        let key = Self(key);
        // SAFETY: the core has allocated both, and only this function knows them.
        unsafe { set(key.0.n, modulus).and(set(key.0.e, exponent))? };
        Some(key)
    }

    fn signed(&mut self, digest: &[u8; 32], signature: &[u8]) -> bool {
        // The salt's length has no meaning for PKCS#1 v1.5.
        let (algorithm, salt): (_, c_int) = (optee::TEE_ALG_RSASSA_PKCS1_V1_5_SHA256, 0);
        let (message, size) = (digest.as_ptr(), digest.len());
        // SAFETY: the key is whole, and digest and signature have their lengths to read.
        let result = unsafe {
            optee::crypto_acipher_rsassa_verify(
                algorithm,
                &mut self.0,
                salt,
                message,
                size,
                signature.as_ptr(),
                signature.len(),
            )
        };
        result == optee::TEE_SUCCESS
    }
}

impl Drop for RsaKey {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, and freed only here.
        unsafe { optee::crypto_acipher_free_rsa_public_key(&mut self.0) }
    }
}

/// A point on P-256 on the core's heap.
struct P256Key(optee::ecc_public_key);

impl P256Key {
    /// `None` when the core's heap is full or the core has no such curve.
    fn new(x: &[u8; 32], y: &[u8; 32]) -> Option<Self> {
        let mut key = optee::ecc_public_key { x: null_mut(), y: null_mut(), curve: 0, ops: null_mut() };
        // SAFETY: the core fills the structure that it is given.
        let result = unsafe {
            optee::crypto_acipher_alloc_ecc_public_key(&mut key, optee::TEE_TYPE_ECDSA_PUBLIC_KEY, 256)
        };
        if result != optee::TEE_SUCCESS {
            return None;
        }
        key.curve = optee::TEE_ECC_CURVE_NIST_P256;
        let key = Self(key);
        // SAFETY: the core has allocated both, and only this function knows them.
        unsafe { set(key.0.x, x).and(set(key.0.y, y))? };
        Some(key)
    }

    fn signed(&mut self, digest: &[u8; 32], signature: &[u8]) -> bool {
        let (message, size) = (digest.as_ptr(), digest.len());
        // SAFETY: the key is whole, and digest and signature have their lengths to read.
        let result = unsafe {
            optee::crypto_acipher_ecc_verify(
                optee::TEE_ALG_ECDSA_SHA256,
                &mut self.0,
                message,
                size,
                signature.as_ptr(),
                signature.len(),
            )
        };
        result == optee::TEE_SUCCESS
    }
}

impl Drop for P256Key {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, and freed only here.
        unsafe { optee::crypto_acipher_free_ecc_public_key(&mut self.0) }
    }
}
