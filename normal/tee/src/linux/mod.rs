//! The TEE as a Linux process reaches it: the ioctls of `/dev/tee0`, without a library in between.

mod call;
mod codec;
mod open;
mod shared;
mod uapi;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rproc_abi::{Login, Outputs, Param, Params, TeeResult, Uuid};

use self::codec::{answer, api, refused_by_kernel};
use self::shared::SharedPages;
use self::uapi::{CAPABILITY_REGISTER, Cancel, Invoke, OpenSession, Version};
use crate::{MemRef, SessionId, SharedBuffer, TeeClient, TeeError};

pub use self::open::OpenError;

/// OP-TEE behind a device of Linux. Sessions and buffers live at most as long as it; what a service keeps outlives it.
///
/// A call blocks its thread until the TEE answers. Several threads may call at once; [`LinuxTee::cancel`] asks the TEE
/// to give up a call of another thread.
///
/// A process may present the logins [`Login::Public`], [`Login::User`] (its own user) and [`Login::Group`] (a group that it
/// is in, see [`LinuxTee::as_group`]). Linux refuses the rest with `EPERM`, to root too, which is
/// `TEE_ERROR_ACCESS_DENIED` from [`rproc_abi::Origin::Api`] here (`tee_ioctl_open_session`).
#[derive(Debug)]
pub struct LinuxTee {
    device: File,
    version: Version,
    group: u32,
    buffers: Mutex<BTreeMap<u32, SharedPages>>,
}

impl LinuxTee {
    /// The device where OP-TEE usually is.
    pub const DEFAULT_DEVICE: &str = "/dev/tee0";

    /// Opens a client device of OP-TEE.
    ///
    /// # Errors
    /// [`OpenError`], which knows what to do.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let (device, version) = open::open(path.as_ref())?;
        let group = rustix::process::getegid().as_raw();
        Ok(Self { device, version, group, buffers: Mutex::default() })
    }

    /// With the group that [`Login::Group`] means; without this, it is the process's effective group. The kernel
    /// vouches for it to the TEE, and refuses a group that the process is not in.
    pub fn as_group(self, group: u32) -> Self {
        Self { group, ..self }
    }

    /// The group that [`Login::Group`] means.
    pub fn group(&self) -> u32 {
        self.group
    }

    /// Asks the TEE to give up the call that another thread makes in this session. A service may ignore it.
    ///
    /// # Errors
    /// What the kernel says; a session that is not open is `TEE_ERROR_BAD_PARAMETERS`.
    pub fn cancel(&self, session: SessionId) -> Result<(), TeeError> {
        // One call at a time runs in a session, so that its number names the call too.
        let request = Cancel { cancel_id: session.0, session: session.0 };
        call::cancel(&self.device, request).map_err(refused_by_kernel)
    }

    fn buffers(&self) -> MutexGuard<'_, BTreeMap<u32, SharedPages>> {
        // The map itself is whole whatever a panicking thread did: each entry is put in or taken out at once.
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The parameters as the kernel takes them, when their memory is shared memory of this client.
    fn parameters(&self, params: &Params<MemRef>) -> Result<[uapi::Parameter; 4], TeeError> {
        let buffers = self.buffers();
        for param in params {
            let (Param::MemrefInput(memory) | Param::MemrefOutput(memory) | Param::MemrefInout(memory)) =
                param
            else {
                continue;
            };
            let pages = buffers.get(&memory.buffer.id).ok_or(api(TeeResult::BAD_PARAMETERS))?;
            // The kernel checks against whole pages; this is the size that was asked for.
            if memory.offset.checked_add(memory.size).is_none_or(|end| end > pages.size()) {
                return Err(api(TeeResult::BAD_PARAMETERS));
            }
        }
        Ok(codec::parameters(params))
    }
}

impl TeeClient for LinuxTee {
    fn open_session(
        &self,
        service: Uuid,
        login: Login,
        params: Params<MemRef>,
    ) -> Result<SessionId, TeeError> {
        let mut client = [0; 16];
        if let (Login::Group, Some(group)) = (login, client.first_chunk_mut()) {
            *group = self.group.to_ne_bytes();
        }
        let mut argument = OpenSession {
            service: service.octets(),
            client,
            login: login.code(),
            count: 4,
            parameters: self.parameters(&params)?,
            ..OpenSession::default()
        };
        call::open_session(&self.device, &mut argument).map_err(refused_by_kernel)?;
        let outputs = codec::outputs(&params, &argument.parameters);
        answer(argument.result, argument.origin, outputs)?;
        Ok(SessionId(argument.session))
    }

    fn invoke(&self, session: SessionId, command: u32, params: Params<MemRef>) -> Result<Outputs, TeeError> {
        let mut argument = Invoke {
            command,
            session: session.0,
            cancel_id: session.0,
            count: 4,
            parameters: self.parameters(&params)?,
            ..Invoke::default()
        };
        call::invoke(&self.device, &mut argument).map_err(refused_by_kernel)?;
        answer(argument.result, argument.origin, codec::outputs(&params, &argument.parameters))
    }

    fn close_session(&self, session: SessionId) {
        // EINVAL for a session that is not open, which is what was wanted.
        let _ = call::close_session(&self.device, session.0);
    }

    fn share(&self, size: usize) -> Result<SharedBuffer, TeeError> {
        let registration = self.version.capabilities & CAPABILITY_REGISTER != 0;
        let pages = SharedPages::new(&self.device, size, registration).map_err(refused_by_kernel)?;
        let buffer = SharedBuffer { id: pages.id(), size };
        self.buffers().insert(pages.id(), pages);
        Ok(buffer)
    }

    fn unshare(&self, buffer: SharedBuffer) {
        self.buffers().remove(&buffer.id);
    }

    // Both copies hold the lock, so that no two threads of this process copy through one mapping at once.

    fn write_shared(&self, buffer: SharedBuffer, offset: usize, from: &[u8]) -> Result<(), TeeError> {
        let mut buffers = self.buffers();
        let pages = buffers.get_mut(&buffer.id).ok_or(api(TeeResult::ITEM_NOT_FOUND))?;
        pages.write(offset, from).map_err(|_| api(TeeResult::BAD_PARAMETERS))
    }

    fn read_shared(&self, buffer: SharedBuffer, offset: usize, into: &mut [u8]) -> Result<(), TeeError> {
        let buffers = self.buffers();
        let pages = buffers.get(&buffer.id).ok_or(api(TeeResult::ITEM_NOT_FOUND))?;
        pages.read(offset, into).map_err(|_| api(TeeResult::BAD_PARAMETERS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// A client whose kernel is `/dev/null`, which knows no ioctl: what it does by itself.
    fn tee() -> LinuxTee {
        let device = File::options().read(true).write(true).open("/dev/null").unwrap();
        LinuxTee { device, version: Version::default(), group: 5, buffers: Mutex::default() }
    }

    #[test]
    fn memory_that_is_not_shared_never_reaches_the_kernel() {
        let tee = tee();
        let buffer = SharedBuffer { id: 3, size: 64 };
        let params = [Param::MemrefInput(buffer.whole()), Param::None, Param::None, Param::None];
        let error = tee.invoke(SessionId(1), 1, params).unwrap_err();
        assert_eq!((error.result, error.origin), (TeeResult::BAD_PARAMETERS, rproc_abi::Origin::Api));
        assert_eq!(tee.read_shared(buffer, 0, &mut [0]).unwrap_err().result, TeeResult::ITEM_NOT_FOUND);
        assert_eq!(tee.write_shared(buffer, 0, &[0]).unwrap_err().result, TeeResult::ITEM_NOT_FOUND);
        tee.unshare(buffer);
    }

    #[test]
    fn a_kernel_that_refuses_is_told_from_a_tee_that_does() {
        let tee = tee();
        let none = || [Param::None; 4];
        for error in [
            tee.open_session(Uuid::REMOTEPROC_TA, Login::Group, none()).unwrap_err(),
            tee.invoke(SessionId(1), 1, none()).unwrap_err(),
            tee.share(10).unwrap_err(),
            tee.cancel(SessionId(1)).unwrap_err(),
        ] {
            assert_eq!((error.result, error.origin), (TeeResult::GENERIC, rproc_abi::Origin::Api));
        }
        tee.close_session(SessionId(1));
    }

    #[test]
    fn it_is_used_from_several_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        let tee = Arc::new(tee().as_group(27));
        shared(&tee);
        assert_eq!(tee.group(), 27);
    }
}
