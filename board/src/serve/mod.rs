//! The virtual board as a PCI device of a machine that QEMU emulates: a vfio-user server.
//!
//! QEMU (`vfio-user-pci`, from 11.1) connects to a socket. The board's registers are two BARs, the normal world's view and the
//! secure world's; its on-chip memories are a third, which QEMU maps; its DDR is QEMU's own memory, at the same addresses
//! (`rproc-aperture` says where what is). So Linux and OP-TEE in that machine drive the very registers and memory that the
//! emulated Cortex-M33 has, and its mailbox and watchdogs interrupt Linux by the device's messages or its pin.
//!
//! QEMU has no firewall in front of its memory: the board's guards hold for the Cortex-M33 and for registers, not for what
//! QEMU's processors do to memory. [`crate::system`] is where all of them are held.

mod channel;
mod config_space;
mod device;
mod emulation;
mod guest_memory;
mod listener;
mod message;
mod messages;
mod pin;
mod signals;
mod soc;

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use channel::ChannelError;
pub use guest_memory::MemoryError;
pub use listener::{ListenError, Listener};

use crate::board::BoardError;
use crate::description::Description;
use crate::log::Event;
use channel::{Channel, Received};
use device::Device;
use message::{Header, Reply, Request, region};
use rustix::io::Errno;

/// Reads a stream of messages as the server would, for fuzzing; gives how many were well formed.
#[doc(hidden)]
pub fn decode_stream(mut bytes: &[u8]) -> usize {
    let mut good = 0;
    while let Some((head, rest)) = bytes.split_first_chunk() {
        let Ok(header) = Header::decode(head) else { break };
        let Some((body, rest)) = rest.split_at_checked(header.body) else { break };
        good += usize::from(Request::decode(header.command, body).is_ok());
        bytes = rest;
    }
    good
}

/// Something worth telling, as it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A client has connected and speaks.
    Attached,
    /// The board has power.
    PoweredOn {
        /// Its name.
        board: String,
        /// Bytes of DDR, which are the client's memory.
        shared: u64,
    },
    /// The board lost its power: the client reset it, or took its memory away.
    PoweredOff,
    /// Something happened on the board.
    Board(Event),
    /// So many events came faster than they were told.
    Lost {
        /// How many.
        events: u64,
    },
    /// The first access to a part of a BAR where there are no registers: it reads zero.
    Absent {
        /// Which BAR.
        bar: u32,
        /// Where in it.
        offset: u64,
        /// `read` or `written`.
        how: &'static str,
    },
    /// A request of the client made no sense and was answered with an error.
    Refused {
        /// Why.
        reason: String,
    },
    /// The client has closed the connection.
    Detached,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Attached => write!(f, "a machine has attached the board"),
            Notice::PoweredOn { board, shared } => {
                write!(f, "{board} has power, with {} MiB of the machine's memory as DDR", shared >> 20)
            }
            Notice::PoweredOff => write!(f, "the board is without power: the machine was reset or has ended"),
            Notice::Board(event) => write!(f, "{}", event.what),
            Notice::Lost { events } => write!(f, "{events} events came too fast and are lost"),
            Notice::Absent { bar, offset, how } => {
                write!(f, "offset {offset:#x} of BAR{bar} was {how}, where there are no registers")
            }
            Notice::Refused { reason } => write!(f, "a request was refused: {reason}"),
            Notice::Detached => write!(f, "the machine has closed the connection"),
        }
    }
}

/// Who is told, on the thread on which it happens.
pub type Observer = Arc<dyn Fn(Notice) + Send + Sync>;

/// Serving that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nobody connected in time.
    #[error("no machine attached the board within {} s", .limit.as_secs_f64())]
    NobodyCame {
        /// The limit.
        limit: Duration,
    },
    /// The connection broke.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The client's memory cannot be the board's.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The board cannot be made.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// The name of the SoC does not fit the device's identity.
    #[error("{0:?} is no name of a SoC that a driver could read: lower-case letters and digits, at most 27")]
    Name(&'static str),
    /// The host fails.
    #[error("the host failed: {0}")]
    Host(#[from] io::Error),
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client has closed the connection, as QEMU does when its machine ends.
    Detached,
    /// It was told to stop.
    Stopped,
}

/// What to serve.
pub struct Session<'a> {
    /// The board.
    pub description: &'a Description,
    /// How long to wait for a client; for ever without it.
    pub wait: Option<Duration>,
    /// Ends serving within some 200 ms once it is true.
    pub stop: &'a AtomicBool,
    /// Who is told what happens.
    pub observer: Observer,
}

impl Session<'_> {
    /// Serves the first client that speaks, until it leaves.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn serve(&self, listener: Listener) -> Result<Ending, ServeError> {
        let deadline = self.wait.and_then(|wait| Instant::now().checked_add(wait));
        let stopped = || self.stop.load(Ordering::Acquire);
        let mut open = Some(listener);
        while let Some(listener) = &open {
            let Some(stream) = listener.accept(deadline, &stopped)? else {
                return match self.wait {
                    Some(limit) if !stopped() => Err(ServeError::NobodyCame { limit }),
                    _ => Ok(Ending::Stopped),
                };
            };
            if let Some(ending) = self.converse(stream, deadline, &mut open)? {
                return Ok(ending);
            }
        }
        Ok(Ending::Stopped)
    }

    /// One connection. None when it was closed before a word, as by someone who only looks whether the socket is served, or
    /// when it stays silent beyond the deadline.
    fn converse(
        &self,
        stream: UnixStream,
        deadline: Option<Instant>,
        open: &mut Option<Listener>,
    ) -> Result<Option<Ending>, ServeError> {
        let mut channel = Channel::new(stream)?;
        let mut device = Device::new(self.description, self.observer.clone())?;
        let on_chip = device.on_chip().file().try_clone()?;
        let mut attached = false;
        while !self.stop.load(Ordering::Acquire) {
            let (header, descriptors) = match channel.receive()? {
                Received::Message(header, descriptors) => (header, descriptors),
                Received::Nothing if !attached && deadline.is_some_and(|end| end <= Instant::now()) => {
                    return Ok(None);
                }
                Received::Nothing => continue,
                Received::Closed if !attached => return Ok(None),
                Received::Closed => {
                    drop(device);
                    (self.observer)(Notice::Detached);
                    return Ok(Some(Ending::Detached));
                }
            };
            if !attached {
                attached = true;
                // There is one board: whoever comes now learns at once that nobody listens.
                *open = None;
                (self.observer)(Notice::Attached);
            }
            let reply = match Request::decode(header.command, channel.body()) {
                Ok(request) => device.handle(&request, descriptors)?,
                Err(reason) => {
                    (self.observer)(Notice::Refused { reason: reason.to_string() });
                    Reply::Error(Errno::INVAL.raw_os_error().unsigned_abs())
                }
            };
            self.answer(&mut channel, &header, &reply, &on_chip)?;
        }
        Ok(Some(Ending::Stopped))
    }

    fn answer(
        &self,
        channel: &mut Channel,
        header: &Header,
        reply: &Reply<'_>,
        on_chip: &std::fs::File,
    ) -> Result<(), ServeError> {
        if header.no_reply {
            return Ok(());
        }
        let mapped = matches!(reply, Reply::Region { flags, .. } if flags & region::MAP != 0);
        match channel.reply(header, reply, mapped.then(|| on_chip.as_fd())) {
            // A client that leaves without reading: the next wait sees that it has.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => Ok(done?),
        }
    }
}
