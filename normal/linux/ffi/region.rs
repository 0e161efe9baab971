//! The reserved memory that a processor's node names.
// SPDX-License-Identifier: GPL-2.0

use kernel::bindings;
use kernel::device::{Core, Device};
use kernel::prelude::*;
use kernel::str::CString;

use super::{c, node_of, references, stem, unusable};

/// One of a node's `memory-region`.
pub(crate) struct Region {
    /// Its node's name without the unit address.
    pub(crate) name: CString,
    /// Its physical address.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) size: usize,
    /// Its place in the list.
    pub(super) index: u32,
}

impl Region {
    /// All of the device's node, in its order.
    pub(crate) fn all(device: &Device<Core<'_>>) -> Result<KVec<Self>> {
        let mut regions = KVec::new();
        for index in 0..references(device, c"memory-region", None)? {
            let mut region = bindings::resource::default();
            // SAFETY: the node is the device's own.
            let found = unsafe { c::of_reserved_mem_region_to_resource(node_of(device), index, &mut region) };
            if found != 0 {
                return Err(unusable(
                    device,
                    EINVAL,
                    "memory-region",
                    fmt!("entry {} is no reserved memory", index),
                ));
            }
            // SAFETY: a reserved region has its node's name.
            let name = stem(unsafe { CStr::from_char_ptr(region.name) })?;
            let size = usize::try_from(region.end - region.start + 1)?;
            regions.push(Self { name, start: region.start, size, index }, GFP_KERNEL)?;
        }
        Ok(regions)
    }
}
