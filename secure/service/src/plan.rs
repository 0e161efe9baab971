//! What will be loaded: the loadable entries of the signed table, proved to be sound before the first byte moves.

use alloc::vec::Vec;

use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::{Placement, Refusal};
use rproc_image::Image;

use crate::elf_metadata::ElfHead;
use crate::platform::{Platform, PlatformClient};
use crate::room;

/// One segment to load, from the signed table alone.
#[derive(Clone, Copy)]
pub(crate) struct PlannedSegment {
    /// Which ELF image, from 0.
    pub(crate) image: u32,
    /// Which program header, from 0.
    pub(crate) index: u32,
    /// Offset of its bytes in the container.
    pub(crate) offset: u64,
    /// Device address.
    pub(crate) address: u64,
    /// The Cortex-A's address of the same byte.
    physical: u64,
    /// Bytes in the container.
    pub(crate) file_size: u64,
    /// Bytes in memory.
    pub(crate) memory_size: u64,
    /// SHA-256 of the bytes in the container.
    pub(crate) digest: [u8; 32],
}

impl PlannedSegment {
    pub(crate) fn place(&self) -> Place {
        Place::Segment { image: self.image, index: self.index }
    }

    /// The segment as the platform is told to place it.
    pub(crate) fn placement(&self) -> Placement {
        Placement {
            image: self.image,
            index: self.index,
            offset: self.offset,
            address: self.address,
            file_size: self.file_size,
            memory_size: self.memory_size,
            digest: self.digest,
        }
    }

    fn memory(&self) -> Fact {
        Fact::Range { start: self.address, size: self.memory_size }
    }

    /// Is this device range inside the bytes that come from the container?
    pub(crate) fn holds(&self, address: u64, size: u64) -> bool {
        address
            .checked_sub(self.address)
            .and_then(|offset| offset.checked_add(size))
            .is_some_and(|end| end <= self.file_size)
    }
}

/// Every loadable segment of a container, in the table's order.
pub(crate) struct LoadPlan {
    segments: Vec<PlannedSegment>,
}

impl LoadPlan {
    /// Makes the plan: each loadable entry once, each inside its file, apart from the others, inside the processor's
    /// regions.
    pub(crate) fn make<P: PlatformClient>(
        heads: &[(Image, ElfHead<'_>)],
        platform: &mut Platform<'_, P>,
    ) -> Result<Self, Refusal> {
        let mut segments = Vec::new();
        for (image, head) in heads {
            for (index, entry) in (0u32..).zip(head.entries()) {
                let header = &entry.header;
                let image_index = image.index as u32;
                let place = Place::Segment { image: image_index, index };
                if !header.is_load() {
                    continue;
                }
                header.validate(rproc_elf::Class::Elf32).map_err(|error| Refusal::from(error).at(place))?;
                if header.memory_size == 0 {
                    continue;
                }
                let file = header.file_range().map_err(|error| Refusal::from(error).at(place))?;
                if file.end > u64::from(image.size) {
                    return Err(Refusal::new(Reason::SegmentOutsideFile)
                        .expected(Fact::Range { start: 0, size: u64::from(image.size) })
                        .found(Fact::Range { start: file.start, size: header.file_size })
                        .at(place));
                }
                room::push(
                    &mut segments,
                    PlannedSegment {
                        image: image_index,
                        index,
                        offset: image.offset + file.start,
                        address: header.physical_address,
                        physical: 0,
                        file_size: header.file_size,
                        memory_size: header.memory_size,
                        digest: *entry.digest,
                    },
                )?;
            }
        }
        if segments.is_empty() {
            return Err(Refusal::new(Reason::NoLoadableSegment));
        }
        apart(&segments, |segment| segment.address)?;
        for segment in &mut segments {
            let physical = platform.translate(segment.address, segment.memory_size);
            segment.physical = physical.map_err(|refusal| match refusal.reason {
                Reason::AddressOutsideRegions => {
                    Refusal { reason: Reason::SegmentOutsideRegions, found: segment.memory(), ..refusal }
                        .at(segment.place())
                }
                _ => refusal,
            })?;
        }
        // The processor may see the same memory at two addresses.
        apart(&segments, |segment| segment.physical)?;
        Ok(Self { segments })
    }

    pub(crate) fn segments(&self) -> &[PlannedSegment] {
        &self.segments
    }
}

/// Refuses two segments with a byte in common, where `start` tells their first.
fn apart(segments: &[PlannedSegment], start: impl Fn(&PlannedSegment) -> u64) -> Result<(), Refusal> {
    let mut sorted = room::collect(segments.iter())?;
    sorted.sort_unstable_by_key(|segment| (start(segment), segment.index));
    for pair in sorted.windows(2) {
        let [a, b] = pair else { continue };
        // The end of a device range was validated to be an address, and a platform's physical one is at worst a lie.
        if start(a).saturating_add(a.memory_size) <= start(b) {
            continue;
        }
        let same = a.address == b.address
            && a.memory_size == b.memory_size
            && a.file_size == b.file_size
            && a.digest == b.digest;
        let reason = if same { Reason::SegmentTwice } else { Reason::SegmentOverlap };
        return Err(Refusal::new(reason).expected(a.memory()).found(b.memory()).at(b.place()));
    }
    Ok(())
}
