//! What the kernel crate lacks for interrupt lines that other devices' nodes name, made safe.
// SPDX-License-Identifier: GPL-2.0

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use kernel::bindings;
use kernel::device::{Core, Device};
use kernel::error::from_err_ptr;
use kernel::ffi::{c_int, c_uint, c_ulong};
use kernel::prelude::*;
use kernel::sync::Arc;

/// Hardware with interrupt lines, by numbers from 0 on; none of its functions may sleep.
pub(crate) trait Lines: Send + Sync + 'static {
    /// How many there are.
    const COUNT: usize;
    /// The line that the cells of a node's `interrupts` mean.
    fn find(cells: &[u32]) -> Option<usize>;
    /// A line has its first user: what came before is nobody's. Signals are to be given to [`Domain::raise`].
    fn start(&self, line: usize);
    /// It is wanted again.
    fn unmask(&self, line: usize);
    /// It has no user any more, or not for now.
    fn mask(&self, line: usize);
}

/// Lines that other drivers find by the node of the device.
pub(crate) struct Domain<T: Lines> {
    raw: NonNull<bindings::irq_domain>,
    hardware: Arc<T>,
}

// SAFETY: the kernel locks for itself.
unsafe impl<T: Lines> Send for Domain<T> {}
// SAFETY: as above.
unsafe impl<T: Lines> Sync for Domain<T> {}

impl<T: Lines> Domain<T> {
    const OPERATIONS: &'static bindings::irq_domain_ops = &{
        // SAFETY: all callbacks may be null.
        let mut operations: bindings::irq_domain_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        operations.map = Some(map::<T>);
        operations.xlate = Some(translate::<T>);
        operations
    };
    const CHIP: &'static bindings::irq_chip = &{
        // SAFETY: all callbacks may be null.
        let mut chip: bindings::irq_chip = unsafe { MaybeUninit::zeroed().assume_init() };
        chip.name = c"rproc".to_bytes_with_nul().as_ptr();
        chip.irq_startup = Some(startup::<T>);
        chip.irq_mask = Some(mask::<T>);
        chip.irq_unmask = Some(unmask::<T>);
        chip
    };

    /// Offers the lines of a device that is being bound; `None` where it has no node that anybody could name.
    pub(crate) fn offer(device: &Device<Core<'_>>, hardware: Arc<T>) -> Result<Option<Self>> {
        let Some(node) = device.fwnode() else { return Ok(None) };
        let information = bindings::irq_domain_info {
            fwnode: ptr::from_ref(node).cast_mut().cast(),
            size: T::COUNT as c_uint,
            hwirq_max: T::COUNT as c_ulong,
            ops: Self::OPERATIONS,
            host_data: Arc::as_ptr(&hardware).cast_mut().cast(),
            // Whoever uses a line depends on it.
            dev: ptr::from_ref(device).cast_mut().cast(),
            ..Default::default()
        };
        // SAFETY: what it says is copied; the hardware and the node outlive the domain, and the operations are there for ever.
        let raw = from_err_ptr(unsafe { bindings::irq_domain_instantiate(&information) })?;
        Ok(Some(Self { raw: NonNull::new(raw).ok_or(ENOMEM)?, hardware }))
    }

    /// The hardware.
    pub(crate) fn hardware(&self) -> &T {
        &self.hardware
    }

    /// A line has signalled: calls the handlers of its users.
    pub(crate) fn raise(&self, line: usize) {
        // SAFETY: the domain is there until `drop`. A line that nobody maps is nobody's.
        unsafe { bindings::generic_handle_domain_irq_safe(self.raw.as_ptr(), line as c_ulong) };
    }
}

impl<T: Lines> Drop for Domain<T> {
    fn drop(&mut self) {
        for line in 0..T::COUNT {
            let mut number = 0;
            // SAFETY: the domain is there; the descriptor that is given back is only looked at.
            let mapped =
                unsafe { bindings::__irq_resolve_mapping(self.raw.as_ptr(), line as c_ulong, &mut number) };
            if !mapped.is_null() {
                // SAFETY: an interrupt of this domain. Its users are gone, as the driver core unbinds those that depend on this device first.
                unsafe { bindings::irq_dispose_mapping(number) };
            }
        }
        // SAFETY: made in `offer`, without mappings now.
        unsafe { bindings::irq_domain_remove(self.raw.as_ptr()) };
    }
}

/// # Safety
///
/// Only for the kernel to call, as `map` of a [`Domain`].
unsafe extern "C" fn map<T: Lines>(domain: *mut bindings::irq_domain, number: c_uint, _: c_ulong) -> c_int {
    // SAFETY: the kernel passes a domain of `offer` and an interrupt that it maps there; the chip is there for ever. A line stays
    // high until its device has been served, so one that came while it was disabled is not sent again.
    unsafe {
        bindings::irq_set_chip_data(number, (*domain).host_data);
        bindings::irq_set_chip_and_handler_name(
            number,
            Domain::<T>::CHIP,
            Some(bindings::handle_simple_irq),
            ptr::null(),
        );
        bindings::irq_modify_status(number, 0, (bindings::IRQ_LEVEL | bindings::IRQ_NOPROBE) as c_ulong);
    }
    0
}

/// # Safety
///
/// Only for the kernel to call, as `xlate` of a [`Domain`].
unsafe extern "C" fn translate<T: Lines>(
    _: *mut bindings::irq_domain,
    _: *mut bindings::device_node,
    cells: *const u32,
    count: c_uint,
    line: *mut c_ulong,
    kind: *mut c_uint,
) -> c_int {
    // SAFETY: the kernel passes so many cells.
    let cells = unsafe { core::slice::from_raw_parts(cells, count as usize) };
    let Some(found) = T::find(cells) else { return EINVAL.to_errno() };
    // SAFETY: both are there to be written.
    unsafe {
        *line = found as c_ulong;
        *kind = bindings::IRQ_TYPE_LEVEL_HIGH;
    }
    0
}

/// The hardware of a line, and its number.
///
/// # Safety
///
/// The line must come from the kernel in a callback of `Domain::<T>`.
unsafe fn of<'a, T: Lines>(line: *mut bindings::irq_data) -> (&'a T, usize) {
    // SAFETY: `map` has set the chip's data to the hardware, which the domain holds.
    unsafe { (&*(*line).chip_data.cast::<c_void>().cast::<T>(), (*line).hwirq) }
}

/// # Safety
///
/// Only for the kernel to call, as `irq_startup` of a [`Domain`].
unsafe extern "C" fn startup<T: Lines>(line: *mut bindings::irq_data) -> c_uint {
    // SAFETY: the kernel calls this.
    let (hardware, line) = unsafe { of::<T>(line) };
    hardware.start(line);
    0
}

/// # Safety
///
/// Only for the kernel to call, as `irq_mask` of a [`Domain`].
unsafe extern "C" fn mask<T: Lines>(line: *mut bindings::irq_data) {
    // SAFETY: the kernel calls this.
    let (hardware, line) = unsafe { of::<T>(line) };
    hardware.mask(line);
}

/// # Safety
///
/// Only for the kernel to call, as `irq_unmask` of a [`Domain`].
unsafe extern "C" fn unmask<T: Lines>(line: *mut bindings::irq_data) {
    // SAFETY: the kernel calls this.
    let (hardware, line) = unsafe { of::<T>(line) };
    hardware.unmask(line);
}
