//! The STM32MP25: its processors, the registers that hold them, and the firewall around their memory.

mod ca35syscfg;
mod m33;
mod rcc;
mod risab;
mod risaf;

use rproc_abi::ProcessorId;

use crate::{Hardware, RemoteProcessor, Soc};

pub use m33::{CortexM33, REGIONS};

/// The STM32MP257: a Cortex-M33 under the TEE.
pub struct Stm32mp257 {
    m33: CortexM33,
}

impl Stm32mp257 {
    /// With the Cortex-M33 held.
    pub const fn new() -> Self {
        Self { m33: CortexM33::new() }
    }
}

impl Default for Stm32mp257 {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Hardware> Soc<H> for Stm32mp257 {
    fn name(&self) -> &'static str {
        "stm32mp257"
    }

    fn processor(&mut self, id: ProcessorId) -> Option<&mut dyn RemoteProcessor<H>> {
        match id {
            ProcessorId::CORTEX_M33 => Some(&mut self.m33),
            _ => None,
        }
    }
}
