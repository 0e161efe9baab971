//! The echo itself: one endpoint, one message at a time.

use rproc_rpmsg::memory::Memory;
use rproc_rpmsg::message::{FIRST_DYNAMIC_ADDRESS, MAX_PAYLOAD, Payload};
use rproc_rpmsg::name_service::{Change, Name};
use rproc_rpmsg::remote::Remote;
use rproc_rpmsg::{ReceiveError, Ring, SendError, vring};
use rproc_runtime::log;

/// Address of the endpoint.
const ENDPOINT: u32 = FIRST_DYNAMIC_ADDRESS;

/// What is to be sent as soon as the host has a free buffer.
enum Owed {
    Nothing,
    Announcement,
    Reply { destination: u32, length: usize },
}

/// Echo's state.
pub struct Echo {
    channel: &'static str,
    remote: Remote,
    owed: Owed,
    message: Payload,
    broken: bool,
}

impl Echo {
    /// An echo that will announce `channel` if the host listens.
    pub fn new(channel: &'static str, remote: Remote) -> Self {
        let owed = if remote.has_name_service() { Owed::Announcement } else { Owed::Nothing };
        log!("echo: ready");
        Self { channel, remote, owed, message: [0; MAX_PAYLOAD], broken: false }
    }

    /// Sends what is owed, then takes a message, which `heard` is told. False if neither can go on before the host signals.
    pub fn step(&mut self, memory: &mut impl Memory, heard: impl FnOnce(&[u8])) -> bool {
        !self.broken && self.pay(memory) && self.take(memory, heard)
    }

    /// Whether something is to be sent as soon as the host has a free buffer.
    pub fn owes(&self) -> bool {
        !matches!(self.owed, Owed::Nothing)
    }

    /// Whether the host must be signalled for this ring.
    pub fn must_notify(&mut self, memory: &impl Memory, ring: Ring) -> bool {
        let wanted = self.remote.take_notification(memory, ring);
        wanted.unwrap_or_else(|error| self.give_up(error))
    }

    /// Sends what is owed. False if the host has no free buffer: its next signal will tell of one.
    fn pay(&mut self, memory: &mut impl Memory) -> bool {
        let sent = match self.owed {
            Owed::Nothing => return true,
            Owed::Announcement => Name::new(self.channel)
                .map_or(Ok(()), |name| self.remote.announce(memory, name, ENDPOINT, Change::Created)),
            Owed::Reply { destination, length } => {
                let payload = self.message.get(..length).unwrap_or_default();
                self.remote.send(memory, ENDPOINT, destination, payload)
            }
        };
        match sent {
            Err(SendError::Full) => return false,
            Err(SendError::Ring(error)) => return self.give_up(error),
            Err(error) => log!("echo: {error}"),
            Ok(()) => {}
        }
        self.owed = Owed::Nothing;
        true
    }

    /// Takes the host's next message. False if there is none.
    fn take(&mut self, memory: &mut impl Memory, heard: impl FnOnce(&[u8])) -> bool {
        match self.remote.receive(memory, &mut self.message) {
            Ok(None) => return false,
            Ok(Some(message)) if message.destination == ENDPOINT => {
                let (destination, length) = (message.source, message.payload.len());
                log!("echo: {length} bytes from {destination:#x}");
                heard(message.payload);
                self.owed = Owed::Reply { destination, length };
            }
            Ok(Some(message)) => {
                log!("echo: no endpoint {:#x} for a message from {:#x}", message.destination, message.source);
            }
            Err(ReceiveError::Malformed(error)) => log!("echo: dropped: {error}"),
            Err(ReceiveError::Ring(error)) => return self.give_up(error),
        }
        true
    }

    fn give_up(&mut self, error: vring::Error) -> bool {
        if !self.broken {
            log!("echo: stopped: {error}");
        }
        self.broken = true;
        false
    }
}
