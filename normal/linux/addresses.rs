//! The processor's own addresses of memory, which the resource table and Linux's remoteproc core speak in.
// SPDX-License-Identifier: GPL-2.0

use kernel::device::property::FwNode;
use kernel::prelude::*;

use crate::ffi;

/// The property of the parent that has them; without it the processor sees physical addresses.
pub(crate) const DMA_RANGES: &CStr = c"dma-ranges";

/// Cells of an entry: the processor's address, the physical one, the size.
const CELLS: usize = 3;

/// How a processor sees memory.
pub(crate) struct Addresses(Option<KVec<u32>>);

impl Addresses {
    /// From the parent of the processor's node. The error is that of a property that is not made of whole entries.
    pub(crate) fn of(node: &FwNode) -> Result<Self> {
        let Some(parent) = ffi::parent(node).filter(|parent| parent.property_present(DMA_RANGES)) else {
            return Ok(Self(None));
        };
        let cells = parent.property_count_elem::<u32>(DMA_RANGES)?;
        if cells % CELLS != 0 {
            return Err(EINVAL);
        }
        let cells = parent.property_read_array_vec::<u32>(DMA_RANGES, cells)?;
        cells.optional().map(|cells| Self(Some(cells))).ok_or(EINVAL)
    }

    /// The processor's address of a physical one; `None` where it cannot see all of the `size` bytes.
    pub(crate) fn device(&self, physical: u64, size: usize) -> Option<u32> {
        let end = physical.checked_add(u64::try_from(size).ok()?)?;
        let Some(cells) = &self.0 else {
            return u32::try_from(physical).ok();
        };
        cells.chunks_exact(CELLS).find_map(|entry| {
            let &[device, start, size] = entry else { return None };
            let (start, size) = (u64::from(start), u64::from(size));
            let inside = start <= physical && end <= start + size;
            inside.then(|| device.checked_add(u32::try_from(physical - start).ok()?)).flatten()
        })
    }
}
