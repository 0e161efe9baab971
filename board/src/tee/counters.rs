//! The security counters of the virtual board, which outlive its power.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rproc_abi::{ProcessorId, Refusal};
use rproc_platform::SecurityCounters;

/// Counters by processor. A clone is the same storage, so that it can be carried from one life of a board to the next.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Mutex<BTreeMap<ProcessorId, u32>>>);

impl Counters {
    /// Every counter at zero.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ProcessorId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SecurityCounters for Counters {
    fn get(&mut self, processor: ProcessorId) -> Result<u32, Refusal> {
        Ok(self.lock().get(&processor).copied().unwrap_or(0))
    }

    fn raise(&mut self, processor: ProcessorId, value: u32) -> Result<(), Refusal> {
        let mut counters = self.lock();
        let counter = counters.entry(processor).or_insert(0);
        *counter = value.max(*counter);
        Ok(())
    }
}
