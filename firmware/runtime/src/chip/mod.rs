//! What differs from chip to chip: memory, clock, mailbox and watchdog of the one that this is built for (see `build.rs`).

#[cfg(chip = "stm32mp15-m4")]
mod stm32mp15_m4;
#[cfg(chip = "stm32mp25-m0")]
mod stm32mp25_m0;
#[cfg(chip = "stm32mp25-m33")]
mod stm32mp25_m33;

#[cfg(chip = "stm32mp15-m4")]
pub use stm32mp15_m4::*;
#[cfg(chip = "stm32mp25-m0")]
pub use stm32mp25_m0::*;
#[cfg(chip = "stm32mp25-m33")]
pub use stm32mp25_m33::*;

/// The mailbox between this processor and the Cortex-A side.
#[derive(Clone, Copy)]
pub struct Mailbox {
    /// Address of its registers.
    pub registers: u32,
    /// Offset of this processor's bank: 0 for the mailbox's processor 1, 0x10 for its processor 2.
    pub bank: u32,
    /// NVIC line of "a channel to me is occupied".
    pub receive_interrupt: u32,
    /// NVIC line of "a channel from me is free again".
    pub free_interrupt: u32,
}

impl Mailbox {
    /// Offset of the Cortex-A side's bank.
    pub const fn other_bank(self) -> u32 {
        self.bank ^ 0x10
    }
}

/// A watchdog that resets this processor, by the address of its registers.
#[derive(Clone, Copy)]
pub enum Watchdog {
    /// An IWDG, which counts the 32 kHz clock.
    Independent(u32),
    /// A WWDG, which counts a bus clock of `hertz`.
    Window {
        /// Address of its registers.
        registers: u32,
        /// Its clock before prescalers.
        hertz: u32,
    },
}
