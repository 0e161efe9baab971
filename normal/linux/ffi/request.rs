//! A request to firmware by a mailbox: who waits for it to be taken, and whether it was taken after nobody did any more.
// SPDX-License-Identifier: GPL-2.0
//!
//! The sender of a signal cannot take it back: one that firmware leaves in the mailbox is found by the next firmware. So the
//! mailbox framework is not let wait (`tx_block`), for it forgets a signal that it has waited for in vain.

use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, AtomicType, Full};
use kernel::sync::Arc;
use kernel::time::{msecs_to_jiffies, Msecs};
use kernel::types::Opaque;

use super::later::Later;

/// Where a request is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
enum State {
    /// Nothing is asked.
    None,
    /// It was sent, and somebody waits.
    Awaited,
    /// It was sent, and nobody waits any more.
    Left,
    /// It was taken after it had been left.
    TakenLate,
}

// SAFETY: of the same size and alignment as `i32`, and each of its values is one.
unsafe impl AtomicType for State {
    type Repr = i32;
}

/// A request. All but [`Self::taken`] is called with the lock of the processor's core held.
#[pin_data]
pub(super) struct Asked {
    state: Atomic<State>,
    #[pin]
    taken: Opaque<bindings::completion>,
    /// Milliseconds that somebody waits.
    limit: Msecs,
    /// What is to be done when it was taken late.
    late: Option<Arc<Later>>,
}

// SAFETY: completions lock for themselves.
unsafe impl Send for Asked {}
// SAFETY: as above.
unsafe impl Sync for Asked {}

impl Asked {
    pub(super) fn new(limit: Msecs, late: Option<Arc<Later>>) -> impl PinInit<Self> {
        // SAFETY: the slot is for a completion.
        let taken = Opaque::ffi_init(|slot| unsafe { bindings::init_completion(slot) });
        pin_init!(Self { state: Atomic::new(State::None), taken <- taken, limit, late })
    }

    fn change(&self, from: State, to: State) -> bool {
        self.state.cmpxchg(from, to, Full).is_ok()
    }

    /// Sends it, unless one that was left is there still, and waits.
    ///
    /// # Errors
    /// `ETIMEDOUT` where it is not taken in time: then it is left.
    pub(super) fn ask(&self, send: impl FnOnce() -> Result) -> Result {
        if !self.resume() {
            self.state.xchg(State::Awaited, Full);
            send().inspect_err(|_| {
                self.change(State::Awaited, State::None);
            })?;
        }
        self.wait(self.limit)
    }

    /// Lets firmware start, and tells whether that takes a request which is left.
    pub(super) fn watch(&self, start: impl FnOnce() -> Result) -> Result<bool> {
        // Taken before now, it was taken by other firmware.
        self.forget_late();
        if !self.resume() {
            return start().map(|()| false);
        }
        let started = start();
        let taken = self.wait(if started.is_ok() { self.limit } else { 0 }).is_ok();
        started.map(|()| taken)
    }

    /// From now on somebody waits for one that was left; false where none was.
    fn resume(&self) -> bool {
        // SAFETY: initialised in `new`, and nobody waits.
        unsafe { (*self.taken.get()).done = 0 };
        self.change(State::Left, State::Awaited)
    }

    fn wait(&self, limit: Msecs) -> Result {
        let mut left = msecs_to_jiffies(limit);
        // An earlier one may complete this late.
        while left > 0 && self.state.load(Acquire) == State::Awaited {
            // SAFETY: initialised in `new`.
            left = unsafe { bindings::wait_for_completion_timeout(self.taken.get(), left) };
        }
        if self.change(State::Awaited, State::Left) {
            Err(ETIMEDOUT)
        } else {
            Ok(())
        }
    }

    /// Whether it is there and nobody waits any more.
    pub(super) fn is_left(&self) -> bool {
        self.state.load(Acquire) == State::Left
    }

    /// Whether it was taken late; that is forgotten then.
    pub(super) fn forget_late(&self) -> bool {
        self.change(State::TakenLate, State::None)
    }

    /// It has been taken. Never sleeps.
    pub(super) fn taken(&self) {
        loop {
            match self.state.load(Acquire) {
                State::Awaited if self.change(State::Awaited, State::None) => {
                    // SAFETY: initialised in `new`.
                    unsafe { bindings::complete(self.taken.get()) };
                    return;
                }
                State::Left if self.change(State::Left, State::TakenLate) => {
                    self.late.as_ref().inspect(|late| late.ask());
                    return;
                }
                State::Awaited | State::Left => {}
                State::None | State::TakenLate => return,
            }
        }
    }

    /// Nobody may call [`Self::taken`] any more: waits for what that has asked for.
    pub(super) fn cancel(&self) {
        self.late.as_ref().inspect(|late| late.cancel());
    }
}
