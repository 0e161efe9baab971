//! The register blocks of the board, and who may write them.

mod hsem;
mod ipcc;
mod peripheral;
mod rcc;
mod register;
mod small;
mod storage;
mod uart;

pub use hsem::Hsem;
pub use ipcc::{Ipcc, Side};
pub use peripheral::{Access, Line, Peripheral, ResetPulse};
pub use rcc::{BootState, Rcc};
pub use register::RegisterWrite;
pub use small::{BootVector, Ca35Syscfg, CpuState, Otp, Pwr, Tamp};
pub use storage::Storage;
pub use uart::Uart;

use crate::description::Description;

/// A block and the range of addresses it has.
#[derive(Debug)]
pub struct Plugged {
    /// Physical address of its first register (non-secure alias).
    pub base: u64,
    /// Bytes of registers.
    pub size: u64,
    /// The block.
    pub peripheral: Box<dyn Peripheral>,
}

/// The blocks of a board that come one by one from its description, at power-on.
pub fn plugged(_description: &Description) -> Vec<Plugged> {
    Vec::new()
}
