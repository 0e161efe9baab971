//! The service on the TEE bus, and a device for each processor that both the device tree and the service know.
// SPDX-License-Identifier: GPL-2.0

use kernel::device::Device;
use kernel::prelude::*;
use kernel::sync::atomic::{AtomicFlag, Relaxed};
use kernel::sync::Arc;
use rproc_abi::Uuid;

use crate::ffi::{self, BusDevice, Child, TeeContext};
use crate::forms::{described, Described};
use crate::processor::Place;
use crate::service::{session, Service, Text};

/// Whether the service has ever been on the bus.
static APPEARED: AtomicFlag = AtomicFlag::new(false);

/// The service while it is there: a device for each of its processors.
pub(crate) struct Found {
    _processors: KVec<Child<Place>>,
}

impl ffi::Service for Found {
    fn appeared(device: &BusDevice<'_>) -> Result<Self> {
        APPEARED.store(true, Relaxed);
        let context = TeeContext::open()?;
        let mut driven = KVec::new();
        for processor in described(device)? {
            if is_driven(device, &context, &processor)? {
                driven.push(processor, GFP_KERNEL)?;
            }
        }
        let Some(first) = driven.first() else {
            dev_info!(device, "the service drives no processor of the device tree\n");
            return Err(ENODEV);
        };
        let service = Service::open(context, first.id)?;
        let mut processors = KVec::new();
        for Described { node, id } in driven {
            let place = Place { service: service.clone(), id };
            processors.push(Child::new(device, &node, id.0, place)?, GFP_KERNEL)?;
        }
        Ok(Self { _processors: processors })
    }
}

/// Says in the log that there is nothing to do yet, where the service has not appeared with the driver's registration.
pub(crate) fn say_if_absent() {
    if !APPEARED.load(Relaxed) {
        pr_info!(
            "the TEE has no remoteproc service ({}) so far: its processors are registered when it appears\n",
            Text(Uuid::REMOTEPROC_TA)
        );
    }
}

/// Whether the service drives a processor; if not, the log says why it is left out.
fn is_driven(device: &Device, context: &Arc<TeeContext>, processor: &Described) -> Result<bool> {
    // One session at a time: upstream's service allows no second one.
    let opened = session(context, processor.id)?;
    if let Err(result) = &opened {
        dev_info!(device, "{} is left out: the service answers {}\n", &*processor.node, Text(*result));
    }
    Ok(opened.is_ok())
}
