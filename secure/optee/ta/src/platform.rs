//! The session with the platform service, which OP-TEE's core runs as a pseudo TA.

use core::ffi::c_void;
use core::ptr;

use optee_utee::raw;
use rproc_abi::service::open_params;
use rproc_abi::{
    Completion, Output, Outputs, Param, Params, ProcessorId, PtaMemory, SharedMemory, TeeResult, Uuid,
};
use rproc_service::PlatformClient;

use crate::call::kind;
use crate::client::to_raw;
use crate::normal_memory::NormalMemory;

/// The session, opened once and kept as long as the TA lives: one serves every processor.
pub struct PlatformSession {
    /// OP-TEE's handle is the session's number in a pointer that points nowhere (`lib/libutee/tee_api.c`).
    handle: Option<usize>,
}

impl PlatformSession {
    /// Not opened yet.
    pub const fn new() -> Self {
        Self { handle: None }
    }
}

impl PlatformClient for PlatformSession {
    fn open(&mut self, processor: ProcessorId) -> Result<(), TeeResult> {
        if self.handle.is_some() {
            return Ok(());
        }
        let mut raw = RawCall::<NormalMemory<'_>>::new(open_params(processor))?;
        let mut handle: raw::TEE_TASessionHandle = ptr::null_mut();
        let mut origin = 0;
        // SAFETY: every pointer is to a local that lives until the call returns; the parameters are values.
        let result = unsafe {
            raw::TEE_OpenTASession(
                &to_raw(Uuid::REMOTEPROC_PTA),
                raw::TEE_TIMEOUT_INFINITE,
                raw.types,
                raw.params.as_mut_ptr(),
                &raw mut handle,
                &raw mut origin,
            )
        };
        if result != raw::TEE_SUCCESS {
            return Err(TeeResult(result));
        }
        self.handle = Some(handle.addr());
        Ok(())
    }

    fn invoke<M: SharedMemory>(&mut self, number: u32, params: Params<PtaMemory<'_, M>>) -> Completion {
        let Some(handle) = self.handle else { return Completion::failed(TeeResult::BAD_STATE) };
        let mut raw = match RawCall::new(params) {
            Ok(raw) => raw,
            Err(result) => return Completion::failed(result),
        };
        let mut origin = 0;
        // SAFETY: the handle is that of an open session. `raw` holds the memory of the parameters until the call has
        // returned: slices that it borrows, to write where the type is an output, and ranges of the normal world that
        // OP-TEE mapped for the call that is being answered. OP-TEE checks both against what this TA may reach.
        let result = unsafe {
            raw::TEE_InvokeTACommand(
                ptr::without_provenance_mut(handle),
                raw::TEE_TIMEOUT_INFINITE,
                number,
                raw.types,
                raw.params.as_mut_ptr(),
                &raw mut origin,
            )
        };
        match result {
            raw::TEE_SUCCESS => Completion::with(raw.outputs()),
            other => Completion::failed(TeeResult(other)),
        }
    }
}

/// Parameters in OP-TEE's form, and the borrow of what they point to.
struct RawCall<'a, M> {
    types: u32,
    params: [raw::TEE_Param; 4],
    _memory: core::marker::PhantomData<PtaMemory<'a, M>>,
}

impl<'a, M: SharedMemory> RawCall<'a, M> {
    fn new(params: Params<PtaMemory<'a, M>>) -> Result<Self, TeeResult> {
        let mut types = 0;
        let mut raws = [value(0, 0); 4];
        for (index, (raw, param)) in (0..).zip(raws.iter_mut().zip(params)) {
            types |= param.kind().code() << (index * 4);
            *raw = match param {
                Param::None | Param::ValueOutput => value(0, 0),
                Param::ValueInput(words) | Param::ValueInout(words) => value(words.a, words.b),
                Param::MemrefInput(memory) => input(memory)?,
                Param::MemrefOutput(memory) | Param::MemrefInout(memory) => output(memory)?,
            };
        }
        Ok(Self { types, params: raws, _memory: core::marker::PhantomData })
    }

    fn outputs(&self) -> Outputs {
        let mut outputs = [Output::None; 4];
        for (index, (output, raw)) in (0..).zip(outputs.iter_mut().zip(&self.params)) {
            *output = match kind(self.types, index) {
                raw::TEE_PARAM_TYPE_VALUE_OUTPUT | raw::TEE_PARAM_TYPE_VALUE_INOUT => {
                    // SAFETY: the type says that this is a value, and `new` or the called service wrote it.
                    let raw::Value { a, b } = unsafe { raw.value };
                    Output::Value(rproc_abi::Value { a, b })
                }
                raw::TEE_PARAM_TYPE_MEMREF_OUTPUT | raw::TEE_PARAM_TYPE_MEMREF_INOUT => {
                    // SAFETY: the type says that this is a memory reference, and `new` or the called service wrote it.
                    Output::Size(unsafe { raw.memref.size })
                }
                _ => Output::None,
            };
        }
        outputs
    }
}

const fn value(a: u32, b: u32) -> raw::TEE_Param {
    raw::TEE_Param { value: raw::Value { a, b } }
}

const fn memref(buffer: *mut c_void, size: usize) -> raw::TEE_Param {
    raw::TEE_Param { memref: raw::Memref { buffer, size } }
}

/// Memory that the platform service reads.
fn input<M: SharedMemory>(memory: PtaMemory<'_, M>) -> Result<raw::TEE_Param, TeeResult> {
    Ok(match memory {
        // OP-TEE takes no other pointer for nothing than null.
        PtaMemory::Private([]) => memref(ptr::null_mut(), 0),
        // The kit's type has no constant pointer; an input is not written.
        PtaMemory::Private(bytes) => memref(bytes.as_ptr().cast_mut().cast(), bytes.len()),
        PtaMemory::PrivateMut(bytes) => memref(bytes.as_mut_ptr().cast(), bytes.len()),
        PtaMemory::Shared(shared) => passed_on(&shared)?,
    })
}

/// Memory that the platform service writes.
fn output<M: SharedMemory>(memory: PtaMemory<'_, M>) -> Result<raw::TEE_Param, TeeResult> {
    match memory {
        PtaMemory::Private(_) => Err(TeeResult::BAD_PARAMETERS),
        PtaMemory::PrivateMut(bytes) => Ok(memref(bytes.as_mut_ptr().cast(), bytes.len())),
        PtaMemory::Shared(shared) => passed_on(&shared),
    }
}

/// The normal world's memory by address and size, unread.
fn passed_on<M: SharedMemory>(shared: &M) -> Result<raw::TEE_Param, TeeResult> {
    let address = shared.address().ok_or(TeeResult::BAD_PARAMETERS)?;
    Ok(memref(ptr::with_exposed_provenance_mut(address), shared.size()))
}
