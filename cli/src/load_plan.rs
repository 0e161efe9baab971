//! What a loader would put into memory, checked as far as ELF files alone allow.

use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::{ProcessorId, Refusal};
use rproc_elf::{Class, ProgramHeader, ResourceTable};
use rproc_image::TlvKind;

/// What VTOR of a Cortex-M33 and M0+ needs: its bits 6 to 0 are zero (Armv8-M Architecture Reference Manual).
const VECTOR_TABLE_ALIGNMENT: u32 = 128;

/// One segment to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadSegment {
    /// Which ELF image, from 0.
    pub image: u32,
    /// Which program header, from 0.
    pub index: u32,
    /// Offset of its bytes in the ELF file.
    pub offset: u64,
    /// Device address.
    pub address: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory.
    pub memory_size: u64,
}

impl LoadSegment {
    /// Where it is, for refusals.
    pub fn place(&self) -> Place {
        Place::Segment { image: self.image, index: self.index }
    }

    /// The offset in the ELF file of what is loaded to `address`, if all `size` bytes come from the file.
    pub fn file_offset_of(&self, address: u64, size: u64) -> Option<u64> {
        let inside = address.checked_sub(self.address)?;
        (inside.checked_add(size)? <= self.file_size).then(|| self.offset.saturating_add(inside))
    }

    fn memory(&self) -> Fact {
        Fact::Range { start: self.address, size: self.memory_size }
    }
}

/// The segments of all images, at least one, none overlapping another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadPlan {
    segments: Vec<LoadSegment>,
}

impl LoadPlan {
    /// Collects the PT_LOAD segments of images, each given as its size in bytes and its program headers.
    ///
    /// # Errors
    /// [`Reason::SegmentSize`], [`Reason::SegmentOutsideFile`], [`Reason::NoLoadableSegment`],
    /// [`Reason::SegmentTwice`], [`Reason::SegmentOverlap`].
    pub fn of<H: IntoIterator<Item = ProgramHeader>>(
        images: impl IntoIterator<Item = (u64, H)>,
    ) -> Result<Self, Refusal> {
        let mut segments = Vec::new();
        for (image, (size, headers)) in (0u32..).zip(images) {
            for (index, header) in (0u32..).zip(headers) {
                if let Some(segment) = load_segment(image, index, size, &header)? {
                    segments.push(segment);
                }
            }
        }
        if segments.is_empty() {
            return Err(Refusal::new(Reason::NoLoadableSegment));
        }
        check_apart(&segments)?;
        Ok(Self { segments })
    }

    /// The segments in file order.
    pub fn segments(&self) -> &[LoadSegment] {
        &self.segments
    }

    /// The segment whose file bytes hold all of a range of device addresses.
    pub fn holding(&self, address: u64, size: u64) -> Option<&LoadSegment> {
        self.segments.iter().find(|segment| segment.file_offset_of(address, size).is_some())
    }

    /// Checks that a vector table can be where the image says it is: stack pointer and reset vector come from the file,
    /// and the processor can be told the address.
    ///
    /// # Errors
    /// [`Reason::BootAddressOutside`], [`Reason::BootAddressAlignment`].
    pub fn check_boot_address(&self, address: u32, processor: Option<ProcessorId>) -> Result<(), Refusal> {
        let at = Place::Tlv { kind: TlvKind::BOOT_ADDRESS.0 };
        let found = Fact::Address(address.into());
        if self.holding(address.into(), 8).is_none() {
            return Err(Refusal::new(Reason::BootAddressOutside)
                .expected("inside one loaded segment")
                .found(found)
                .at(at));
        }
        if needs_boot_address(processor) && !address.is_multiple_of(VECTOR_TABLE_ALIGNMENT) {
            return Err(Refusal::new(Reason::BootAddressAlignment)
                .expected("a multiple of 128")
                .found(found)
                .at(at));
        }
        Ok(())
    }
}

/// Whether this processor starts from an address that the image must tell. The M4 of an STM32MP15 starts at 0.
pub fn needs_boot_address(processor: Option<ProcessorId>) -> bool {
    processor == Some(ProcessorId::CORTEX_M33)
}

/// Checks a resource table as a whole: header, offsets and every entry.
///
/// # Errors
/// [`Reason::BadResourceTable`], and the sentence that tells more.
pub fn check_resource_table(bytes: &[u8]) -> Result<(), rproc_elf::resource_table::Error> {
    ResourceTable::parse(bytes)?.entries().try_for_each(|entry| entry.map(|_| ()))
}

fn load_segment(
    image: u32,
    index: u32,
    image_size: u64,
    header: &ProgramHeader,
) -> Result<Option<LoadSegment>, Refusal> {
    // A segment without memory is nothing to load.
    if !header.is_load() || header.memory_size == 0 {
        return Ok(None);
    }
    let place = Place::Segment { image, index };
    let refuse = |error| Refusal::from(error).at(place);
    header.validate(Class::Elf32).map_err(refuse)?;
    let file = header.file_range().map_err(refuse)?;
    if file.end > image_size {
        return Err(Refusal::new(Reason::SegmentOutsideFile)
            .expected(Fact::Range { start: 0, size: image_size })
            .found(Fact::Range { start: file.start, size: header.file_size })
            .at(place));
    }
    Ok(Some(LoadSegment {
        image,
        index,
        offset: header.offset,
        address: header.physical_address,
        file_size: header.file_size,
        memory_size: header.memory_size,
    }))
}

fn check_apart(segments: &[LoadSegment]) -> Result<(), Refusal> {
    let mut sorted: Vec<&LoadSegment> = segments.iter().collect();
    sorted.sort_unstable_by_key(|segment| (segment.address, segment.image, segment.index));
    for pair in sorted.windows(2) {
        let [first, second] = pair else { continue };
        // Validated: the end is an address.
        if first.address.saturating_add(first.memory_size) <= second.address {
            continue;
        }
        let same = LoadSegment { index: first.index, ..**second } == **first;
        let reason = if same { Reason::SegmentTwice } else { Reason::SegmentOverlap };
        return Err(Refusal::new(reason).expected(first.memory()).found(second.memory()).at(second.place()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rproc_elf::segment::LOAD;

    fn header(address: u64, file_size: u64, memory_size: u64) -> ProgramHeader {
        ProgramHeader {
            kind: LOAD,
            flags: 5,
            offset: 0x100,
            virtual_address: 0,
            physical_address: address,
            file_size,
            memory_size,
            alignment: 4,
        }
    }

    fn reason(headers: &[ProgramHeader]) -> Reason {
        LoadPlan::of([(0x1000, headers.to_vec())]).unwrap_err().reason
    }

    #[test]
    fn segments_may_touch_but_not_overlap() {
        let plan = LoadPlan::of([
            (0x1000, vec![header(0x1000, 16, 32), header(0x1020, 16, 16)]),
            (0x1000, vec![header(0x800, 0, 0x800)]),
        ])
        .unwrap();
        assert_eq!(plan.segments().len(), 3);
        assert_eq!(reason(&[header(0x1000, 16, 33), header(0x1020, 16, 16)]), Reason::SegmentOverlap);
        assert_eq!(reason(&[header(0x1000, 16, 32), header(0x1000, 16, 32)]), Reason::SegmentTwice);
        let refusal = LoadPlan::of([(0x1000, [header(0x1000, 16, 16)]), (0x1000, [header(0x1008, 16, 16)])])
            .unwrap_err();
        assert_eq!(refusal.place, Place::Segment { image: 1, index: 0 });
    }

    #[test]
    fn a_segment_must_be_in_its_file_and_have_possible_sizes() {
        assert_eq!(reason(&[header(0, 0xf01, 0xf01)]), Reason::SegmentOutsideFile);
        assert_eq!(reason(&[header(0, 17, 16)]), Reason::SegmentSize);
        assert_eq!(reason(&[header(0xffff_fff0, 16, 17)]), Reason::SegmentSize);
        assert_eq!(reason(&[header(0, 0, 0)]), Reason::NoLoadableSegment);
        assert_eq!(reason(&[ProgramHeader { kind: 4, ..header(0, 16, 16) }]), Reason::NoLoadableSegment);
        assert_eq!(reason(&[]), Reason::NoLoadableSegment);
    }

    #[test]
    fn a_boot_address_is_among_the_file_bytes() {
        let plan = LoadPlan::of([(0x1000, [header(0x8010_0000, 16, 32)])]).unwrap();
        let check = |address, processor| {
            plan.check_boot_address(address, processor).map_err(|refusal| refusal.reason)
        };
        let m33 = Some(ProcessorId::CORTEX_M33);
        assert_eq!(check(0x8010_0000, m33), Ok(()));
        assert_eq!(check(0x8010_0008, None), Ok(()));
        assert_eq!(check(0x8010_0008, m33), Err(Reason::BootAddressAlignment));
        assert_eq!(check(0x8010_0009, None), Err(Reason::BootAddressOutside), "the reset vector is cut");
        assert_eq!(check(0xffff_ffff, None), Err(Reason::BootAddressOutside));
        assert_eq!(
            plan.holding(0x8010_0004, 4).and_then(|segment| segment.file_offset_of(0x8010_0004, 4)),
            Some(0x104)
        );
    }
}
