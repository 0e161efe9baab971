//! The device's interrupt pin: a level that the client learns of through an eventfd (`linux/vfio.h`, INTx).

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{OFlags, fcntl_setfl};

/// The pin. After each signal it is masked until the client unmasks it, which is when a level that is still high is
/// signalled again.
#[derive(Debug, Default)]
pub struct Pin {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    eventfd: Option<OwnedFd>,
    masked: bool,
    disabled: bool,
}

impl Pin {
    /// Connects the pin to an eventfd, unmasked, or to nothing.
    pub fn connect(&self, eventfd: Option<OwnedFd>) {
        // Whatever the client gave must not make a signal wait; where this fails, so will the signal.
        let _ = eventfd.as_ref().map(|fd| fcntl_setfl(fd, OFlags::NONBLOCK));
        let mut state = self.lock();
        state.eventfd = eventfd;
        state.masked = false;
    }

    /// Masks the pin, or takes the mask off. Unmasking does not look at the level: see [`Pin::update`].
    pub fn mask(&self, masked: bool) {
        self.lock().masked = masked;
    }

    /// What the command register says.
    pub fn disable(&self, disabled: bool) {
        self.lock().disabled = disabled;
    }

    /// Signals if the level is high and nothing stands against it. The level is asked for under the pin's lock, so that of two
    /// threads that each see a change the last one acts on what is so.
    pub fn update(&self, level: impl FnOnce() -> bool) {
        let mut state = self.lock();
        if state.masked || state.disabled {
            return;
        }
        if let Some(eventfd) = &state.eventfd
            && level()
        {
            // Fails only where 2^64 signals wait, or where the client gave something else than an eventfd: its loss.
            let _ = rustix::io::write(eventfd, &1u64.to_ne_bytes());
            state.masked = true;
        }
    }

    /// Signals once, whatever the level: what a client asks for to test its side.
    pub fn fire(&self) {
        if let Some(eventfd) = &self.lock().eventfd {
            // As above.
            let _ = rustix::io::write(eventfd, &1u64.to_ne_bytes());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};

    fn pin() -> (Pin, OwnedFd) {
        let fd = eventfd(0, EventfdFlags::empty()).unwrap();
        let pin = Pin::default();
        pin.connect(Some(fd.try_clone().unwrap()));
        (pin, fd)
    }

    fn signals(fd: &OwnedFd) -> u64 {
        let mut count = [0; 8];
        rustix::io::read(fd, &mut count).map_or(0, |_| u64::from_ne_bytes(count))
    }

    #[test]
    fn a_level_is_signalled_once_until_it_is_unmasked() {
        let (pin, fd) = pin();
        pin.update(|| false);
        assert_eq!(signals(&fd), 0);
        pin.update(|| true);
        pin.update(|| true);
        assert_eq!(signals(&fd), 1);
        pin.mask(false);
        pin.update(|| false);
        assert_eq!(signals(&fd), 0, "served in the meantime");
        pin.update(|| true);
        assert_eq!(signals(&fd), 1);
    }

    #[test]
    fn masked_disabled_or_unconnected_it_is_silent() {
        let (pin, fd) = pin();
        pin.mask(true);
        pin.update(|| true);
        pin.mask(false);
        pin.disable(true);
        pin.update(|| true);
        assert_eq!(signals(&fd), 0);
        pin.disable(false);
        pin.update(|| true);
        assert_eq!(signals(&fd), 1);
        pin.connect(None);
        pin.update(|| true);
        pin.fire();
        assert_eq!(signals(&fd), 0);
    }
}
