//! RCC: who may touch the Cortex-M4's reset, its hold boot and its reset (RM0436, RCC; OP-TEE `stm32mp1_rcc.h`).

use rproc_abi::Refusal;

use crate::hardware::{register_refusal, wait_for, write_sure};
use crate::{Hardware, write_checked};

const BASE: u64 = 0x5000_0000;
pub(super) const TZCR: u64 = BASE;
/// RCC tells secure from non-secure accesses.
pub(super) const TZEN: u32 = 1 << 0;
/// Only secure accesses reset, hold and isolate the Cortex-M4.
pub(super) const MCKPROT: u32 = 1 << 1;
/// Offset of `RCC_MP_GCR`, as the secure monitor takes it.
pub(super) const MP_GCR_OFFSET: u32 = 0x10c;
pub(super) const MP_GCR: u64 = BASE + MP_GCR_OFFSET as u64;
/// 1 lets the processor boot when its reset ends, 0 holds it.
pub(super) const BOOT_MCU: u32 = 1 << 0;
pub(super) const MP_GRSTCSETR: u64 = BASE + 0x404;
/// Resets the processor, and clears itself.
pub(super) const MCURST: u32 = 1 << 1;
/// Why the processor was last reset; a cause stays until a 1 is written to it.
pub(super) const MC_RSTSCLRR: u64 = BASE + 0xc00;
pub(super) const MCURSTF: u32 = 1 << 5;

/// Keeps the normal world from the processor's reset and from lifting its isolation. An RCC that does not tell the worlds
/// apart is left as it is, and refused: the boot chain has decided so, and Linux relies on it.
pub(super) fn protect<H: Hardware>(hardware: &mut H) -> Result<(), Refusal> {
    wait_for(hardware, TZCR, TZEN, TZEN, TZCR, 1)?;
    // Both bits, though the first is there: what was read wrong must not take it away.
    write_checked(hardware, TZCR, TZEN | MCKPROT, TZEN | MCKPROT)
}

/// Lets the normal world reset and start the processor.
pub(super) fn unprotect<H: Hardware>(hardware: &mut H) -> Result<(), Refusal> {
    write_checked(hardware, TZCR, MCKPROT, 0)
}

/// Whether the processor's next reset ends in the hold.
pub(super) fn hold_boot<H: Hardware>(hardware: &mut H, hold: bool) -> Result<(), Refusal> {
    write_sure(hardware, MP_GCR, BOOT_MCU, if hold { 0 } else { BOOT_MCU })
}

/// Resets the processor. The reset bit clears itself, so what proves the reset is its cause, which is cleared before.
pub(super) fn reset<H: Hardware>(hardware: &mut H) -> Result<(), Refusal> {
    hardware.write32(MC_RSTSCLRR, MCURSTF).map_err(register_refusal)?;
    wait_for(hardware, MC_RSTSCLRR, MCURSTF, 0, MC_RSTSCLRR, PATIENCE)?;
    hardware.write32(MP_GRSTCSETR, MCURST).map_err(register_refusal)?;
    wait_for(hardware, MC_RSTSCLRR, MCURSTF, MCURSTF, MP_GRSTCSETR, PATIENCE)?;
    wait_for(hardware, MP_GRSTCSETR, MCURST, 0, MP_GRSTCSETR, PATIENCE)
}

/// A reset takes a few clock cycles; one that has shown nothing after this many reads did not happen.
const PATIENCE: u32 = 1000;
