//! What every way into a TEE can do: sessions, calls, shared memory (GlobalPlatform's TEE Client API, Linux's `tee.h`).

use rproc_abi::{Login, Origin, Outputs, Params, TeeResult, Uuid};
use thiserror::Error;

/// An open session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(pub u32);

/// A buffer that the TEE can reach too, by the number its [`TeeClient`] gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharedBuffer {
    /// The client's number for it.
    pub id: u32,
    /// Bytes.
    pub size: usize,
}

impl SharedBuffer {
    /// All of it, as a parameter.
    pub const fn whole(self) -> MemRef {
        MemRef { buffer: self, offset: 0, size: self.size }
    }
}

/// A part of a shared buffer, as a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemRef {
    /// Which buffer.
    pub buffer: SharedBuffer,
    /// First byte, from the buffer's start.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

/// A call that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{result}, from {origin:?}")]
pub struct TeeError {
    /// Why.
    pub result: TeeResult,
    /// Who says so.
    pub origin: Origin,
    /// Outputs that count in spite of the failure: the size needed, with `TEE_ERROR_SHORT_BUFFER`.
    pub outputs: Outputs,
}

/// A way into a TEE. The kernel's view of it: it may present any login, also [`Login::ReeKernel`].
pub trait TeeClient {
    /// Opens a session with a service.
    fn open_session(
        &self,
        service: Uuid,
        login: Login,
        params: Params<MemRef>,
    ) -> Result<SessionId, TeeError>;

    /// Calls a command of an open session's service.
    fn invoke(&self, session: SessionId, command: u32, params: Params<MemRef>) -> Result<Outputs, TeeError>;

    /// Closes a session; closing one that is not open does nothing.
    fn close_session(&self, session: SessionId);

    /// Makes a zeroed shared buffer. It stays writable by the normal world all the time.
    fn share(&self, size: usize) -> Result<SharedBuffer, TeeError>;

    /// Takes a shared buffer back.
    fn unshare(&self, buffer: SharedBuffer);

    /// Copies bytes into a shared buffer, from `offset`.
    fn write_shared(&self, buffer: SharedBuffer, offset: usize, from: &[u8]) -> Result<(), TeeError>;

    /// Copies bytes out of a shared buffer, from `offset`.
    fn read_shared(&self, buffer: SharedBuffer, offset: usize, into: &mut [u8]) -> Result<(), TeeError>;
}

impl<T: TeeClient + ?Sized> TeeClient for std::sync::Arc<T> {
    fn open_session(
        &self,
        service: Uuid,
        login: Login,
        params: Params<MemRef>,
    ) -> Result<SessionId, TeeError> {
        (**self).open_session(service, login, params)
    }

    fn invoke(&self, session: SessionId, command: u32, params: Params<MemRef>) -> Result<Outputs, TeeError> {
        (**self).invoke(session, command, params)
    }

    fn close_session(&self, session: SessionId) {
        (**self).close_session(session);
    }

    fn share(&self, size: usize) -> Result<SharedBuffer, TeeError> {
        (**self).share(size)
    }

    fn unshare(&self, buffer: SharedBuffer) {
        (**self).unshare(buffer);
    }

    fn write_shared(&self, buffer: SharedBuffer, offset: usize, from: &[u8]) -> Result<(), TeeError> {
        (**self).write_shared(buffer, offset, from)
    }

    fn read_shared(&self, buffer: SharedBuffer, offset: usize, into: &mut [u8]) -> Result<(), TeeError> {
        (**self).read_shared(buffer, offset, into)
    }
}
