//! Whole commands and replies of any protocol, to and from the wire.

use crate::wire::{MAX_MESSAGE, Message, Payload};
use crate::{BadMessage, Header, MessageType, Protocol, Status, base, clock, power, reset};

/// A command to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// 0 of every protocol, PROTOCOL_VERSION.
    Version(Protocol),
    /// 1 of every protocol, PROTOCOL_ATTRIBUTES.
    Attributes(Protocol),
    /// 2 of every protocol, PROTOCOL_MESSAGE_ATTRIBUTES: whether it implements a message.
    MessageAttributes {
        /// The protocol.
        protocol: Protocol,
        /// The message's number.
        message: u32,
    },
    /// Of the base protocol.
    Base(base::Request),
    /// Of the power domain protocol.
    Power(power::Request),
    /// Of the clock protocol.
    Clock(clock::Request),
    /// Of the reset domain protocol.
    Reset(reset::Request),
}

impl Request {
    /// The protocol that it belongs to.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Version(protocol)
            | Self::Attributes(protocol)
            | Self::MessageAttributes { protocol, .. } => *protocol,
            Self::Base(_) => Protocol::Base,
            Self::Power(_) => Protocol::Power,
            Self::Clock(_) => Protocol::Clock,
            Self::Reset(_) => Protocol::Reset,
        }
    }

    /// The header that it goes out with.
    pub const fn header(&self, token: u16) -> Header {
        let message = match self {
            Self::Version(_) => 0,
            Self::Attributes(_) => 1,
            Self::MessageAttributes { .. } => 2,
            Self::Base(request) => request.message(),
            Self::Power(request) => request.message(),
            Self::Clock(request) => request.message(),
            Self::Reset(request) => request.message(),
        };
        let protocol = self.protocol().id();
        Header { message, kind: MessageType::Command, protocol, token: token & Header::MAX_TOKEN }
    }

    /// The command of a message that [`Header::split`] has taken apart.
    pub fn decode(header: Header, payload: &[u8]) -> Result<Self, BadMessage> {
        if header.kind != MessageType::Command {
            let expected = Header { kind: MessageType::Command, ..header }.word();
            return Err(BadMessage::Header { expected, found: header.word() });
        }
        let Header { message, protocol: id, .. } = header;
        let protocol = Protocol::from_id(id).ok_or(BadMessage::UnknownProtocol { protocol: id })?;
        let payload = Payload { protocol: id, message, bytes: payload };
        match (message, protocol) {
            (0, _) => payload.words::<0>().map(|_| Self::Version(protocol)),
            (1, _) => payload.words::<0>().map(|_| Self::Attributes(protocol)),
            (2, _) => payload.words().map(|[message]| Self::MessageAttributes { protocol, message }),
            (_, Protocol::Base) => base::Request::decode(payload).map(Self::Base),
            (_, Protocol::Power) => power::Request::decode(payload).map(Self::Power),
            (_, Protocol::Clock) => clock::Request::decode(payload).map(Self::Clock),
            (_, Protocol::Reset) => reset::Request::decode(payload).map(Self::Reset),
        }
    }
}

/// How much of what a protocol has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// Of the base protocol.
    Base {
        /// Protocols beside the base protocol.
        protocols: u8,
        /// Agents.
        agents: u8,
    },
    /// Of the power domain protocol. Statistics in shared memory are never offered here and skipped when read.
    Power {
        /// Domains, numbered from 0.
        domains: u16,
    },
    /// Of the clock protocol.
    Clock {
        /// Clocks, numbered from 0.
        clocks: u16,
        /// Rate changes that may be under way at once; 0: each is waited for.
        pending: u8,
    },
    /// Of the reset domain protocol.
    Reset {
        /// Domains, numbered from 0.
        domains: u16,
    },
}

impl Attributes {
    fn encode(&self, to: &mut Message) {
        match *self {
            Self::Base { protocols, agents } => to.word(u32::from(protocols) | u32::from(agents) << 8),
            Self::Power { domains } => to.words(&[u32::from(domains), 0, 0, 0]),
            Self::Clock { clocks, pending } => to.word(u32::from(clocks) | u32::from(pending) << 16),
            Self::Reset { domains } => to.word(u32::from(domains)),
        }
    }

    fn decode(protocol: Protocol, from: Payload<'_>) -> Result<Self, BadMessage> {
        Ok(match protocol {
            Protocol::Base => {
                let [word] = from.words()?;
                Self::Base { protocols: word as u8, agents: (word >> 8) as u8 }
            }
            Protocol::Power => {
                let [word, _, _, _] = from.words()?;
                Self::Power { domains: word as u16 }
            }
            Protocol::Clock => {
                let [word] = from.words()?;
                Self::Clock { clocks: word as u16, pending: (word >> 16) as u8 }
            }
            Protocol::Reset => {
                let [word] = from.words()?;
                Self::Reset { domains: word as u16 }
            }
        })
    }
}

/// The platform's answer to a command that it carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::Version`]: the major number in the upper half.
    Version(u32),
    /// To [`Request::Attributes`].
    Attributes(Attributes),
    /// To [`Request::MessageAttributes`], of a message that is implemented.
    MessageAttributes(u32),
    /// Of the base protocol.
    Base(base::Reply),
    /// Of the power domain protocol.
    Power(power::Reply),
    /// Of the clock protocol.
    Clock(clock::Reply),
    /// Of the reset domain protocol.
    Reset(reset::Reply),
}

impl Reply {
    fn encode(&self, to: &mut Message) {
        match self {
            Self::Version(word) | Self::MessageAttributes(word) => to.word(*word),
            Self::Attributes(attributes) => attributes.encode(to),
            Self::Base(reply) => reply.encode(to),
            Self::Power(reply) => reply.encode(to),
            Self::Clock(reply) => reply.encode(to),
            Self::Reset(reply) => reply.encode(to),
        }
    }
}

/// A command as a message. Tokens above [`Header::MAX_TOKEN`] are cut.
pub fn encode_request(token: u16, request: &Request) -> Message {
    let mut message = Message::new(request.header(token));
    match request {
        Request::Version(_) | Request::Attributes(_) => {}
        Request::MessageAttributes { message: number, .. } => message.word(*number),
        Request::Base(request) => request.encode(&mut message),
        Request::Power(request) => request.encode(&mut message),
        Request::Clock(request) => request.encode(&mut message),
        Request::Reset(request) => request.encode(&mut message),
    }
    message
}

/// The answer to the command with this header, as a message.
pub fn encode_reply(header: Header, answer: Result<Reply, Status>) -> Message {
    let mut message = Message::new(header);
    match answer {
        Ok(reply) => {
            message.word(0);
            reply.encode(&mut message);
        }
        Err(status) => message.word(status.word()),
    }
    message
}

/// What came back for a command that was sent with this token: the reply, or the status with which it was refused.
pub fn parse_reply(token: u16, sent: &Request, bytes: &[u8]) -> Result<Result<Reply, Status>, BadMessage> {
    if bytes.len() > MAX_MESSAGE {
        return Err(BadMessage::TooLong { limit: MAX_MESSAGE, found: bytes.len() });
    }
    let (found, payload) = Header::split(bytes)?;
    let expected = sent.header(token);
    if found != expected {
        return Err(BadMessage::Header { expected: expected.word(), found: found.word() });
    }
    let payload = Payload { protocol: found.protocol, message: found.message, bytes: payload };
    let ([status], rest) = payload.head()?;
    if let Some(status) = Status::from_word(status) {
        // What follows a failure means nothing.
        return Ok(Err(status));
    }
    let payload = Payload { bytes: rest, ..payload };
    Ok(Ok(match sent {
        Request::Version(_) => payload.words().map(|[word]| Reply::Version(word))?,
        Request::Attributes(protocol) => Attributes::decode(*protocol, payload).map(Reply::Attributes)?,
        Request::MessageAttributes { .. } => payload.words().map(|[word]| Reply::MessageAttributes(word))?,
        Request::Base(_) => base::Reply::decode(payload).map(Reply::Base)?,
        Request::Power(_) => power::Reply::decode(payload).map(Reply::Power)?,
        Request::Clock(_) => clock::Reply::decode(payload).map(Reply::Clock)?,
        Request::Reset(_) => reset::Reply::decode(payload).map(Reply::Reset)?,
    }))
}

#[cfg(test)]
mod tests;
