//! The memory that a processor's firmware may use, at the addresses of both sides.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};

/// What a region is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionKind {
    /// Code and data: closed to the normal world from before the first byte until the wipe.
    Firmware,
    /// Buffers between the two sides and the resource table: shared, except while a segment is loaded to it.
    Shared,
}

/// A range of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its name in the device tree.
    pub name: &'static str,
    /// Address as the coprocessor sees it.
    pub device: u64,
    /// Address as the Cortex-A sees it.
    pub physical: u64,
    /// Bytes.
    pub size: u64,
    /// What it is for.
    pub kind: RegionKind,
}

impl Region {
    /// The physical address of a device range that lies wholly inside.
    pub fn translate(&self, address: u64, size: u64) -> Option<u64> {
        let offset = address.checked_sub(self.device)?;
        let end = offset.checked_add(size)?;
        (end <= self.size).then(|| self.physical + offset)
    }
}

/// The region in which a device range wholly lies, and its physical address.
///
/// A range that crosses from one region into the next is refused even where both are the processor's: they may
/// be apart on the other side.
pub fn translate(regions: &[Region], address: u64, size: u64) -> Result<(&Region, u64), Refusal> {
    let found = regions.iter().find_map(|region| Some((region, region.translate(address, size)?)));
    found.ok_or_else(|| {
        let nearest = regions.iter().find(|region| region.translate(address, 1).is_some());
        let refusal = Refusal::new(Reason::AddressOutsideRegions).found(Fact::Range { start: address, size });
        match nearest {
            Some(region) => refusal.expected(Fact::Range { start: region.device, size: region.size }),
            None => refusal,
        }
    })
}

/// The regions without those that are another one, or a part of it, under a second address of the processor; `canonical`
/// does the same for second addresses of the Cortex-A.
pub(crate) fn distinct(regions: &[Region], canonical: impl Fn(u64) -> u64) -> impl Iterator<Item = &Region> {
    let range = move |region: &Region| {
        let start = canonical(region.physical);
        (start, start + region.size)
    };
    regions.iter().enumerate().filter_map(move |(index, region)| {
        let (start, end) = range(region);
        let again = regions.iter().take(index).map(&range).any(|(first, last)| first <= start && end <= last);
        (!again).then_some(region)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGIONS: [Region; 2] = [
        Region {
            name: "low",
            device: 0x1000,
            physical: 0x8000_1000,
            size: 0x1000,
            kind: RegionKind::Firmware,
        },
        Region {
            name: "high",
            device: 0x2000,
            physical: 0x9000_0000,
            size: 0x1000,
            kind: RegionKind::Firmware,
        },
    ];

    #[test]
    fn translates_to_the_last_byte_and_no_further() {
        assert_eq!(translate(&REGIONS, 0x1ffc, 4).map(|found| found.1), Ok(0x8000_1ffc));
        let refusal = translate(&REGIONS, 0x1ffc, 5).unwrap_err();
        assert_eq!(refusal.reason, Reason::AddressOutsideRegions);
        assert_eq!(refusal.expected, Fact::Range { start: 0x1000, size: 0x1000 });
        assert!(translate(&REGIONS, 0xfff, 1).is_err());
        assert!(translate(&REGIONS, u64::MAX, 2).is_err());
        assert!(translate(&REGIONS, 0x1000, u64::MAX).is_err());
    }
}
