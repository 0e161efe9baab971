//! What Linux reaches of a processor that it owns: its resets, and the registers that tell what it does.

use crate::supply::ProviderError;

/// The non-secure resets of one processor.
///
/// On an STM32MP15 the hold is RCC's BOOT_MCU, reached as a register, as a reset of the SCMI service, or by a secure monitor
/// call (the three ways of `stm32_rproc_set_hold_boot`); on an STM32MP25 both are resets of the SCMI service or of the RCC.
pub trait ResetControl {
    /// From now on the processor stays held after a reset. One that runs goes on.
    ///
    /// # Errors
    /// Why the register or the provider did not take it.
    fn assert_hold(&mut self) -> Result<(), ProviderError>;

    /// Lets the processor start.
    ///
    /// # Errors
    /// As [`ResetControl::assert_hold`].
    fn release_hold(&mut self) -> Result<(), ProviderError>;

    /// Resets the processor: with the hold asserted it stops.
    ///
    /// # Errors
    /// As [`ResetControl::assert_hold`].
    fn assert_reset(&mut self) -> Result<(), ProviderError>;

    /// Tells the processor where its vector table is; never called for one with a fixed boot address.
    ///
    /// # Errors
    /// As [`ResetControl::assert_hold`].
    fn set_boot_address(&mut self, address: u64) -> Result<(), ProviderError>;
}

/// The registers in which a processor, or whoever started it, leaves word: TAMP's backup registers and, on an STM32MP25,
/// PWR's state of the processor.
pub trait CoreStatus {
    /// Whether the processor runs: the state "running" on an STM32MP15; running, asleep or in stop on an STM32MP25. A
    /// processor without such a register does not.
    ///
    /// # Errors
    /// Why the register cannot be read.
    fn is_running(&mut self) -> Result<bool, ProviderError>;

    /// Where the resource table of the running firmware is, if it said so.
    ///
    /// # Errors
    /// Why the registers cannot be read.
    fn resource_table(&mut self) -> Result<Option<FoundTable>, ProviderError>;

    /// Writes down that the processor is off, where there is a register for it.
    ///
    /// # Errors
    /// Why the register did not take it.
    fn mark_off(&mut self) -> Result<(), ProviderError>;
}

/// The resource table of firmware that somebody else loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundTable {
    /// Where the processor sees it; never 0, which means that there is none.
    pub device_address: u64,
    /// Its size in bytes; nothing where no register tells it.
    pub size: Option<u64>,
}
