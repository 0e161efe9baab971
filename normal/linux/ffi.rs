//! What the kernel crate lacks, made safe: nodes by their path, memory that is mapped; below it the TEE, remoteproc and mailboxes.
// SPDX-License-Identifier: GPL-2.0

use core::ptr::{self, NonNull};

use kernel::device::property::FwNode;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::aref::ARef;

mod bus;
mod c;
mod mailbox;
mod remoteproc;
mod tee;

pub(crate) use bus::{child_data, BusDevice, BusDriver, Child, Service, CHILD};
pub(crate) use remoteproc::{Lifecycle, Registered, Remoteproc};
pub(crate) use tee::{Shared, TeeSession};

/// The node at a path of the device tree.
pub(crate) fn node(path: &CStr) -> Option<ARef<FwNode>> {
    // SAFETY: the path is a C string; without a second pointer it is only searched for.
    let node = unsafe { c::of_find_node_opts_by_path(path.as_char_ptr(), ptr::null_mut()) };
    // SAFETY: a node that was found embeds its handle; for null only an address is computed, and not used.
    let handle = unsafe { &raw mut (*NonNull::new(node)?.as_ptr()).fwnode };
    // SAFETY: `FwNode` is a transparent wrapper of `fwnode_handle`, whose reference count is the node's, raised by the search.
    Some(unsafe { ARef::from_raw(NonNull::new_unchecked(handle.cast())) })
}

/// A processor's name: that of its node without the unit address, and without `_rproc` where that is its end.
pub(crate) fn node_name(node: &FwNode) -> Result<CString> {
    let name = stem(&CString::try_from_fmt(fmt!("{}", node.display_name()))?)?;
    match name.to_str().ok().and_then(|name| name.strip_suffix("_rproc")) {
        Some(core) => CString::try_from_fmt(fmt!("{}", core)),
        None => Ok(name),
    }
}

/// What stands before the unit address.
fn stem(name: &CStr) -> Result<CString> {
    let name = name.to_str().map_err(|_| EINVAL)?;
    CString::try_from_fmt(fmt!("{}", name.split('@').next().unwrap_or(name)))
}

/// Reserved memory, mapped uncached so that ordinary copies work on it.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: a mapping belongs to no thread.
unsafe impl Send for Mapping {}
// SAFETY: what is behind it is only ever copied, since the processor writes to it too.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps memory at a physical address; refused where it is Linux's own.
    pub(crate) fn new(address: u64, size: usize) -> Result<Self> {
        // SAFETY: the function checks the range against Linux's memory.
        let start = unsafe { c::memremap(address, size, c::MEMREMAP_WC as usize) };
        Ok(Self { start: NonNull::new(start.cast()).ok_or(ENXIO)?, size })
    }

    /// A copy of all of it.
    pub(crate) fn copy(&self) -> Result<KVec<u8>> {
        let mut bytes = KVec::from_elem(0u8, self.size, GFP_KERNEL)?;
        // SAFETY: both have `size` bytes and do not overlap.
        unsafe { ptr::copy_nonoverlapping(self.start.as_ptr(), bytes.as_mut_ptr(), self.size) };
        Ok(bytes)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, unmapped only here.
        unsafe { c::memunmap(self.start.as_ptr().cast()) };
    }
}
