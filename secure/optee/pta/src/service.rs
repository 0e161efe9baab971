//! The one platform service of this core.

use rproc_abi::{Completion, Params, ProcessorId, PtaMemory, TeeResult};
use rproc_platform::PlatformService;
use rproc_platform::stm32mp25::Stm32mp25;

use crate::counters::BootCounters;
use crate::exclusive::Exclusive;
use crate::hardware::CoreHardware;
use crate::hash::Hash;
use crate::keys::TrustedKeys;
use crate::regions;
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
    let soc = Stm32mp25::new(name, regions::M33, regions::M0);
    let hardware = CoreHardware::new(registers);
    let mut service = PlatformService::new(hardware, soc, TrustedKeys, BootCounters::new(), trace::Log);
    for id in regions::GIVEN_AWAY.iter().copied().map(ProcessorId) {
        // It stays the TEE's then, which closes its memory before it is used.
        if let Err(refusal) = service.give_away(id) {
            trace::error(format_args!("remoteproc: {id} cannot be given to Linux: {refusal}"));
        }
    }
    for (id, told) in regions::BEFORE_TEE {
        service.look(ProcessorId(*id), *told);
    }
    service
}
