//! The TEE's random number service, as Linux's `optee-rng` uses it.

use rproc_abi::hwrng::{Answer, Command, Info, MAX_REQUEST};
use rproc_abi::{Login, Param, Params, Uuid};
use thiserror::Error;

use crate::{MemRef, SessionId, SharedBuffer, TeeClient, TeeError};

/// No random bytes.
#[derive(Debug, Error)]
pub enum HwRngError {
    /// No session.
    #[error("the TEE opens no session with its random number service: {0}")]
    Open(#[source] TeeError),
    /// A call failed.
    #[error("the TEE gave no random bytes: {0}")]
    Call(#[source] TeeError),
    /// The service says nothing where it must, or more than it can.
    #[error("the random number service answered its command {command} with what is no answer to it")]
    Answer {
        /// The command.
        command: u32,
    },
}

/// A session with the service.
pub struct HwRng<C: TeeClient> {
    client: C,
    session: SessionId,
    buffer: SharedBuffer,
    info: Info,
}

impl<C: TeeClient> HwRng<C> {
    /// Opens the service, as anybody may, and asks how good it is.
    pub fn open(client: C) -> Result<Self, HwRngError> {
        let none: Params<MemRef> = [Param::None, Param::None, Param::None, Param::None];
        let session = client.open_session(Uuid::HWRNG_PTA, Login::Public, none).map_err(HwRngError::Open)?;
        let ready = Self::info_of(&client, session).and_then(|info| {
            client.share(MAX_REQUEST).map(|buffer| (info, buffer)).map_err(HwRngError::Open)
        });
        match ready {
            Ok((info, buffer)) => Ok(Self { client, session, buffer, info }),
            Err(error) => {
                client.close_session(session);
                Err(error)
            }
        }
    }

    fn info_of(client: &C, session: SessionId) -> Result<Info, HwRngError> {
        let (command, params) = Command::<MemRef>::GetInfo.into_params();
        let outputs = client.invoke(session, command, params).map_err(HwRngError::Open)?;
        match Answer::from_outputs(command, &outputs) {
            Some(Answer::Info(info)) => Ok(info),
            _ => Err(HwRngError::Answer { command }),
        }
    }

    /// How fast and how good it is.
    pub const fn info(&self) -> Info {
        self.info
    }

    /// Fills the first bytes of `into` and says how many: [`MAX_REQUEST`] at most, and fewer when the TEE has no more now.
    pub fn read(&self, into: &mut [u8]) -> Result<usize, HwRngError> {
        let size = into.len().min(MAX_REQUEST);
        let buffer = MemRef { buffer: self.buffer, offset: 0, size };
        let (command, params) = Command::GetEntropy { buffer }.into_params();
        let outputs = self.client.invoke(self.session, command, params).map_err(HwRngError::Call)?;
        let Some(Answer::Size(filled)) = Answer::from_outputs(command, &outputs) else {
            return Err(HwRngError::Answer { command });
        };
        let part = into.get_mut(..filled).filter(|part| part.len() <= size);
        let part = part.ok_or(HwRngError::Answer { command })?;
        self.client.read_shared(self.buffer, 0, part).map_err(HwRngError::Call)?;
        Ok(filled)
    }
}

impl<C: TeeClient> Drop for HwRng<C> {
    fn drop(&mut self) {
        self.client.unshare(self.buffer);
        self.client.close_session(self.session);
    }
}
