//! The interrupt of a processor's watchdog.
// SPDX-License-Identifier: GPL-2.0

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use kernel::bindings;
use kernel::device::Device;
use kernel::error::to_result;
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full};

use super::{c, depend};

const PROPERTIES: [&CStr; 2] = [c"interrupts", c"interrupts-extended"];

/// A watchdog's interrupt. It is on from a start to the first crash or the stop, so one that stays high is told of once.
pub(super) struct Watchdog {
    number: u32,
    state: KBox<State>,
}

/// What the handler finds.
struct State {
    remoteproc: NonNull<c::rproc>,
    on: Atomic<i32>,
}

// SAFETY: interrupts are locked by the kernel, and the core's part of a processor may be used by any thread.
unsafe impl Send for Watchdog {}
// SAFETY: as above.
unsafe impl Sync for Watchdog {}

impl Watchdog {
    /// The one that the node of the processor's parent names, if it does; one that is of no use is told of, and done without.
    ///
    /// # Errors
    /// `EPROBE_DEFER` while its controller is not there.
    ///
    /// # Safety
    ///
    /// The processor must outlive it.
    pub(super) unsafe fn request(remoteproc: NonNull<c::rproc>) -> Result<Option<Self>> {
        // SAFETY: the processor was allocated with a parent, which stays while it is there.
        let parent: &Device = unsafe { Device::from_raw((*remoteproc.as_ptr()).dev.parent) };
        let node = parent.fwnode().ok_or(ENODEV)?;
        let Some(property) = PROPERTIES.into_iter().find(|property| node.property_present(property)) else {
            return Ok(None);
        };
        // SAFETY: `FwNode` is a transparent wrapper of `fwnode_handle`.
        let found = unsafe { bindings::fwnode_irq_get(ptr::from_ref(node).cast(), 0) };
        if found == EPROBE_DEFER.to_errno() {
            return Err(EPROBE_DEFER);
        }
        let taken = u32::try_from(found).map_err(|_| Error::from_errno(found)).and_then(|number| {
            let state = KBox::new(State { remoteproc, on: Atomic::new(0) }, GFP_KERNEL)?;
            // SAFETY: the state stays where it is until `drop` has given the interrupt back; the processor keeps its name.
            to_result(unsafe {
                bindings::request_threaded_irq(
                    number,
                    Some(bit),
                    None,
                    bindings::IRQF_NO_AUTOEN as usize,
                    (*remoteproc.as_ptr()).name,
                    ptr::from_ref(&*state).cast_mut().cast(),
                )
            })?;
            let watchdog = Self { number, state };
            // SAFETY: the interrupt is in use, so its domain is there, and the domain's device with it.
            let controller = unsafe { (*(*c::irq_get_irq_data(number)).domain).dev };
            if !controller.is_null() {
                // SAFETY: as above.
                unsafe { depend(parent, controller)? };
            }
            Ok(watchdog)
        });
        Ok(taken
            .inspect_err(|error| {
                let node = node.display_name();
                dev_warn!(
                    parent,
                    "{}: {}: it is no interrupt of the watchdog's that can be had ({:?})\n",
                    node,
                    property,
                    error
                );
            })
            .ok())
    }

    /// From now on it may bite.
    pub(super) fn arm(&self) {
        if self.state.on.xchg(1, Full) == 0 {
            // SAFETY: it is off, from `request`, `disarm` or `bit`.
            unsafe { bindings::enable_irq(self.number) };
        }
    }

    /// From now on it may not; may sleep.
    pub(super) fn disarm(&self) {
        // SAFETY: it was requested, and if it is on, that was `arm`.
        unsafe {
            if self.state.on.xchg(0, Full) == 1 {
                bindings::disable_irq(self.number);
            } else {
                // The handler may be about to switch it off.
                bindings::synchronize_irq(self.number);
            }
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // SAFETY: requested with this cookie; this waits for the handler.
        unsafe { bindings::free_irq(self.number, ptr::from_ref(&*self.state).cast_mut().cast()) };
    }
}

/// # Safety
///
/// Only for the kernel to call, as the handler of a [`Watchdog`].
unsafe extern "C" fn bit(number: c_int, cookie: *mut c_void) -> bindings::irqreturn_t {
    // SAFETY: the cookie of `request`.
    let state = unsafe { &*cookie.cast::<State>() };
    if state.on.xchg(0, Full) == 1 {
        // SAFETY: it was on. The processor outlives the watchdog; the core only makes a note of the crash here.
        unsafe {
            bindings::disable_irq_nosync(number as u32);
            c::rproc_report_crash(state.remoteproc.as_ptr(), c::rproc_crash_type_RPROC_WATCHDOG);
        }
    }
    bindings::irqreturn::IRQ_HANDLED
}
