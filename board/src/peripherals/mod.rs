//! The register blocks of the board, and who may write them.

mod exti;
mod hsem;
mod ipcc;
mod iwdg;
mod lptim;
mod peripheral;
mod plugged;
mod rcc;
mod register;
mod small;
mod storage;
mod ticks;
mod tim;
mod timer;
mod uart;
mod watchdog;
mod wwdg;

pub use exti::{Exti, ExtiSide};
pub use hsem::Hsem;
pub use ipcc::{Ipcc, Side};
pub use iwdg::Iwdg;
pub use lptim::Lptim;
pub use peripheral::{Access, Line, Peripheral, ResetPulse};
pub use plugged::{Plugged, plugged, watchdog_line};
pub use rcc::{BootState, Rcc};
pub use register::RegisterWrite;
pub use small::{BootVector, Ca35Syscfg, CpuState, Otp, Pwr, Tamp};
pub use storage::Storage;
pub use ticks::Ticks;
pub use tim::Tim;
pub use timer::Timer;
pub use uart::Uart;
pub use watchdog::Watchdog;
pub use wwdg::Wwdg;
