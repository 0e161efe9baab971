//! The remoteproc service seen from the normal world: its six commands, and why it refused.

use std::fmt;

use rproc_abi::refusal::{Fact, Reason};
use rproc_abi::service::{Request, TableLocation, buffer_size, open_params};
use rproc_abi::{Login, Origin, Outputs, ProcessorId, Refusal, TeeResult, Uuid};
use thiserror::Error;

use crate::{MemRef, SessionId, SharedBuffer, TeeClient, TeeError};

/// What was asked of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening the session.
    Open,
    /// LOAD_FW.
    Load,
    /// START_FW.
    Start,
    /// STOP_FW.
    Stop,
    /// GET_RSC_TABLE.
    ResourceTable,
    /// GET_COREDUMP.
    Coredump,
    /// RELEASE_FW.
    Release,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open the remoteproc service for",
            Self::Load => "load firmware for",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::ResourceTable => "find the resource table of",
            Self::Coredump => "dump the memory of",
            Self::Release => "release",
        })
    }
}

/// The service did not do what it was asked, and why as far as it says.
#[derive(Debug, Error)]
pub struct ServiceError {
    /// What was asked.
    pub operation: Operation,
    /// For which processor.
    pub processor: ProcessorId,
    /// The call's failure.
    pub tee: TeeError,
    /// The reason, where the service gives one; upstream's TA does not.
    pub refusal: Option<Refusal>,
}

impl ServiceError {
    /// Whether the service gave this reason.
    pub fn says(&self, reason: Reason) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| refusal.reason == reason)
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the TEE would not {} {}: ", self.operation, self.processor)?;
        match &self.refusal {
            Some(refusal) => write!(f, "{refusal} [{:?}]", self.tee.result),
            None => write!(f, "{}", self.tee),
        }
    }
}

/// A session with the remoteproc service; one serves every processor.
pub struct RemoteprocService<C: TeeClient> {
    client: C,
    session: SessionId,
}

impl<C: TeeClient> RemoteprocService<C> {
    /// Opens the service, naming the processor that is used first.
    pub fn open(client: C, login: Login, processor: ProcessorId) -> Result<Self, ServiceError> {
        match client.open_session(Uuid::REMOTEPROC_TA, login, open_params(processor)) {
            Ok(session) => Ok(Self { client, session }),
            Err(tee) => {
                // A refused session cannot be asked for its reason; these codes leave only one.
                let refusal = match tee.result {
                    // What says so must be the service: the kernel refuses logins too, before the TEE sees them.
                    TeeResult::ACCESS_DENIED
                        if login != Login::ReeKernel && tee.origin == Origin::TrustedApp =>
                    {
                        Some(Refusal::new(Reason::NotKernel))
                    }
                    // The service opens a session with the platform service before it gives one.
                    TeeResult::ITEM_NOT_FOUND if tee.origin == Origin::TrustedApp => {
                        Some(Refusal::new(Reason::PlatformMissing))
                    }
                    TeeResult::NOT_SUPPORTED => Some(
                        Refusal::new(Reason::UnknownProcessor).found(Fact::Number(u64::from(processor.0))),
                    ),
                    _ => None,
                };
                Err(ServiceError { operation: Operation::Open, processor, tee, refusal })
            }
        }
    }

    /// Authenticates a signed container and loads it. The container is shared with the TEE only during the call.
    pub fn load(&self, processor: ProcessorId, container: &[u8]) -> Result<(), ServiceError> {
        let fail = |tee| self.error(Operation::Load, processor, tee);
        let buffer = self.client.share(container.len()).map_err(fail)?;
        let loaded = self
            .client
            .write_shared(buffer, 0, container)
            .and_then(|()| self.call(Request::LoadFirmware { processor, image: buffer.whole() }));
        self.client.unshare(buffer);
        loaded.map(drop).map_err(fail)
    }

    /// As [`RemoteprocService::load`], of a container that is shared already.
    pub fn load_shared(&self, processor: ProcessorId, container: SharedBuffer) -> Result<(), ServiceError> {
        self.simple(Operation::Load, Request::LoadFirmware { processor, image: container.whole() })
    }

    /// Starts what was loaded.
    pub fn start(&self, processor: ProcessorId) -> Result<(), ServiceError> {
        self.simple(Operation::Start, Request::StartFirmware { processor })
    }

    /// Stops the processor.
    pub fn stop(&self, processor: ProcessorId) -> Result<(), ServiceError> {
        self.simple(Operation::Stop, Request::StopFirmware { processor })
    }

    /// Forgets the firmware; its memory is wiped.
    pub fn release(&self, processor: ProcessorId) -> Result<(), ServiceError> {
        self.simple(Operation::Release, Request::ReleaseFirmware { processor })
    }

    /// Where the loaded firmware's resource table is; `None` when it has none.
    pub fn resource_table(&self, processor: ProcessorId) -> Result<Option<TableLocation>, ServiceError> {
        let outputs = self
            .call(Request::GetResourceTable { processor })
            .map_err(|tee| self.error(Operation::ResourceTable, processor, tee))?;
        let location = TableLocation::from_outputs(&outputs).unwrap_or_default();
        Ok((location.size != 0).then_some(location))
    }

    /// Whether the processor runs: since an earlier life of this client, or since before the service itself was restarted.
    /// No command tells it outright, so it is read off the states that others are refused in. Upstream's TA, which dumps
    /// nothing, cannot tell what is only loaded from what runs, and then the answer is yes.
    pub fn is_started(&self, processor: ProcessorId) -> Result<bool, ServiceError> {
        match self.resource_table(processor) {
            Ok(_) => {}
            Err(error) if error.says(Reason::StartedBefore) => return Ok(true),
            // Upstream's TA gives the second before anything was loaded.
            Err(error) if [TeeResult::BAD_STATE, TeeResult::BAD_PARAMETERS].contains(&error.tee.result) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let fail = |tee| self.error(Operation::Coredump, processor, tee);
        let buffer = self.client.share(0).map_err(fail)?;
        let answer = self.call(Request::GetCoredump { processor, buffer: buffer.whole() });
        self.client.unshare(buffer);
        match answer.map_err(|error| error.result) {
            Ok(_) | Err(TeeResult::SHORT_BUFFER) => Ok(false),
            Err(TeeResult::BAD_STATE | TeeResult::NOT_IMPLEMENTED) => Ok(true),
            Err(_) => answer.map(|_| false).map_err(fail),
        }
    }

    /// The processor's memory as an ELF core file.
    pub fn coredump(&self, processor: ProcessorId) -> Result<Vec<u8>, ServiceError> {
        let fail = |tee| self.error(Operation::Coredump, processor, tee);
        let ask = |size| -> Result<(Outputs, Vec<u8>), TeeError> {
            let buffer = self.client.share(size)?;
            let answer =
                self.call(Request::GetCoredump { processor, buffer: buffer.whole() }).and_then(|outputs| {
                    let mut dump = vec![0; buffer_size(&outputs).unwrap_or(0).min(size)];
                    self.client.read_shared(buffer, 0, &mut dump)?;
                    Ok((outputs, dump))
                });
            self.client.unshare(buffer);
            answer
        };
        match ask(0) {
            Ok((_, dump)) => Ok(dump),
            Err(error) if error.result == TeeResult::SHORT_BUFFER => {
                let needed = buffer_size(&error.outputs).unwrap_or(0);
                ask(needed).map(|(_, dump)| dump).map_err(fail)
            }
            Err(error) => Err(fail(error)),
        }
    }

    fn simple(&self, operation: Operation, request: Request<MemRef>) -> Result<(), ServiceError> {
        let processor = request.processor();
        self.call(request).map(drop).map_err(|tee| self.error(operation, processor, tee))
    }

    fn call(&self, request: Request<MemRef>) -> Result<Outputs, TeeError> {
        let (command, params) = request.into_params();
        self.client.invoke(self.session, command, params)
    }

    fn error(&self, operation: Operation, processor: ProcessorId, tee: TeeError) -> ServiceError {
        let refusal = self.refusal(processor).filter(|refusal| refusal.result() == tee.result);
        ServiceError { operation, processor, tee, refusal }
    }

    fn refusal(&self, processor: ProcessorId) -> Option<Refusal> {
        let buffer = self.client.share(Refusal::ENCODED_SIZE).ok()?;
        let mut bytes = [0; Refusal::ENCODED_SIZE];
        let read = self
            .call(Request::GetRefusal { processor, buffer: buffer.whole() })
            .and_then(|_| self.client.read_shared(buffer, 0, &mut bytes));
        self.client.unshare(buffer);
        read.ok().and_then(|()| Refusal::decode(&bytes))
    }
}

impl<C: TeeClient> Drop for RemoteprocService<C> {
    fn drop(&mut self) {
        self.client.close_session(self.session);
    }
}
