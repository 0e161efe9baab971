//! The remoteproc service, found where Linux would find it: on the TEE bus, at once or once tee-supplicant runs.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rproc_abi::enumeration::Scope;
use rproc_abi::{Login, ProcessorId, Uuid};
use rproc_tee::{Device, Driver, Outcome, RemoteprocService, ServiceError, TeeBus};

use super::{Moment, SystemError, Timeline};
use crate::tee::HostTee;

/// Finds and opens the service, naming the processor that is used first.
pub(super) fn find(
    tee: &Arc<HostTee>,
    processor: ProcessorId,
    timeline: &Rc<RefCell<Timeline>>,
) -> Result<RemoteprocService<Arc<HostTee>>, SystemError> {
    let probed = Rc::new(RefCell::new(None));
    let mut bus = TeeBus::new(tee.clone());
    bus.register(Box::new(RemoteprocDriver { processor, probed: probed.clone() }));
    bus.scan(Scope::Always)?;
    if bus.outcome(Uuid::REMOTEPROC_TA) == Outcome::WaitsForSupplicant {
        tee.start_supplicant();
        bus.scan(Scope::Supplicant)?;
    }
    for device in bus.devices() {
        let found = Moment::ServiceFound { device: device.name(), scope: device.scope };
        timeline.borrow_mut().push(None, found);
    }
    match probed.borrow_mut().take() {
        Some(opened) => Ok(opened?),
        None => Err(SystemError::NoService { uuid: Uuid::REMOTEPROC_TA }),
    }
}

type Probed = Rc<RefCell<Option<Result<RemoteprocService<Arc<HostTee>>, ServiceError>>>>;

/// The driver of the remoteproc service on the TEE bus: opens it as the kernel, which the service insists on.
struct RemoteprocDriver {
    processor: ProcessorId,
    probed: Probed,
}

impl Driver<Arc<HostTee>> for RemoteprocDriver {
    fn name(&self) -> &str {
        "rproc-tee"
    }

    fn services(&self) -> &[Uuid] {
        &[Uuid::REMOTEPROC_TA]
    }

    fn probe(
        &mut self,
        client: &Arc<HostTee>,
        _: &Device,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let opened = RemoteprocService::open(client.clone(), Login::ReeKernel, self.processor);
        let failed = opened.as_ref().err().map(ToString::to_string);
        *self.probed.borrow_mut() = Some(opened);
        failed.map_or(Ok(()), |reason| Err(reason.into()))
    }

    fn remove(&mut self, _: &Arc<HostTee>, _: &Device) {}
}
