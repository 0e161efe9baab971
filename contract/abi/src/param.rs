//! The four parameters of a TEE call, independent of how a world holds memory references.

use core::error::Error;
use core::fmt;

use crate::TeeResult;

/// Two 32-bit words, which carry a 64-bit number low word first where one is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Value {
    /// The first word; the low half of a 64-bit number.
    pub a: u32,
    /// The second word; the high half of a 64-bit number.
    pub b: u32,
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self { a: number as u32, b: (number >> 32) as u32 }
    }
}

impl From<Value> for u64 {
    fn from(value: Value) -> Self {
        u64::from(value.b) << 32 | u64::from(value.a)
    }
}

/// What a parameter is, with GlobalPlatform's numbers (`TEE_PARAM_TYPE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParamKind {
    /// Not used, 0.
    None,
    /// Two words to the TEE, 1.
    ValueInput,
    /// Two words from the TEE, 2.
    ValueOutput,
    /// Two words both ways, 3.
    ValueInout,
    /// Memory that the TEE reads, 5.
    MemrefInput,
    /// Memory that the TEE writes, 6.
    MemrefOutput,
    /// Memory that the TEE reads and writes, 7.
    MemrefInout,
}

impl ParamKind {
    /// GlobalPlatform's number.
    pub const fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::ValueInput => 1,
            Self::ValueOutput => 2,
            Self::ValueInout => 3,
            Self::MemrefInput => 5,
            Self::MemrefOutput => 6,
            Self::MemrefInout => 7,
        }
    }
}

/// One parameter on its way into the TEE; `M` is how the caller's world holds a memory reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Param<M> {
    /// Not used.
    #[default]
    None,
    /// Two words to the TEE.
    ValueInput(Value),
    /// Room for two words from the TEE.
    ValueOutput,
    /// Two words both ways.
    ValueInout(Value),
    /// Memory that the TEE reads.
    MemrefInput(M),
    /// Memory that the TEE writes.
    MemrefOutput(M),
    /// Memory that the TEE reads and writes.
    MemrefInout(M),
}

impl<M> Param<M> {
    /// Which of the seven it is.
    pub const fn kind(&self) -> ParamKind {
        match self {
            Self::None => ParamKind::None,
            Self::ValueInput(_) => ParamKind::ValueInput,
            Self::ValueOutput => ParamKind::ValueOutput,
            Self::ValueInout(_) => ParamKind::ValueInout,
            Self::MemrefInput(_) => ParamKind::MemrefInput,
            Self::MemrefOutput(_) => ParamKind::MemrefOutput,
            Self::MemrefInout(_) => ParamKind::MemrefInout,
        }
    }

    /// The same parameter with its memory reference exchanged, as when a call crosses into the other world.
    pub fn map<N, E>(self, f: impl FnOnce(M) -> Result<N, E>) -> Result<Param<N>, E> {
        Ok(match self {
            Self::None => Param::None,
            Self::ValueInput(value) => Param::ValueInput(value),
            Self::ValueOutput => Param::ValueOutput,
            Self::ValueInout(value) => Param::ValueInout(value),
            Self::MemrefInput(memory) => Param::MemrefInput(f(memory)?),
            Self::MemrefOutput(memory) => Param::MemrefOutput(f(memory)?),
            Self::MemrefInout(memory) => Param::MemrefInout(f(memory)?),
        })
    }
}

/// The four parameters of one call.
pub type Params<M> = [Param<M>; 4];

/// What the TEE gives back in one parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Nothing.
    #[default]
    None,
    /// Two words.
    Value(Value),
    /// How many bytes of a memory reference were written, or would be needed (`TEE_ERROR_SHORT_BUFFER`).
    Size(usize),
}

/// What the TEE gives back in the four parameters.
pub type Outputs = [Output; 4];

/// The whole answer of a call: a result code, and outputs that count even when the code is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// `TEE_SUCCESS` or why not.
    pub result: TeeResult,
    /// The outputs; a needed size comes with `TEE_ERROR_SHORT_BUFFER`.
    pub outputs: Outputs,
}

impl Completion {
    /// Success that gives nothing back.
    pub const DONE: Self = Self { result: TeeResult::SUCCESS, outputs: [Output::None; 4] };

    /// Success with outputs.
    pub const fn with(outputs: Outputs) -> Self {
        Self { result: TeeResult::SUCCESS, outputs }
    }

    /// A failure that gives nothing back.
    pub const fn failed(result: TeeResult) -> Self {
        Self { result, outputs: [Output::None; 4] }
    }
}

/// Parameters that do not fit the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// No command has this number.
    UnknownCommand(u32),
    /// A parameter has another type than the command wants.
    ParamType {
        /// The command's number.
        command: u32,
        /// Which of the four.
        index: usize,
        /// What the command wants there.
        expected: ParamKind,
        /// What was passed.
        found: ParamKind,
    },
    /// A parameter has a value outside its range.
    ParamRange {
        /// The command's number.
        command: u32,
        /// Which of the four.
        index: usize,
        /// The largest value allowed.
        limit: u64,
        /// What was passed.
        found: u64,
    },
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand(command) => write!(f, "there is no command {command:#x}"),
            Self::ParamType { command, index, expected, found } => {
                write!(f, "command {command:#x} wants {expected:?} as parameter {index} and got {found:?}")
            }
            Self::ParamRange { command, index, limit, found } => write!(
                f,
                "command {command:#x} takes at most {limit:#x} in parameter {index} and got {found:#x}"
            ),
        }
    }
}

impl Error for BadRequest {}

impl From<BadRequest> for TeeResult {
    fn from(_: BadRequest) -> Self {
        // Upstream's TA answers an unknown command the same way.
        Self::BAD_PARAMETERS
    }
}

/// Takes the four parameters of one command apart, in order, remembering which is which for the error.
pub(crate) struct Taker<M> {
    command: u32,
    params: core::iter::Enumerate<core::array::IntoIter<Param<M>, 4>>,
}

impl<M> Taker<M> {
    pub(crate) fn new(command: u32, params: Params<M>) -> Self {
        Self { command, params: params.into_iter().enumerate() }
    }

    fn next(&mut self) -> (usize, Param<M>) {
        self.params.next().unwrap_or((4, Param::None))
    }

    fn wrong(&self, index: usize, expected: ParamKind, found: ParamKind) -> BadRequest {
        BadRequest::ParamType { command: self.command, index, expected, found }
    }

    pub(crate) fn value(&mut self) -> Result<Value, BadRequest> {
        match self.next() {
            (_, Param::ValueInput(value)) => Ok(value),
            (index, other) => Err(self.wrong(index, ParamKind::ValueInput, other.kind())),
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, BadRequest> {
        let value = self.value()?;
        u8::try_from(value.a).map_err(|_| BadRequest::ParamRange {
            command: self.command,
            index: 3,
            limit: 0xff,
            found: u64::from(value.a),
        })
    }

    pub(crate) fn value_output(&mut self) -> Result<(), BadRequest> {
        match self.next() {
            (_, Param::ValueOutput) => Ok(()),
            (index, other) => Err(self.wrong(index, ParamKind::ValueOutput, other.kind())),
        }
    }

    pub(crate) fn memref_input(&mut self) -> Result<M, BadRequest> {
        match self.next() {
            (_, Param::MemrefInput(memory)) => Ok(memory),
            (index, other) => Err(self.wrong(index, ParamKind::MemrefInput, other.kind())),
        }
    }

    pub(crate) fn memref_output(&mut self) -> Result<M, BadRequest> {
        match self.next() {
            (_, Param::MemrefOutput(memory)) => Ok(memory),
            (index, other) => Err(self.wrong(index, ParamKind::MemrefOutput, other.kind())),
        }
    }

    pub(crate) fn value_inout(&mut self) -> Result<Value, BadRequest> {
        match self.next() {
            (_, Param::ValueInout(value)) => Ok(value),
            (index, other) => Err(self.wrong(index, ParamKind::ValueInout, other.kind())),
        }
    }

    pub(crate) fn memref_inout(&mut self) -> Result<M, BadRequest> {
        match self.next() {
            (_, Param::MemrefInout(memory)) => Ok(memory),
            (index, other) => Err(self.wrong(index, ParamKind::MemrefInout, other.kind())),
        }
    }

    /// What is left must be unused.
    pub(crate) fn end(mut self) -> Result<(), BadRequest> {
        let command = self.command;
        match self.params.find(|(_, param)| param.kind() != ParamKind::None) {
            None => Ok(()),
            Some((index, param)) => {
                Err(BadRequest::ParamType { command, index, expected: ParamKind::None, found: param.kind() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_number_survives_its_two_words(number: u64) {
            proptest::prop_assert_eq!(u64::from(Value::from(number)), number);
        }
    }

    #[test]
    fn an_extra_parameter_is_named() {
        let taker = Taker::<()>::new(9, [Param::None, Param::None, Param::ValueOutput, Param::None]);
        assert_eq!(
            taker.end(),
            Err(BadRequest::ParamType {
                command: 9,
                index: 2,
                expected: ParamKind::None,
                found: ParamKind::ValueOutput
            })
        );
    }
}
