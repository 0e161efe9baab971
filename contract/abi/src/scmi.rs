//! The SCMI platform service of OP-TEE: how SCMI messages travel through a TEE call.
//!
//! Sources: OP-TEE's `lib/libutee/include/pta_scmi_client.h` and `core/pta/scmi.c`, Linux's
//! `drivers/firmware/arm_scmi/transports/optee.c`.

use crate::param::Taker;
use crate::{BadRequest, Output, Outputs, Param, Params, Value};

/// How a channel carries its messages (`PTA_SCMI_CAPS_*`).
pub mod capability {
    /// In shared memory with the header that a mailbox needs (shared memory transport, SMT).
    pub const SMT: u32 = 1 << 0;
    /// In shared memory, the message and nothing else (MSG).
    pub const MSG: u32 = 1 << 1;
}

/// A command of the service; `M` is a memory reference as the side that holds the command has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<M> {
    /// 0: what the service's channels can do, answered by [`Answer::Capabilities`].
    Capabilities,
    /// 1: handle the message in the memory that both sides know belongs to the channel.
    ProcessSmtChannel {
        /// The channel's handle.
        handle: u32,
    },
    /// 2: handle the message in this memory, which has a mailbox header.
    ProcessSmtMessage {
        /// The channel's handle.
        handle: u32,
        /// Message, then reply.
        buffer: M,
    },
    /// 3: the handle of a channel, answered by [`Answer::Handle`].
    GetChannelHandle {
        /// The channel's number (`linaro,optee-channel-id` in device trees).
        channel: u32,
        /// What the channel must be able to do, [`capability`] bits.
        capabilities: u32,
    },
    /// 4: handle a message, answered by [`Answer::Size`]. The reply may overwrite the message: Linux passes one buffer
    /// twice.
    ProcessMessage {
        /// The channel's handle.
        handle: u32,
        /// The message.
        message: M,
        /// Room for the reply.
        reply: M,
    },
}

impl<M> Command<M> {
    /// The call as it goes on the wire: the command's number and its four parameters.
    pub fn into_params(self) -> (u32, Params<M>) {
        let word = |a: u32| Param::ValueInput(Value { a, b: 0 });
        let none = || Param::None;
        match self {
            Self::Capabilities => (0, [Param::ValueOutput, none(), none(), none()]),
            Self::ProcessSmtChannel { handle } => (1, [word(handle), none(), none(), none()]),
            Self::ProcessSmtMessage { handle, buffer } => {
                (2, [word(handle), Param::MemrefInout(buffer), none(), none()])
            }
            Self::GetChannelHandle { channel, capabilities } => {
                let value = Value { a: channel, b: capabilities };
                (3, [Param::ValueInout(value), none(), none(), none()])
            }
            Self::ProcessMessage { handle, message, reply } => {
                (4, [word(handle), Param::MemrefInput(message), Param::MemrefOutput(reply), none()])
            }
        }
    }

    /// The call as the service receives it.
    pub fn from_params(number: u32, params: Params<M>) -> Result<Self, BadRequest> {
        let mut taker = Taker::new(number, params);
        let command = match number {
            0 => {
                taker.value_output()?;
                Self::Capabilities
            }
            1 => Self::ProcessSmtChannel { handle: taker.value()?.a },
            2 => Self::ProcessSmtMessage { handle: taker.value()?.a, buffer: taker.memref_inout()? },
            3 => {
                let Value { a: channel, b: capabilities } = taker.value_inout()?;
                Self::GetChannelHandle { channel, capabilities }
            }
            4 => Self::ProcessMessage {
                handle: taker.value()?.a,
                message: taker.memref_input()?,
                reply: taker.memref_output()?,
            },
            _ => return Err(BadRequest::UnknownCommand(number)),
        };
        taker.end()?;
        Ok(command)
    }
}

/// The answer to a command of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Command::Capabilities`]: [`capability`] bits, and OP-TEE's own extensions.
    Capabilities {
        /// [`capability`] bits.
        capabilities: u32,
        /// Extensions, 0 here.
        extensions: u32,
    },
    /// To [`Command::GetChannelHandle`].
    Handle(u32),
    /// To [`Command::ProcessMessage`]: bytes of the reply, or bytes needed.
    Size(usize),
}

impl Answer {
    /// As outputs on the wire.
    pub const fn outputs(self) -> Outputs {
        let none = Output::None;
        match self {
            Self::Capabilities { capabilities, extensions } => {
                [Output::Value(Value { a: capabilities, b: extensions }), none, none, none]
            }
            Self::Handle(handle) => [Output::Value(Value { a: handle, b: 0 }), none, none, none],
            Self::Size(size) => [none, none, Output::Size(size), none],
        }
    }

    /// From the outputs of the command with this number; `None` when the service did not fill what it must.
    pub const fn from_outputs(number: u32, outputs: &Outputs) -> Option<Self> {
        match (number, outputs) {
            (0, [Output::Value(value), ..]) => {
                Some(Self::Capabilities { capabilities: value.a, extensions: value.b })
            }
            (3, [Output::Value(value), ..]) => Some(Self::Handle(value.a)),
            (4, [_, _, Output::Size(size), _]) => Some(Self::Size(*size)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParamKind;

    const ALL: [Command<u8>; 5] = [
        Command::Capabilities,
        Command::ProcessSmtChannel { handle: 5 },
        Command::ProcessSmtMessage { handle: 6, buffer: 1 },
        Command::GetChannelHandle { channel: 7, capabilities: capability::MSG },
        Command::ProcessMessage { handle: 8, message: 2, reply: 3 },
    ];

    #[test]
    fn every_command_survives_the_wire() {
        for (expected, command) in ALL.into_iter().enumerate() {
            let (number, params) = command.into_params();
            assert_eq!(number as usize, expected);
            assert_eq!(Command::from_params(number, params), Ok(command));
            let mut extra = params;
            extra[3] = Param::ValueOutput;
            assert!(Command::from_params(number, extra).is_err());
        }
        let none: Params<u8> = [Param::None; 4];
        assert_eq!(Command::from_params(5, none), Err(BadRequest::UnknownCommand(5)));
        let found = ParamKind::None;
        let expected = ParamKind::ValueInout;
        assert_eq!(
            Command::from_params(3, none),
            Err(BadRequest::ParamType { command: 3, index: 0, expected, found })
        );
    }

    #[test]
    fn every_answer_survives_the_wire() {
        for (number, answer) in [
            (0, Answer::Capabilities { capabilities: capability::MSG, extensions: 1 }),
            (3, Answer::Handle(9)),
            (4, Answer::Size(12)),
        ] {
            assert_eq!(Answer::from_outputs(number, &answer.outputs()), Some(answer));
            assert_eq!(Answer::from_outputs(number, &[Output::None; 4]), None);
        }
    }
}
