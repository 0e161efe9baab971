//! RCC: hold boot and reset of the Cortex-M33 (STM32MP25 reference manual RM0457, `RCC_CPUBOOTCR`, `RCC_C2RSTCSETR`).

use rproc_abi::Refusal;

use crate::hardware::{read_twice, register_refusal, wait_for};
use crate::{Hardware, write_checked};

const BASE: u64 = 0x4420_0000;
pub(super) const C2RSTCSETR: u64 = BASE + 0x40c;
pub(super) const C2RST: u32 = 1 << 0;
/// Why the processor was last reset, a bit a cause; a cause stays until it is cleared.
pub(super) const RESET_CAUSES: u64 = BASE + 0x424;
pub(super) const CLEAR_RESET_CAUSES: u64 = BASE + 0x428;
pub(super) const CAUSE_C2RST: u32 = 1 << 14;
pub(super) const CPUBOOTCR: u64 = BASE + 0x434;
/// 1 lets CPU2 boot when its reset ends, 0 holds it.
pub(super) const BOOT_CPU2: u32 = 1 << 0;
/// A reset takes a few clock cycles; one that has shown nothing after this many reads did not happen.
const PATIENCE: u32 = 1000;

/// Holds the processor: no boot from here on, then a reset that ends in the hold.
///
/// The reset bit clears itself, so reading it back proves nothing. That the reset happened is proved by its cause, which
/// is cleared before.
pub(super) fn hold<H: Hardware>(hardware: &mut H) -> Result<(), Refusal> {
    write_checked(hardware, CPUBOOTCR, BOOT_CPU2, 0)?;
    hardware.write32(CLEAR_RESET_CAUSES, CAUSE_C2RST).map_err(register_refusal)?;
    wait_for(hardware, RESET_CAUSES, CAUSE_C2RST, 0, CLEAR_RESET_CAUSES, PATIENCE)?;
    hardware.write32(C2RSTCSETR, C2RST).map_err(register_refusal)?;
    wait_for(hardware, RESET_CAUSES, CAUSE_C2RST, CAUSE_C2RST, C2RSTCSETR, PATIENCE)?;
    wait_for(hardware, C2RSTCSETR, C2RST, 0, C2RSTCSETR, PATIENCE)
}

/// Whether the processor may boot, and so has: a hold resets it after it has forbidden that.
pub(super) fn runs<H: Hardware>(hardware: &mut H) -> Result<bool, Refusal> {
    Ok(read_twice(hardware, CPUBOOTCR)? & BOOT_CPU2 != 0)
}

/// Lets the held processor boot.
pub(super) fn release<H: Hardware>(hardware: &mut H) -> Result<(), Refusal> {
    write_checked(hardware, CPUBOOTCR, BOOT_CPU2, BOOT_CPU2)
}
