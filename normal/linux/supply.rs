//! What keeps a processor alive beside its firmware: clocks and power domains, claimed while it runs.
// SPDX-License-Identifier: GPL-2.0

use kernel::device::{Core, Device};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::aref::ARef;
use kernel::sync::{new_mutex, Mutex};

use crate::ffi::{Clock, PowerDomain};

/// The clocks and power domains of one processor.
#[pin_data(PinnedDrop)]
pub(crate) struct Supply {
    /// Its device and its node's name, for the log.
    device: ARef<Device>,
    node: CString,
    clocks: KVec<Clock>,
    default: Option<PowerDomain>,
    sleep: Option<PowerDomain>,
    #[pin]
    claim: Mutex<Claim>,
}

/// What is kept on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    Nothing,
    /// The clocks and the domain `default`.
    Awake,
    /// The clocks and the domain `sleep`.
    Asleep,
}

impl Supply {
    /// What the device's node names. Whatever of it is not to be had is said in the log.
    pub(crate) fn find(device: &Device<Core<'_>>, node: CString) -> Result<impl PinInit<Self>> {
        let clocks = Clock::all(device)?;
        let default = PowerDomain::find(device, c"default")?;
        let sleep = PowerDomain::find(device, c"sleep")?;
        let device = ARef::from(&**device);
        Ok(pin_init!(Self { device, node, clocks, default, sleep, claim <- new_mutex!(Claim::Nothing) }))
    }

    /// Switches `default` and all clocks on, or nothing. What is on already is not claimed again.
    pub(crate) fn claim(&self, device: &Device) -> Result {
        let mut claim = self.claim.lock();
        if *claim != Claim::Nothing {
            return Ok(());
        }
        if let Some(domain) = &self.default {
            domain.on().inspect_err(|error| {
                dev_err!(
                    device,
                    "{}: power-domains: default cannot be switched on: {:?}\n",
                    &*self.node,
                    error
                );
            })?;
        }
        for (index, clock) in self.clocks.iter().enumerate() {
            if let Err(error) = clock.enable() {
                dev_err!(device, "{}: clocks: entry {} cannot be enabled: {:?}\n", &*self.node, index, error);
                self.give_back(index, self.default.as_ref());
                return Err(error);
            }
        }
        *claim = Claim::Awake;
        Ok(())
    }

    /// Takes everything back. Clocks still claimed when `self` is dropped stay on: the processor runs on with them.
    pub(crate) fn release(&self) {
        let mut claim = self.claim.lock();
        match core::mem::replace(&mut *claim, Claim::Nothing) {
            Claim::Nothing => {}
            Claim::Awake => self.give_back(self.clocks.len(), self.default.as_ref()),
            Claim::Asleep => self.give_back(self.clocks.len(), self.sleep.as_ref()),
        }
    }

    fn give_back(&self, clocks: usize, domain: Option<&PowerDomain>) {
        self.clocks.iter().take(clocks).rev().for_each(Clock::disable);
        if let Some(domain) = domain {
            domain.off();
        }
    }

    /// Before Linux sleeps: `sleep` in place of `default`. A processor that would lose its power keeps Linux awake; one
    /// without power domains just goes on.
    pub(crate) fn sleep(&self, device: &Device) -> Result {
        let mut claim = self.claim.lock();
        if *claim != Claim::Awake {
            return Ok(());
        }
        let Some(sleep) = &self.sleep else {
            if self.default.is_some() {
                dev_err!(
                    device,
                    "{}: power-domain-names: without sleep it would lose its power while Linux sleeps; stop it first\n",
                    &*self.node
                );
                return Err(EBUSY);
            }
            return Ok(());
        };
        sleep.on().inspect_err(|error| {
            dev_err!(device, "{}: power-domains: sleep cannot be switched on: {:?}\n", &*self.node, error);
        })?;
        sleep.keep_during_sleep();
        if let Some(default) = &self.default {
            default.off();
        }
        *claim = Claim::Asleep;
        dev_info!(device, "its power domain is sleep\n");
        Ok(())
    }

    /// Linux wakes: `default` again.
    pub(crate) fn wake(&self, device: &Device) -> Result {
        let mut claim = self.claim.lock();
        if *claim != Claim::Asleep {
            return Ok(());
        }
        if let Some(default) = &self.default {
            default.on().inspect_err(|error| {
                dev_err!(
                    device,
                    "{}: power-domains: default cannot be switched on again: {:?}; it stays in sleep\n",
                    &*self.node,
                    error
                );
            })?;
        }
        if let Some(sleep) = &self.sleep {
            sleep.off();
        }
        *claim = Claim::Awake;
        dev_info!(device, "its power domain is default\n");
        Ok(())
    }
}

#[pinned_drop]
impl PinnedDrop for Supply {
    fn drop(self: Pin<&mut Self>) {
        // Its members in the domains, which keep them on, do not outlive the driver.
        if *self.claim.lock() != Claim::Nothing && self.default.is_some() {
            dev_warn!(
                self.device,
                "{}: power-domains: default may be switched off now, though the processor runs on\n",
                &*self.node
            );
        }
    }
}
