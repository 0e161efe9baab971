//! The echo itself: one endpoint, one message at a time.

use core::mem;
use rproc_rpmsg::memory::Memory;
use rproc_rpmsg::message::{FIRST_DYNAMIC_ADDRESS, MAX_PAYLOAD, Message, Payload};
use rproc_rpmsg::name_service::{Change, Name};
use rproc_rpmsg::remote::{Remote, Vdev};
use rproc_rpmsg::{ReceiveError, Ring, SendError, vring};
use rproc_runtime::log;

/// Address of the endpoint.
const ENDPOINT: u32 = FIRST_DYNAMIC_ADDRESS;

/// Messages that are logged. Writing a line takes longer than echoing.
const LOGGED: u32 = 8;

/// What can be done after a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another step: there may be more messages.
    Step,
    /// What the message asked for, once its answer is on its way.
    Settle,
    /// Nothing before the host signals.
    Wait,
}

/// What is to be sent as soon as the host has a free buffer.
#[derive(Clone, Copy)]
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
    /// Messages that will yet be logged.
    to_log: u32,
    broken: bool,
}

impl Echo {
    /// An echo that will announce `channel` if the host listens.
    pub fn new(channel: &'static str, remote: Remote) -> Self {
        let owed = if remote.has_name_service() { Owed::Announcement } else { Owed::Nothing };
        log!("echo: ready");
        Self { channel, remote, owed, message: [0; MAX_PAYLOAD], to_log: LOGGED, broken: false }
    }

    /// Sends what is owed, takes a message and sends it back. `heard` is told the message; it says whether there is something to settle
    /// before the next one.
    pub fn step(&mut self, memory: &mut impl Memory, heard: impl FnOnce(&[u8]) -> bool) -> Next {
        if self.broken || self.owes() && !self.pay(memory) {
            return Next::Wait;
        }
        let message = match self.remote.receive(memory, &mut self.message) {
            Ok(None) => return Next::Wait,
            Ok(Some(message)) if message.destination == ENDPOINT => message,
            Ok(Some(Message { source, destination, .. })) => {
                log!("echo: no endpoint {destination:#x} for a message from {source:#x}");
                return Next::Step;
            }
            Err(error) => return self.not_received(error),
        };
        if self.to_log > 0 {
            self.to_log -= 1;
            log_message(&message, self.to_log);
        }
        let next = if heard(message.payload) { Next::Settle } else { Next::Step };
        let (destination, length) = (message.source, message.payload.len());
        match self.remote.send(memory, ENDPOINT, destination, message.payload) {
            Ok(()) => next,
            Err(error) => {
                let owed = Owed::Reply { destination, length };
                if self.not_sent(error, owed) { next } else { Next::Wait }
            }
        }
    }

    /// Whether the host has left, or has begun the channel anew, so that it must be joined again. `vdev` is as the host has it by now.
    pub fn is_over(&self, vdev: &Vdev, memory: &impl Memory) -> bool {
        // Rings that cannot be read were given up already.
        self.remote.is_over(vdev, memory).unwrap_or(false)
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

    /// Sends what is owed. False if that must wait.
    #[cold]
    fn pay(&mut self, memory: &mut impl Memory) -> bool {
        let owed = mem::replace(&mut self.owed, Owed::Nothing);
        let sent = match owed {
            Owed::Nothing => Ok(()),
            Owed::Announcement => match Name::new(self.channel) {
                Ok(name) => self.remote.announce(memory, name, ENDPOINT, Change::Created),
                Err(_) => Ok(()),
            },
            Owed::Reply { destination, length } => {
                let payload = self.message.get(..length).unwrap_or_default();
                self.remote.send(memory, ENDPOINT, destination, payload)
            }
        };
        match sent {
            Ok(()) => true,
            Err(error) => self.not_sent(error, owed),
        }
    }

    /// What could not be sent is owed, if it can be sent at all. False if nothing can go on before the host's next signal, which will
    /// tell of a free buffer.
    #[cold]
    fn not_sent(&mut self, error: SendError, what: Owed) -> bool {
        match error {
            SendError::Full => {
                self.owed = what;
                false
            }
            SendError::Ring(error) => self.give_up(error),
            error => {
                log!("echo: {error}");
                true
            }
        }
    }

    #[cold]
    fn not_received(&mut self, error: ReceiveError) -> Next {
        match error {
            ReceiveError::Malformed(error) => {
                log!("echo: dropped: {error}");
                Next::Step
            }
            ReceiveError::Ring(error) => {
                self.give_up(error);
                Next::Wait
            }
        }
    }

    fn give_up(&mut self, error: vring::Error) -> bool {
        if !self.broken {
            log!("echo: stopped: {error}");
        }
        self.broken = true;
        false
    }
}

/// Logs a message, and after the last one that is logged says so.
#[cold]
fn log_message(message: &Message<'_>, still_to_log: u32) {
    log!("echo: {} bytes from {:#x}", message.payload.len(), message.source);
    if still_to_log == 0 {
        log!("echo: further messages are not logged");
    }
}
