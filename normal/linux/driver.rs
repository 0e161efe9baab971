//! Linux's driver of the remote processors that a TEE service authenticates, loads and starts.
// SPDX-License-Identifier: GPL-2.0
//!
//! The service is found on the TEE bus by its UUID, and its node in the device tree below or beside `/firmware/optee`; each processor
//! that the tree describes and the service drives becomes a remoteproc of Linux's framework.

mod addresses;
mod discovery;
mod ffi;
mod forms;
mod processor;
mod service;
mod supply;

use kernel::driver;
use kernel::prelude::*;

module! {
    type: Driver,
    name: "rproc_tee",
    authors: ["The rproc authors"],
    description: "Remote processors whose firmware a TEE service loads",
    license: "GPL",
}

/// What exists while the module is loaded. Fields drop in this order: the service goes with all its processors, then their driver.
#[pin_data]
struct Driver {
    bus: ffi::BusDriver<discovery::Found>,
    #[pin]
    processors: driver::Registration<ffi::Sleeping<processor::Driven>>,
}

impl kernel::InPlaceModule for Driver {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            processors <- driver::Registration::new(ffi::CHILD, module),
            bus: ffi::BusDriver::new(module).inspect(|_| discovery::say_if_absent())?,
        })
    }
}
