//! The STM32MP25: its processors, the registers that hold them, and the firewall around their memory.

mod c3;
mod ca35syscfg;
mod holder;
mod m0;
mod m33;
mod rcc;
mod risab;
mod risaf;
mod risal;

use rproc_abi::ProcessorId;

use crate::{Hardware, Region, RemoteProcessor, Soc};

pub use c3::M0_CLOCKS;
pub use m0::CortexM0Plus;
pub use m33::CortexM33;

/// An STM32MP2 SoC: a Cortex-M33 and, on some, a Cortex-M0+ under the TEE.
///
/// Its name is a constant where one build serves one SoC, and text of the port's own where the hardware tells it.
pub struct Stm32mp25<N = &'static str> {
    name: N,
    m33: Option<CortexM33>,
    m0: Option<CortexM0Plus>,
}

impl<N> Stm32mp25<N> {
    /// The SoC of this name, as image targets have it, such as `stm32mp257`, with the memory of its processors' firmware.
    /// A processor without memory is not driven.
    pub const fn new(name: N, m33: &'static [Region], m0: &'static [Region]) -> Self {
        let m33 = if m33.is_empty() { None } else { Some(CortexM33::new(m33)) };
        let m0 = if m0.is_empty() { None } else { Some(CortexM0Plus::new(m0, M0_CLOCKS)) };
        Self { name, m33, m0 }
    }
}

impl<H: Hardware, N: AsRef<str>> Soc<H> for Stm32mp25<N> {
    fn name(&self) -> &str {
        self.name.as_ref()
    }

    fn processor(&mut self, id: ProcessorId) -> Option<&mut dyn RemoteProcessor<H>> {
        match id {
            ProcessorId::CORTEX_M33 => self.m33.as_mut().map(|driver| driver as _),
            ProcessorId::CORTEX_M0_PLUS => self.m0.as_mut().map(|driver| driver as _),
            _ => None,
        }
    }
}
