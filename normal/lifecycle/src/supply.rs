//! What keeps a processor alive beside its firmware: clocks and power domains, claimed while it runs.

use std::error::Error as StdError;
use std::fmt;

use crate::description::Description;
use crate::event::Event;

/// Why a provider did not do what it was asked.
pub type ProviderError = Box<dyn StdError + Send + Sync>;

/// One entry of a processor's `clocks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// Its name in `clock-names`, or where there is none a text that tells provider and number.
    pub name: String,
    /// Path of the provider's node.
    pub provider: String,
    /// The cells after the phandle: the clock's number, at SCMI's and the RCC's providers.
    pub arguments: Vec<u32>,
}

/// The clock providers that Linux reaches: SCMI's and the RCC's.
///
/// Claims are counted, as `clk_prepare_enable` is in Linux: a tree may name a clock twice, and two processors may share one.
pub trait Clocks {
    /// Keeps a clock on from now on, until it is released as often as it was claimed.
    ///
    /// # Errors
    /// The provider's own; the clock is then not claimed.
    fn claim(&mut self, clock: &Clock) -> Result<(), ProviderError>;

    /// Takes one claim back.
    ///
    /// # Errors
    /// The provider's own; the claim is gone nevertheless.
    fn release(&mut self, clock: &Clock) -> Result<(), ProviderError>;
}

/// One entry of `power-domain-names`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum PowerDomain {
    /// `default`: the processor needs it while the normal world is awake.
    Default,
    /// `sleep`: keeps the processor running while the normal world sleeps.
    Sleep,
}

impl PowerDomain {
    /// Its name in `power-domain-names`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PowerDomain::Default => "default",
            PowerDomain::Sleep => "sleep",
        }
    }

    /// The domain of a name in `power-domain-names`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<PowerDomain> {
        [PowerDomain::Default, PowerDomain::Sleep].into_iter().find(|domain| domain.name() == name)
    }
}

impl fmt::Display for PowerDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The power domains of one processor, as Linux's `genpd` reaches them.
pub trait PowerDomains {
    /// Keeps a domain on from now on.
    ///
    /// # Errors
    /// The provider's own; the domain is then as before.
    fn power_on(&mut self, domain: PowerDomain) -> Result<(), ProviderError>;

    /// No longer keeps it on; others may.
    ///
    /// # Errors
    /// The provider's own.
    fn power_off(&mut self, domain: PowerDomain) -> Result<(), ProviderError>;
}

/// A processor's clock or power domain that is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupplyError {
    /// The tree names clocks, and there is nobody to ask for them.
    #[error("{processor} needs {count} clocks, and no clock provider was given; give one before booting")]
    NoClockProvider {
        /// Name of the processor.
        processor: String,
        /// How many clocks its node names.
        count: usize,
    },
    /// A clock could not be claimed.
    #[error(
        "clock {index} of {processor}, `{name}` of {provider}, cannot be claimed: {source}; check `clocks` in its node and \
         whether the provider serves that number"
    )]
    Clock {
        /// Name of the processor.
        processor: String,
        /// Its place in `clocks`, from 0.
        index: usize,
        /// Its name.
        name: String,
        /// Path of the provider's node.
        provider: String,
        /// What the provider said.
        source: ProviderError,
    },
    /// The tree names power domains, and there is nobody to ask for them.
    #[error("{processor} has power domains, and no provider for them was given; give one before booting")]
    NoDomainProvider {
        /// Name of the processor.
        processor: String,
    },
    /// A domain could not be switched on.
    #[error("power domain `{domain}` of {processor} cannot be switched on: {source}")]
    Domain {
        /// Name of the processor.
        processor: String,
        /// The domain.
        domain: PowerDomain,
        /// What the provider said.
        source: ProviderError,
    },
    /// It would lose its power while the normal world sleeps.
    #[error(
        "{processor} cannot be kept running while Linux sleeps: its power domain `default` goes off then, and its node has no \
         domain `sleep`; shut the processor down first, or add the domain"
    )]
    LosesPower {
        /// Name of the processor.
        processor: String,
    },
}

/// The claims of one processor.
#[derive(Default)]
pub(crate) struct Supply {
    pub(crate) clocks: Option<Box<dyn Clocks>>,
    pub(crate) domains: Option<Box<dyn PowerDomains>>,
    /// How many of the node's clocks are claimed; always the first ones.
    claimed: usize,
    /// The domain that is kept on.
    powered: Option<PowerDomain>,
}

impl Supply {
    /// Switches `default` on and claims all clocks, in the order of the node. What is claimed already is not claimed again,
    /// and on an error stays: the processor may be running on it, and only the caller knows.
    pub(crate) fn claim(
        &mut self,
        description: &Description,
        mut happened: impl FnMut(Event),
    ) -> Result<(), SupplyError> {
        self.power(PowerDomain::Default, description, &mut happened)?;
        if self.claim_clocks(description)? {
            happened(Event::ClocksClaimed { count: self.claimed });
        }
        Ok(())
    }

    /// Whether anything was claimed that had not been.
    fn claim_clocks(&mut self, description: &Description) -> Result<bool, SupplyError> {
        let before = self.claimed;
        let processor = || description.name.clone();
        for (index, clock) in description.clocks.iter().enumerate().skip(before) {
            let Some(clocks) = &mut self.clocks else {
                let count = description.clocks.len();
                return Err(SupplyError::NoClockProvider { processor: processor(), count });
            };
            clocks.claim(clock).map_err(|source| SupplyError::Clock {
                processor: processor(),
                index,
                name: clock.name.clone(),
                provider: clock.provider.clone(),
                source,
            })?;
            self.claimed = index + 1;
        }
        Ok(self.claimed > before)
    }

    /// Takes all claims back, in reverse order. A provider that fails does not keep the rest.
    pub(crate) fn release(&mut self, description: &Description, mut happened: impl FnMut(Event)) {
        let count = self.claimed;
        if let Some(clocks) = &mut self.clocks {
            for clock in description.clocks.iter().take(count).rev() {
                if let Err(error) = clocks.release(clock) {
                    happened(Event::SupplyNotReleased {
                        what: format!("clock {}", clock.name),
                        reason: error.to_string(),
                    });
                }
            }
        }
        if count > 0 {
            happened(Event::ClocksReleased { count });
        }
        self.claimed = 0;
        if let Some(domain) = self.powered.take() {
            self.off(domain, &mut happened);
        }
    }

    /// Before the normal world sleeps: what keeps the processor running meanwhile.
    ///
    /// As ST's driver has it (`stm32_rproc_suspend` of its kernel): a processor whose domain goes off with the normal world
    /// keeps it from sleeping. One without power domains just goes on, as in mainline's driver.
    pub(crate) fn sleep(
        &mut self,
        description: &Description,
        happened: impl FnMut(Event),
    ) -> Result<(), SupplyError> {
        match (description.has_domain(PowerDomain::Default), description.has_domain(PowerDomain::Sleep)) {
            (_, true) => self.power(PowerDomain::Sleep, description, happened),
            (true, false) => Err(SupplyError::LosesPower { processor: description.name.clone() }),
            (false, false) => Ok(()),
        }
    }

    /// Moves to a domain if the node has it: the new one is on before the old one goes off.
    fn power(
        &mut self,
        domain: PowerDomain,
        description: &Description,
        mut happened: impl FnMut(Event),
    ) -> Result<(), SupplyError> {
        if self.powered == Some(domain) || !description.has_domain(domain) {
            return Ok(());
        }
        let processor = || description.name.clone();
        let Some(domains) = &mut self.domains else {
            return Err(SupplyError::NoDomainProvider { processor: processor() });
        };
        let failed = |source| SupplyError::Domain { processor: processor(), domain, source };
        domains.power_on(domain).map_err(failed)?;
        happened(Event::PowerDomain { domain, on: true });
        if let Some(before) = self.powered.replace(domain) {
            self.off(before, &mut happened);
        }
        Ok(())
    }

    fn off(&mut self, domain: PowerDomain, happened: &mut impl FnMut(Event)) {
        match self.domains.as_mut().map(|domains| domains.power_off(domain)) {
            Some(Err(error)) => happened(Event::SupplyNotReleased {
                what: format!("power domain {domain}"),
                reason: error.to_string(),
            }),
            _ => happened(Event::PowerDomain { domain, on: false }),
        }
    }
}
