//! The one platform service of this core.

use rproc_abi::{Completion, Params, PtaMemory, TeeResult};
use rproc_platform::PlatformService;
use rproc_platform::boards::STM32MP257F_EV1_M33;
use rproc_platform::stm32mp25::Stm32mp25;

use crate::counters::BootCounters;
use crate::exclusive::Exclusive;
use crate::hardware::CoreHardware;
use crate::hash::Hash;
use crate::keys::TrustedKeys;
use crate::registers::{Registers, SocName};
use crate::trace;
use crate::user_memory::UserMemory;

type Service = PlatformService<CoreHardware, Stm32mp25<SocName>, TrustedKeys, BootCounters, trace::Log>;

/// None until the hardware is found. It lives until power-off: a TA that has panicked and comes back finds its processors
/// as it left them.
static SERVICE: Exclusive<Option<Service>> = Exclusive::new(None);

/// Answers one call of the remoteproc TA.
///
/// `TEE_ERROR_ITEM_NOT_FOUND` while the hardware cannot be found: on a virtual machine, until its PCI device is there.
pub fn invoke(number: u32, params: Params<PtaMemory<'_, UserMemory>>) -> Completion {
    let answer = SERVICE.with(|service| {
        if service.is_none() {
            match Registers::find() {
                Ok(registers) => *service = Some(start(registers)),
                Err(why) => trace::error(format_args!("remoteproc: no hardware: {why}")),
            }
        }
        match service {
            Some(service) => service.invoke::<Hash, UserMemory>(number, params),
            None => Completion::failed(TeeResult::ITEM_NOT_FOUND),
        }
    });
    answer.unwrap_or(Completion::failed(TeeResult::BUSY))
}

fn start(registers: Registers) -> Service {
    let name = registers.soc();
    trace::info(format_args!("remoteproc: platform service for {}", name.as_ref()));
    // The virtual SoC has the registers of the Cortex-M33 alone.
    let soc = Stm32mp25::new(name, &STM32MP257F_EV1_M33, &[]);
    let hardware = CoreHardware::new(registers);
    PlatformService::new(hardware, soc, TrustedKeys, BootCounters::new(), trace::Log)
}
