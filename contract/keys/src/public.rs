//! Public keys: what a platform trusts.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::Pkcs1v15Sign;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;

use crate::private::{Armour, armour};
use crate::{KeyError, KeyKind, PrivateKey, VerifyError};

/// The public half of a signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    half: Half,
    kind: KeyKind,
    /// SubjectPublicKeyInfo.
    der: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Half {
    Rsa(rsa::RsaPublicKey),
    P256(p256::ecdsa::VerifyingKey),
}

impl PublicKey {
    /// From a file: PEM or DER, SubjectPublicKeyInfo or PKCS#1; a private key gives its public half.
    pub fn from_file(bytes: &[u8]) -> Result<Self, KeyError> {
        let of_private = || Ok(PrivateKey::from_file(bytes)?.public_key());
        match armour(bytes)? {
            Armour { label: "PUBLIC KEY", der } => Self::from_der(&der),
            Armour { label: "RSA PUBLIC KEY", der } => Self::from_pkcs1(&der),
            Armour { label: "", der } => {
                Self::from_der(&der).or_else(|_| Self::from_pkcs1(&der)).or_else(|_| of_private())
            }
            _ => of_private(),
        }
    }

    /// From the DER of a SubjectPublicKeyInfo (RFC 5280).
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(der) {
            return Self::p256(key);
        }
        Self::rsa(rsa::RsaPublicKey::from_public_key_der(der).map_err(|cause| damaged("public key", cause))?)
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        Self::rsa(rsa::RsaPublicKey::from_pkcs1_der(der).map_err(|cause| damaged("RSA public key", cause))?)
    }

    pub(crate) fn rsa(key: rsa::RsaPublicKey) -> Result<Self, KeyError> {
        let bits = key.n().bits() as usize;
        let kind = KeyKind::of_rsa_bits(bits).ok_or(KeyError::RsaSize { bits })?;
        let der = key.to_public_key_der().map_err(failed)?.into_vec();
        Ok(Self { half: Half::Rsa(key), kind, der })
    }

    pub(crate) fn p256(key: p256::ecdsa::VerifyingKey) -> Result<Self, KeyError> {
        let der = key.to_public_key_der().map_err(failed)?.into_vec();
        Ok(Self { half: Half::P256(key), kind: KeyKind::P256, der })
    }

    /// Which kind of key.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// As DER of a SubjectPublicKeyInfo.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// As PEM of a SubjectPublicKeyInfo.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        match &self.half {
            Half::Rsa(key) => key.to_public_key_pem(LineEnding::LF).map_err(failed),
            Half::P256(key) => key.to_public_key_pem(LineEnding::LF).map_err(failed),
        }
    }

    /// SHA-256 of the SubjectPublicKeyInfo's DER: what `openssl pkey -pubin -outform DER | sha256sum` prints.
    pub fn fingerprint(&self) -> [u8; 32] {
        crate::sha256(&self.der)
    }

    /// Checks a signature over a SHA-256 digest: RSASSA-PKCS1-v1_5, or ECDSA as r and s of 32 bytes each.
    pub fn verify(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), VerifyError> {
        let expected = self.kind.signature_size();
        if signature.len() != expected {
            return Err(VerifyError::Size { expected, found: signature.len() });
        }
        match &self.half {
            Half::Rsa(key) => key
                .verify(Pkcs1v15Sign::new::<sha2::Sha256>(), digest, signature)
                .map_err(|_| VerifyError::Mismatch),
            Half::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.verify_prehash(digest, &signature))
                .map_err(|_| VerifyError::Mismatch),
        }
    }
}

pub(crate) fn damaged(label: &str, cause: impl core::fmt::Display) -> KeyError {
    KeyError::Damaged { label: label.to_string(), cause: cause.to_string() }
}

pub(crate) fn failed(cause: impl core::fmt::Display) -> KeyError {
    KeyError::Failed { cause: cause.to_string() }
}
