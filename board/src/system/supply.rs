//! The clocks and power domains of a processor of a virtual board, as the lifecycle asks for them.

use std::rc::Rc;
use std::sync::Arc;

use rproc_clocks::{Claim, stm32mp25};
use rproc_devicetree::ProviderRef;
use rproc_lifecycle::{Clock, Clocks, PowerDomain, PowerDomains, ProviderError};
use rproc_scmi_client::ScmiClient;
use rproc_scmi_server::stm32mp25::{CLUSTER, RETENTION};

use crate::clocks::{LinuxClocks, SCMI_CHANNEL};
use crate::tee::HostTee;

/// The clocks of one processor out of those that Linux has.
pub(super) struct ProcessorClocks {
    clocks: Rc<LinuxClocks>,
    consumer: String,
    /// `None` for a clock that is the TEE's with the processor.
    held: Vec<(Clock, Option<Claim>)>,
}

impl ProcessorClocks {
    pub(super) fn new(clocks: Rc<LinuxClocks>, consumer: &str) -> Self {
        Self { clocks, consumer: consumer.to_owned(), held: Vec::new() }
    }
}

impl Clocks for ProcessorClocks {
    fn claim(&mut self, clock: &Clock) -> Result<(), ProviderError> {
        let arguments = clock.arguments.clone();
        let reference = ProviderRef { name: None, provider: clock.provider.clone(), arguments };
        let found = self.clocks.find(&reference).ok_or("this board has no such provider of clocks")?;
        // These bits are in the register that resets the processor: who owns it sets them when it starts it.
        let tees = found.provider == self.clocks.rcc && stm32mp25::is_of_the_m0(found.number);
        let claim = match tees {
            true => None,
            false => {
                let claim = self.clocks.clocks.claim(&self.consumer, &[found]);
                Some(claim.map_err(|error| error.to_string())?)
            }
        };
        self.held.push((clock.clone(), claim));
        Ok(())
    }

    fn release(&mut self, clock: &Clock) -> Result<(), ProviderError> {
        if let Some(place) = self.held.iter().rposition(|(held, _)| held == clock) {
            drop(self.held.remove(place));
        }
        match self.clocks.clocks.take_faults().into_iter().next() {
            Some(fault) => Err(fault.to_string().into()),
            None => Ok(()),
        }
    }
}

/// The power domains of the board. Board's model: the cluster's domains that the trees name at PSCI are remembered by the TEE's
/// SCMI service, and switch nothing.
pub(super) struct ProcessorDomains {
    agent: Option<ScmiClient<Arc<HostTee>>>,
}

impl ProcessorDomains {
    pub(super) fn new(tee: &Arc<HostTee>) -> Self {
        Self { agent: ScmiClient::open_if_present(tee.clone(), SCMI_CHANNEL).ok().flatten() }
    }

    fn set(&self, domain: PowerDomain, on: bool) -> Result<(), ProviderError> {
        let Some(agent) = &self.agent else { return Ok(()) };
        let number = match domain {
            PowerDomain::Default => CLUSTER,
            PowerDomain::Sleep => RETENTION,
        };
        agent.set_power(number, on).map_err(|error| error.to_string().into())
    }
}

impl PowerDomains for ProcessorDomains {
    fn power_on(&mut self, domain: PowerDomain) -> Result<(), ProviderError> {
        self.set(domain, true)
    }

    fn power_off(&mut self, domain: PowerDomain) -> Result<(), ProviderError> {
        self.set(domain, false)
    }
}
