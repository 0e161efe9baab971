//! RCC: hold boot and reset of the Cortex-M33 (STM32MP25 reference manual RM0457, `RCC_CPUBOOTCR`, `RCC_C2RSTCSETR`).

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};

use crate::hardware::register_refusal;
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
    wait(hardware, RESET_CAUSES, CAUSE_C2RST, 0, CLEAR_RESET_CAUSES)?;
    hardware.write32(C2RSTCSETR, C2RST).map_err(register_refusal)?;
    wait(hardware, RESET_CAUSES, CAUSE_C2RST, CAUSE_C2RST, C2RSTCSETR)?;
    wait(hardware, C2RSTCSETR, C2RST, 0, C2RSTCSETR)
}

/// Waits until the bits of `mask` in a register are `value`; else the write to `written` had no effect.
fn wait<H: Hardware>(
    hardware: &mut H,
    register: u64,
    mask: u32,
    value: u32,
    written: u64,
) -> Result<(), Refusal> {
    let mut found = 0;
    for _ in 0..PATIENCE {
        found = hardware.read32(register).map_err(register_refusal)? & mask;
        if found == value {
            return Ok(());
        }
    }
    Err(Refusal::new(Reason::RegisterReadBack)
        .expected(Fact::Address(u64::from(value)))
        .found(Fact::Address(u64::from(found)))
        .at(Place::Register { address: written }))
}

/// Lets the held processor boot.
pub(super) fn release<H: Hardware>(hardware: &mut H) -> Result<(), Refusal> {
    write_checked(hardware, CPUBOOTCR, BOOT_CPU2, BOOT_CPU2)
}
