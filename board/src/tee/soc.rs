//! The SoC's own services in the host TEE: SCMI over the board's registers, random numbers from the host.

use rproc_abi::hwrng::Info;
use rproc_abi::{Client, Completion, Params, ProcessorId, TeeResult};
use rproc_hwrng::{Entropy, HwrngService, Unhealthy};
use rproc_scmi_server::{Agent, RegisterSoc, Resource, ScmiService, Server, stm32mp15, stm32mp25};

use super::services::Hosted;
use super::{NormalMemory, SecureLog, SecurePort};
use crate::description::Family;

/// Who may change what: asked with the channel of the agent.
type Rights = Box<dyn Fn(u32, Resource) -> bool + Send>;

/// The SCMI service of the virtual board, whose one channel is Linux's, and the log that has what a status cannot say.
pub(super) struct Scmi {
    service: ScmiService<RegisterSoc<SecurePort>, Rights>,
    log: SecureLog,
}

static AGENTS: [Agent; 1] = [Agent { name: "linux" }];

/// The service for a SoC, which keeps from Linux the resets of the processors that the TEE owns.
pub(super) fn scmi(family: Family, hardware: SecurePort, owned: &[ProcessorId], log: SecureLog) -> Scmi {
    let is_mp15 = family == Family::Stm32mp15;
    let tables = if is_mp15 { &stm32mp15::TABLES } else { &stm32mp25::TABLES };
    let resets_of = if is_mp15 { stm32mp15::resets_of } else { stm32mp25::resets_of };
    let never = if is_mp15 { &[] } else { stm32mp25::OWN_RESETS };
    let owned = owned.iter().flat_map(|processor| resets_of(*processor));
    let kept: Vec<Resource> = owned.chain(never).map(|reset| Resource::Reset(*reset)).collect();
    let rights: Rights = Box::new(move |_, resource| !kept.contains(&resource));
    let server = Server::new(RegisterSoc::new(hardware, tables), &AGENTS, rights);
    Scmi { service: ScmiService::new(server), log }
}

impl Hosted for Scmi {
    fn open_session(&mut self, client: Client, _: Params<NormalMemory>) -> Result<(), TeeResult> {
        self.service.open_session(client)
    }

    fn invoke(&mut self, command: u32, params: Params<NormalMemory>) -> Completion {
        let completion = self.service.invoke(command, params);
        if let Some(refusal) = self.service.server_mut().soc_mut().take_refusal() {
            self.log.register_refused(refusal);
        }
        completion
    }
}

/// The host's own random numbers: what a client does with them is no part of a run, so that runs stay alike.
pub(super) struct HostEntropy;

impl Entropy for HostEntropy {
    fn fill(&mut self, into: &mut [u8]) -> Result<usize, Unhealthy> {
        getrandom::fill(into).map(|()| into.len()).map_err(|_| Unhealthy)
    }

    fn info(&self) -> Info {
        Info { rate: 0, quality: 1024 }
    }
}

impl<E: Entropy + Send> Hosted for HwrngService<E> {
    fn open_session(&mut self, client: Client, _: Params<NormalMemory>) -> Result<(), TeeResult> {
        HwrngService::open_session(self, client)
    }

    fn invoke(&mut self, command: u32, params: Params<NormalMemory>) -> Completion {
        HwrngService::invoke(self, command, params)
    }
}
