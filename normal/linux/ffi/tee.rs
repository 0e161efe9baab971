//! Sessions with a Trusted Application, and memory that is shared with it.
// SPDX-License-Identifier: GPL-2.0

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use kernel::error::{from_err_ptr, to_result};
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::Arc;
use rproc_abi::{Completion, Login, Output, Param, Params, TeeResult, Uuid, Value};

use super::c;

/// Linux's access to OP-TEE, in which sessions are opened and memory is shared.
pub(crate) struct TeeContext(NonNull<c::tee_context>);

// SAFETY: the TEE's driver locks for itself; a context belongs to no thread.
unsafe impl Send for TeeContext {}
// SAFETY: as above.
unsafe impl Sync for TeeContext {}

/// # Safety
///
/// Only for the TEE's driver core to call, as what `tee_client_open_context` is told to match with.
unsafe extern "C" fn is_optee(version: *mut c::tee_ioctl_version_data, _: *const c_void) -> c_int {
    // SAFETY: the TEE core passes the data of a TEE.
    (unsafe { (*version).impl_id } == c::TEE_IMPL_ID_OPTEE).into()
}

impl TeeContext {
    /// Opens one.
    pub(crate) fn open() -> Result<Arc<Self>> {
        // SAFETY: `is_optee` is as the function wants it, and needs no data; nothing is wanted of the version.
        let context = from_err_ptr(unsafe {
            c::tee_client_open_context(ptr::null_mut(), Some(is_optee), ptr::null(), ptr::null_mut())
        })?;
        Ok(Arc::new(Self(NonNull::new(context).ok_or(ENODEV)?), GFP_KERNEL)?)
    }

    /// Shares memory that the TEE only reads, without a copy.
    pub(crate) fn share<'a>(&'a self, bytes: &'a [u8]) -> Result<Shared<'a>> {
        self.register(ptr::from_ref(bytes).cast_mut().cast(), bytes.len())
    }

    /// Shares memory for the TEE to write to.
    pub(crate) fn share_mut<'a>(&'a self, bytes: &'a mut [u8]) -> Result<Shared<'a>> {
        self.register(bytes.as_mut_ptr().cast(), bytes.len())
    }

    fn register(&self, start: *mut c_void, size: usize) -> Result<Shared<'_>> {
        // SAFETY: the context is open, and the caller's borrow keeps the memory until `Shared` is dropped.
        let memory = from_err_ptr(unsafe { c::tee_shm_register_kernel_buf(self.0.as_ptr(), start, size) })?;
        Ok(Shared { memory: NonNull::new(memory).ok_or(ENOMEM)?, size, _borrows: PhantomData })
    }
}

impl Drop for TeeContext {
    fn drop(&mut self) {
        // SAFETY: opened in `open`, and every session in it is closed, for each holds a reference.
        unsafe { c::tee_client_close_context(self.0.as_ptr()) };
    }
}

/// A session with a Trusted Application; calls of several threads in it wait for each other in the TEE.
pub(crate) struct TeeSession {
    context: Arc<TeeContext>,
    id: u32,
}

impl TeeSession {
    /// Opens one as the kernel. The inner error is the TEE's answer, the outer one that there was none.
    pub(crate) fn open(
        context: &Arc<TeeContext>,
        uuid: Uuid,
        params: Params<&Shared<'_>>,
    ) -> Result<core::result::Result<Self, TeeResult>> {
        let mut params = params.map(raw_param);
        let mut call = c::tee_ioctl_open_session_arg {
            uuid: uuid.octets(),
            clnt_login: Login::ReeKernel.code(),
            num_params: params.len() as u32,
            ..Default::default()
        };
        // SAFETY: the context is open, and there are as many parameters as the call says.
        to_result(unsafe { c::tee_client_open_session(context.0.as_ptr(), &mut call, params.as_mut_ptr()) })?;
        if call.ret != TeeResult::SUCCESS.0 {
            return Ok(Err(TeeResult(call.ret)));
        }
        Ok(Ok(Self { context: context.clone(), id: call.session }))
    }

    /// Invokes a command and waits for its end.
    pub(crate) fn invoke(&self, command: u32, params: Params<&Shared<'_>>) -> Result<Completion> {
        let mut params = params.map(raw_param);
        let mut call = c::tee_ioctl_invoke_arg {
            func: command,
            session: self.id,
            num_params: params.len() as u32,
            ..Default::default()
        };
        // SAFETY: the context and the session are open, and there are as many parameters as the call says, whose memory is
        // borrowed until after the call.
        to_result(unsafe {
            c::tee_client_invoke_func(self.context.0.as_ptr(), &mut call, params.as_mut_ptr())
        })?;
        Ok(Completion { result: TeeResult(call.ret), outputs: params.map(|param| output(&param)) })
    }
}

impl Drop for TeeSession {
    fn drop(&mut self) {
        // SAFETY: the session was opened in this context. That the TEE may have lost it already changes nothing.
        unsafe { c::tee_client_close_session(self.context.0.as_ptr(), self.id) };
    }
}

/// Kernel memory that the TEE knows, until it is dropped.
pub(crate) struct Shared<'a> {
    memory: NonNull<c::tee_shm>,
    size: usize,
    _borrows: PhantomData<&'a [u8]>,
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        // SAFETY: registered by `TeeContext::register`, freed only here.
        unsafe { c::tee_shm_free(self.memory.as_ptr()) };
    }
}

fn raw_param(param: Param<&Shared<'_>>) -> c::tee_param {
    let mut raw = c::tee_param { attr: param.kind().code().into(), ..Default::default() };
    match param {
        Param::None | Param::ValueOutput => (),
        Param::ValueInput(Value { a, b }) | Param::ValueInout(Value { a, b }) => {
            // SAFETY: each member of the union may be written; the attribute says that it is this one.
            *unsafe { raw.u.value.as_mut() } = c::tee_param_value { a: a.into(), b: b.into(), c: 0 };
        }
        Param::MemrefInput(memory) | Param::MemrefOutput(memory) | Param::MemrefInout(memory) => {
            // SAFETY: as above.
            *unsafe { raw.u.memref.as_mut() } =
                c::tee_param_memref { shm_offs: 0, size: memory.size, shm: memory.memory.as_ptr() };
        }
    }
    raw
}

fn output(param: &c::tee_param) -> Output {
    // The attribute says which of the union's members the TEE's driver filled; all of them are plain numbers.
    match param.attr {
        2 | 3 => {
            // SAFETY: values out or both ways.
            let value = unsafe { param.u.value.as_ref() };
            Output::Value(Value { a: value.a as u32, b: value.b as u32 })
        }
        // SAFETY: memory out or both ways.
        6 | 7 => Output::Size(unsafe { param.u.memref.as_ref() }.size),
        _ => Output::None,
    }
}
