//! The Cortex-M33 of an STM32MP25 (RM0457), or with the feature `stm32mp21` of an STM32MP21, without TrustZone.

use super::{Mailbox, Watchdog};
use core::ops::Range;

/// Name of the trace buffer in the resource table.
pub const TRACE_NAME: &str = "m33_log";
/// External interrupts.
pub const INTERRUPTS: usize = 320;
/// Processor cycles in a millisecond: 400 MHz.
pub const CYCLES_PER_MILLISECOND: u32 = 400_000;
/// The NVIC line of IPCC1's "a channel is occupied", which is all that differs between the two.
const RECEIVE: u32 = if cfg!(feature = "stm32mp21") { 152 } else { 171 };
/// IPCC1, in which this is processor 2.
pub const MAILBOX: Mailbox =
    Mailbox { registers: 0x4049_0000, bank: 0x10, receive_interrupt: RECEIVE, free_interrupt: RECEIVE + 1 };
/// IWDG3.
pub const WATCHDOG: Watchdog = Watchdog::Independent(0x4403_0000);
/// Where the host lays vrings and buffers: ipc_shmem after resource table, trace and result block.
pub const SHARED: Range<u32> = 0x8122_0000..0x8130_0000;
