//! Private keys: made, read, written, and used to sign.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use p256::ecdsa::signature::hazmat::PrehashSigner;
use rproc_image::{SignatureAlgorithm, Signer};
use rsa::Pkcs1v15Sign;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rsa::rand_core::UnwrapErr;

use crate::public::{damaged, failed, undecodable};
use crate::{KeyError, KeyKind, PublicKey};

/// A signing key held in memory; what it holds is wiped when it is dropped.
pub struct PrivateKey {
    half: Half,
    public: PublicKey,
}

enum Half {
    Rsa(Box<rsa::RsaPrivateKey>),
    P256(p256::ecdsa::SigningKey),
}

impl PrivateKey {
    /// Makes a new key from the system's random numbers.
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        // Asked once on its own, so that a system without random numbers is an error and no panic further down.
        getrandom::fill(&mut [0; 32]).map_err(failed)?;
        let mut rng = UnwrapErr(getrandom::SysRng);
        match kind {
            KeyKind::P256 => {
                use p256::elliptic_curve::Generate;
                Self::p256(p256::ecdsa::SigningKey::generate_from_rng(&mut rng))
            }
            KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => {
                let bits = kind.signature_size() * 8;
                Self::rsa(rsa::RsaPrivateKey::new(&mut rng, bits).map_err(failed)?)
            }
        }
    }

    /// From a file: PEM or DER; PKCS#8, PKCS#1 (RSA) or SEC 1 (elliptic curve).
    pub fn from_file(bytes: &[u8]) -> Result<Self, KeyError> {
        let Armour { label, der } = armour(bytes)?;
        match label {
            "PRIVATE KEY" => Self::from_pkcs8(&der),
            "RSA PRIVATE KEY" => Self::from_pkcs1(&der),
            "EC PRIVATE KEY" => Self::from_sec1(&der),
            "" => Self::from_pkcs8(&der)
                .or_else(|_| Self::from_pkcs1(&der))
                .or_else(|_| Self::from_sec1(&der))
                .map_err(|error| match PublicKey::from_der(&der) {
                    Ok(_) => KeyError::PublicOnly,
                    // A DER sequence may be a key of a kind that is not known here.
                    Err(_) if der.first() == Some(&0x30) => error,
                    Err(_) => KeyError::NotAKey { found: first_bytes(bytes) },
                }),
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Err(KeyError::PublicOnly),
            other => Err(KeyError::NotAKey { found: format!("PEM of a {other}") }),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_der(der) {
            return Self::p256(key);
        }
        Self::rsa(
            rsa::RsaPrivateKey::from_pkcs8_der(der)
                .map_err(|cause| undecodable("private key", der, cause))?,
        )
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        Self::rsa(rsa::RsaPrivateKey::from_pkcs1_der(der).map_err(|cause| damaged("RSA private key", cause))?)
    }

    fn from_sec1(der: &[u8]) -> Result<Self, KeyError> {
        let key =
            p256::SecretKey::from_sec1_der(der).map_err(|cause| undecodable("EC private key", der, cause))?;
        Self::p256(key.into())
    }

    fn rsa(key: rsa::RsaPrivateKey) -> Result<Self, KeyError> {
        let public = PublicKey::rsa(key.to_public_key())?;
        Ok(Self { half: Half::Rsa(Box::new(key)), public })
    }

    fn p256(key: p256::ecdsa::SigningKey) -> Result<Self, KeyError> {
        let public = PublicKey::p256(*key.verifying_key())?;
        Ok(Self { half: Half::P256(key), public })
    }

    /// Which kind of key.
    pub fn kind(&self) -> KeyKind {
        self.public.kind()
    }

    /// Its public half.
    pub fn public_key(&self) -> PublicKey {
        self.public.clone()
    }

    /// As PEM of a PKCS#8 structure, not encrypted.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let pem = match &self.half {
            Half::Rsa(key) => key.to_pkcs8_pem(LineEnding::LF),
            Half::P256(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        Ok(pem.map_err(failed)?.to_string())
    }
}

impl Signer for PrivateKey {
    type Error = KeyError;

    fn algorithm(&self) -> SignatureAlgorithm {
        self.kind().algorithm()
    }

    fn signature_len(&self) -> u32 {
        self.kind().signature_size() as u32
    }

    /// Deterministic: PKCS#1 v1.5 has no randomness, and ECDSA takes its nonce from key and digest (RFC 6979).
    fn sign_digest(&mut self, digest: &[u8; 32]) -> Result<Vec<u8>, KeyError> {
        match &self.half {
            Half::Rsa(key) => key.sign(Pkcs1v15Sign::new::<sha2::Sha256>(), digest).map_err(failed),
            Half::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(digest).map_err(failed)?;
                Ok(signature.to_bytes().to_vec())
            }
        }
    }
}

/// What a key file holds: its PEM label, or none for DER, and the DER.
pub(crate) struct Armour<'a> {
    pub(crate) label: &'a str,
    pub(crate) der: Vec<u8>,
}

pub(crate) fn armour(bytes: &[u8]) -> Result<Armour<'_>, KeyError> {
    let Some(text) = core::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN ")) else {
        return Ok(Armour { label: "", der: bytes.to_vec() });
    };
    // Files of openssl may hold curve parameters before the key; the first key block counts.
    let start = text
        .match_indices("-----BEGIN ")
        .map(|(at, _)| at)
        .find(|at| text.get(*at..).is_some_and(|rest| !rest.starts_with("-----BEGIN EC PARAMETERS")))
        .unwrap_or(0);
    let block = text.get(start..).unwrap_or_default();
    if block.starts_with("-----BEGIN ENCRYPTED") || block.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyError::Encrypted);
    }
    let (label, der) =
        rsa::pkcs8::der::pem::decode_vec(block.as_bytes()).map_err(|cause| damaged("PEM", cause))?;
    Ok(Armour { label, der })
}

fn first_bytes(bytes: &[u8]) -> String {
    match bytes {
        [] => "an empty file".to_string(),
        [0x7f, b'E', b'L', b'F', ..] => "an ELF file".to_string(),
        _ => format!("a file that begins with {:02x?}", bytes.get(..8).unwrap_or(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_survives_its_file_and_signs() {
        for kind in [KeyKind::P256, KeyKind::Rsa2048] {
            let mut key = PrivateKey::generate(kind).unwrap();
            let mut again = PrivateKey::from_file(key.to_pem().unwrap().as_bytes()).unwrap();
            let digest = crate::sha256(b"firmware");
            let signature = again.sign_digest(&digest).unwrap();
            assert_eq!(signature, key.sign_digest(&digest).unwrap(), "{kind} must be deterministic");
            let public = PublicKey::from_file(key.public_key().to_pem().unwrap().as_bytes()).unwrap();
            assert_eq!(public.verify(&digest, &signature), Ok(()));
            assert_eq!(public.fingerprint(), key.public_key().fingerprint());
            let other = crate::sha256(b"other");
            assert_eq!(public.verify(&other, &signature), Err(crate::VerifyError::Mismatch));
            assert!(public.verify(&digest, &signature[1..]).is_err());
        }
    }

    #[test]
    fn der_works_like_pem() {
        let key = PrivateKey::generate(KeyKind::P256).unwrap();
        let public = key.public_key();
        assert_eq!(PublicKey::from_file(public.der()).unwrap(), public);
        assert!(matches!(PrivateKey::from_file(public.der()), Err(KeyError::PublicOnly)));
        let pem = key.to_pem().unwrap();
        let der = armour(pem.as_bytes()).unwrap().der;
        assert_eq!(PrivateKey::from_file(&der).unwrap().public_key(), public);
        assert_eq!(PublicKey::from_file(&der).unwrap(), public);
    }

    #[test]
    fn what_is_no_key_is_said_so() {
        assert!(matches!(PrivateKey::from_file(b""), Err(KeyError::NotAKey { .. })));
        assert!(matches!(PrivateKey::from_file(b"\x7fELF\x01\x01"), Err(KeyError::NotAKey { .. })));
        let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert!(matches!(PrivateKey::from_file(encrypted), Err(KeyError::Encrypted)));
        let certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(PrivateKey::from_file(certificate), Err(KeyError::NotAKey { .. })));
        let public = PrivateKey::generate(KeyKind::P256).unwrap().public_key().to_pem().unwrap();
        assert!(matches!(PrivateKey::from_file(public.as_bytes()), Err(KeyError::PublicOnly)));
    }

    #[test]
    fn a_whole_key_of_another_kind_is_named() {
        let p384 = "-----BEGIN EC PRIVATE KEY-----\n\
             MIGkAgEBBDCEt0w90SFOwQlHy3POKX3ivk/nV9bImTxaryRDm+iu/ceTAYJVks86\n\
             ClTCswjqwj+gBwYFK4EEACKhZANiAARq3JJFbxT9mXGFeKUoHvcvoy7FW8x3XI/Z\n\
             gLQEwRsdtUJ0CXzRiPN4eWBOqAFOPfghxFxldDN/6J/pw8q5Pp172wo1lT0V/OqW\n\
             PjdH7v1JzV/8iDLG9PWyUB7Gxk2C/7Q=\n\
             -----END EC PRIVATE KEY-----";
        let ed25519 = "-----BEGIN PRIVATE KEY-----\n\
             MC4CAQAwBQYDK2VwBCIEIJnj62X+/bv49w+dF0J1H3hZifoRrEHfpqXN25HB8SCr\n\
             -----END PRIVATE KEY-----";
        for (pem, kind) in [(p384, "ECDSA P-384"), (ed25519, "Ed25519")] {
            let expected = Some(KeyError::OtherKind { kind });
            assert_eq!(PrivateKey::from_file(pem.as_bytes()).err(), expected);
            assert_eq!(PublicKey::from_file(pem.as_bytes()).err(), expected);
            let der = armour(pem.as_bytes()).unwrap().der;
            assert!(matches!(PublicKey::from_der(&der), Err(KeyError::OtherKind { .. })));
        }
    }
}
