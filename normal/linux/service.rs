//! The service's commands on one session that all processors share, and what its answers mean to Linux.
// SPDX-License-Identifier: GPL-2.0

use kernel::bindings;
use kernel::device::Device;
use kernel::fmt;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};
use rproc_abi::refusal::Reason;
use rproc_abi::service::{buffer_size, open_params, Request, TableLocation};
use rproc_abi::{Completion, ProcessorId, Refusal, TeeResult, Uuid};

use crate::ffi::{Shared, TeeContext, TeeSession};

/// The largest core dump that is asked for: all memory that a processor of these SoCs may have.
const MOST_DUMPED: usize = 64 << 20;

/// The remoteproc service.
#[pin_data]
pub(crate) struct Service {
    context: Arc<TeeContext>,
    /// One of its processors, which sessions are opened for.
    processor: ProcessorId,
    #[pin]
    session: Mutex<Arc<TeeSession>>,
}

impl Service {
    /// Opens it for one of its processors; it then serves all of them.
    pub(crate) fn open(context: Arc<TeeContext>, processor: ProcessorId) -> Result<Arc<Self>> {
        let session = Arc::new(session(&context, processor)?.map_err(errno)?, GFP_KERNEL)?;
        Arc::pin_init(pin_init!(Self { context, processor, session <- new_mutex!(session) }), GFP_KERNEL)
    }

    /// A command's answer. When the Trusted Application has panicked, all its sessions are lost; another one then has a new
    /// instance of it, which is asked once more and knows of what runs what the platform service knows (docs/protocol.md).
    fn invoke(&self, request: Request<&Shared<'_>>) -> Result<Completion> {
        let (command, params) = request.into_params();
        let used = self.session.lock().clone();
        let completion = used.invoke(command, params)?;
        if completion.result != TeeResult::TARGET_DEAD {
            return Ok(completion);
        }
        match self.session_after(&used)? {
            Some(session) => session.invoke(command, params),
            None => Ok(completion),
        }
    }

    /// The session after one that is lost, if there can be one.
    fn session_after(&self, lost: &Arc<TeeSession>) -> Result<Option<Arc<TeeSession>>> {
        let mut current = self.session.lock();
        // Else another processor's command has come first.
        if Arc::ptr_eq(&current, lost) {
            match session(&self.context, self.processor)? {
                Ok(session) => *current = Arc::new(session, GFP_KERNEL)?,
                Err(result) => {
                    pr_err!(
                        "the Trusted Application has panicked, and opens no other session: {}\n",
                        Text(result)
                    );
                    return Ok(None);
                }
            }
            pr_warn!("the Trusted Application has panicked, and is asked again in another session\n");
        }
        Ok(Some(current.clone()))
    }

    /// Authenticates and loads a signed image.
    pub(crate) fn load(&self, device: &Device, processor: ProcessorId, image: &[u8]) -> Result {
        if image.is_empty() {
            dev_err!(device, "the firmware file is empty\n");
            return Err(EINVAL);
        }
        let size = image.len();
        let image = self.context.share(image).inspect_err(|error| {
            dev_err!(
                device,
                "the firmware file, {} bytes, cannot be shared with the TEE: {:?}\n",
                size,
                error
            );
        })?;
        let completion = self.invoke(Request::LoadFirmware { processor, image: &image })?;
        self.check(device, processor, "the firmware is refused", completion).map(drop)
    }

    /// Where the loaded firmware's resource table is; `None` if it has none.
    pub(crate) fn table(&self, device: &Device, processor: ProcessorId) -> Result<Option<TableLocation>> {
        let what = "the resource table is not told";
        let completion = self.call(device, Request::GetResourceTable { processor }, what)?;
        let Some(table) = TableLocation::from_outputs(&completion.outputs) else {
            dev_err!(device, "{}: the service gave no address\n", what);
            return Err(EIO);
        };
        Ok((table.size != 0).then_some(table))
    }

    /// As [`Self::table`], of firmware that runs. After the service alone was restarted nobody knows.
    pub(crate) fn running_table(
        &self,
        device: &Device,
        processor: ProcessorId,
    ) -> Result<Option<TableLocation>> {
        let completion = self.invoke(Request::GetResourceTable { processor })?;
        if completion.result == TeeResult::BAD_STATE && self.started_before(processor) {
            dev_info!(
                device,
                "it runs since before the service was restarted: its resource table is not known\n"
            );
            return Ok(None);
        }
        self.table(device, processor)
    }

    /// Whether it runs already. No command tells it outright, so it is read off the states that others are refused in. Upstream's
    /// service dumps nothing and so cannot tell what is only loaded from what runs; then the answer is yes.
    pub(crate) fn is_started(&self, processor: ProcessorId) -> Result<bool> {
        let result = self.invoke(Request::GetResourceTable { processor })?.result;
        if matches!(result, TeeResult::TARGET_DEAD | TeeResult::OUT_OF_MEMORY | TeeResult::BUSY) {
            // It says nothing of the processor.
            return Err(errno(result));
        }
        if !result.is_success() {
            return Ok(self.started_before(processor));
        }
        let mut dump = KVec::from_elem(0u8, 1, GFP_KERNEL)?;
        let buffer = self.context.share_mut(&mut dump)?;
        let answer = self.invoke(Request::GetCoredump { processor, buffer: &buffer })?.result;
        Ok(matches!(answer, TeeResult::BAD_STATE | TeeResult::NOT_IMPLEMENTED))
    }

    fn started_before(&self, processor: ProcessorId) -> bool {
        self.refusal(processor).is_some_and(|refusal| refusal.reason == Reason::StartedBefore)
    }

    /// Lets the processor run what was loaded.
    pub(crate) fn start(&self, device: &Device, processor: ProcessorId) -> Result {
        self.call(device, Request::StartFirmware { processor }, "it cannot be started").map(drop)
    }

    /// Stops the processor.
    pub(crate) fn stop(&self, device: &Device, processor: ProcessorId) -> Result {
        self.call(device, Request::StopFirmware { processor }, "it cannot be stopped").map(drop)
    }

    /// Wipes the processor's memory.
    pub(crate) fn release(&self, device: &Device, processor: ProcessorId) -> Result {
        self.call(device, Request::ReleaseFirmware { processor }, "its memory is not released").map(drop)
    }

    /// What the last run left in the processor's memory, as an ELF core file.
    pub(crate) fn coredump(&self, device: &Device, processor: ProcessorId) -> Result<VVec<u8>> {
        // The first call tells how much the second one needs.
        let mut size = PAGE_SIZE;
        loop {
            let mut dump = VVec::from_elem(0u8, size, GFP_KERNEL)?;
            let completion = {
                let buffer = self.context.share_mut(&mut dump)?;
                self.invoke(Request::GetCoredump { processor, buffer: &buffer })?
            };
            let needed = buffer_size(&completion.outputs).unwrap_or(0);
            if completion.result == TeeResult::SHORT_BUFFER && needed > size && needed <= MOST_DUMPED {
                size = needed;
                continue;
            }
            self.check(device, processor, "there is no core dump", completion)?;
            dump.truncate(needed);
            return Ok(dump);
        }
    }

    fn call(&self, device: &Device, request: Request<&Shared<'_>>, what: &str) -> Result<Completion> {
        let processor = request.processor();
        let completion = self.invoke(request)?;
        self.check(device, processor, what, completion)
    }

    /// Says in the log what a failure was, with the service's reason where it tells one.
    fn check(
        &self,
        device: &Device,
        processor: ProcessorId,
        what: &str,
        completion: Completion,
    ) -> Result<Completion> {
        let result = completion.result;
        if result.is_success() {
            return Ok(completion);
        }
        match self.refusal(processor) {
            Some(refusal) if refusal.result() == result => {
                dev_err!(device, "{}: {}; {}\n", what, Text(refusal), refusal.reason.next_step());
            }
            _ => dev_err!(device, "{}: {}\n", what, Text(result)),
        }
        Err(errno(result))
    }

    /// Why the last command was refused. Upstream's service has no such command.
    fn refusal(&self, processor: ProcessorId) -> Option<Refusal> {
        let mut encoded = KVec::from_elem(0u8, Refusal::ENCODED_SIZE, GFP_KERNEL).ok()?;
        {
            let buffer = self.context.share_mut(&mut encoded).ok()?;
            let completion = self.invoke(Request::GetRefusal { processor, buffer: &buffer }).ok()?;
            completion.result.is_success().then_some(())?;
        }
        Refusal::decode(&encoded)
    }
}

/// Opens a session with the service for one of its processors; once more where that meets the end of an instance of the Trusted
/// Application that has panicked. The inner error is the service's answer, the outer one that there was none.
pub(crate) fn session(
    context: &Arc<TeeContext>,
    processor: ProcessorId,
) -> Result<core::result::Result<TeeSession, TeeResult>> {
    let open = || TeeSession::open(context, Uuid::REMOTEPROC_TA, open_params(processor));
    match open()? {
        Err(TeeResult::TARGET_DEAD) => open(),
        answer => Ok(answer),
    }
}

/// Linux's number for a result.
pub(crate) fn errno(result: TeeResult) -> Error {
    let number = match result {
        TeeResult::SIGNATURE_INVALID | TeeResult::SECURITY | TeeResult::MAC_INVALID => bindings::EKEYREJECTED,
        TeeResult::ACCESS_DENIED => bindings::EACCES,
        TeeResult::BAD_PARAMETERS | TeeResult::BAD_FORMAT => bindings::EINVAL,
        TeeResult::BAD_STATE | TeeResult::BUSY | TeeResult::ACCESS_CONFLICT => bindings::EBUSY,
        TeeResult::NOT_SUPPORTED | TeeResult::NOT_IMPLEMENTED => bindings::EOPNOTSUPP,
        TeeResult::ITEM_NOT_FOUND => bindings::ENODEV,
        TeeResult::OUT_OF_MEMORY => bindings::ENOMEM,
        TeeResult::SHORT_BUFFER | TeeResult::OVERFLOW => bindings::EOVERFLOW,
        TeeResult::TIMEOUT => bindings::ETIMEDOUT,
        _ => bindings::EIO,
    };
    Error::from_errno(-(number as i32))
}

/// Words of `rproc-abi` for the kernel's log.
pub(crate) struct Text<T>(pub(crate) T);

impl<T: core::fmt::Display> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}
