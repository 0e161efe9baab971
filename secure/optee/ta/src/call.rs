//! The four parameters of a call, between OP-TEE's form and the service's.

use optee_utee::{Error, ErrorKind, FromRawParameters, RawParamTypes, RawParams, Result, raw};
use rproc_abi::{Completion, Output, Param, Params, TeeResult, Value};

use crate::normal_memory::NormalMemory;

/// A call of an entry point, with the parameters as OP-TEE gave them.
pub struct Call<'a> {
    types: RawParamTypes,
    raw: &'a mut RawParams,
}

impl<'a> FromRawParameters<'a> for Call<'a> {
    unsafe fn from_raw(types: RawParamTypes, raw: &'a mut RawParams) -> Result<Self> {
        Ok(Self { types, raw })
    }
}

impl Call<'_> {
    /// The parameters as the service takes them; their memory is there for this call.
    pub fn params(&self) -> Result<Params<NormalMemory<'_>>> {
        let mut params = [const { Param::None }; 4];
        for (index, (param, raw)) in (0..).zip(params.iter_mut().zip(self.raw.iter())) {
            // SAFETY: both are plain words, and OP-TEE fills all of the parameter whatever its type is.
            let (value, memref) = unsafe { (raw.value, raw.memref) };
            let value = Value { a: value.a, b: value.b };
            // SAFETY: used below for a type that says this is a memory reference, of the call that `self` is.
            let memory = || unsafe { NormalMemory::new(memref) };
            *param = match kind(self.types, index) {
                raw::TEE_PARAM_TYPE_NONE => Param::None,
                raw::TEE_PARAM_TYPE_VALUE_INPUT => Param::ValueInput(value),
                raw::TEE_PARAM_TYPE_VALUE_OUTPUT => Param::ValueOutput,
                raw::TEE_PARAM_TYPE_VALUE_INOUT => Param::ValueInout(value),
                raw::TEE_PARAM_TYPE_MEMREF_INPUT => Param::MemrefInput(memory()),
                raw::TEE_PARAM_TYPE_MEMREF_OUTPUT => Param::MemrefOutput(memory()),
                raw::TEE_PARAM_TYPE_MEMREF_INOUT => Param::MemrefInout(memory()),
                _ => return Err(ErrorKind::BadParameters.into()),
            };
        }
        Ok(params)
    }

    /// Gives back outputs and result.
    pub fn answer(&mut self, completion: &Completion) -> Result<()> {
        for (index, (raw, output)) in (0..).zip(self.raw.iter_mut().zip(&completion.outputs)) {
            match (*output, kind(self.types, index)) {
                (
                    Output::Value(value),
                    raw::TEE_PARAM_TYPE_VALUE_OUTPUT | raw::TEE_PARAM_TYPE_VALUE_INOUT,
                ) => {
                    raw.value = raw::Value { a: value.a, b: value.b };
                }
                (
                    Output::Size(size),
                    raw::TEE_PARAM_TYPE_MEMREF_OUTPUT | raw::TEE_PARAM_TYPE_MEMREF_INOUT,
                ) => {
                    raw.memref.size = size;
                }
                _ => {}
            }
        }
        match completion.result {
            TeeResult::SUCCESS => Ok(()),
            other => Err(error(other)),
        }
    }
}

/// The type of the parameter with this index (`TEE_PARAM_TYPE_GET`).
pub fn kind(types: RawParamTypes, index: u32) -> u32 {
    types >> (index * 4) & 0xf
}

/// A result code that says why not.
pub fn error(result: TeeResult) -> Error {
    Error::from_raw_error(result.0)
}
