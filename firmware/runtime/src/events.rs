//! What interrupts report to the main loop: a set of bits.

use crate::cortex_m::{self, without_interrupts};
use core::sync::atomic::{AtomicU32, Ordering};

/// A set of at most 32 events. A handler raises them, the main loop takes them.
///
/// The main loop changes it with interrupts held back, not by atomic instructions: Armv6-M has none.
pub struct Events(AtomicU32);

impl Events {
    /// No events.
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Adds events. Only handlers may call this, and only handlers of one priority, which do not interrupt each other.
    pub fn raise(&self, events: u32) {
        self.0.store(self.pending() | events, Ordering::Release);
    }

    /// Takes them all.
    pub fn take(&self) -> u32 {
        without_interrupts(|| self.take_now())
    }

    /// Sleeps until there is at least one event, and takes them all.
    pub fn wait(&self) -> u32 {
        loop {
            let events = without_interrupts(|| {
                if self.pending() == 0 {
                    // An interrupt that is held back wakes the processor too, and is served behind this.
                    cortex_m::sleep();
                }
                self.take_now()
            });
            if events != 0 {
                return events;
            }
        }
    }

    /// With interrupts held back.
    fn take_now(&self) -> u32 {
        let events = self.pending();
        self.0.store(0, Ordering::Release);
        events
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
