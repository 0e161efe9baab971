//! The STM32MP25: its processors, the registers that hold them, and the firewall around their memory.

mod ca35syscfg;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod faults;
mod m33;
mod rcc;
mod risab;
mod risaf;

use rproc_abi::ProcessorId;

use crate::{Hardware, RemoteProcessor, Soc};

pub use m33::{CortexM33, REGIONS};

/// An STM32MP2 SoC: a Cortex-M33 under the TEE.
///
/// Its name is a constant where one build serves one SoC, and text of the port's own where the hardware tells it.
pub struct Stm32mp25<N = &'static str> {
    name: N,
    m33: CortexM33,
}

impl<N> Stm32mp25<N> {
    /// The SoC of this name, as image targets have it, such as `stm32mp257`; the Cortex-M33 is held.
    pub const fn new(name: N) -> Self {
        Self { name, m33: CortexM33::new() }
    }
}

impl<H: Hardware, N: AsRef<str>> Soc<H> for Stm32mp25<N> {
    fn name(&self) -> &str {
        self.name.as_ref()
    }

    fn processor(&mut self, id: ProcessorId) -> Option<&mut dyn RemoteProcessor<H>> {
        match id {
            ProcessorId::CORTEX_M33 => Some(&mut self.m33),
            _ => None,
        }
    }
}
