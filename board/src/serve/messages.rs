//! The device's messages (MSI): signals without a level, each through an eventfd of its own (`linux/vfio.h`).

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rproc_aperture::MESSAGES;
use rustix::fs::{OFlags, fcntl_setfl};

/// Those that are connected are switched on.
#[derive(Debug, Default)]
pub struct Messages {
    eventfds: Mutex<[Option<OwnedFd>; MESSAGES as usize]>,
}

impl Messages {
    /// Connects `count` messages from `first` on to eventfds, in their order; those without one are switched off. False, and nothing
    /// is done, when there are not so many.
    pub fn connect(&self, first: u32, count: u32, eventfds: Vec<OwnedFd>) -> bool {
        let Some(end) = end(first, count) else { return false };
        let mut state = self.lock();
        let mut given = eventfds.into_iter();
        for slot in state.iter_mut().take(end).skip(first as usize) {
            *slot = given.next();
            // Whatever the client gave must not make a signal wait; where this fails, so will the signal.
            let _ = slot.as_ref().map(|fd| fcntl_setfl(fd, OFlags::NONBLOCK));
        }
        true
    }

    /// Switches all off.
    pub fn disconnect(&self) {
        *self.lock() = Default::default();
    }

    /// Sends `count` messages from `first` on, as far as they are connected. False, and nothing is done, when there are not so many.
    pub fn send(&self, first: u32, count: u32) -> bool {
        let Some(end) = end(first, count) else { return false };
        for eventfd in self.lock().iter().take(end).skip(first as usize).flatten() {
            // Fails only where 2^64 signals wait, or where the client gave something else than an eventfd: its loss.
            let _ = rustix::io::write(eventfd, &1u64.to_ne_bytes());
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, [Option<OwnedFd>; MESSAGES as usize]> {
        // Every critical section leaves the state whole.
        self.eventfds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(first: u32, count: u32) -> Option<usize> {
    first.checked_add(count).filter(|end| *end <= MESSAGES).map(|end| end as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};

    #[test]
    fn only_messages_that_are_there_and_connected_are_sent() {
        let fd = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let messages = Messages::default();
        let sent = |messages: &Messages| {
            let mut count = [0; 8];
            assert!(messages.send(0, MESSAGES));
            rustix::io::read(&fd, &mut count).map_or(0, |_| u64::from_ne_bytes(count))
        };
        assert!(messages.connect(1, 1, vec![fd.try_clone().unwrap()]));
        assert_eq!(sent(&messages), 1);
        for (first, count) in [(1, 2), (MESSAGES, 1), (u32::MAX, 2)] {
            assert!(!messages.connect(first, count, vec![fd.try_clone().unwrap()]));
            assert!(!messages.send(first, count));
        }
        assert_eq!(sent(&messages), 1);
        assert!(messages.connect(0, 2, Vec::new()), "switches off");
        assert_eq!(sent(&messages), 0);
        assert!(messages.connect(0, 2, vec![fd.try_clone().unwrap(), fd.try_clone().unwrap()]));
        assert_eq!(sent(&messages), 2);
        messages.disconnect();
        assert_eq!(sent(&messages), 0);
    }
}
