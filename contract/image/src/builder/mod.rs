//! Builds containers: from ELF files to bytes that OP-TEE's Trusted Application and ours accept.

mod container;
mod error;
mod image;

pub use container::{Container, Unsigned};
pub use error::{BuildError, SignError};

use crate::binding::{self, BoundResourceTable, Target};
use crate::crypto::{Sha256, SignatureAlgorithm};
use crate::header::{HEADER_SIZE, Header};
use crate::tlv::{PREFIX, TlvKind};
use alloc::vec::Vec;
use image::ElfImage;

/// Signs digests, with a key in a file or in an HSM.
pub trait Signer {
    /// Why there is no signature.
    type Error;

    /// The algorithm of this key.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// Length of a signature in bytes, which is part of what is signed: 64 for ECDSA P-256, the size of the modulus for
    /// RSA.
    fn signature_len(&self) -> u32;

    /// Signs a SHA-256 digest, in the encoding that the algorithm names.
    ///
    /// # Errors
    /// Whatever keeps the key from signing.
    fn sign_digest(&mut self, digest: &[u8; 32]) -> Result<Vec<u8>, Self::Error>;
}

/// Collects what goes into a container. Only what is set goes in: with nothing but images, the result is what OP-TEE's
/// script makes of them, byte for byte.
#[derive(Debug, Clone, Default)]
pub struct ContainerBuilder<'a> {
    images: Vec<ElfImage<'a>>,
    key_info: Option<Vec<u8>>,
    platform: Vec<(TlvKind, Vec<u8>)>,
    bind_elf_metadata: bool,
}

impl<'a> ContainerBuilder<'a> {
    /// A builder without images.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an ELF file; the processor's memory is loaded from them in the order they were added.
    ///
    /// # Errors
    /// Any of [`BuildError`]'s that name an image: only whole ELF32 files for Arm with a segment to load are taken.
    pub fn image(&mut self, file: &'a [u8]) -> Result<&mut Self, BuildError> {
        let index = self.images.len();
        if index == usize::from(u8::MAX) {
            return Err(BuildError::TooManyImages);
        }
        self.images.push(ElfImage::check(index, file)?);
        Ok(self)
    }

    /// Sets the bytes that tell the platform which key to use (PKEYINFO).
    pub fn key_info(&mut self, info: &[u8]) -> &mut Self {
        self.key_info = Some(info.to_vec());
        self
    }

    /// Sets a TLV of the platform's range. A type that was set before keeps its place and takes the new value.
    ///
    /// # Errors
    /// [`BuildError::NotPlatformTlv`], [`BuildError::TlvValue`] for types whose value is known to be something else.
    pub fn platform_tlv(&mut self, kind: TlvKind, value: &[u8]) -> Result<&mut Self, BuildError> {
        if !kind.is_platform() {
            return Err(BuildError::NotPlatformTlv { kind });
        }
        binding::check_value(kind, value)?;
        Ok(self.set(kind, value))
    }

    /// Sets the device address of the vector table to boot from.
    pub fn boot_address(&mut self, address: u32) -> &mut Self {
        self.set(TlvKind::BOOT_ADDRESS, &address.to_le_bytes())
    }

    /// Binds the image to a processor of a SoC: no other may load it.
    pub fn target(&mut self, target: Target<'_>) -> &mut Self {
        let mut value = target.processor.to_le_bytes().to_vec();
        value.extend(target.soc().as_bytes());
        self.set(TlvKind::TARGET, &value)
    }

    /// Sets the version for protection against rollback.
    pub fn security_counter(&mut self, counter: u32) -> &mut Self {
        self.set(TlvKind::SECURITY_COUNTER, &counter.to_le_bytes())
    }

    /// Binds where the resource table is, or that there is none.
    ///
    /// # Errors
    /// [`BuildError::TlvValue`] when the table wraps around the end of the address space.
    pub fn resource_table(&mut self, table: BoundResourceTable) -> Result<&mut Self, BuildError> {
        self.platform_tlv(TlvKind::RESOURCE_TABLE, &table.to_bytes())
    }

    /// Names the key that signs: SHA-256 of its SubjectPublicKeyInfo in DER.
    pub fn key_fingerprint(&mut self, fingerprint: &[u8; 32]) -> &mut Self {
        self.set(TlvKind::KEY_FINGERPRINT, fingerprint)
    }

    /// Binds the ELF metadata of every image: entry point, program headers, section headers and their names.
    pub fn bind_elf_metadata(&mut self) -> &mut Self {
        self.bind_elf_metadata = true;
        self
    }

    fn set(&mut self, kind: TlvKind, value: &[u8]) -> &mut Self {
        match self.platform.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, old)) => *old = value.to_vec(),
            None => self.platform.push((kind, value.to_vec())),
        }
        self
    }

    /// Hashes the segments and lays out all but the signature, for a key of this algorithm whose signatures have
    /// `signature_len` bytes. Each byte of the images is hashed once for each segment that it is in, and none copied.
    ///
    /// # Errors
    /// [`BuildError::NoImages`], [`BuildError::TooLarge`], [`BuildError::SignatureLength`].
    pub fn prepare<H: Sha256>(
        &self,
        algorithm: SignatureAlgorithm,
        signature_len: u32,
    ) -> Result<Unsigned<'a>, BuildError> {
        if self.images.is_empty() {
            return Err(BuildError::NoImages);
        }
        let expected = algorithm.fixed_signature_len().unwrap_or(signature_len);
        if signature_len != expected || signature_len == 0 {
            return Err(BuildError::SignatureLength { expected, found: signature_len as usize });
        }
        let mut sizes = Vec::new();
        let mut hash_table = Vec::new();
        let mut img_len = 0;
        for image in &self.images {
            img_len += image.padded_len();
            sizes.extend(fits(image.padded_len())?.to_le_bytes());
            image.hash_segments::<H>(&mut hash_table)?;
        }

        let mut signed = Vec::from([0; HEADER_SIZE]);
        push_tlv(&mut signed, TlvKind::SIGN_TYPE, &[algorithm.code()])?;
        // `image` takes no more than a u8 counts.
        push_tlv(&mut signed, TlvKind::NUM_IMG, &[self.images.len() as u8])?;
        push_tlv(&mut signed, TlvKind::IMG_TYPE, &Vec::from_iter(self.images.iter().map(|_| 1u8)))?;
        push_tlv(&mut signed, TlvKind::IMG_SIZE, &sizes)?;
        push_tlv(&mut signed, TlvKind::HASH_TYPE, &[1])?;
        push_tlv(&mut signed, TlvKind::HASH_TABLE, &hash_table)?;
        if let Some(info) = &self.key_info {
            push_tlv(&mut signed, TlvKind::PKEY_INFO, info)?;
        }
        for (kind, value) in &self.with_metadata_digests::<H>().platform {
            push_tlv(&mut signed, *kind, value)?;
        }

        let tlv_len = fits((signed.len() - HEADER_SIZE) as u64)?;
        let header = Header { tlv_len, sign_len: signature_len, img_len: fits(img_len)? };
        for (byte, value) in signed.iter_mut().zip(header.to_bytes()) {
            *byte = value;
        }
        let images = self.images.iter().map(|image| image.bytes()).collect();
        Ok(Unsigned::new::<H>(signed, signature_len, images))
    }

    fn with_metadata_digests<H: Sha256>(&self) -> Self {
        let mut with = self.clone();
        if self.bind_elf_metadata {
            let digests: Vec<u8> = self.images.iter().flat_map(ElfImage::metadata_digest::<H>).collect();
            with.set(TlvKind::ELF_METADATA_DIGEST, &digests);
        }
        with
    }

    /// Builds and signs.
    ///
    /// # Errors
    /// [`SignError::Build`] as [`ContainerBuilder::prepare`], [`SignError::Signer`] when the signer fails.
    pub fn sign<H: Sha256, S: Signer>(&self, signer: &mut S) -> Result<Container<'a>, SignError<S::Error>> {
        let unsigned = self.prepare::<H>(signer.algorithm(), signer.signature_len())?;
        let signature = signer.sign_digest(unsigned.digest()).map_err(SignError::Signer)?;
        Ok(unsigned.with_signature(signature)?)
    }
}

/// A length as the format stores it.
fn fits(len: u64) -> Result<u32, BuildError> {
    u32::try_from(len).map_err(|_| BuildError::TooLarge { found: len })
}

fn push_tlv(area: &mut Vec<u8>, kind: TlvKind, value: &[u8]) -> Result<(), BuildError> {
    area.reserve(PREFIX + value.len() + 7);
    area.extend(kind.0.to_le_bytes());
    area.extend(fits(value.len() as u64)?.to_le_bytes());
    area.extend(value);
    let pad = value.len().next_multiple_of(8) - value.len();
    area.extend(core::iter::repeat_n(0, pad));
    Ok(())
}
