//! A container that waits for its signature, and one that has it.

use super::BuildError;
use crate::crypto::Sha256;
use alloc::vec::Vec;

/// A container without signature, for keys that sign elsewhere: take the digest out, bring the signature in.
#[derive(Debug, Clone)]
pub struct Unsigned<'a> {
    signed: Vec<u8>,
    digest: [u8; 32],
    signature_len: u32,
    images: Vec<&'a [u8]>,
}

impl<'a> Unsigned<'a> {
    pub(super) fn new<H: Sha256>(signed: Vec<u8>, signature_len: u32, images: Vec<&'a [u8]>) -> Self {
        let mut hash = H::default();
        hash.update(&signed);
        Self { digest: hash.finish(), signed, signature_len, images }
    }

    /// The SHA-256 digest to sign.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// What the digest is of: the header and the TLVs with their padding.
    pub fn header_and_tlvs(&self) -> &[u8] {
        &self.signed
    }

    /// Completes the container. Whether the signature is good is for a verifier to say.
    ///
    /// # Errors
    /// [`BuildError::SignatureLength`].
    pub fn with_signature(self, signature: Vec<u8>) -> Result<Container<'a>, BuildError> {
        if signature.len() as u64 != u64::from(self.signature_len) {
            return Err(BuildError::SignatureLength { expected: self.signature_len, found: signature.len() });
        }
        Ok(Container { signed: self.signed, signature, images: self.images })
    }
}

/// A signed container, as the pieces that make up the file. The images are still the caller's bytes.
#[derive(Debug, Clone)]
pub struct Container<'a> {
    signed: Vec<u8>,
    signature: Vec<u8>,
    images: Vec<&'a [u8]>,
}

impl Container<'_> {
    /// The pieces of the file in order, padding included; none is empty.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let signature = [self.signature.as_slice(), padding(&self.signature)];
        let images = self.images.iter().flat_map(|image| [*image, padding(image)]);
        [self.signed.as_slice()].into_iter().chain(signature).chain(images).filter(|piece| !piece.is_empty())
    }

    /// Hands the pieces to `write` in order, and stops at its first error.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn write_to<E>(&self, write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.pieces().try_for_each(write)
    }

    /// Length of the file in bytes.
    pub fn file_len(&self) -> u64 {
        self.pieces().map(|piece| piece.len() as u64).sum()
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The whole file in one piece: a copy of the images.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(usize::try_from(self.file_len()).unwrap_or_default());
        self.pieces().for_each(|piece| file.extend_from_slice(piece));
        file
    }
}

/// The zeros that follow a piece.
fn padding(piece: &[u8]) -> &'static [u8] {
    const ZEROS: [u8; 7] = [0; 7];
    ZEROS.get(..piece.len().next_multiple_of(8) - piece.len()).unwrap_or_default()
}
