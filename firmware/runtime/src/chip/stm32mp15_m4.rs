//! The Cortex-M4 of an STM32MP15 (RM0436).

use super::{Mailbox, Watchdog};
use core::ops::Range;

/// Name of the trace buffer in the resource table.
pub const TRACE_NAME: &str = "m4_log";
/// External interrupts.
pub const INTERRUPTS: usize = 150;
/// Processor cycles in a millisecond: 209 MHz.
pub const CYCLES_PER_MILLISECOND: u32 = 209_000;
/// The IPCC, in which this is processor 2.
pub const MAILBOX: Mailbox =
    Mailbox { registers: 0x4C00_1000, bank: 0x10, receive_interrupt: 103, free_interrupt: 104 };
/// WWDG1 on APB1.
pub const WATCHDOG: Watchdog = Watchdog::Window { registers: 0x4000_A000, hertz: 104_500_000 };
/// Where the host lays vrings and buffers: vdev0vring0, vdev0vring1 and vdev0buffer of the board's device tree, up to ipc_shm.
pub const SHARED: Range<u32> = 0x1004_0000..0x1004_8000;
