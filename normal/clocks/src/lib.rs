//! Linux's clock framework as far as a remote processor needs it (`drivers/clk/clk.c`).
//!
//! A clock runs while somebody claims it. Late in its boot Linux switches off whatever runs without a claim, so the clocks
//! that a Cortex-M0+ runs from, and cannot switch on itself, must be claimed for it as long as it runs.
#![forbid(unsafe_code)]

mod clocks;
mod error;
mod provider;
mod rcc;
mod scmi;

pub mod stm32mp25;

pub use clocks::{Claim, ClockRef, ClockState, Clocks, ProviderId, Unused};
pub use error::{ClaimError, ClockError};
pub use provider::{Provider, ProviderError};
pub use rcc::{RccClock, RccClocks, RccError, RegisterError, Registers};
pub use scmi::ScmiClocks;

#[cfg(test)]
mod tests;
