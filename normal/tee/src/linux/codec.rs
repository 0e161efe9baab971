//! A TEE call's parameters and answers between their own types and the kernel's structures.

use rproc_abi::{Origin, Output, Outputs, Param, ParamKind, Params, TeeResult, Value};
use rustix::io::Errno;

use super::uapi::Parameter;
use crate::{MemRef, TeeError};

/// The parameters as the kernel takes them.
pub fn parameters(params: &Params<MemRef>) -> [Parameter; 4] {
    params.map(|param| {
        let kind = u64::from(param.kind().code());
        match param {
            Param::None | Param::ValueOutput => Parameter { kind, ..Parameter::default() },
            Param::ValueInput(Value { a, b }) | Param::ValueInout(Value { a, b }) => {
                Parameter { kind, a: a.into(), b: b.into(), c: 0 }
            }
            Param::MemrefInput(memory) | Param::MemrefOutput(memory) | Param::MemrefInout(memory) => {
                Parameter { kind, a: memory.offset as u64, b: memory.size as u64, c: memory.buffer.id.into() }
            }
        }
    })
}

/// What the TEE gave back in the parameters that were passed as `params`.
pub fn outputs(params: &Params<MemRef>, answer: &[Parameter; 4]) -> Outputs {
    let mut outputs = [Output::None; 4];
    for ((output, param), answer) in outputs.iter_mut().zip(params).zip(answer) {
        *output = match param.kind() {
            ParamKind::None | ParamKind::ValueInput | ParamKind::MemrefInput => Output::None,
            // The kernel has 64 bits where the TEE has 32.
            ParamKind::ValueOutput | ParamKind::ValueInout => {
                Output::Value(Value { a: answer.a as u32, b: answer.b as u32 })
            }
            ParamKind::MemrefOutput | ParamKind::MemrefInout => {
                Output::Size(usize::try_from(answer.b).unwrap_or(usize::MAX))
            }
        };
    }
    outputs
}

/// The answer of a call that reached the TEE.
pub fn answer(result: u32, origin: u32, outputs: Outputs) -> Result<Outputs, TeeError> {
    match TeeResult(result) {
        TeeResult::SUCCESS => Ok(outputs),
        // A number that no origin has can only come from the way between.
        result => {
            Err(TeeError { result, origin: Origin::from_code(origin).unwrap_or(Origin::Comms), outputs })
        }
    }
}

/// A call that the kernel itself refused.
pub fn refused_by_kernel(errno: Errno) -> TeeError {
    let result = match errno {
        Errno::PERM | Errno::ACCESS => TeeResult::ACCESS_DENIED,
        Errno::NOMEM | Errno::NOSPC => TeeResult::OUT_OF_MEMORY,
        Errno::INVAL | Errno::FAULT | Errno::BADF => TeeResult::BAD_PARAMETERS,
        Errno::BUSY => TeeResult::BUSY,
        Errno::NODEV | Errno::NXIO | Errno::IO => TeeResult::COMMUNICATION,
        _ => TeeResult::GENERIC,
    };
    api(result)
}

/// A failure on this side of the TEE.
pub fn api(result: TeeResult) -> TeeError {
    TeeError { result, origin: Origin::Api, outputs: [Output::None; 4] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SharedBuffer;

    fn params() -> Params<MemRef> {
        let buffer = SharedBuffer { id: 9, size: 4096 };
        [
            Param::ValueInput(Value { a: 1, b: u32::MAX }),
            Param::MemrefInout(MemRef { buffer, offset: 16, size: 100 }),
            Param::ValueOutput,
            Param::None,
        ]
    }

    #[test]
    fn parameters_stand_where_the_kernel_reads_them() {
        assert_eq!(
            parameters(&params()),
            [
                Parameter { kind: 1, a: 1, b: 0xffff_ffff, c: 0 },
                Parameter { kind: 7, a: 16, b: 100, c: 9 },
                Parameter { kind: 2, ..Parameter::default() },
                Parameter::default(),
            ]
        );
    }

    #[test]
    fn only_outputs_come_back() {
        let answered = [
            Parameter { kind: 1, a: 5, b: 6, c: 7 },
            Parameter { kind: 7, a: 16, b: 200, c: 9 },
            Parameter { kind: 2, a: 0x1_0000_0002, b: 3, c: 4 },
            Parameter { kind: 0, a: 1, b: 1, c: 1 },
        ];
        let expected = [Output::None, Output::Size(200), Output::Value(Value { a: 2, b: 3 }), Output::None];
        assert_eq!(outputs(&params(), &answered), expected);
        let error = answer(0xffff_0010, 4, expected).unwrap_err();
        assert_eq!((error.result, error.origin), (TeeResult::SHORT_BUFFER, Origin::TrustedApp));
        assert_eq!(error.outputs, expected, "the size that is needed");
        assert_eq!(answer(0, 4, expected), Ok(expected));
        assert_eq!(answer(0xffff_3024, 77, expected).unwrap_err().origin, Origin::Comms);
    }

    #[test]
    fn what_the_kernel_refuses_has_a_result_of_its_own() {
        for (errno, result) in [
            (Errno::PERM, TeeResult::ACCESS_DENIED),
            (Errno::NOMEM, TeeResult::OUT_OF_MEMORY),
            (Errno::INVAL, TeeResult::BAD_PARAMETERS),
            (Errno::NODEV, TeeResult::COMMUNICATION),
            (Errno::INTR, TeeResult::GENERIC),
        ] {
            let error = refused_by_kernel(errno);
            assert_eq!((error.result, error.origin), (result, Origin::Api));
        }
    }
}
