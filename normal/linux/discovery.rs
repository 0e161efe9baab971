//! The service on the TEE bus: its node in the device tree, and a device for each processor that both know.
// SPDX-License-Identifier: GPL-2.0

use kernel::device::property::FwNode;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::aref::ARef;
use kernel::sync::Arc;
use rproc_abi::service::open_params;
use rproc_abi::{ProcessorId, Uuid};

use crate::ffi::{self, BusDevice, Child, TeeSession};
use crate::processor::Place;
use crate::service::{Service, Text};

/// The TEE's own node, below which those of its services are.
const TEE_NODE: &CStr = c"/firmware/optee";

/// The service while it is there: a device for each of its processors.
pub(crate) struct Found {
    _processors: KVec<Child<Place>>,
}

impl ffi::Service for Found {
    fn appeared(device: &BusDevice<'_>) -> Result<Self> {
        let node = service_node(device)?;
        let mut driven = KVec::new();
        for child in node.children() {
            if let Some(id) = driven_by_service(device, &child)? {
                driven.push((child, id), GFP_KERNEL)?;
            }
        }
        let Some((_, first)) = driven.first() else {
            dev_info!(device, "the service drives no processor of its node\n");
            return Err(ENODEV);
        };
        let service = Arc::new(Service::open(*first)?, GFP_KERNEL)?;
        let mut processors = KVec::new();
        for (child, id) in &driven {
            let place = Place { service: service.clone(), id: *id };
            processors.push(Child::new(device, child, id.0, place)?, GFP_KERNEL)?;
        }
        Ok(Self { _processors: processors })
    }
}

/// The service's node, which is named after its UUID.
fn service_node(device: &BusDevice<'_>) -> Result<ARef<FwNode>> {
    let compatible = CString::try_from_fmt(fmt!("rproc-service-{}", Text(Uuid::REMOTEPROC_TA)))?;
    let found = ffi::node(TEE_NODE)
        .and_then(|tee| tee.children().find(|child| child.property_match_string(c"compatible", &compatible).is_ok()));
    if found.is_none() {
        dev_info!(device, "the device tree has no {} below {}: no processor is registered\n", &*compatible, TEE_NODE);
    }
    found.ok_or(ENODEV)
}

/// The processor of a node, if the service drives it; if not, the log says why it is left out.
fn driven_by_service(device: &BusDevice<'_>, node: &FwNode) -> Result<Option<ProcessorId>> {
    let Some(id) = processor_id(node)? else {
        dev_info!(device, "{} is left out: neither `reg` nor its name says which processor it is\n", node.display_name());
        return Ok(None);
    };
    // One session at a time: upstream's service allows no second one.
    Ok(match TeeSession::open(Uuid::REMOTEPROC_TA, open_params(id))? {
        Ok(_) => Some(id),
        Err(result) => {
            dev_info!(device, "{} is left out: the service answers {}\n", node.display_name(), Text(result));
            None
        }
    })
}

/// From `reg`, else from the beginning of the name: `m33`, `m33_rproc`.
fn processor_id(node: &FwNode) -> Result<Option<ProcessorId>> {
    if let Some(id) = node.property_read::<u32>(c"reg").optional() {
        return Ok(Some(ProcessorId(id)));
    }
    let name = ffi::node_name(node)?;
    let core = name.to_str().ok().and_then(|name| name.split('_').next());
    Ok(core.and_then(ProcessorId::from_name))
}
