//! Clocks that Linux asks the TEE for (Linux `drivers/clk/clk-scmi.c`).

use std::collections::BTreeMap;

use rproc_scmi_client::{ScmiClient, ScmiError};
use rproc_tee::TeeClient;

use crate::{Provider, ProviderError};

/// The TEE's SCMI service as a provider.
pub struct ScmiClocks<C: TeeClient> {
    agent: ScmiClient<C>,
    names: BTreeMap<u32, String>,
}

impl<C: TeeClient> ScmiClocks<C> {
    /// Asks the platform which clocks it has.
    pub fn new(agent: ScmiClient<C>) -> Result<Self, ScmiError> {
        let mut names = BTreeMap::new();
        for number in 0..u32::from(agent.clocks()?) {
            if let Some(clock) = agent.clock(number)? {
                names.insert(number, clock.name);
            }
        }
        Ok(Self { agent, names })
    }
}

impl<C: TeeClient> Provider for ScmiClocks<C> {
    fn name(&self) -> &str {
        "scmi"
    }

    fn numbers(&self) -> Vec<u32> {
        self.names.keys().copied().collect()
    }

    fn clock_name(&self, number: u32) -> Option<String> {
        self.names.get(&number).cloned()
    }

    fn is_enabled(&mut self, number: u32) -> Result<bool, ProviderError> {
        Ok(self.agent.clock(number)?.is_some_and(|clock| clock.enabled))
    }

    fn enable(&mut self, number: u32) -> Result<(), ProviderError> {
        Ok(self.agent.enable_clock(number)?)
    }

    fn disable(&mut self, number: u32) -> Result<(), ProviderError> {
        Ok(self.agent.disable_clock(number)?)
    }
}
