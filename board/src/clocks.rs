//! The clocks of a virtual board as its Linux has them: those of the TEE's SCMI service, and those of the RCC.

use rproc_clocks::{
    ClockRef, Clocks, ProviderId, RccClocks, RegisterError, Registers, ScmiClocks, stm32mp25,
};
use rproc_devicetree::ProviderRef;
use rproc_scmi_client::{ScmiClient, ScmiError};
use rproc_tee::TeeClient;

use crate::bus::Port;

/// Linux's channel of the SCMI service (`linaro,optee-channel-id`).
pub const SCMI_CHANNEL: u32 = 0;

/// The RCC as Linux reaches it.
#[derive(Debug)]
pub struct LinuxRcc {
    port: Port,
    base: u64,
}

impl LinuxRcc {
    /// The RCC at this physical address, through the port of whoever writes it.
    pub const fn new(port: Port, base: u64) -> Self {
        Self { port, base }
    }
}

impl Registers for LinuxRcc {
    fn read(&mut self, offset: u32) -> Result<u32, RegisterError> {
        self.port.read32(self.base + u64::from(offset)).map_err(|_| RegisterError { offset })
    }

    fn write(&mut self, offset: u32, value: u32) -> Result<(), RegisterError> {
        self.port.write32(self.base + u64::from(offset), value).map_err(|_| RegisterError { offset })
    }
}

/// A board's clocks and where they come from.
pub struct LinuxClocks {
    /// The clocks.
    pub clocks: Clocks,
    /// The TEE's; `None` on a TEE without the service.
    pub scmi: Option<ProviderId>,
    /// The RCC's own.
    pub rcc: ProviderId,
    rcc_base: u64,
}

impl LinuxClocks {
    /// Asks the TEE for its clocks and adds those of the RCC at `rcc_base`, reached through Linux's port.
    pub fn new<C: TeeClient + 'static>(tee: C, linux: Port, rcc_base: u64) -> Result<Self, ScmiError> {
        let clocks = Clocks::new();
        let scmi = match ScmiClient::open_if_present(tee, SCMI_CHANNEL)? {
            Some(agent) => Some(clocks.register(Box::new(ScmiClocks::new(agent)?))),
            None => None,
        };
        let rcc = RccClocks::new(LinuxRcc::new(linux, rcc_base), &stm32mp25::TABLE);
        let rcc = clocks.register(Box::new(rcc));
        Ok(Self { clocks, scmi, rcc, rcc_base })
    }

    /// The clock that a device tree refers to; `None` when its provider is not here.
    pub fn find(&self, reference: &ProviderRef) -> Option<ClockRef> {
        let node = reference.provider.rsplit('/').next().unwrap_or_default();
        let provider = match node {
            "protocol@14" => self.scmi?,
            node if node.rsplit('@').next() == Some(&format!("{:x}", self.rcc_base)) => self.rcc,
            _ => return None,
        };
        match reference.arguments[..] {
            [number] => Some(ClockRef { provider, number }),
            _ => None,
        }
    }
}
