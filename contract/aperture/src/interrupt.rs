//! The interrupts of the normal world: the messages (MSI) of the PCI device, and the watchdogs' lines at EXTI2.

/// The message for a mailbox: IPCC1's line for a received signal, or that for a free channel, has risen.
pub const MAILBOX_MESSAGE: u32 = 0;
/// The message for a watchdog: a line of [`WATCHDOGS`] has risen.
pub const WATCHDOG_MESSAGE: u32 = 1;
/// How many messages there are. One is sent each time that a line rises; without them a level of the pin stands for all lines.
pub const MESSAGES: u32 = 2;

/// A watchdog of a coprocessor, as the normal world hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// The interrupt (SPI number of the SoC), by which a device tree names it.
    pub spi: u16,
    /// The line of EXTI2 that it comes by: pending there until it is cleared.
    pub line: u8,
}

/// The watchdogs of an STM32MP25 (RM0457, EXTI2's table of events; the SPIs are those that Linux's trees name).
pub const WATCHDOGS: [Watchdog; 4] = [
    Watchdog { spi: 4, line: 49 },
    Watchdog { spi: 6, line: 50 },
    Watchdog { spi: 7, line: 51 },
    Watchdog { spi: 11, line: 46 },
];
