//! What a running processor is used for: messages, logs, and waiting for either.

use std::time::Duration;

use rproc_rpmsg::{Ring, SendError};

use super::Remoteproc;
use crate::error::Error;
use crate::event::{ChannelId, Event};
use crate::loader::Loader;
use crate::machine::{Machine, Mailbox, Wake};
use crate::state::State;

impl<L: Loader, M: Machine> Remoteproc<L, M> {
    /// Takes what the firmware has done until now: signals, messages, announcements, log lines. Returns everything that
    /// happened since the last poll or wait.
    pub fn poll(&mut self) -> Vec<Event> {
        self.serve();
        self.journal.take()
    }

    /// Waits until the firmware signals or crashes, at most for `limit`, and takes what it has done. Returns everything
    /// that happened since the last poll or wait; a crash is recovered from before this returns, if recovery is on.
    pub fn wait(&mut self, limit: Duration) -> Vec<Event> {
        self.wait_once(limit);
        self.journal.take()
    }

    /// Sends 0 to 496 bytes on a channel; when no buffer is free, waits for one for at most `limit` (Linux: 15 s). What the
    /// firmware does meanwhile is returned by the next poll.
    ///
    /// # Errors
    /// [`Error::NoRpmsg`], [`Error::UnknownChannel`], [`Error::RpmsgBroken`], [`Error::Send`], [`Error::SendTimedOut`].
    pub fn send(
        &mut self,
        channel: ChannelId,
        payload: &[u8],
        limit: Duration,
    ) -> Result<(), Error<L::Error>> {
        let start = self.machine.now();
        loop {
            match self.try_send(channel, payload) {
                Err(Error::Send(SendError::Full)) => {}
                result => return result,
            }
            let passed = self.machine.now().saturating_sub(start);
            let rest = limit.checked_sub(passed).filter(|rest| !rest.is_zero());
            self.wait_once(rest.ok_or(Error::SendTimedOut { limit })?);
        }
    }

    /// Sends 0 to 496 bytes on a channel if a buffer is free.
    ///
    /// # Errors
    /// As [`Remoteproc::send`], with [`SendError::Full`] when no buffer is free.
    pub fn try_send(&mut self, channel: ChannelId, payload: &[u8]) -> Result<(), Error<L::Error>> {
        let no_rpmsg = Error::NoRpmsg { state: self.state };
        if !self.is_talking() {
            return Err(no_rpmsg);
        }
        let session = self.session.as_mut();
        let link = session.and_then(|session| session.link.as_mut()).ok_or(no_rpmsg)?;
        if let Some(error) = link.broken() {
            return Err(Error::RpmsgBroken(error));
        }
        let found = link.channels().iter().find(|known| known.id == channel).cloned();
        let found = found.ok_or(Error::UnknownChannel { channel })?;
        link.send(&mut self.machine, &found, payload)?;
        let destination = found.remote;
        self.tell(Event::MessageSent { channel, destination, payload: payload.to_vec() });
        if let Some(session) = &mut self.session {
            let happened = self.journal.at(self.machine.now());
            session.notify(&mut self.machine, Ring::ToRemote, happened);
        }
        Ok(())
    }

    /// The lines that the firmware completed in a trace buffer since it was read last, by this or by a poll.
    ///
    /// # Errors
    /// [`Error::UnknownTrace`]; [`Error::TraceUnreachable`] when it lies where this side cannot read.
    pub fn trace(&mut self, trace: usize) -> Result<Vec<String>, Error<L::Error>> {
        let count = self.resources().map_or(0, |resources| resources.traces.len());
        let found = self.resources().and_then(|resources| resources.traces.get(trace));
        let found = found.ok_or(Error::UnknownTrace { trace, count })?;
        if found.address.is_none() {
            let (name, device_address) = (found.name.clone(), found.device_address);
            return Err(Error::TraceUnreachable { name, device_address });
        }
        let mut lines = Vec::new();
        if let Some(session) = &mut self.session {
            let mut happened = self.journal.at(self.machine.now());
            session.read_trace(trace, &self.machine, |event| {
                if let Event::TraceLine { line, .. } = &event {
                    lines.push(line.clone());
                }
                happened(event);
            });
        }
        Ok(lines)
    }

    fn is_talking(&self) -> bool {
        matches!(self.state, State::Running | State::Attached)
    }

    fn serve(&mut self) {
        self.notice_late_answers();
        self.wake_up();
        match &mut self.session {
            Some(session) if matches!(self.state, State::Running | State::Attached) => {
                let happened = self.journal.at(self.machine.now());
                session.serve(&self.description, &mut self.machine, happened);
            }
            // Nobody takes them: they are still there when the normal world wakes up.
            _ if self.state == State::Suspended => {}
            _ => self.set_aside(),
        }
    }

    /// Takes signals that nobody wants now, so that they end no further wait; messages stay in the ring.
    pub(super) fn set_aside(&mut self) {
        for mailbox in Mailbox::ALL {
            if self.description.has_mailbox(mailbox) && self.machine.is_pending(mailbox) {
                self.machine.acknowledge(mailbox);
                if mailbox == Mailbox::Queue0
                    && let Some(session) = &mut self.session
                {
                    session.defer_messages();
                }
            }
        }
    }

    fn wait_once(&mut self, limit: Duration) {
        let wake = self.machine.wait(limit);
        // What was sent before a crash is still delivered.
        self.serve();
        if let Wake::Crash(crash) = wake
            && self.state != State::Offline
            && let Err(error) = self.report_crash(crash)
        {
            self.tell(Event::RecoveryFailed { reason: error.to_string() });
        }
    }
}
