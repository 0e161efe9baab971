//! The device-enumeration service: which services the TEE bus of Linux finds.

use crate::param::Taker;
use crate::{BadRequest, Output, Outputs, Param, Params, Uuid};

/// Which devices are asked for (`lib/libutee/include/pta_device.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those that need nothing from user space, command 0 (`PTA_CMD_GET_DEVICES`).
    Always,
    /// Those that need tee-supplicant, command 1 (`PTA_CMD_GET_DEVICES_SUPP`).
    Supplicant,
}

impl Scope {
    /// The command's number.
    pub const fn command(self) -> u32 {
        match self {
            Self::Always => 0,
            Self::Supplicant => 1,
        }
    }

    /// The call: one output buffer for 16-octet UUIDs. Asked with too little room, the service answers with the
    /// size it needs.
    pub fn into_params<M>(self, list: M) -> (u32, Params<M>) {
        (self.command(), [Param::MemrefOutput(list), Param::None, Param::None, Param::None])
    }

    /// The call as the service receives it.
    pub fn from_params<M>(command: u32, params: Params<M>) -> Result<(Self, M), BadRequest> {
        let scope = match command {
            0 => Self::Always,
            1 => Self::Supplicant,
            _ => return Err(BadRequest::UnknownCommand(command)),
        };
        let mut taker = Taker::new(command, params);
        let list = taker.memref_output()?;
        taker.end()?;
        Ok((scope, list))
    }

    /// The answer: how many bytes the list has or needs.
    pub const fn outputs(size: usize) -> Outputs {
        [Output::Size(size), Output::None, Output::None, Output::None]
    }
}

/// The UUIDs in a list as the service wrote it; a trailing partial entry is left out.
pub fn uuids(list: &[u8]) -> impl Iterator<Item = Uuid> + '_ {
    list.chunks_exact(16).filter_map(|octets| octets.try_into().ok()).map(Uuid::from_octets)
}
