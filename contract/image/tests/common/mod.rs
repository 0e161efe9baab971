//! Firmware, signers and verifiers that the tests of this crate share.
#![allow(dead_code, missing_docs, reason = "each test uses a part of it")]

use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::ecdsa::{Signature, SigningKey};
use rproc_elf::testing::{ElfBuilder, Segment, resource_table};
use rproc_image::{Authenticated, Error, Metadata, SignatureAlgorithm, Signer, Verifier};
use rsa::pkcs8::DecodePrivateKey;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};

/// An M33 firmware: vectors, data that is linked elsewhere than loaded, unwind tables that are not loaded, a resource
/// table; of a size that needs padding.
pub fn firmware() -> Vec<u8> {
    let mut file = ElfBuilder::elf32()
        .entry(0x8010_0101)
        .vectors(0x8010_0000, &[0x20, 0, 0, 0x20, 1, 1, 0x10, 0x80])
        .segment(Segment::load(0x2000_0000, &[9; 10]).physical(0x8011_0000).memory_size(64))
        .segment(Segment::other(0x7000_0001, 0x8012_0000, &[7; 8]))
        .resource_table(0x8120_0000, &resource_table::sample())
        .build();
    file.extend([0xee; 3]);
    assert_ne!(file.len() % 8, 0);
    file
}

/// A second file to load beside it, as small as they get.
pub fn second() -> Vec<u8> {
    ElfBuilder::elf32().load(0x0a04_1000, b"second").build()
}

pub struct Ecdsa(SigningKey);

impl Ecdsa {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }
}

impl Signer for Ecdsa {
    type Error = p256::ecdsa::Error;
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::EcdsaP256Sha256
    }
    fn signature_len(&self) -> u32 {
        64
    }
    fn sign_digest(&mut self, digest: &[u8; 32]) -> Result<Vec<u8>, Self::Error> {
        let signature: Signature = self.0.sign_prehash(digest)?;
        Ok(signature.to_bytes().to_vec())
    }
}

impl Verifier for Ecdsa {
    type Error = &'static str;
    fn verify(
        &mut self,
        algorithm: SignatureAlgorithm,
        _key_info: &[u8],
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), Self::Error> {
        if algorithm != SignatureAlgorithm::EcdsaP256Sha256 {
            return Err("not a signature of this kind of key");
        }
        let signature = Signature::from_slice(signature).map_err(|_| "no signature at all")?;
        self.0.verifying_key().verify_prehash(digest, &signature).map_err(|_| "not signed with this key")
    }
}

pub struct Rsa(RsaPrivateKey);

impl Rsa {
    pub fn new(pem: &str) -> Self {
        Self(RsaPrivateKey::from_pkcs8_pem(pem).unwrap())
    }
}

impl Signer for Rsa {
    type Error = rsa::Error;
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RsaPkcs1Sha256
    }
    fn signature_len(&self) -> u32 {
        rsa::traits::PublicKeyParts::size(&self.0) as u32
    }
    fn sign_digest(&mut self, digest: &[u8; 32]) -> Result<Vec<u8>, Self::Error> {
        self.0.sign(Pkcs1v15Sign::new::<sha2::Sha256>(), digest)
    }
}

impl Verifier for Rsa {
    type Error = rsa::Error;
    fn verify(
        &mut self,
        _algorithm: SignatureAlgorithm,
        _key_info: &[u8],
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), Self::Error> {
        self.0.to_public_key().verify(Pkcs1v15Sign::new::<sha2::Sha256>(), digest, signature)
    }
}

/// Why a file is refused: by the format before it is verified, by the verifier, or by its authenticated content.
#[derive(Debug, PartialEq)]
pub enum Refusal {
    Format(Error),
    Signature,
    Content(Error),
}

pub fn authenticate<'a>(file: &'a [u8], verifier: &mut impl Verifier) -> Result<Authenticated<'a>, Refusal> {
    let metadata = Metadata::of_file(file).map_err(Refusal::Format)?;
    metadata.authenticate::<sha2::Sha256, _>(verifier).map_err(|error| match error {
        rproc_image::AuthError::Signature(_) => Refusal::Signature,
        rproc_image::AuthError::Content(error) => Refusal::Content(error),
    })
}
