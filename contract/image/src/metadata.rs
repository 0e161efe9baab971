//! The metadata of a container before its signature is verified.

use crate::authenticated::Authenticated;
use crate::crypto::{Sha256, SignatureAlgorithm, Verifier};
use crate::error::{AuthError, Error, Part};
use crate::header::{HEADER_SIZE, Header, Layout};
use crate::tlv::{TlvKind, Tlvs};

/// Header, TLVs and signature, well-formed but **not verified**: anybody can have written them. It answers what one
/// must know to verify it; everything else is a method of [`Authenticated`].
#[derive(Debug, Clone)]
pub struct Metadata<'a> {
    signed: &'a [u8],
    signature: &'a [u8],
    header: Header,
    layout: Layout,
    tlvs: Tlvs<'a>,
    algorithm: SignatureAlgorithm,
}

impl<'a> Metadata<'a> {
    /// Reads the metadata of a file of `file_len` bytes from a private copy: `header_and_tlvs` is the part that
    /// [`Layout::header_and_tlvs`] names, `signature` the one that [`Layout::signature`] names.
    ///
    /// # Errors
    /// Those of [`Header::parse`], [`Header::layout`] and [`Tlvs::parse`]; [`Error::PartLength`],
    /// [`Error::MissingTlv`] without a SIGNTYPE, [`Error::SignatureAlgorithm`], [`Error::SignatureLength`].
    pub fn parse(header_and_tlvs: &'a [u8], signature: &'a [u8], file_len: u64) -> Result<Self, Error> {
        let header = Header::of_file(header_and_tlvs)?;
        let layout = header.layout(file_len)?;
        check_length(Part::HeaderAndTlvs, layout.header_and_tlvs.end, header_and_tlvs)?;
        check_length(Part::Signature, header.sign_len.into(), signature)?;
        let tlvs = Tlvs::parse(header_and_tlvs.get(HEADER_SIZE..).unwrap_or_default(), header.tlv_len)?;
        let [code] = *tlvs.require_array(TlvKind::SIGN_TYPE)?;
        let algorithm =
            SignatureAlgorithm::from_code(code).ok_or(Error::SignatureAlgorithm { found: code })?;
        if let Some(expected) = algorithm.fixed_signature_len()
            && header.sign_len != expected
        {
            return Err(Error::SignatureLength { expected, found: header.sign_len });
        }
        Ok(Self { signed: header_and_tlvs, signature, header, layout, tlvs, algorithm })
    }

    /// Reads the metadata of a whole file in memory.
    ///
    /// # Errors
    /// Those of [`Metadata::parse`].
    pub fn of_file(file: &'a [u8]) -> Result<Self, Error> {
        let layout = Header::of_file(file)?.layout(file.len() as u64)?;
        // The layout is inside the file, so these ranges are.
        let cut = |range: core::ops::Range<u64>| -> Option<&'a [u8]> {
            file.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
        };
        let signed = cut(layout.header_and_tlvs).unwrap_or_default();
        Self::parse(signed, cut(layout.signature).unwrap_or_default(), file.len() as u64)
    }

    /// The algorithm that the signature claims to be of.
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The signature.
    pub fn signature(&self) -> &'a [u8] {
        self.signature
    }

    /// The bytes that tell the platform which key to use, if there are any.
    ///
    /// # Errors
    /// [`Error::DuplicateTlv`].
    pub fn key_info(&self) -> Result<Option<&'a [u8]>, Error> {
        self.tlvs.get(TlvKind::PKEY_INFO)
    }

    /// The fingerprint of the key that the image claims to be signed with: SHA-256 of its SubjectPublicKeyInfo. Good for
    /// telling a user which key a refused image names, and for nothing else.
    ///
    /// # Errors
    /// [`Error::TlvLength`], [`Error::DuplicateTlv`].
    pub fn claimed_key_fingerprint(&self) -> Result<Option<&'a [u8; 32]>, Error> {
        self.tlvs.get_array(TlvKind::KEY_FINGERPRINT)
    }

    /// The digest that is signed: of the header and the TLVs with their padding.
    pub fn signed_digest<H: Sha256>(&self) -> [u8; 32] {
        let mut hash = H::default();
        hash.update(self.signed);
        hash.finish()
    }

    /// Verifies the signature, then checks that what was signed fits together.
    ///
    /// # Errors
    /// [`AuthError::Signature`] when the verifier refuses, [`AuthError::Content`] when what was signed makes no sense.
    pub fn authenticate<H: Sha256, V: Verifier>(
        self,
        verifier: &mut V,
    ) -> Result<Authenticated<'a>, AuthError<V::Error>> {
        let key_info = self.key_info().map_err(AuthError::Content)?.unwrap_or_default();
        let digest = self.signed_digest::<H>();
        verifier.verify(self.algorithm, key_info, &digest, self.signature).map_err(AuthError::Signature)?;
        Authenticated::new(self.header, self.layout, self.tlvs, self.algorithm).map_err(AuthError::Content)
    }
}

fn check_length(part: Part, expected: u64, bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() as u64 != expected {
        return Err(Error::PartLength { part, expected, found: bytes.len() as u64 });
    }
    Ok(())
}
