//! Who loads a processor of a virtual board: the TEE's service, or Linux itself.

use std::rc::Rc;
use std::sync::Arc;

use rproc_abi::refusal::Reason;
use rproc_abi::service::TableLocation;
use rproc_abi::{ProcessorId, Refusal};
use rproc_lifecycle::{LinuxLoadError, LinuxLoader, Loader};
use rproc_tee::{RemoteprocService, ServiceError};

use super::control::LinuxControl;
use super::memory::LinuxMemory;
use super::shared::SharedBoard;
use crate::tee::HostTee;

/// Loads through the remoteproc service, whose one session serves every processor.
pub struct TeeLoader {
    service: Rc<RemoteprocService<Arc<HostTee>>>,
    processor: ProcessorId,
}

impl TeeLoader {
    /// The loader of one processor.
    pub fn new(service: Rc<RemoteprocService<Arc<HostTee>>>, processor: ProcessorId) -> Self {
        Self { service, processor }
    }
}

/// Why a processor's loader refused.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// The TEE's service did.
    #[error(transparent)]
    Tee(#[from] ServiceError),
    /// Linux did.
    #[error(transparent)]
    Linux(#[from] LinuxLoadError),
}

impl LoaderError {
    /// The TEE's reason, where it was the TEE and gave one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Tee(error) => error.refusal.as_ref(),
            Self::Linux(_) => None,
        }
    }
}

impl Loader for TeeLoader {
    type Error = LoaderError;

    fn is_running(&mut self) -> Result<bool, LoaderError> {
        Ok(self.service.is_started(self.processor)?)
    }

    fn load(&mut self, firmware: &[u8]) -> Result<(), LoaderError> {
        Ok(self.service.load(self.processor, firmware)?)
    }

    fn resource_table(&mut self) -> Result<Option<TableLocation>, LoaderError> {
        match self.service.resource_table(self.processor) {
            // It runs since before the service was restarted, which has forgotten where the table is.
            Err(error) if error.says(Reason::StartedBefore) => Ok(None),
            answer => Ok(answer?),
        }
    }

    fn start(&mut self) -> Result<(), LoaderError> {
        Ok(self.service.start(self.processor)?)
    }

    fn stop(&mut self) -> Result<(), LoaderError> {
        Ok(self.service.stop(self.processor)?)
    }

    fn release(&mut self) -> Result<(), LoaderError> {
        Ok(self.service.release(self.processor)?)
    }

    fn coredump(&mut self) -> Result<Vec<u8>, LoaderError> {
        Ok(self.service.coredump(self.processor)?)
    }
}

/// Whose the processor is.
pub(super) enum Owned {
    /// The TEE's.
    Tee(TeeLoader),
    /// Linux's.
    Linux(Box<LinuxLoader<LinuxMemory, LinuxControl>>),
}

/// The loader of a processor of a virtual board.
pub struct BoardLoader {
    owned: Owned,
    board: SharedBoard,
    processor: u32,
}

impl BoardLoader {
    pub(super) fn new(owned: Owned, board: SharedBoard, processor: u32) -> Self {
        Self { owned, board, processor }
    }

    /// Whether Linux itself loads.
    pub fn is_linux(&self) -> bool {
        matches!(self.owned, Owned::Linux(_))
    }

    /// Asks whoever loads.
    fn ask<T>(
        &mut self,
        tee: impl FnOnce(&mut TeeLoader) -> Result<T, LoaderError>,
        linux: impl FnOnce(&mut LinuxLoader<LinuxMemory, LinuxControl>) -> Result<T, LinuxLoadError>,
    ) -> Result<T, LoaderError> {
        match &mut self.owned {
            Owned::Tee(loader) => tee(loader),
            Owned::Linux(loader) => Ok(linux(loader)?),
        }
    }
}

impl Loader for BoardLoader {
    type Error = LoaderError;

    fn is_running(&mut self) -> Result<bool, LoaderError> {
        self.ask(TeeLoader::is_running, |linux| linux.is_running())
    }

    fn load(&mut self, firmware: &[u8]) -> Result<(), LoaderError> {
        self.ask(|tee| tee.load(firmware), |linux| linux.load(firmware))
    }

    fn resource_table(&mut self) -> Result<Option<TableLocation>, LoaderError> {
        self.ask(TeeLoader::resource_table, |linux| linux.resource_table())
    }

    fn table_loaded_at(&self) -> Option<u64> {
        match &self.owned {
            Owned::Tee(loader) => loader.table_loaded_at(),
            Owned::Linux(loader) => loader.table_loaded_at(),
        }
    }

    fn attach(&mut self) -> Result<(), LoaderError> {
        self.ask(TeeLoader::attach, |linux| linux.attach())
    }

    fn detach(&mut self) -> Result<(), LoaderError> {
        self.ask(TeeLoader::detach, |linux| linux.detach())
    }

    fn start(&mut self) -> Result<(), LoaderError> {
        // What crashed before is not this run.
        self.board.take_crash(self.processor);
        self.ask(TeeLoader::start, |linux| linux.start())
    }

    fn stop(&mut self) -> Result<(), LoaderError> {
        self.ask(TeeLoader::stop, |linux| linux.stop())
    }

    fn release(&mut self) -> Result<(), LoaderError> {
        self.ask(TeeLoader::release, |linux| linux.release())
    }

    fn coredump(&mut self) -> Result<Vec<u8>, LoaderError> {
        self.ask(TeeLoader::coredump, |linux| linux.coredump())
    }
}
