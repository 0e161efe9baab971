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

/// The numbers of a public key, big-endian, for cryptography that takes them one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// RSA.
    Rsa {
        /// As long as a signature.
        modulus: Vec<u8>,
        /// Without leading zeros.
        exponent: Vec<u8>,
    },
    /// A point on P-256.
    P256 {
        /// First coordinate.
        x: [u8; 32],
        /// Second coordinate.
        y: [u8; 32],
    },
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
        Self::rsa(
            rsa::RsaPublicKey::from_public_key_der(der)
                .map_err(|cause| undecodable("public key", der, cause))?,
        )
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

    /// The numbers that it consists of.
    pub fn numbers(&self) -> Numbers {
        match &self.half {
            Half::Rsa(key) => {
                Numbers::Rsa { modulus: key.n_bytes().into_vec(), exponent: key.e_bytes().into_vec() }
            }
            Half::P256(key) => {
                let (mut x, mut y) = ([0; 32], [0; 32]);
                // Uncompressed: 4, then both coordinates.
                let point = key.to_sec1_point(false);
                let coordinates = point.as_bytes().get(1..).unwrap_or_default();
                for (to, from) in x.iter_mut().chain(&mut y).zip(coordinates) {
                    *to = *from;
                }
                Numbers::P256 { x, y }
            }
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

/// Kinds of key that sign no images, by the object identifier in their DER (RFC 5480, SEC 2 and RFC 8410).
const OTHER_KINDS: [(&[u8], &str); 4] = [
    (&[6, 5, 0x2b, 0x81, 4, 0, 34], "ECDSA P-384"),
    (&[6, 5, 0x2b, 0x81, 4, 0, 35], "ECDSA P-521"),
    (&[6, 5, 0x2b, 0x81, 4, 0, 10], "ECDSA secp256k1"),
    (&[6, 3, 0x2b, 0x65, 112], "Ed25519"),
];

/// Why a key does not decode: often it is whole, and of another kind.
pub(crate) fn undecodable(label: &str, der: &[u8], cause: impl core::fmt::Display) -> KeyError {
    let has = |id: &[u8]| der.windows(id.len()).any(|part| part == id);
    match OTHER_KINDS.iter().find(|(id, _)| has(id)) {
        Some((_, kind)) => KeyError::OtherKind { kind },
        None => damaged(label, cause),
    }
}

pub(crate) fn damaged(label: &str, cause: impl core::fmt::Display) -> KeyError {
    KeyError::Damaged { label: label.to_string(), cause: cause.to_string() }
}

pub(crate) fn failed(cause: impl core::fmt::Display) -> KeyError {
    KeyError::Failed { cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_in_the_der() {
        let key = crate::development_key().unwrap().public_key();
        let Numbers::P256 { x, y } = key.numbers() else { panic!("the development key is on P-256") };
        assert!(key.der().ends_with(&[x, y].concat()));

        let key = PrivateKey::generate(KeyKind::Rsa2048).unwrap().public_key();
        let Numbers::Rsa { modulus, exponent } = key.numbers() else { panic!("this is an RSA key") };
        assert_eq!((modulus.len(), &exponent[..]), (256, &[1, 0, 1][..]));
        assert!(key.der().windows(256).any(|part| part == modulus));
    }
}
