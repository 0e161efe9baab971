//! CA35SYSCFG: where the Cortex-M33 finds its vector table (RM0457, `CA35SYSCFG_M33_*`).

use rproc_abi::Refusal;

use crate::hardware::read_twice;
use crate::{Hardware, write_checked};

const BASE: u64 = 0x4880_0000;
const M33_ACCESS_CR: u64 = BASE + 0x2088;
/// Only a secure write changes the registers below.
const M33CFG_SEC: u32 = 1 << 0;
/// Only a privileged write does.
const M33CFG_PRIV: u32 = 1 << 1;
const M33_TZEN_CR: u64 = BASE + 0x20a0;
/// 1 starts the processor in its secure state.
const CFG_SECEXT: u32 = 1 << 0;
pub(super) const M33_INITNSVTOR_CR: u64 = BASE + 0x20a8;

/// Makes the processor start in the non-secure state at this vector table.
pub(super) fn boot_non_secure<H: Hardware>(hardware: &mut H, vector_table: u32) -> Result<(), Refusal> {
    protect(hardware)?;
    write_checked(hardware, M33_INITNSVTOR_CR, u32::MAX, vector_table)
}

/// Makes the processor start in the non-secure state, and where, by secure writes only.
pub(super) fn protect<H: Hardware>(hardware: &mut H) -> Result<(), Refusal> {
    write_checked(hardware, M33_ACCESS_CR, M33CFG_SEC, M33CFG_SEC)?;
    write_checked(hardware, M33_TZEN_CR, CFG_SECEXT, 0)
}

/// Where the processor starts in the non-secure state.
pub(super) fn vector_table<H: Hardware>(hardware: &mut H) -> Result<u32, Refusal> {
    read_twice(hardware, M33_INITNSVTOR_CR)
}

/// Lets the normal world say where the processor starts, as ST's Linux does (`st,syscfg-nsvtor`).
///
/// What resets and holds the processor is always the secure world's: the normal world asks its SCMI server.
pub(super) fn hand_over<H: Hardware>(hardware: &mut H) -> Result<(), Refusal> {
    write_checked(hardware, M33_TZEN_CR, CFG_SECEXT, 0)?;
    write_checked(hardware, M33_ACCESS_CR, M33CFG_SEC | M33CFG_PRIV, 0)
}
