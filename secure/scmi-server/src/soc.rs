//! What the server wants of a SoC. Numbers are SCMI numbers; a failure is the status that the agent gets.

use rproc_scmi::Status;
use rproc_scmi::clock::Rounding;

/// The clocks of a SoC.
pub trait Clocks {
    /// Numbers are below this; not every one has a clock.
    fn count(&self) -> u16;

    /// The clock's name; `None` when the number has no clock.
    fn name(&self, clock: u32) -> Option<&str>;

    /// Whether it runs.
    fn enabled(&mut self, clock: u32) -> Result<bool, Status>;

    /// Switches it on, or lets it go off: one that something else needs goes on running.
    fn set_enabled(&mut self, clock: u32, on: bool) -> Result<(), Status>;

    /// The rates that it can have, in hertz, in ascending order.
    fn rates(&self, clock: u32) -> &[u64];

    /// Its rate in hertz.
    fn rate(&mut self, clock: u32) -> Result<u64, Status>;

    /// Gives it another rate.
    fn set_rate(&mut self, clock: u32, rate: u64, rounding: Rounding) -> Result<(), Status>;
}

/// The reset domains of a SoC.
pub trait Resets {
    /// Numbers are below this; not every one has a domain.
    fn count(&self) -> u16;

    /// The domain's name; `None` when the number has no domain.
    fn name(&self, domain: u32) -> Option<&str>;

    /// Into reset.
    fn assert(&mut self, domain: u32) -> Result<(), Status>;

    /// Out of reset.
    fn deassert(&mut self, domain: u32) -> Result<(), Status>;
}

/// The power domains of a SoC.
pub trait PowerDomains {
    /// Numbers are below this; not every one has a domain.
    fn count(&self) -> u16;

    /// The domain's name; `None` when the number has no domain.
    fn name(&self, domain: u32) -> Option<&str>;

    /// Whether it is on.
    fn is_on(&mut self, domain: u32) -> Result<bool, Status>;

    /// Switches it.
    fn set_on(&mut self, domain: u32, on: bool) -> Result<(), Status>;
}
