//! The TEE as the loader of a processor's firmware.

use std::sync::Arc;

use rproc_abi::ProcessorId;
use rproc_abi::refusal::Reason;
use rproc_abi::service::TableLocation;
use rproc_lifecycle::Loader;
use rproc_tee::{RemoteprocService, ServiceError};

use crate::tee::HostTee;

/// Loads through the remoteproc service.
pub struct TeeLoader {
    service: RemoteprocService<Arc<HostTee>>,
    processor: ProcessorId,
}

impl TeeLoader {
    /// The loader of one processor.
    pub fn new(service: RemoteprocService<Arc<HostTee>>, processor: ProcessorId) -> Self {
        Self { service, processor }
    }
}

impl Loader for TeeLoader {
    type Error = ServiceError;

    fn is_running(&mut self) -> Result<bool, ServiceError> {
        self.service.is_started(self.processor)
    }

    fn load(&mut self, firmware: &[u8]) -> Result<(), ServiceError> {
        self.service.load(self.processor, firmware)
    }

    fn resource_table(&mut self) -> Result<Option<TableLocation>, ServiceError> {
        match self.service.resource_table(self.processor) {
            // It runs since before the service was restarted, which has forgotten where the table is.
            Err(error) if error.says(Reason::StartedBefore) => Ok(None),
            answer => answer,
        }
    }

    fn start(&mut self) -> Result<(), ServiceError> {
        self.service.start(self.processor)
    }

    fn stop(&mut self) -> Result<(), ServiceError> {
        self.service.stop(self.processor)
    }

    fn release(&mut self) -> Result<(), ServiceError> {
        self.service.release(self.processor)
    }

    fn coredump(&mut self) -> Result<Vec<u8>, ServiceError> {
        self.service.coredump(self.processor)
    }
}
