//! The signature: header and TLVs read once, and held against the key.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};
use rproc_image::{AuthError, Authenticated, HEADER_SIZE, Header, Metadata, SignatureAlgorithm, Verifier};
use rproc_keys::{PublicKey, VerifyError};
use sha2::Sha256;

use crate::failure::{Failure, Refused};
use crate::input::Input;
use crate::limits;

/// Header, TLVs and signature, not verified yet.
pub struct MetadataCopy {
    header_and_tlvs: Vec<u8>,
    signature: Vec<u8>,
    file_len: u64,
}

impl MetadataCopy {
    /// Reads them.
    pub fn take(input: &Input) -> Result<Self, Failure> {
        let file_len = input.len();
        let layout = Header::of_file(&input.take(0..HEADER_SIZE as u64)?)?.layout(file_len)?;
        limits::check_metadata(limits::TLVS, layout.header_and_tlvs.end - HEADER_SIZE as u64)?;
        limits::check_metadata(limits::SIGNATURE, layout.signature.end - layout.signature.start)?;
        Ok(Self {
            header_and_tlvs: input.take(layout.header_and_tlvs)?,
            signature: input.take(layout.signature)?,
            file_len,
        })
    }

    /// Checks the signature with the key.
    pub fn authenticate(&self, key: &PublicKey) -> Result<Authenticated<'_>, Failure> {
        let metadata = Metadata::parse(&self.header_and_tlvs, &self.signature, self.file_len)?;
        // Only for the message: an unverified claim.
        let claimed = metadata.claimed_key_fingerprint().ok().flatten().copied();
        metadata.authenticate::<Sha256, _>(&mut OneKey { key, claimed }).map_err(|error| match error {
            AuthError::Signature(refused) => refused.into(),
            AuthError::Content(error) => error.into(),
        })
    }
}

struct OneKey<'k> {
    key: &'k PublicKey,
    claimed: Option<[u8; 32]>,
}

impl OneKey<'_> {
    /// The signature is another key's. `found` is what tells.
    fn another_key(&self, expected: impl Into<Fact>, found: impl Into<Fact>) -> Refused {
        let refusal = Refusal::new(Reason::UntrustedKey).expected(expected).found(found);
        Refused {
            next_step: "give --key the key that signed it, or sign with the expected one".to_owned(),
            ..Refused::from(refusal).saying("the image was signed with another key than the one given")
        }
    }
}

impl Verifier for OneKey<'_> {
    type Error = Refused;

    fn verify(
        &mut self,
        algorithm: SignatureAlgorithm,
        _key_info: &[u8],
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), Refused> {
        let fingerprint = self.key.fingerprint();
        let other = self.claimed.filter(|claimed| *claimed != fingerprint);
        let by_claim = |claimed| self.another_key(Fact::Digest(fingerprint), Fact::Digest(claimed));
        if algorithm != self.key.kind().algorithm() {
            let found = match algorithm {
                SignatureAlgorithm::RsaPkcs1Sha256 => "an RSA signature",
                SignatureAlgorithm::EcdsaP256Sha256 => "an ECDSA P-256 signature",
            };
            return Err(other.map_or_else(|| self.another_key(self.key.kind().name(), found), by_claim));
        }
        self.key.verify(digest, signature).map_err(|error| match (other, error) {
            (Some(claimed), _) => by_claim(claimed),
            (None, VerifyError::Size { expected, found }) => {
                self.another_key(Fact::Size(expected as u64), Fact::Size(found as u64))
            }
            (None, VerifyError::Mismatch) => {
                Refusal::new(Reason::SignatureInvalid).expected(Fact::Digest(fingerprint)).into()
            }
        })
    }
}
