//! The private copy of a container's metadata, taken from shared memory in one read of each byte.

use alloc::vec::Vec;

use rproc_abi::platform::KeyInfo;
use rproc_abi::refusal::{Fact, Reason};
use rproc_abi::{OutOfRange, Refusal, SharedMemory};
use rproc_image::{
    AuthError, Authenticated, HEADER_SIZE, Header, Metadata, Sha256, SignatureAlgorithm, Verifier,
};

use crate::limits;
use crate::platform::{Platform, PlatformClient};
use crate::room::zeroed;

/// Header, TLVs and signature, copied; nothing in it is authenticated yet.
pub(crate) struct MetadataCopy {
    header_and_tlvs: Vec<u8>,
    signature: Vec<u8>,
    size: u64,
}

impl MetadataCopy {
    /// Copies the metadata of the container in `image`.
    pub(crate) fn take<M: SharedMemory>(image: &M) -> Result<Self, Refusal> {
        let size = image.size() as u64;
        if size < HEADER_SIZE as u64 {
            return Err(Refusal::new(Reason::SizeMismatch)
                .expected(Fact::Size(HEADER_SIZE as u64))
                .found(Fact::Size(size)));
        }
        let mut header = [0; HEADER_SIZE];
        image.read(0, &mut header).map_err(shared_refusal)?;
        let layout = Header::parse(&header).and_then(|header| header.layout(size)).map_err(Refusal::from)?;
        let limit = |limit: u64, found: u64| {
            if found <= limit {
                return Ok(());
            }
            Err(Refusal::new(Reason::MetadataTooLarge).expected(Fact::Size(limit)).found(Fact::Size(found)))
        };
        let tlvs_len = layout.header_and_tlvs.end - HEADER_SIZE as u64;
        let signature_len = layout.signature.end - layout.signature.start;
        limit(limits::TLVS, tlvs_len)?;
        limit(limits::SIGNATURE, signature_len)?;
        let mut header_and_tlvs = zeroed(HEADER_SIZE + tlvs_len as usize)?;
        let (head, tlvs) = header_and_tlvs.split_at_mut(HEADER_SIZE);
        // The header is not read again: the layout that was checked is that of the copy.
        head.copy_from_slice(&header);
        image.read(HEADER_SIZE, tlvs).map_err(shared_refusal)?;
        let mut signature = zeroed(signature_len as usize)?;
        image.read(layout.signature.start as usize, &mut signature).map_err(shared_refusal)?;
        Ok(Self { header_and_tlvs, signature, size })
    }

    /// Checks the signature with the platform's keys; from here on the metadata is authentic.
    pub(crate) fn authenticate<H: Sha256, P: PlatformClient>(
        &self,
        platform: &mut Platform<'_, P>,
    ) -> Result<Authenticated<'_>, Refusal> {
        let metadata =
            Metadata::parse(&self.header_and_tlvs, &self.signature, self.size).map_err(Refusal::from)?;
        let claimed = metadata.claimed_key_fingerprint().ok().flatten().copied();
        metadata.authenticate::<H, _>(&mut PlatformKeys(platform)).map_err(|error| match error {
            AuthError::Content(error) => error.into(),
            AuthError::Signature(refusal) => name_the_key(refusal, claimed),
        })
    }
}

struct PlatformKeys<'a, 'p, P>(&'a mut Platform<'p, P>);

impl<P: PlatformClient> Verifier for PlatformKeys<'_, '_, P> {
    type Error = Refusal;

    fn verify(
        &mut self,
        algorithm: SignatureAlgorithm,
        key_info: &[u8],
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let algorithm = match algorithm {
            SignatureAlgorithm::RsaPkcs1Sha256 => KeyInfo::RSASSA_PKCS1_V1_5_SHA256,
            SignatureAlgorithm::EcdsaP256Sha256 => KeyInfo::ECDSA_SHA256,
        };
        self.0.verify_digest(KeyInfo { algorithm, info: key_info }, digest, signature)
    }
}

/// A signature that does not match because it is another key's gets that as its reason. The fingerprint in the image
/// is only a claim here, and only used for this sentence.
fn name_the_key(refusal: Refusal, claimed: Option<[u8; 32]>) -> Refusal {
    match (refusal.reason, refusal.expected, claimed) {
        (Reason::SignatureInvalid, Fact::Digest(trusted), Some(claimed)) if trusted != claimed => {
            Refusal { reason: Reason::UntrustedKey, found: Fact::Digest(claimed), ..refusal }
        }
        _ => refusal,
    }
}

pub(crate) fn shared_refusal(error: OutOfRange) -> Refusal {
    Refusal::new(Reason::SharedMemory)
        .expected(Fact::Size((error.offset as u64).saturating_add(error.len as u64)))
        .found(Fact::Size(error.size as u64))
}
