//! Who is told when an A-side interrupt line rises.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use super::Bus;

/// A function of the bus and the lines that rose (SPI numbers).
type Function = Box<dyn Fn(&Bus, &BTreeSet<u16>) + Send + Sync>;

/// At most one listener.
#[derive(Default)]
pub struct Listener(OnceLock<Function>);

impl Listener {
    /// Sets it; false when there was one already.
    pub fn set(&self, function: Function) -> bool {
        self.0.set(function).is_ok()
    }

    /// Calls it, if there is one. No lock of the bus may be held.
    pub fn call(&self, bus: &Bus, rose: &BTreeSet<u16>) {
        if let Some(function) = self.0.get() {
            function(bus, rose);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0.get().is_some()).finish()
    }
}
