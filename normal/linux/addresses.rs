//! The processor's own addresses of memory, which the resource table and Linux's remoteproc core speak in.
// SPDX-License-Identifier: GPL-2.0

use kernel::device::property::FwNode;
use kernel::prelude::*;

use crate::ffi;

/// The property of the parent that has them; without it the processor sees physical addresses.
pub(crate) const DMA_RANGES: &CStr = c"dma-ranges";

/// Memory that a processor sees.
struct Range {
    device: u64,
    physical: u64,
    size: u64,
}

/// How a processor sees memory.
pub(crate) struct Addresses(Option<KVec<Range>>);

impl Addresses {
    /// From the parent of the processor's node. The error is that of a property that is not made of whole entries.
    pub(crate) fn of(node: &FwNode) -> Result<Self> {
        let Some(bus) = ffi::parent(node).filter(|bus| bus.property_present(DMA_RANGES)) else {
            return Ok(Self(None));
        };
        // An entry: the processor's address, the physical one as the bus's own parent writes it, the size. The defaults are those of
        // the devicetree specification, 2.3.5.
        let above = ffi::parent(&bus).ok_or(EINVAL)?;
        let device = cells(&bus, c"#address-cells", 2)?;
        let physical = cells(&above, c"#address-cells", 2)?;
        let entry = device + physical + cells(&bus, c"#size-cells", 1)?;
        let count = bus.property_count_elem::<u32>(DMA_RANGES)?;
        if count % entry != 0 {
            return Err(EINVAL);
        }
        let all = bus.property_read_array_vec::<u32>(DMA_RANGES, count)?.optional().ok_or(EINVAL)?;
        let mut ranges = KVec::with_capacity(count / entry, GFP_KERNEL)?;
        for entry in all.chunks_exact(entry) {
            let (device, rest) = entry.split_at(device);
            let (physical, size) = rest.split_at(physical);
            let range = Range { device: number(device), physical: number(physical), size: number(size) };
            ranges.push(range, GFP_KERNEL)?;
        }
        Ok(Self(Some(ranges)))
    }

    /// The processor's address of a physical one; `None` where it cannot see all of the `size` bytes.
    pub(crate) fn device(&self, physical: u64, size: usize) -> Option<u32> {
        let size = u64::try_from(size).ok()?;
        let Some(ranges) = &self.0 else {
            return u32::try_from(physical).ok();
        };
        ranges.iter().find_map(|range| {
            let offset = physical.checked_sub(range.physical)?;
            (range.size.checked_sub(offset)? >= size).then_some(())?;
            u32::try_from(range.device.checked_add(offset)?).ok()
        })
    }
}

/// How many cells a number has below a node; one or two.
fn cells(node: &FwNode, property: &CStr, default: u32) -> Result<usize> {
    let count = node.property_read::<u32>(property).or(default);
    if (1..=2).contains(&count) {
        Ok(usize::try_from(count)?)
    } else {
        Err(EINVAL)
    }
}

/// A number of one cell or two, the upper one first.
fn number(cells: &[u32]) -> u64 {
    cells.iter().fold(0, |number, cell| number << 32 | u64::from(*cell))
}
