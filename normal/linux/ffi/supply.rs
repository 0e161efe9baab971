//! The clocks and power domains that a processor's node names.
// SPDX-License-Identifier: GPL-2.0

use core::ptr::{self, NonNull};

use kernel::bindings;
use kernel::device::{Core, Device};
use kernel::error::{from_err_ptr, to_result};
use kernel::ffi::c_int;
use kernel::prelude::*;

use super::{c, node_of, references, unusable};

/// One of a node's `clocks`.
pub(crate) struct Clock(NonNull<bindings::clk>);

// SAFETY: the clock framework locks for itself.
unsafe impl Send for Clock {}
// SAFETY: as above.
unsafe impl Sync for Clock {}

impl Clock {
    /// All of the device's node, in its order.
    pub(crate) fn all(device: &Device<Core<'_>>) -> Result<KVec<Self>> {
        let mut clocks = KVec::new();
        for index in 0..references(device, c"clocks", Some(c"#clock-cells"))? {
            // SAFETY: the node is the device's own.
            let clock = from_err_ptr(unsafe { c::of_clk_get(node_of(device), index as c_int) })
                .and_then(|clock| NonNull::new(clock).ok_or(ENOENT))
                .map_err(|error| {
                    unusable(device, error, "clocks", fmt!("entry {} is not to be had", index))
                })?;
            clocks.push(Self(clock), GFP_KERNEL)?;
        }
        Ok(clocks)
    }

    /// Keeps it on, until [`Self::disable`].
    pub(crate) fn enable(&self) -> Result {
        // SAFETY: the clock is this one's.
        to_result(unsafe { bindings::clk_prepare_enable(self.0.as_ptr()) })
    }

    /// Takes one [`Self::enable`] back.
    pub(crate) fn disable(&self) {
        // SAFETY: as above.
        unsafe { bindings::clk_disable_unprepare(self.0.as_ptr()) };
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // SAFETY: had in `all`, given back only here. A clock that was left on stays on.
        unsafe { bindings::clk_put(self.0.as_ptr()) };
    }
}

/// A power domain of a node, found by its name.
pub(crate) struct PowerDomain {
    /// The device that stands for the processor in the domain.
    member: NonNull<bindings::device>,
    /// It is the processor's own device, which the bus has put into the only domain of its node.
    own: bool,
}

// SAFETY: runtime power management locks for itself.
unsafe impl Send for PowerDomain {}
// SAFETY: as above.
unsafe impl Sync for PowerDomain {}

impl PowerDomain {
    /// The one of that name in `power-domain-names`, if there is one.
    pub(crate) fn find(device: &Device<Core<'_>>, name: &CStr) -> Result<Option<Self>> {
        let node = device.fwnode().ok_or(ENODEV)?;
        let Ok(index) = node.property_match_string(c"power-domain-names", name) else {
            return Ok(None);
        };
        let raw: *mut bindings::device = ptr::from_ref(device).cast_mut().cast();
        // SAFETY: the device is bound, so its domain does not change.
        if !unsafe { (*raw).pm_domain }.is_null() {
            if index != 0 {
                return Err(unusable(device, EINVAL, "power-domains", fmt!("{} is not among them", name)));
            }
            // SAFETY: as above; `drop` disables what is enabled here.
            unsafe { c::pm_runtime_enable(raw) };
            return Ok(Some(Self { member: NonNull::new(raw).ok_or(ENODEV)?, own: true }));
        }
        // SAFETY: the device is bound; the name is a C string.
        let member = from_err_ptr(unsafe { c::dev_pm_domain_attach_by_name(raw, name.as_char_ptr()) })
            .and_then(|member| NonNull::new(member).ok_or(ENOENT))
            .map_err(|error| unusable(device, error, "power-domains", fmt!("{} is not to be had", name)))?;
        Ok(Some(Self { member, own: false }))
    }

    /// Keeps it on, until [`Self::off`].
    pub(crate) fn on(&self) -> Result {
        let member = self.member.as_ptr();
        // SAFETY: the member stays until `drop`.
        let resumed = unsafe { c::__pm_runtime_resume(member, c::RPM_GET_PUT as c_int) };
        // One that is on already is success too.
        if resumed < 0 {
            self.off();
            return to_result(resumed);
        }
        Ok(())
    }

    /// No longer keeps it on; others may.
    pub(crate) fn off(&self) {
        // SAFETY: as above. While Linux goes to sleep or wakes, the domain follows later, and this says so by an error.
        unsafe { c::__pm_runtime_suspend(self.member.as_ptr(), c::RPM_GET_PUT as c_int) };
    }

    /// Before Linux sleeps: the domain is needed meanwhile.
    pub(crate) fn keep_during_sleep(&self) {
        // SAFETY: as above; called between the member's `prepare` and its `suspend`, as `device_set_awake_path` wants it.
        unsafe { (*self.member.as_ptr()).power.set_wakeup_path(true) };
    }
}

impl Drop for PowerDomain {
    fn drop(&mut self) {
        let member = self.member.as_ptr();
        if self.own {
            // SAFETY: enabled in `find`.
            unsafe { c::__pm_runtime_disable(member, true) };
        } else {
            // SAFETY: attached in `find`.
            unsafe { c::dev_pm_domain_detach(member, true) };
        }
    }
}
