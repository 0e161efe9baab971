//! A signed image as the tests need it: the bytes to load, and what they must leave in memory.

use std::path::Path;

use anyhow::{Context as _, Result};
use rproc_elf::segment::FLAG_WRITE;
use rproc_elf::{ElfFile, ProgramHeader};
use rproc_image::{Header, TlvKind, Tlvs};

use crate::memory;
use crate::service::{ensure_same, ensure_zero};

/// A segment that is loaded.
pub struct Segment {
    /// Where, which here is its physical address too.
    pub address: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Bytes that it takes in memory; those behind `bytes` are zero.
    pub memory_size: u64,
    /// Offset of its first byte in the image.
    pub offset: usize,
    /// Whether the firmware may change it.
    pub writable: bool,
}

/// A signed image.
pub struct Firmware {
    /// The container.
    pub image: Vec<u8>,
    /// What it loads.
    pub segments: Vec<Segment>,
}

impl Firmware {
    /// Reads an image.
    pub fn read(path: &Path) -> Result<Self> {
        let image = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(image).with_context(|| format!("{} is no signed image", path.display()))
    }

    /// Takes an image apart without judging it: that is the service's work.
    pub fn parse(image: Vec<u8>) -> Result<Self> {
        let header = Header::of_file(&image)?;
        let layout = header.layout(image.len() as u64)?;
        let cut = |start: u64, end: u64| -> Result<&[u8]> {
            let range = usize::try_from(start)?..usize::try_from(end)?;
            image.get(range).context("a part outside the file")
        };
        let tlvs = Tlvs::parse(cut(layout.tlvs.start, layout.signature.start)?, header.tlv_len)?;
        let mut segments = Vec::new();
        let mut start = layout.images.start;
        for size in tlvs.require(TlvKind::IMG_SIZE)?.as_chunks::<4>().0 {
            let end = start + u64::from(u32::from_le_bytes(*size));
            let elf = ElfFile::parse(cut(start, end)?)?;
            for header in elf.segments().filter(ProgramHeader::is_load) {
                segments.push(Segment {
                    address: header.physical_address,
                    bytes: elf.segment_bytes(&header)?.to_vec(),
                    memory_size: header.memory_size,
                    offset: usize::try_from(start + header.offset)?,
                    writable: header.flags & FLAG_WRITE != 0,
                });
            }
            start = end;
        }
        Ok(Self { image, segments })
    }

    /// The same image with a byte of its last segment changed after signing.
    pub fn damaged(&self) -> Result<Vec<u8>> {
        let mut image = self.image.clone();
        let segment =
            self.segments.iter().rfind(|segment| !segment.bytes.is_empty()).context("no segment")?;
        *image.get_mut(segment.offset).context("no segment")? ^= 1;
        Ok(image)
    }

    /// The memory must hold what the image says, byte for byte.
    pub fn ensure_in_memory(&self) -> Result<usize> {
        let mut checked = 0;
        for segment in &self.segments {
            let size = usize::try_from(segment.memory_size)?;
            let found = memory::read(segment.address, size)?;
            let (bytes, zeros) = found.split_at_checked(segment.bytes.len()).context("a short segment")?;
            ensure_same(bytes, &segment.bytes, segment.address)?;
            ensure_zero(zeros, segment.address + bytes.len() as u64)?;
            checked += size;
        }
        Ok(checked)
    }

    /// The memory must hold nothing where the image would be.
    pub fn ensure_wiped(&self) -> Result<usize> {
        let mut checked = 0;
        for segment in &self.segments {
            let size = usize::try_from(segment.memory_size)?;
            ensure_zero(&memory::read(segment.address, size)?, segment.address)?;
            checked += size;
        }
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_elf::testing::{ElfBuilder, Segment as Part};

    /// A container by hand, unsigned: one image and the only TLV that is read here.
    fn container(elf: &[u8]) -> Vec<u8> {
        let padded = elf.len().next_multiple_of(8);
        let mut image = Header { tlv_len: 16, sign_len: 8, img_len: padded as u32 }.to_bytes().to_vec();
        image.extend(TlvKind::IMG_SIZE.0.to_le_bytes());
        image.extend(4u32.to_le_bytes());
        image.extend((padded as u32).to_le_bytes());
        // Padding of the TLVs, and a signature that nobody checks here.
        image.extend([0; 4 + 8]);
        image.extend(elf);
        image.resize(20 + 16 + 8 + padded, 0);
        image
    }

    #[test]
    fn segments_are_found_where_they_lie_in_the_container() {
        let elf = ElfBuilder::elf32()
            .vectors(0x8010_0000, &[1; 16])
            .segment(Part::load(0x80a0_0000, &[2; 10]).memory_size(64))
            .build();
        let firmware = Firmware::parse(container(&elf)).unwrap();
        let [code, data] = &firmware.segments[..] else { panic!() };
        assert_eq!((code.address, &code.bytes[..]), (0x8010_0000, &[1; 16][..]));
        assert_eq!((data.address, data.memory_size), (0x80a0_0000, 64));
        assert_eq!(&firmware.image[data.offset..data.offset + 10], &[2; 10]);
        let damaged = firmware.damaged().unwrap();
        assert_eq!(damaged.iter().zip(&firmware.image).filter(|(a, b)| a != b).count(), 1);
        assert_eq!(damaged[data.offset], 3);
        assert!(Firmware::parse(elf).is_err());
    }
}
