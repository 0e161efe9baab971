//! The resets and state registers of a processor that Linux owns, as its node names them: of the SCMI service, or of the RCC.

use std::rc::Rc;
use std::sync::Arc;

use rproc_devicetree::{Processor, ProviderRef, SysconField};
use rproc_lifecycle::{
    BootAddress, CoreStatus, FoundTable, ProviderError, RccHold, RccPulse, Registers, ResetControl,
    ResetLine, SecureMonitor, SmcHold, Stm32mp15, Stm32mp25,
};
use rproc_scmi_client::ScmiClient;

use super::SystemError;
use super::memory::LinuxMemory;
use crate::clocks::SCMI_CHANNEL;
use crate::description::{Description, Family};
use crate::tee::HostTee;

/// Both halves of what Linux reaches of its own processor.
trait Hardware: ResetControl + CoreStatus {}

impl<T: ResetControl + CoreStatus> Hardware for T {}

/// The resets and the state registers of one Linux-owned processor.
pub struct LinuxControl(Box<dyn Hardware>);

impl LinuxControl {
    /// Those that the node names, and how the processor is told where to begin.
    pub(super) fn new(
        node: &Processor,
        board: &Description,
        tee: &Arc<HostTee>,
        memory: &LinuxMemory,
    ) -> Result<(Self, BootAddress), SystemError> {
        let lines = Lines { node, board, tee, memory };
        let (hold, reset) = (lines.hold()?, lines.line("mcu_rst")?);
        let registers = memory.clone();
        let hardware: (Box<dyn Hardware>, BootAddress) = match board.family {
            Family::Stm32mp15 => {
                let tamp = Some(board.registers.tamp);
                (Box::new(Stm32mp15 { hold, reset, registers, tamp }), BootAddress::Fixed)
            }
            Family::Stm32mp25 => {
                let syscfg = board.registers.ca35syscfg.unwrap_or_default();
                let hardware = Stm32mp25 { hold, reset, registers, syscfg, pwr: board.registers.pwr };
                (Box::new(hardware), BootAddress::Vectors { alignment: 128 })
            }
        };
        Ok((Self(hardware.0), hardware.1))
    }
}

/// Where a node's reset lines are.
struct Lines<'a> {
    node: &'a Processor,
    board: &'a Description,
    tee: &'a Arc<HostTee>,
    memory: &'a LinuxMemory,
}

impl Lines<'_> {
    /// The boot hold, by the first of the three ways that the node names (Linux `stm32_rproc_parse_dt`): a reset `hold_boot`; a
    /// call of the secure monitor, where `st,syscfg-tz` says that TrustZone is on in the RCC; a register, `st,syscfg-holdboot`.
    ///
    /// The monitor is told the offset of `st,syscfg-holdboot`. Linux's driver reads that property for the third way alone, and
    /// calls with offset 0.
    fn hold(&self) -> Result<Box<dyn ResetLine>, SystemError> {
        const NAME: &str = "hold_boot";
        let is_reset = self.node.resets.iter().any(|reset| reset.name.as_deref() == Some(NAME));
        if is_reset || self.board.family != Family::Stm32mp15 {
            return self.line(NAME);
        }
        let missing =
            |found: String| SystemError::Reset { processor: self.node.path.clone(), name: NAME, found };
        let place = |field: &SysconField| match field.address {
            Some(address) => Ok(address + u64::from(field.offset)),
            None => Err(missing(format!("at {}, which has no address", field.controller))),
        };
        let hold = self.node.hold_boot.as_ref();
        let hold = hold.ok_or_else(|| missing("neither a reset nor st,syscfg-holdboot".to_owned()))?;
        let mut registers = self.memory.clone();
        let trust_zone = match &self.node.trust_zone {
            Some(field) => {
                let value = registers.read32(place(field)?).map_err(|error| missing(error.to_string()))?;
                value & field.mask != 0
            }
            None => false,
        };
        Ok(match trust_zone {
            true => Box::new(SmcHold { monitor: Monitor(self.tee.clone()), register: hold.offset }),
            false => Box::new(RccHold { registers, address: place(hold)?, boot: hold.mask }),
        })
    }

    fn line(&self, name: &'static str) -> Result<Box<dyn ResetLine>, SystemError> {
        let missing = |found: String| SystemError::Reset { processor: self.node.path.clone(), name, found };
        let reference = self.node.resets.iter().find(|reset| reset.name.as_deref() == Some(name));
        let reference = reference.ok_or_else(|| missing("nothing".to_owned()))?;
        let ProviderRef { provider, arguments, .. } = reference;
        let unknown = || missing(format!("{provider} {arguments:?}"));
        let &[number] = arguments.as_slice() else { return Err(unknown()) };
        if provider.ends_with("/protocol@16") {
            let agent = ScmiClient::open_if_present(self.tee.clone(), SCMI_CHANNEL);
            let agent = agent.map_err(|error| missing(error.to_string()))?;
            let agent = agent.ok_or_else(|| missing("a TEE without the SCMI service".to_owned()))?;
            return Ok(Box::new(ScmiReset {
                agent: Rc::new(agent),
                domain: number,
                pulse: name == "mcu_rst",
            }));
        }
        if self.board.family == Family::Stm32mp15
            && provider.ends_with(&format!("@{:x}", self.board.registers.rcc))
        {
            // Linux's numbers of this RCC's resets: 32 bits of registers, then the bit.
            let address = self.board.registers.rcc + u64::from(number / 32 * 4);
            let (bit, registers) = (1 << (number % 32), self.memory.clone());
            return Ok(match name {
                "mcu_rst" => Box::new(RccPulse { registers, address, bit }),
                _ => Box::new(RccHold { registers, address, boot: bit }),
            });
        }
        Err(unknown())
    }
}

/// The secure monitor, which this board's TEE has with it.
struct Monitor(Arc<HostTee>);

impl SecureMonitor for Monitor {
    fn call(&mut self, function: u32, arguments: [u32; 3]) -> u32 {
        self.0.monitor_call(function, arguments)
    }
}

/// A reset of the TEE's SCMI service.
struct ScmiReset {
    agent: Rc<ScmiClient<Arc<HostTee>>>,
    domain: u32,
    /// It ends by itself.
    pulse: bool,
}

impl ResetLine for ScmiReset {
    fn assert(&mut self) -> Result<(), ProviderError> {
        let done = if self.pulse {
            self.agent.pulse_reset(self.domain)
        } else {
            self.agent.assert_reset(self.domain)
        };
        done.map_err(|error| error.to_string().into())
    }

    fn deassert(&mut self) -> Result<(), ProviderError> {
        self.agent.deassert_reset(self.domain).map_err(|error| error.to_string().into())
    }
}

impl ResetControl for LinuxControl {
    fn assert_hold(&mut self) -> Result<(), ProviderError> {
        self.0.assert_hold()
    }

    fn release_hold(&mut self) -> Result<(), ProviderError> {
        self.0.release_hold()
    }

    fn assert_reset(&mut self) -> Result<(), ProviderError> {
        self.0.assert_reset()
    }

    fn set_boot_address(&mut self, address: u64) -> Result<(), ProviderError> {
        self.0.set_boot_address(address)
    }
}

impl CoreStatus for LinuxControl {
    fn is_running(&mut self) -> Result<bool, ProviderError> {
        self.0.is_running()
    }

    fn resource_table(&mut self) -> Result<Option<FoundTable>, ProviderError> {
        self.0.resource_table()
    }

    fn mark_off(&mut self) -> Result<(), ProviderError> {
        self.0.mark_off()
    }
}
