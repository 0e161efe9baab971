//! What the kernel crate lacks, made safe: nodes by their path, memory that is mapped; below it the TEE, remoteproc, mailboxes and watchdogs.
// SPDX-License-Identifier: GPL-2.0

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use kernel::bindings;
use kernel::device::property::FwNode;
use kernel::device::Device;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::aref::ARef;

mod bus;
mod c;
mod interrupt;
mod later;
mod mailbox;
mod region;
mod remoteproc;
mod request;
mod sleep;
mod supply;
mod tee;

pub(crate) use bus::{child_data, BusDevice, BusDriver, Child, Service, CHILD};
pub(crate) use region::Region;
pub(crate) use remoteproc::{Lifecycle, Registered, Remoteproc};
pub(crate) use sleep::{Sleeping, Sleeps};
pub(crate) use supply::{Clock, PowerDomain};
pub(crate) use tee::{Shared, TeeContext, TeeSession};

/// The node at a path of the device tree.
pub(crate) fn node(path: &CStr) -> Option<ARef<FwNode>> {
    // SAFETY: the path is a C string; without a second pointer it is only searched for.
    let node = unsafe { c::of_find_node_opts_by_path(path.as_char_ptr(), ptr::null_mut()) };
    // SAFETY: a node that was found embeds its handle; for null only an address is computed, and not used.
    let handle = unsafe { &raw mut (*NonNull::new(node)?.as_ptr()).fwnode };
    // SAFETY: `FwNode` is a transparent wrapper of `fwnode_handle`, whose reference count is the node's, raised by the search.
    Some(unsafe { ARef::from_raw(NonNull::new_unchecked(handle.cast())) })
}

/// The node that another one is in.
pub(crate) fn parent(node: &FwNode) -> Option<ARef<FwNode>> {
    // SAFETY: the node is valid.
    let parent = unsafe { bindings::fwnode_get_parent(ptr::from_ref(node).cast()) };
    // SAFETY: a transparent wrapper; the call has raised the count.
    NonNull::new(parent).map(|parent| unsafe { ARef::from_raw(parent.cast()) })
}

/// The node of a device, or null.
fn node_of<C: kernel::device::DeviceContext>(device: &Device<C>) -> *mut bindings::device_node {
    // SAFETY: `Device` is a transparent wrapper of `struct device`, whose node does not change.
    unsafe { (*ptr::from_ref(device).cast::<bindings::device>()).of_node }
}

/// From now on the driver core unbinds `device` before its `supplier` goes, and binds it again when that has come back.
///
/// # Safety
///
/// The supplier must be a registered device, there for the time of the call.
unsafe fn depend(device: &Device, supplier: *mut bindings::device) -> Result {
    /// `DL_FLAG_AUTOPROBE_CONSUMER` (include/linux/device.h), which bindgen does not see.
    const AUTOPROBE_CONSUMER: u32 = 1 << 5;
    // SAFETY: both are registered devices, this one as it is being bound. The link goes with the devices.
    let link =
        unsafe { c::device_link_add(ptr::from_ref(device).cast_mut().cast(), supplier, AUTOPROBE_CONSUMER) };
    if link.is_null() {
        Err(EINVAL)
    } else {
        Ok(())
    }
}

/// How many entries a list of references in a device's node has; 0 where it is not there.
fn references(device: &Device, list: &CStr, cells: Option<&CStr>) -> Result<u32> {
    let cells = cells.map_or(ptr::null(), |cells| cells.as_char_ptr());
    // SAFETY: a node or null, and C strings.
    let count = unsafe { c::of_count_phandle_with_args(node_of(device), list.as_char_ptr(), cells) };
    match u32::try_from(count) {
        Ok(count) => Ok(count),
        Err(_) if Error::from_errno(count) == ENOENT => Ok(0),
        Err(_) => Err(unusable(
            device,
            Error::from_errno(count),
            list,
            fmt!("an entry refers to nothing or is cut short"),
        )),
    }
}

/// Says in the log that a property of a device's node is of no use, and gives the error back. What the device only waits for
/// is not said there but in debugfs, `devices_deferred`.
pub(crate) fn unusable(
    device: &Device,
    error: Error,
    property: impl kernel::fmt::Display,
    why: kernel::fmt::Arguments<'_>,
) -> Error {
    if let Some(node) = device.fwnode() {
        fail(device, error, fmt!("{}: {}: {}\n", node.display_name(), property, why));
    }
    error
}

fn fail(device: &Device, error: Error, text: kernel::fmt::Arguments<'_>) {
    let raw: *const bindings::device = ptr::from_ref(device).cast();
    // SAFETY: the device is valid, and `%pA` is what the kernel prints `Arguments` with.
    unsafe {
        c::dev_err_probe(raw, error.to_errno(), c"%pA".as_char_ptr(), ptr::from_ref(&text).cast::<c_void>())
    };
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
