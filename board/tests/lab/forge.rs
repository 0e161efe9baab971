//! A signer that signs whatever it is told to: every TLV by hand, with none of the builder's checks.

use std::ops::Range;

use rproc_elf::ElfFile;
use rproc_image::{BoundResourceTable, Signer, Target, TlvKind};
use rproc_keys::PrivateKey;
use sha2::{Digest, Sha256};

use super::{M33, elf, key};

/// An image in the making.
pub struct Forge {
    images: Vec<Vec<u8>>,
    tlvs: Vec<(TlvKind, Vec<u8>)>,
    key: PrivateKey,
}

impl Forge {
    /// What OP-TEE's script makes of these ELF files, with ST's boot address.
    pub fn plain(images: &[&[u8]]) -> Self {
        let images: Vec<Vec<u8>> = images.iter().map(|image| image.to_vec()).collect();
        let sizes = images.iter().flat_map(|image| (padded(image.len()) as u32).to_le_bytes()).collect();
        let table = images.iter().flat_map(|image| hash_table(image)).collect();
        Self { images: images.clone(), tlvs: Vec::new(), key: key() }
            .set(TlvKind::SIGN_TYPE, &[2])
            .set(TlvKind::NUM_IMG, &[images.len() as u8])
            .set(TlvKind::IMG_TYPE, &vec![1; images.len()])
            .set_vec(TlvKind::IMG_SIZE, sizes)
            .set(TlvKind::HASH_TYPE, &[1])
            .set_vec(TlvKind::HASH_TABLE, table)
            .set(TlvKind::BOOT_ADDRESS, &(elf::CODE as u32).to_le_bytes())
    }

    /// With everything bound that can be: what `rproc sign` makes.
    pub fn bound(images: &[&[u8]]) -> Self {
        let digests = images.iter().flat_map(|image| metadata_digest(image)).collect();
        let table =
            BoundResourceTable::At { address: elf::TABLE as u32, size: elf::table().len() as u32 }.to_bytes();
        Self::plain(images)
            .target(M33.0, "stm32mp257")
            .set(TlvKind::SECURITY_COUNTER, &1u32.to_le_bytes())
            .set(TlvKind::RESOURCE_TABLE, &table)
            .set_vec(TlvKind::ELF_METADATA_DIGEST, digests)
            .set(TlvKind::KEY_FINGERPRINT, &key().public_key().fingerprint())
    }

    /// As [`Forge::bound`], for an ELF file that has no resource table.
    pub fn bound_without_table(image: &[u8]) -> Self {
        Self::bound(&[image]).set(TlvKind::RESOURCE_TABLE, &BoundResourceTable::Absent.to_bytes())
    }

    /// Sets a TLV, or replaces it where it stands.
    pub fn set(self, kind: TlvKind, value: &[u8]) -> Self {
        self.set_vec(kind, value.to_vec())
    }

    fn set_vec(mut self, kind: TlvKind, value: Vec<u8>) -> Self {
        match self.tlvs.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, old)) => *old = value,
            None => self.tlvs.push((kind, value)),
        }
        self
    }

    /// Adds a TLV, whether or not it is there already.
    pub fn again(mut self, kind: TlvKind, value: &[u8]) -> Self {
        self.tlvs.push((kind, value.to_vec()));
        self
    }

    pub fn without(mut self, kind: TlvKind) -> Self {
        self.tlvs.retain(|(known, _)| *known != kind);
        self
    }

    pub fn target(self, processor: u32, soc: &str) -> Self {
        assert!(Target::new(processor, soc).is_ok());
        self.set_vec(TlvKind::TARGET, [&processor.to_le_bytes()[..], soc.as_bytes()].concat())
    }

    /// Changes the signed table of segments.
    pub fn edit_table(mut self, edit: impl FnOnce(&mut Vec<u8>)) -> Self {
        let table = self.tlvs.iter_mut().find(|(kind, _)| *kind == TlvKind::HASH_TABLE).unwrap();
        edit(&mut table.1);
        self
    }

    /// Signs with another key.
    pub fn key(mut self, key: PrivateKey) -> Self {
        self.key = key;
        self
    }

    pub fn sign(mut self) -> Vec<u8> {
        let signed = self.signed(self.key.signature_len());
        let signature = self.key.sign_digest(&Sha256::digest(&signed).into()).unwrap();
        self.assemble(signed, &signature)
    }

    /// With these bytes as signature.
    pub fn sign_with(self, signature: &[u8]) -> Vec<u8> {
        let signed = self.signed(signature.len() as u32);
        self.assemble(signed, signature)
    }

    fn signed(&self, signature_len: u32) -> Vec<u8> {
        let mut area = Vec::new();
        for (kind, value) in &self.tlvs {
            area.extend(kind.0.to_le_bytes());
            area.extend((value.len() as u32).to_le_bytes());
            area.extend(value);
            area.resize(padded(area.len()), 0);
        }
        let images: usize = self.images.iter().map(|image| padded(image.len())).sum();
        let header = [0x3543_a468, 1, area.len() as u32, signature_len, images as u32];
        header.iter().flat_map(|word| word.to_le_bytes()).chain(area).collect()
    }

    fn assemble(&self, signed: Vec<u8>, signature: &[u8]) -> Vec<u8> {
        let mut file = signed;
        for part in [signature].into_iter().chain(self.images.iter().map(Vec::as_slice)) {
            file.extend(part);
            file.resize(file.len() + padded(part.len()) - part.len(), 0);
        }
        file
    }
}

/// The good image that every attack begins with.
pub fn good() -> Vec<u8> {
    Forge::bound(&[&elf::sample()]).sign()
}

/// The same firmware as OP-TEE's script signs it.
pub fn plain() -> Vec<u8> {
    Forge::plain(&[&elf::sample()]).sign()
}

fn padded(len: usize) -> usize {
    len.next_multiple_of(8)
}

fn hash_table(image: &[u8]) -> Vec<u8> {
    let count = usize::from(elf::half(image, elf::header::PROGRAM_HEADER_COUNT));
    let entry = |index| {
        let at = elf::program_header(image, index);
        // A segment that is not in the file is signed as if it were empty.
        let bytes = image.get(elf::segment_bytes(image, index)).unwrap_or_default();
        [&image[at..at + 32], &Sha256::digest(bytes)[..]].concat()
    };
    (0..count).flat_map(entry).collect()
}

fn metadata_digest(image: &[u8]) -> [u8; 32] {
    match ElfFile::parse(image) {
        Ok(file) => Sha256::digest(file.metadata().concat()).into(),
        Err(_) => [0; 32],
    }
}

/// Where the parts of a finished image are.
pub struct Parts {
    pub header_and_tlvs: Range<usize>,
    pub signature: Range<usize>,
    pub images: Range<usize>,
}

pub fn parts(image: &[u8]) -> Parts {
    let tlvs = 20 + elf::word(image, 8) as usize;
    let signature = tlvs..tlvs + elf::word(image, 12) as usize;
    let images = tlvs + padded(signature.len())..image.len();
    Parts { header_and_tlvs: 0..tlvs, signature, images }
}

/// The image with its ELF file replaced by one of the same size.
pub fn with_elf(image: &[u8], elf: &[u8]) -> Vec<u8> {
    let images = parts(image).images;
    assert_eq!(images.len(), padded(elf.len()));
    let mut changed = image[..images.start].to_vec();
    changed.extend(elf);
    changed.resize(image.len(), 0);
    changed
}
