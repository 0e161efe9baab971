//! What interrupts report to the main loop: a set of bits.

use crate::cortex_m::without_interrupts;
use core::sync::atomic::{AtomicU32, Ordering};

/// A set of at most 32 events. A handler raises them, the main loop takes them.
///
/// Changed with interrupts held back, not by atomic instructions: Armv6-M has none.
pub struct Events(AtomicU32);

impl Events {
    /// No events.
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Adds events.
    pub fn raise(&self, events: u32) {
        without_interrupts(|| self.0.store(self.pending() | events, Ordering::Release));
    }

    /// Takes them all.
    pub fn take(&self) -> u32 {
        without_interrupts(|| {
            let events = self.pending();
            self.0.store(0, Ordering::Release);
            events
        })
    }

    /// Those raised and not yet taken.
    pub fn pending(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}
