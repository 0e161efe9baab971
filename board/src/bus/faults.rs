//! What tests put between the A side and the bus: accesses that go wrong. Only there with feature `faults`.

use std::fmt;
use std::sync::OnceLock;

use super::{AccessError, Bus, Initiator};

/// Carries out the accesses that come through a [`super::Port`], or something else in their place. What a function does not want to
/// touch, it passes on to the bus. The cores' own accesses do not come here.
pub trait Faults: Send + Sync {
    /// In place of [`Bus::read`].
    ///
    /// # Errors
    /// [`AccessError`].
    fn read(&self, bus: &Bus, by: Initiator, address: u64, into: &mut [u8]) -> Result<(), AccessError>;

    /// In place of [`Bus::write`].
    ///
    /// # Errors
    /// [`AccessError`].
    fn write(&self, bus: &Bus, by: Initiator, address: u64, from: &[u8]) -> Result<(), AccessError>;

    /// In place of [`Bus::fill`].
    ///
    /// # Errors
    /// [`AccessError`].
    fn fill(&self, bus: &Bus, by: Initiator, address: u64, length: u64, value: u8)
    -> Result<(), AccessError>;
}

impl Bus {
    /// Has every access through a [`super::Port`] carried out by `faults`. There can be one; false when there was one already, which
    /// stays.
    pub fn inject(&self, faults: impl Faults + 'static) -> bool {
        self.injector.set(Box::new(faults))
    }

    /// Reads memory as `by` would, which leaves no trace; false when a guard forbids it, or there is no memory.
    pub fn look(&self, by: Initiator, address: u64, into: &mut [u8]) -> bool {
        self.peek(by, address, into).is_some()
    }

    pub(super) fn faults(&self) -> Option<&dyn Faults> {
        self.injector.get()
    }
}

/// At most one source of faults.
#[derive(Default)]
pub struct Injector(OnceLock<Box<dyn Faults>>);

impl Injector {
    /// Sets it; false when there was one already.
    pub fn set(&self, faults: Box<dyn Faults>) -> bool {
        self.0.set(faults).is_ok()
    }

    /// It, if there is one.
    pub fn get(&self) -> Option<&dyn Faults> {
        self.0.get().map(|faults| &**faults)
    }
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Injector").field(&self.0.get().is_some()).finish()
    }
}
