//! The security counters, for as long as the core runs.

use rproc_abi::{ProcessorId, Refusal};
use rproc_platform::SecurityCounters;

/// Counters that begin at zero at power-on, so that rollback is refused until power-off and no longer.
///
/// A product puts them where they outlive power: in OTP, as the SoC's own counters, or in an RPMB partition.
pub struct BootCounters {
    /// As many as the platform service keeps processors.
    counters: [Option<(ProcessorId, u32)>; 4],
}

impl BootCounters {
    /// Every counter at zero.
    pub const fn new() -> Self {
        Self { counters: [None; 4] }
    }
}

impl SecurityCounters for BootCounters {
    fn get(&mut self, processor: ProcessorId) -> Result<u32, Refusal> {
        let known = self.counters.iter().flatten().find(|(id, _)| *id == processor);
        Ok(known.map_or(0, |(_, value)| *value))
    }

    fn raise(&mut self, processor: ProcessorId, value: u32) -> Result<(), Refusal> {
        let known = self.counters.iter().position(|slot| slot.is_some_and(|(id, _)| id == processor));
        let place = known.or_else(|| self.counters.iter().position(Option::is_none));
        if let Some(slot) = place.and_then(|place| self.counters.get_mut(place)) {
            let old = slot.map_or(0, |(_, old)| old);
            *slot = Some((processor, value.max(old)));
        }
        Ok(())
    }
}
