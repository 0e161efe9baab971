//! What the framework wants of whoever has clocks.

/// Why a provider did not do what it was told.
pub type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// A source of clocks: a node of the device tree with `#clock-cells`.
pub trait Provider {
    /// Its name, for messages.
    fn name(&self) -> &str;

    /// The numbers of its clocks, in ascending order.
    fn numbers(&self) -> Vec<u32>;

    /// A clock's name; `None` when the number has no clock.
    fn clock_name(&self, number: u32) -> Option<String>;

    /// Whether a clock runs.
    fn is_enabled(&mut self, number: u32) -> Result<bool, ProviderError>;

    /// Switches a clock on. The framework calls it once for any number of claims.
    fn enable(&mut self, number: u32) -> Result<(), ProviderError>;

    /// Switches a clock off that was switched on by [`Provider::enable`].
    fn disable(&mut self, number: u32) -> Result<(), ProviderError>;

    /// Switches a clock off that runs and that nobody has claimed; says whether it was running and is off now.
    fn disable_unused(&mut self, number: u32) -> Result<bool, ProviderError> {
        if !self.is_enabled(number)? {
            return Ok(false);
        }
        self.disable(number)?;
        Ok(!self.is_enabled(number)?)
    }
}
