//! The four parameters of a call, from the core's form to ours and back.

use core::marker::PhantomData;

use rproc_abi::{Output, Outputs, Param, ParamKind, Params, PtaMemory, Value};

use crate::optee::{TEE_NUM_PARAMS, TEE_Param};
use crate::user_memory::UserMemory;

const COUNT: usize = TEE_NUM_PARAMS as usize;

/// The parameters as the core passed them; their types never change while the call lasts.
pub struct Parameters<'a> {
    types: u32,
    params: *mut [TEE_Param; COUNT],
    call: PhantomData<&'a mut [TEE_Param; COUNT]>,
}

/// A parameter has a type that no command has.
pub struct UnknownType;

impl Parameters<'_> {
    /// # Safety
    /// `params` points at four parameters of these types, which nobody else touches while this lives.
    pub unsafe fn new(types: u32, params: *mut TEE_Param) -> Self {
        Self { types, params: params.cast(), call: PhantomData }
    }

    fn kind(&self, index: usize) -> Option<ParamKind> {
        // As TEE_PARAM_TYPE_GET.
        let code = self.types >> (4 * index) & 0xf;
        [
            ParamKind::None,
            ParamKind::ValueInput,
            ParamKind::ValueOutput,
            ParamKind::ValueInout,
            ParamKind::MemrefInput,
            ParamKind::MemrefOutput,
            ParamKind::MemrefInout,
        ]
        .into_iter()
        .find(|kind| kind.code() == code)
    }

    /// In the form that the platform service takes. Every memory reference is one that its owner may still write.
    pub fn decode(&self) -> Result<Params<PtaMemory<'static, UserMemory>>, UnknownType> {
        let mut params = [Param::None, Param::None, Param::None, Param::None];
        for (index, param) in params.iter_mut().enumerate() {
            // SAFETY: `new` was promised four valid parameters; the index is below four.
            let raw = unsafe { self.params.cast::<TEE_Param>().add(index).read() };
            // SAFETY: both members of the union are plain words, and the core zeroes parameters before it fills them, so
            // that either can be read.
            let (value, memref) = unsafe { (raw.value, raw.memref) };
            let value = Value { a: value.a, b: value.b };
            // SAFETY: the core maps a memory reference of the calling TA at this address for the call.
            let memory = || PtaMemory::Shared(unsafe { UserMemory::new(memref.buffer, memref.size) });
            *param = match self.kind(index).ok_or(UnknownType)? {
                ParamKind::None => Param::None,
                ParamKind::ValueInput => Param::ValueInput(value),
                ParamKind::ValueOutput => Param::ValueOutput,
                ParamKind::ValueInout => Param::ValueInout(value),
                ParamKind::MemrefInput => Param::MemrefInput(memory()),
                ParamKind::MemrefOutput => Param::MemrefOutput(memory()),
                ParamKind::MemrefInout => Param::MemrefInout(memory()),
            };
        }
        Ok(params)
    }

    /// Writes the outputs to the parameters whose type has room for them.
    pub fn give(&mut self, outputs: &Outputs) {
        for (index, output) in outputs.iter().enumerate() {
            // SAFETY: as in `decode`; `self` is borrowed for writing, so nobody else looks.
            let raw = unsafe { &mut *self.params.cast::<TEE_Param>().add(index) };
            match (self.kind(index), output) {
                (Some(ParamKind::ValueOutput | ParamKind::ValueInout), Output::Value(value)) => {
                    (raw.value.a, raw.value.b) = (value.a, value.b);
                }
                (Some(ParamKind::MemrefOutput | ParamKind::MemrefInout), Output::Size(size)) => {
                    raw.memref.size = *size;
                }
                _ => {}
            }
        }
    }
}
