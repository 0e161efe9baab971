//! The Cortex-M0+ of an STM32MP25 (RM0457).

use super::{Mailbox, Watchdog};
use core::ops::Range;

/// Name of the trace buffer, if there were a resource table.
pub const TRACE_NAME: &str = "m0_log";
/// External interrupts.
pub const INTERRUPTS: usize = 32;
/// Processor cycles in a millisecond: 16 MHz, the internal oscillator.
pub const CYCLES_PER_MILLISECOND: u32 = 16_000;
/// IPCC2, in which this is processor 1.
pub const MAILBOX: Mailbox =
    Mailbox { registers: 0x4625_0000, bank: 0, receive_interrupt: 13, free_interrupt: 14 };
/// IWDG5.
pub const WATCHDOG: Watchdog = Watchdog::Independent(0x4609_0000);
/// There are no vrings.
pub const SHARED: Range<u32> = 0..0;
