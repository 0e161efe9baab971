//! A container whose signature was verified, and what may therefore be believed.

use crate::binding::{self, BoundResourceTable, Target};
use crate::crypto::SignatureAlgorithm;
use crate::error::Error;
use crate::hash_table::HashTable;
use crate::header::{Header, Layout};
use crate::tlv::{Tlv, TlvKind, Tlvs};

/// The type of an image (IMGTYPE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// An ELF file.
    Elf = 1,
    /// An ELF file with encrypted segments (ST's ecosystem release). No [`Authenticated`] holds one: they are
    /// refused with [`Error::Encrypted`].
    EncryptedElf = 2,
}

/// Where one image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Its number, from 0.
    pub index: usize,
    /// Its type.
    pub kind: ImageKind,
    /// Its offset from the start of the container file.
    pub offset: u64,
    /// Its size in bytes; up to 7 bytes at its end are padding.
    pub size: u32,
}

/// The metadata of a container after its signature was verified and its parts were found to fit together. Only
/// [`crate::Metadata::authenticate`] makes one.
#[derive(Debug, Clone)]
pub struct Authenticated<'a> {
    header: Header,
    layout: Layout,
    tlvs: Tlvs<'a>,
    algorithm: SignatureAlgorithm,
    image_sizes: &'a [[u8; 4]],
    hash_table: HashTable<'a>,
    target: Option<Target<'a>>,
    security_counter: Option<u32>,
    boot_address: Option<u32>,
    boot_secure: Option<bool>,
    resource_table: Option<BoundResourceTable>,
    elf_metadata_digests: Option<&'a [[u8; 32]]>,
}

impl<'a> Authenticated<'a> {
    pub(crate) fn new(
        header: Header,
        layout: Layout,
        tlvs: Tlvs<'a>,
        algorithm: SignatureAlgorithm,
    ) -> Result<Self, Error> {
        tlvs.check_unique()?;
        for kind in [TlvKind::ENC_TYPE, TlvKind::ENC_TABLE] {
            if tlvs.get(kind)?.is_some() {
                return Err(Error::Encrypted { kind });
            }
        }
        let [hash_type] = *tlvs.require_array(TlvKind::HASH_TYPE)?;
        if hash_type != 1 {
            return Err(Error::HashAlgorithm { found: hash_type });
        }
        let count = image_count(&tlvs)?;
        for tlv in tlvs.iter().filter(|tlv| tlv.kind.is_platform()) {
            binding::check_value(tlv.kind, tlv.value)?;
        }
        let word = |kind| tlvs.get(kind)?.map(|value| binding::word(kind, value)).transpose();
        Ok(Self {
            image_sizes: image_sizes(&tlvs, count, header.img_len)?,
            hash_table: HashTable::parse(tlvs.require(TlvKind::HASH_TABLE)?)?,
            target: tlvs.get(TlvKind::TARGET)?.map(Target::parse).transpose()?,
            security_counter: word(TlvKind::SECURITY_COUNTER)?,
            boot_address: word(TlvKind::BOOT_ADDRESS)?,
            boot_secure: tlvs.get(TlvKind::BOOT_SECURE)?.map(binding::boot_secure).transpose()?,
            resource_table: tlvs.get(TlvKind::RESOURCE_TABLE)?.map(BoundResourceTable::parse).transpose()?,
            elf_metadata_digests: elf_metadata_digests(&tlvs, count)?,
            header,
            layout,
            tlvs,
            algorithm,
        })
    }

    /// The header of the container.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the parts are in the file.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The algorithm that the signature was verified with.
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The images in file order, 1 to 255.
    pub fn images(&self) -> impl ExactSizeIterator<Item = Image> + use<'a> {
        let mut next = self.layout.images.start;
        self.image_sizes.iter().enumerate().map(move |(index, size)| {
            let size = u32::from_le_bytes(*size);
            let offset = next;
            // The sizes were found to add up to the image area, so this does not saturate.
            next = next.saturating_add(size.into());
            Image { index, kind: ImageKind::Elf, offset, size }
        })
    }

    /// The program headers of all images with the digests of their segments.
    pub fn hash_table(&self) -> HashTable<'a> {
        self.hash_table
    }

    /// The processor and SoC that the image is for, if it is bound to one.
    pub fn target(&self) -> Option<Target<'a>> {
        self.target
    }

    /// The image's version for protection against rollback, if it has one.
    pub fn security_counter(&self) -> Option<u32> {
        self.security_counter
    }

    /// The device address of the vector table to boot from, if the image says.
    pub fn boot_address(&self) -> Option<u32> {
        self.boot_address
    }

    /// Whether to boot in the secure state of the processor, if the image says.
    pub fn boot_secure(&self) -> Option<bool> {
        self.boot_secure
    }

    /// The resource table, if the image says where it is or that there is none. `None` means that it does not say, as
    /// images of OP-TEE's script do not.
    pub fn resource_table(&self) -> Option<BoundResourceTable> {
        self.resource_table
    }

    /// SHA-256 of the ELF metadata of image `image` (from 0), if the container binds it.
    pub fn elf_metadata_digest(&self, image: usize) -> Option<&'a [u8; 32]> {
        self.elf_metadata_digests?.get(image)
    }

    /// The TLVs of the platform's range, ours among them.
    pub fn platform_tlvs(&self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        self.tlvs.iter().filter(|tlv| tlv.kind.is_platform())
    }

    /// All TLVs.
    pub fn tlvs(&self) -> &Tlvs<'a> {
        &self.tlvs
    }
}

/// NUM_IMG, with as many known types in IMGTYPE.
fn image_count(tlvs: &Tlvs<'_>) -> Result<usize, Error> {
    let [count] = *tlvs.require_array(TlvKind::NUM_IMG)?;
    if count == 0 {
        return Err(Error::NoImages);
    }
    let count = usize::from(count);
    let kind = TlvKind::IMG_TYPE;
    let types = tlvs.require(kind)?;
    if types.len() != count {
        return Err(Error::TlvLength { kind, expected: count, found: types.len() });
    }
    for (index, found) in types.iter().copied().enumerate() {
        match found {
            1 => {}
            2 => return Err(Error::Encrypted { kind }),
            found => return Err(Error::ImageType { index, found }),
        }
    }
    Ok(count)
}

/// IMGSIZE, which must add up to the image area.
fn image_sizes<'a>(tlvs: &Tlvs<'a>, count: usize, img_len: u32) -> Result<&'a [[u8; 4]], Error> {
    let kind = TlvKind::IMG_SIZE;
    let value = tlvs.require(kind)?;
    let (sizes, rest) = value.as_chunks::<4>();
    if sizes.len() != count || !rest.is_empty() {
        return Err(Error::TlvLength { kind, expected: count * 4, found: value.len() });
    }
    let mut sum = 0u64;
    for (index, size) in sizes.iter().enumerate() {
        let found = u32::from_le_bytes(*size);
        if found == 0 || !found.is_multiple_of(8) {
            return Err(Error::ImageSize { index, found });
        }
        sum += u64::from(found);
    }
    if sum != u64::from(img_len) {
        return Err(Error::ImagesLength { expected: img_len.into(), found: sum });
    }
    Ok(sizes)
}

/// ELF_METADATA_DIGEST, one for each image.
fn elf_metadata_digests<'a>(tlvs: &Tlvs<'a>, count: usize) -> Result<Option<&'a [[u8; 32]]>, Error> {
    let kind = TlvKind::ELF_METADATA_DIGEST;
    let Some(value) = tlvs.get(kind)? else { return Ok(None) };
    let (digests, rest) = value.as_chunks::<32>();
    if digests.len() != count || !rest.is_empty() {
        return Err(Error::TlvLength { kind, expected: count * 32, found: value.len() });
    }
    Ok(Some(digests))
}
