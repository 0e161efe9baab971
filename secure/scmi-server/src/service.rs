//! The server as a platform service of the TEE: sessions, channels, and one private copy of each message.

use rproc_abi::scmi::{Answer, Command, capability};
use rproc_abi::{Client, Completion, Login, Params, SharedMemory, TeeResult};
use rproc_scmi::MAX_MESSAGE;

use crate::{Clocks, PowerDomains, Resets, Rights, Server};

/// The service (OP-TEE's `core/pta/scmi.c`), with messages in buffers of the caller's.
pub struct ScmiService<S, R> {
    server: Server<S, R>,
}

impl<S: Clocks + Resets + PowerDomains, R: Rights> ScmiService<S, R> {
    /// The service over a server.
    pub const fn new(server: Server<S, R>) -> Self {
        Self { server }
    }

    /// The server.
    pub const fn server(&self) -> &Server<S, R> {
        &self.server
    }

    /// The server, for what no message asks of it.
    pub const fn server_mut(&mut self) -> &mut Server<S, R> {
        &mut self.server
    }

    /// The normal world's kernel may open it and nobody else.
    pub fn open_session(&self, client: Client) -> Result<(), TeeResult> {
        if client.login == Login::ReeKernel { Ok(()) } else { Err(TeeResult::ACCESS_DENIED) }
    }

    /// Carries out one command.
    pub fn invoke<M: SharedMemory>(&mut self, number: u32, params: Params<M>) -> Completion {
        let command = match Command::from_params(number, params) {
            Ok(command) => command,
            Err(bad) => return Completion::failed(bad.into()),
        };
        let answer = match command {
            Command::Capabilities => {
                Ok(Answer::Capabilities { capabilities: capability::MSG, extensions: 0 })
            }
            Command::ProcessSmtChannel { .. } | Command::ProcessSmtMessage { .. } => {
                Err(TeeResult::NOT_SUPPORTED)
            }
            Command::GetChannelHandle { capabilities, .. } if capabilities != capability::MSG => {
                Err(TeeResult::NOT_SUPPORTED)
            }
            // The handle is the channel's number.
            Command::GetChannelHandle { channel, .. } => self.channel(channel).map(Answer::Handle),
            Command::ProcessMessage { handle, message, reply } => {
                // Asked for before anything is done, so that no agent is left without the answer to what was.
                if reply.size() < MAX_MESSAGE {
                    let outputs = Answer::Size(MAX_MESSAGE).outputs();
                    return Completion { result: TeeResult::SHORT_BUFFER, outputs };
                }
                self.channel(handle).and_then(|channel| self.message(channel, &message, &reply))
            }
        };
        match answer {
            Ok(answer) => Completion::with(answer.outputs()),
            Err(result) => Completion::failed(result),
        }
    }

    fn channel(&self, channel: u32) -> Result<u32, TeeResult> {
        let known = usize::try_from(channel).is_ok_and(|index| index < self.server.channels());
        if known { Ok(channel) } else { Err(TeeResult::BAD_PARAMETERS) }
    }

    fn message<M: SharedMemory>(
        &mut self,
        channel: u32,
        message: &M,
        reply: &M,
    ) -> Result<Answer, TeeResult> {
        let mut bytes = [0; MAX_MESSAGE];
        let bytes = bytes.get_mut(..message.size()).ok_or(TeeResult::BAD_PARAMETERS)?;
        message.read(0, bytes).map_err(|_| TeeResult::BAD_PARAMETERS)?;
        let answer = self.server.handle(channel, bytes).map_err(|_| TeeResult::BAD_PARAMETERS)?;
        reply.write(0, answer.as_bytes()).map_err(|_| TeeResult::BAD_PARAMETERS)?;
        Ok(Answer::Size(answer.as_bytes().len()))
    }
}
