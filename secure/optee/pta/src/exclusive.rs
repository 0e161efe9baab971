//! A value that one caller at a time may use.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A value behind a flag that only one caller can raise.
///
/// The core already lets only one thread at a time into a pseudo-TA without `TA_FLAG_CONCURRENT`, and has the others
/// wait (`tee_ta_set_busy`), so the flag is always found down. It is here because the soundness of this library should
/// not depend on a flag in a table of the core.
pub struct Exclusive<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only between raising and lowering `taken`, so by one thread at a time; `T: Send` lets it
// be another thread each time.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    /// Nobody uses it.
    pub const fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Lends the value; `None` when it is lent already.
    pub fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: the flag was down, so no other reference lives, and none is made until it is lowered below. A panic in
        // between stops the core, so nobody sees the flag left up.
        let done = act(unsafe { &mut *self.value.get() });
        self.taken.store(false, Ordering::Release);
        Some(done)
    }
}
