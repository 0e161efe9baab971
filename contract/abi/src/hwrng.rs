//! The random number service of OP-TEE (`lib/libutee/include/pta_rng.h`, Linux's `drivers/char/hw_random/optee-rng.c`).

use crate::param::Taker;
use crate::{BadRequest, Output, Outputs, Param, Params, Value};

/// The most bytes that Linux asks for at once (`MAX_ENTROPY_REQ_SZ`).
pub const MAX_REQUEST: usize = 4096;

/// A command of the service; `M` is a memory reference as the side that holds the command has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<M> {
    /// 0: fill the buffer with random bytes, answered by [`Answer::Size`], which may be less than the buffer has.
    GetEntropy {
        /// Where to write them.
        buffer: M,
    },
    /// 1: how fast and how good it is, answered by [`Answer::Info`].
    GetInfo,
}

impl<M> Command<M> {
    /// The call as it goes on the wire: the command's number and its four parameters.
    pub fn into_params(self) -> (u32, Params<M>) {
        match self {
            Self::GetEntropy { buffer } => {
                (0, [Param::MemrefInout(buffer), Param::None, Param::None, Param::None])
            }
            Self::GetInfo => (1, [Param::ValueOutput, Param::None, Param::None, Param::None]),
        }
    }

    /// The call as the service receives it.
    pub fn from_params(number: u32, params: Params<M>) -> Result<Self, BadRequest> {
        let mut taker = Taker::new(number, params);
        let command = match number {
            0 => Self::GetEntropy { buffer: taker.memref_inout()? },
            1 => {
                taker.value_output()?;
                Self::GetInfo
            }
            _ => return Err(BadRequest::UnknownCommand(number)),
        };
        taker.end()?;
        Ok(command)
    }
}

/// How fast and how good a source of random bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Bytes a second; 0 when they never have to be waited for.
    pub rate: u32,
    /// Bits of entropy in 1024 bits of data.
    pub quality: u32,
}

/// The answer to a command of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Command::GetEntropy`]: bytes written.
    Size(usize),
    /// To [`Command::GetInfo`].
    Info(Info),
}

impl Answer {
    /// As outputs on the wire.
    pub const fn outputs(self) -> Outputs {
        let first = match self {
            Self::Size(size) => Output::Size(size),
            Self::Info(Info { rate, quality }) => Output::Value(Value { a: rate, b: quality }),
        };
        [first, Output::None, Output::None, Output::None]
    }

    /// From the outputs of the command with this number; `None` when the service did not fill what it must.
    pub const fn from_outputs(number: u32, outputs: &Outputs) -> Option<Self> {
        match (number, outputs) {
            (0, [Output::Size(size), ..]) => Some(Self::Size(*size)),
            (1, [Output::Value(value), ..]) => Some(Self::Info(Info { rate: value.a, quality: value.b })),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_answers_survive_the_wire() {
        let info = Answer::Info(Info { rate: 1000, quality: 1024 });
        for (command, answer) in
            [(Command::GetEntropy { buffer: 3u8 }, Answer::Size(32)), (Command::GetInfo, info)]
        {
            let (number, params) = command.into_params();
            assert_eq!(Command::from_params(number, params), Ok(command));
            assert_eq!(Answer::from_outputs(number, &answer.outputs()), Some(answer));
            assert_eq!(Answer::from_outputs(number, &[Output::None; 4]), None);
        }
        let none: Params<u8> = [Param::None; 4];
        assert_eq!(Command::from_params(2, none), Err(BadRequest::UnknownCommand(2)));
        assert!(Command::from_params(0, none).is_err());
        // An output buffer is not what the service takes.
        let output = [Param::MemrefOutput(3u8), Param::None, Param::None, Param::None];
        assert!(Command::from_params(0, output).is_err());
    }
}
