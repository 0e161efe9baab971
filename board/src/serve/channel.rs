//! One connection to a client: whole messages in, whole replies out, file descriptors with both.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use super::message::{HEADER_SIZE, Header, LONGEST, Malformed, Reply};

/// The most descriptors taken with one message; the kernel closes what is beyond.
const DESCRIPTORS: usize = 8;
/// How long a wait for a message lasts before the caller is asked whether to go on.
pub const TICK: Duration = Duration::from_millis(200);
/// How long the rest of a message may take, or a client not read its replies.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The host's socket failed.
    #[error("the connection failed: {0}")]
    Socket(#[from] io::Error),
    /// What came is no message, so that where the next one begins cannot be known.
    #[error("the client sent {0}")]
    Malformed(#[from] Malformed),
    /// The client stopped in the middle of a message.
    #[error("the client stopped in the middle of a message")]
    Cut,
}

/// What a wait brought.
#[derive(Debug)]
pub enum Received {
    /// A message; its body is [`Channel::body`].
    Message(Header, Vec<OwnedFd>),
    /// Nothing within [`TICK`].
    Nothing,
    /// The client has closed the connection.
    Closed,
}

/// A connection.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
    body: Vec<u8>,
    out: Vec<u8>,
}

impl Channel {
    /// Takes over a connection.
    ///
    /// # Errors
    /// The host cannot set its time limits.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Channel { stream, body: Vec::with_capacity(LONGEST), out: Vec::with_capacity(LONGEST) })
    }

    /// The body of the last message.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Waits for a message.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn receive(&mut self) -> Result<Received, ChannelError> {
        let mut front = [0; HEADER_SIZE];
        let mut descriptors = Vec::new();
        let first = match self.part(&mut front, &mut descriptors) {
            Ok(0) => return Ok(Received::Closed),
            Ok(first) => first,
            Err(error) if again(&error) => return Ok(Received::Nothing),
            // A client that is killed with replies unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Received::Closed),
            Err(error) => return Err(error.into()),
        };
        self.fill(front.get_mut(first..).unwrap_or_default(), &mut descriptors)?;
        let header = Header::decode(&front)?;
        let mut body = std::mem::take(&mut self.body);
        body.resize(header.body, 0);
        let filled = self.fill(&mut body, &mut descriptors);
        self.body = body;
        filled?;
        Ok(Received::Message(header, descriptors))
    }

    fn fill(&self, mut into: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Result<(), ChannelError> {
        let began = Instant::now();
        while !into.is_empty() {
            match self.part(into, descriptors) {
                Ok(0) => return Err(ChannelError::Cut),
                Ok(count) => into = into.get_mut(count..).unwrap_or_default(),
                Err(error) if again(&error) && began.elapsed() < PATIENCE => {}
                Err(error) if again(&error) => return Err(ChannelError::Cut),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn part(&self, into: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(into)];
        let received = recvmsg(&self.stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights.take(DESCRIPTORS));
            }
        }
        descriptors.truncate(DESCRIPTORS);
        Ok(received.bytes)
    }

    /// Sends a reply, with a descriptor where one belongs to it. QEMU wants the header in one piece, so that everything goes
    /// in one call.
    ///
    /// # Errors
    /// The client does not read, or is gone.
    pub fn reply(
        &mut self,
        to: &Header,
        reply: &Reply<'_>,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        reply.encode(to, &mut self.out);
        let Some(descriptor) = descriptor else { return self.stream.write_all(&self.out) };
        let descriptors = [descriptor];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let parts = [IoSlice::new(&self.out)];
        let sent = sendmsg(self.stream.as_fd(), &parts, &mut control, SendFlags::NOSIGNAL)?;
        self.stream.write_all(self.out.get(sent..).unwrap_or_default())
    }
}

fn again(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
