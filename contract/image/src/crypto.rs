//! The cryptography that the container needs, as traits: OP-TEE, a host library or an HSM stands behind them.

/// SHA-256, fed piece by piece.
pub trait Sha256: Default {
    /// Adds bytes to the message.
    fn update(&mut self, bytes: &[u8]);

    /// The digest of all bytes added.
    fn finish(self) -> [u8; 32];
}

#[cfg(feature = "sha2")]
impl Sha256 for sha2::Sha256 {
    fn update(&mut self, bytes: &[u8]) {
        sha2::Digest::update(self, bytes);
    }

    fn finish(self) -> [u8; 32] {
        sha2::Digest::finalize(self).into()
    }
}

/// Checks signatures with a key that the implementation trusts.
pub trait Verifier {
    /// Why a signature is not accepted.
    type Error;

    /// Checks that `signature` is one of `digest` (SHA-256), in the encoding that [`SignatureAlgorithm`] names.
    /// `key_info` is the container's PKEYINFO value, empty when it has none: unverified bytes from the image that may
    /// help to choose among trusted keys, and must never be taken as a key to trust.
    ///
    /// # Errors
    /// Whatever keeps the signature from being accepted.
    fn verify(
        &mut self,
        algorithm: SignatureAlgorithm,
        key_info: &[u8],
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), Self::Error>;
}

/// How a container is signed; the value of its SIGNTYPE TLV (OP-TEE `ta/remoteproc/src/remoteproc_core.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256; the signature is as long as the modulus.
    RsaPkcs1Sha256 = 1,
    /// ECDSA on P-256 with SHA-256; the signature is r then s, 32 bytes each, big-endian.
    EcdsaP256Sha256 = 2,
}

impl SignatureAlgorithm {
    /// The algorithm of a SIGNTYPE value, or `None` when there is no such.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::RsaPkcs1Sha256, Self::EcdsaP256Sha256].into_iter().find(|known| known.code() == code)
    }

    /// The SIGNTYPE value.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The length in bytes of every signature of this algorithm, or `None` when it depends on the key.
    pub fn fixed_signature_len(self) -> Option<u32> {
        match self {
            Self::RsaPkcs1Sha256 => None,
            Self::EcdsaP256Sha256 => Some(64),
        }
    }
}

impl core::fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::RsaPkcs1Sha256 => "RSASSA-PKCS1-v1_5 with SHA-256",
            Self::EcdsaP256Sha256 => "ECDSA P-256 with SHA-256",
        })
    }
}
