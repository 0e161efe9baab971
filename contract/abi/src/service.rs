//! The commands of the remoteproc Trusted Application, typed on both sides.

use crate::param::Taker;
use crate::{BadRequest, Output, Outputs, Param, Params, ProcessorId, Value};

/// A command of the TA (`ta/remoteproc/include/ta_remoteproc.h`), with the processor it is for.
///
/// `M` is a memory reference as the side that holds the request has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<M> {
    /// 1: authenticate the signed container in the buffer and load it.
    LoadFirmware {
        /// For which processor.
        processor: ProcessorId,
        /// The container.
        image: M,
    },
    /// 2: start what was loaded.
    StartFirmware {
        /// For which processor.
        processor: ProcessorId,
    },
    /// 3: stop the processor.
    StopFirmware {
        /// For which processor.
        processor: ProcessorId,
    },
    /// 4: where the resource table is, answered by [`TableLocation`].
    GetResourceTable {
        /// For which processor.
        processor: ProcessorId,
    },
    /// 5: the processor's memory as an ELF core file.
    GetCoredump {
        /// For which processor.
        processor: ProcessorId,
        /// Where to write it.
        buffer: M,
    },
    /// 6: forget the firmware and wipe its memory.
    ReleaseFirmware {
        /// For which processor.
        processor: ProcessorId,
    },
    /// 0x80000001, an addition of this project: why the last command for this processor was refused, as an
    /// encoded [`crate::Refusal`]. Upstream's TA answers `TEE_ERROR_BAD_PARAMETERS`.
    GetRefusal {
        /// For which processor.
        processor: ProcessorId,
        /// Where to write it, [`crate::Refusal::ENCODED_SIZE`] bytes.
        buffer: M,
    },
}

impl<M> Request<M> {
    /// The command's number.
    pub const fn command(&self) -> u32 {
        match self {
            Self::LoadFirmware { .. } => 1,
            Self::StartFirmware { .. } => 2,
            Self::StopFirmware { .. } => 3,
            Self::GetResourceTable { .. } => 4,
            Self::GetCoredump { .. } => 5,
            Self::ReleaseFirmware { .. } => 6,
            Self::GetRefusal { .. } => 0x8000_0001,
        }
    }

    /// The processor that the command is for.
    pub const fn processor(&self) -> ProcessorId {
        match self {
            Self::LoadFirmware { processor, .. }
            | Self::StartFirmware { processor }
            | Self::StopFirmware { processor }
            | Self::GetResourceTable { processor }
            | Self::GetCoredump { processor, .. }
            | Self::ReleaseFirmware { processor }
            | Self::GetRefusal { processor, .. } => *processor,
        }
    }

    /// The call as it goes on the wire: the command's number and its four parameters.
    pub fn into_params(self) -> (u32, Params<M>) {
        let command = self.command();
        let id = Param::ValueInput(processor_value(self.processor()));
        let rest = match self {
            Self::LoadFirmware { image, .. } => [Param::MemrefInput(image), Param::None],
            Self::GetCoredump { buffer, .. } | Self::GetRefusal { buffer, .. } => {
                [Param::MemrefOutput(buffer), Param::None]
            }
            Self::GetResourceTable { .. } => [Param::ValueOutput, Param::ValueOutput],
            Self::StartFirmware { .. } | Self::StopFirmware { .. } | Self::ReleaseFirmware { .. } => {
                [Param::None, Param::None]
            }
        };
        let [first, second] = rest;
        (command, [id, first, second, Param::None])
    }

    /// The call as the service receives it.
    pub fn from_params(command: u32, params: Params<M>) -> Result<Self, BadRequest> {
        let mut taker = Taker::new(command, params);
        let processor = ProcessorId(taker.value()?.a);
        let request = match command {
            1 => Self::LoadFirmware { processor, image: taker.memref_input()? },
            2 => Self::StartFirmware { processor },
            3 => Self::StopFirmware { processor },
            4 => {
                taker.value_output()?;
                taker.value_output()?;
                Self::GetResourceTable { processor }
            }
            5 => Self::GetCoredump { processor, buffer: taker.memref_output()? },
            6 => Self::ReleaseFirmware { processor },
            0x8000_0001 => Self::GetRefusal { processor, buffer: taker.memref_output()? },
            _ => return Err(BadRequest::UnknownCommand(command)),
        };
        taker.end()?;
        Ok(request)
    }
}

/// The parameters with which a client opens a session: the processor it will use first.
pub fn open_params<M>(processor: ProcessorId) -> Params<M> {
    [Param::ValueInput(processor_value(processor)), Param::None, Param::None, Param::None]
}

/// What [`open_params`] carried.
pub fn opened_for<M>(params: Params<M>) -> Result<ProcessorId, BadRequest> {
    let mut taker = Taker::new(0, params);
    let processor = ProcessorId(taker.value()?.a);
    taker.end()?;
    Ok(processor)
}

fn processor_value(processor: ProcessorId) -> Value {
    Value { a: processor.0, b: 0 }
}

/// Where the resource table of a loaded firmware is; all zero when the firmware has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableLocation {
    /// Physical address as the Cortex-A sees it.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

impl TableLocation {
    /// As outputs of command 4.
    pub fn outputs(self) -> Outputs {
        [Output::None, Output::Value(self.address.into()), Output::Value(self.size.into()), Output::None]
    }

    /// From the outputs of command 4; `None` when the service did not fill them.
    pub fn from_outputs(outputs: &Outputs) -> Option<Self> {
        match outputs {
            [_, Output::Value(address), Output::Value(size), _] => {
                Some(Self { address: (*address).into(), size: (*size).into() })
            }
            _ => None,
        }
    }
}

/// How many bytes a memory output of commands 5 and 0x80000001 has, or would need.
pub const fn buffer_outputs(size: usize) -> Outputs {
    [Output::None, Output::Size(size), Output::None, Output::None]
}

/// What [`buffer_outputs`] carried.
pub const fn buffer_size(outputs: &Outputs) -> Option<usize> {
    match outputs {
        [_, Output::Size(size), _, _] => Some(*size),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParamKind;
    use proptest::prelude::*;

    fn any_request() -> impl Strategy<Value = Request<u16>> {
        (any::<u32>(), any::<u16>(), 0..7usize).prop_map(|(id, memory, which)| {
            let processor = ProcessorId(id);
            match which {
                0 => Request::LoadFirmware { processor, image: memory },
                1 => Request::StartFirmware { processor },
                2 => Request::StopFirmware { processor },
                3 => Request::GetResourceTable { processor },
                4 => Request::GetCoredump { processor, buffer: memory },
                5 => Request::ReleaseFirmware { processor },
                _ => Request::GetRefusal { processor, buffer: memory },
            }
        })
    }

    proptest! {
        #[test]
        fn every_request_survives_the_wire(request in any_request()) {
            let (command, params) = request.into_params();
            prop_assert_eq!(Request::from_params(command, params), Ok(request));
        }

        #[test]
        fn a_location_survives_the_wire(address: u64, size: u64) {
            let location = TableLocation { address, size };
            prop_assert_eq!(TableLocation::from_outputs(&location.outputs()), Some(location));
        }
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        let params = [Param::ValueInput(Value::default()), Param::MemrefOutput(()), Param::None, Param::None];
        assert_eq!(
            Request::from_params(1, params),
            Err(BadRequest::ParamType {
                command: 1,
                index: 1,
                expected: ParamKind::MemrefInput,
                found: ParamKind::MemrefOutput
            })
        );
        assert_eq!(Request::from_params(7, params), Err(BadRequest::UnknownCommand(7)));
    }
}
