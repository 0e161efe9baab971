//! RCC's one register for the Cortex-M0+: reset, clock, and the peripherals that it clocks (RM0457, `RCC_C3CFGR`).

use rproc_abi::Refusal;

use crate::hardware::read_twice;
use crate::{Hardware, write_checked};

pub(super) const C3CFGR: u64 = 0x4420_0490;
/// Keeps the processor in reset.
pub(super) const RST: u32 = 1 << 0;
/// Clocks the processor.
pub(super) const EN: u32 = 1 << 1;
/// A bit a peripheral: LPTIM3, LPTIM4, LPTIM5, SPI8, LPUART1, and so on to I3C4.
pub(super) const CLOCKS: u32 = 0x0fff_0000;

const LPTIM3: u32 = 1 << 16;
const LPUART1: u32 = 1 << 20;
const GPIOZ: u32 = 1 << 24;

/// The peripherals that the seed's `m0_rproc` node names for the processor: LPTIM3, LPUART1, GPIOZ.
pub const M0_CLOCKS: u32 = LPTIM3 | LPUART1 | GPIOZ;

/// Whether the processor has its clock and is out of reset.
pub(super) fn runs<H: Hardware>(hardware: &mut H) -> Result<bool, Refusal> {
    Ok(read_twice(hardware, C3CFGR)? & (RST | EN) == EN)
}

/// Holds the processor: in reset, then without its clock and those of its peripherals.
pub(super) fn hold<H: Hardware>(hardware: &mut H) -> Result<(), Refusal> {
    write_checked(hardware, C3CFGR, RST, RST)?;
    write_checked(hardware, C3CFGR, RST | EN | CLOCKS, RST)
}

/// Lets the held processor go: its clocks first, then the reset.
pub(super) fn release<H: Hardware>(hardware: &mut H, clocks: u32) -> Result<(), Refusal> {
    write_checked(hardware, C3CFGR, RST | EN | CLOCKS, RST | EN | clocks)?;
    write_checked(hardware, C3CFGR, RST, 0)
}
