//! The STM32MP15: its Cortex-M4, the ways to its reset, and the firewall around its memory.

mod boot;
mod etzpc;
mod m4;
mod rcc;

use rproc_abi::ProcessorId;

use crate::{Hardware, Region, RemoteProcessor, Soc};

pub use boot::{BootControl, MonitorBoot, RccBoot, ResetDomains, ScmiBoot, SecureMonitor};
pub use m4::CortexM4;

/// An STM32MP15 SoC: a Cortex-M4 under the TEE, with `B` for the way to its reset.
pub struct Stm32mp15<B = RccBoot, N = &'static str> {
    name: N,
    m4: CortexM4<B>,
}

impl<B, N> Stm32mp15<B, N> {
    /// The SoC of this name, as image targets have it, such as `stm32mp157`, with the memory of its firmware.
    pub const fn new(name: N, m4: &'static [Region], boot: B) -> Self {
        Self { name, m4: CortexM4::new(m4, boot) }
    }
}

impl<H: Hardware, B: BootControl<H>, N: AsRef<str>> Soc<H> for Stm32mp15<B, N> {
    fn name(&self) -> &str {
        self.name.as_ref()
    }

    fn processor(&mut self, id: ProcessorId) -> Option<&mut dyn RemoteProcessor<H>> {
        match id {
            ProcessorId::CORTEX_M4 => Some(&mut self.m4),
            _ => None,
        }
    }
}
