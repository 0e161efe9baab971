//! A channel of the SCMI service: one message to it, one back, in shared memory.

use std::cell::Cell;

use rproc_abi::scmi::{Answer, Command, capability};
use rproc_abi::{Login, Param, Params, TeeResult, Uuid};
use rproc_scmi::{Header, MAX_MESSAGE, Reply, Request, encode_request, parse_reply};
use rproc_tee::{MemRef, SessionId, SharedBuffer, TeeClient, TeeError};

use crate::{ScmiError, describe};

/// An open channel.
pub(crate) struct Channel<C: TeeClient> {
    client: C,
    session: SessionId,
    handle: u32,
    /// Room for a message, then for its reply.
    buffer: SharedBuffer,
    token: Cell<u16>,
}

impl<C: TeeClient> Channel<C> {
    pub(crate) fn open(client: C, channel: u32) -> Result<Self, ScmiError> {
        let none: Params<MemRef> = [Param::None, Param::None, Param::None, Param::None];
        let session = client.open_session(Uuid::SCMI_PTA, Login::ReeKernel, none).map_err(ScmiError::Open)?;
        match Self::handle(&client, session, channel) {
            Ok((handle, buffer)) => Ok(Self { client, session, handle, buffer, token: Cell::new(0) }),
            Err(error) => {
                client.close_session(session);
                Err(error)
            }
        }
    }

    fn handle(client: &C, session: SessionId, channel: u32) -> Result<(u32, SharedBuffer), ScmiError> {
        let call = |command: Command<MemRef>| {
            let (number, params) = command.into_params();
            client.invoke(session, number, params).map(|outputs| Answer::from_outputs(number, &outputs))
        };
        match call(Command::Capabilities).map_err(ScmiError::Open)? {
            Some(Answer::Capabilities { capabilities, .. }) if capabilities & capability::MSG != 0 => {}
            Some(Answer::Capabilities { capabilities: found, .. }) => {
                return Err(ScmiError::Capabilities { found });
            }
            _ => return Err(ScmiError::Silent { command: 0 }),
        }
        let wanted = Command::GetChannelHandle { channel, capabilities: capability::MSG };
        let Some(Answer::Handle(handle)) =
            call(wanted).map_err(|source| ScmiError::Channel { channel, source })?
        else {
            return Err(ScmiError::Silent { command: 3 });
        };
        let buffer = client.share(2 * MAX_MESSAGE).map_err(ScmiError::Open)?;
        Ok((handle, buffer))
    }

    /// Sends a command and gives back what the platform replied.
    pub(crate) fn call(&self, request: &Request) -> Result<Reply, ScmiError> {
        let token = self.token.get();
        self.token.set((token + 1) & Header::MAX_TOKEN);
        let transport = |source| ScmiError::Transport { operation: describe(request), source };
        let mut bytes = [0; MAX_MESSAGE];
        let size = self.exchange(token, request, &mut bytes).map_err(transport)?;
        let size = size.ok_or(ScmiError::Silent { command: 4 })?;
        // A size past the buffer is a reply that is too long, which the parser says.
        let reply = match bytes.get(..size) {
            Some(reply) => parse_reply(token, request, reply),
            None => Err(rproc_scmi::BadMessage::TooLong { limit: MAX_MESSAGE, found: size }),
        };
        match reply {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(status)) => Err(ScmiError::Refused { operation: describe(request), status }),
            Err(source) => Err(ScmiError::Answer { operation: describe(request), source }),
        }
    }

    fn exchange(
        &self,
        token: u16,
        request: &Request,
        into: &mut [u8; MAX_MESSAGE],
    ) -> Result<Option<usize>, TeeError> {
        let message = encode_request(token, request);
        let message = message.as_bytes();
        self.client.write_shared(self.buffer, 0, message)?;
        let (number, params) = Command::ProcessMessage {
            handle: self.handle,
            message: MemRef { buffer: self.buffer, offset: 0, size: message.len() },
            reply: MemRef { buffer: self.buffer, offset: MAX_MESSAGE, size: MAX_MESSAGE },
        }
        .into_params();
        let outputs = self.client.invoke(self.session, number, params)?;
        self.client.read_shared(self.buffer, MAX_MESSAGE, into)?;
        match Answer::from_outputs(number, &outputs) {
            Some(Answer::Size(size)) => Ok(Some(size)),
            _ => Ok(None),
        }
    }
}

impl<C: TeeClient> Drop for Channel<C> {
    fn drop(&mut self) {
        self.client.unshare(self.buffer);
        self.client.close_session(self.session);
    }
}

/// Whether the TEE says that it has no SCMI service at all.
pub(crate) fn is_absent(error: &ScmiError) -> bool {
    matches!(error, ScmiError::Open(error) if error.result == TeeResult::ITEM_NOT_FOUND)
}
