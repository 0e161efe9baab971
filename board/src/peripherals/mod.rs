//! The register blocks of the board, and who may write them.

mod hsem;
mod ipcc;
mod rcc;
mod register;
mod small;
mod storage;
mod uart;

pub use hsem::Hsem;
pub use ipcc::{Ipcc, Side};
pub use rcc::{BootState, Rcc};
pub use register::RegisterWrite;
pub use small::{BootVector, Ca35Syscfg, CpuState, Otp, Pwr, Tamp};
pub use storage::Storage;
pub use uart::Uart;
