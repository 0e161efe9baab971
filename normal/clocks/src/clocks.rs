//! The framework: enable counts, claims, and the pass that switches off what nobody claims.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::{ClaimError, ClockError, Provider};

/// A registered provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(usize);

/// A clock: a phandle with its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClockRef {
    /// Whose clock it is.
    pub provider: ProviderId,
    /// The provider's number for it.
    pub number: u32,
}

/// A clock as `clk_summary` of Linux shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockState {
    /// Which clock.
    pub clock: ClockRef,
    /// Its name.
    pub name: String,
    /// Whether it runs; `None` when its provider cannot say.
    pub enabled: Option<bool>,
    /// Who claims it, once for each claim.
    pub consumers: Vec<String>,
}

/// What [`Clocks::disable_unused`] did.
#[derive(Debug, Default)]
pub struct Unused {
    /// The clocks that it switched off, with their names.
    pub off: Vec<(ClockRef, String)>,
    /// Those that it could not.
    pub errors: Vec<ClockError>,
}

#[derive(Default)]
struct Inner {
    providers: Vec<Box<dyn Provider>>,
    /// Who claims a clock; as many entries as claims, none for a clock without one.
    claims: BTreeMap<ClockRef, Vec<Rc<str>>>,
    /// What went wrong where nobody could be told.
    faults: Vec<ClockError>,
}

/// All clocks that there are; clones share them.
#[derive(Clone, Default)]
pub struct Clocks(Rc<RefCell<Inner>>);

impl Clocks {
    /// No clocks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a provider.
    pub fn register(&self, provider: Box<dyn Provider>) -> ProviderId {
        let mut inner = self.0.borrow_mut();
        inner.providers.push(provider);
        ProviderId(inner.providers.len() - 1)
    }

    /// Switches on every clock of a list for a consumer: all of them, or on an error none. A clock that is listed twice is
    /// claimed twice. They stay on until the [`Claim`] is released or dropped.
    pub fn claim(&self, consumer: &str, clocks: &[ClockRef]) -> Result<Claim, ClaimError> {
        let mut inner = self.0.borrow_mut();
        for (index, clock) in clocks.iter().enumerate() {
            if inner.name(*clock).is_none() {
                let provider = inner.providers.get(clock.provider.0);
                return Err(ClaimError::NoClock {
                    consumer: consumer.to_owned(),
                    provider: provider.map_or("nobody", |provider| provider.name()).to_owned(),
                    number: clock.number,
                    index,
                });
            }
        }
        let consumer: Rc<str> = consumer.into();
        for (index, clock) in clocks.iter().enumerate() {
            if let Err(source) = inner.take(*clock, &consumer) {
                let taken = clocks.get(..index).unwrap_or_default();
                inner.give_back(taken, &consumer);
                return Err(ClaimError::Enable { consumer: consumer.to_string(), index, source });
            }
        }
        drop(inner);
        Ok(Claim { owner: self.clone(), consumer, clocks: clocks.to_vec() })
    }

    /// Switches off every clock that runs without a claim (`clk_disable_unused`, late in Linux's boot).
    pub fn disable_unused(&self) -> Unused {
        self.disable_unused_except(|_| false)
    }

    /// The same, but for clocks that are not this kernel's to switch: Linux's drivers do not even register those that the
    /// firewall gives to the secure world.
    pub fn disable_unused_except(&self, foreign: impl Fn(ClockRef) -> bool) -> Unused {
        let mut inner = self.0.borrow_mut();
        let mut unused = Unused::default();
        for clock in inner.all() {
            if foreign(clock) || inner.claims.contains_key(&clock) {
                continue;
            }
            let Some(provider) = inner.providers.get_mut(clock.provider.0) else { continue };
            let name = provider.clock_name(clock.number).unwrap_or_default();
            match provider.disable_unused(clock.number) {
                Ok(true) => unused.off.push((clock, name)),
                Ok(false) => {}
                Err(source) => unused.errors.push(ClockError {
                    provider: provider.name().to_owned(),
                    clock: name,
                    on: false,
                    source,
                }),
            }
        }
        unused
    }

    /// Switches nothing from now on, and claims mean nothing any more: the kernel that these were the clocks of is gone, and what
    /// it left running runs on.
    pub fn abandon(&self) {
        let mut inner = self.0.borrow_mut();
        inner.providers.clear();
        inner.claims.clear();
    }

    /// Every clock, in the order of providers and numbers.
    pub fn summary(&self) -> Vec<ClockState> {
        let mut inner = self.0.borrow_mut();
        let mut summary = Vec::new();
        for clock in inner.all() {
            let consumers = inner.claims.get(&clock);
            let consumers = consumers.into_iter().flatten().map(|consumer| consumer.to_string()).collect();
            let Some(provider) = inner.providers.get_mut(clock.provider.0) else { continue };
            summary.push(ClockState {
                clock,
                name: provider.clock_name(clock.number).unwrap_or_default(),
                enabled: provider.is_enabled(clock.number).ok(),
                consumers,
            });
        }
        summary
    }

    /// Takes the errors of clocks that did not go off when a claim was dropped, oldest first.
    pub fn take_faults(&self) -> Vec<ClockError> {
        std::mem::take(&mut self.0.borrow_mut().faults)
    }
}

impl Inner {
    fn all(&self) -> Vec<ClockRef> {
        let numbers = self.providers.iter().map(|provider| provider.numbers());
        numbers
            .enumerate()
            .flat_map(|(id, numbers)| {
                numbers.into_iter().map(move |number| ClockRef { provider: ProviderId(id), number })
            })
            .collect()
    }

    fn name(&self, clock: ClockRef) -> Option<String> {
        self.providers.get(clock.provider.0)?.clock_name(clock.number)
    }

    fn take(&mut self, clock: ClockRef, consumer: &Rc<str>) -> Result<(), ClockError> {
        if !self.claims.contains_key(&clock) {
            self.switch(clock, true)?;
        }
        self.claims.entry(clock).or_default().push(consumer.clone());
        Ok(())
    }

    fn switch(&mut self, clock: ClockRef, on: bool) -> Result<(), ClockError> {
        let Some(provider) = self.providers.get_mut(clock.provider.0) else { return Ok(()) };
        let done = if on { provider.enable(clock.number) } else { provider.disable(clock.number) };
        done.map_err(|source| ClockError {
            provider: provider.name().to_owned(),
            clock: provider.clock_name(clock.number).unwrap_or_default(),
            on,
            source,
        })
    }

    /// Gives up one claim on each of these, the last first; one that does not go off keeps no other on.
    fn give_back(&mut self, clocks: &[ClockRef], consumer: &Rc<str>) {
        for clock in clocks.iter().rev() {
            let Some(claims) = self.claims.get_mut(clock) else { continue };
            if let Some(own) = claims.iter().position(|other| other == consumer) {
                claims.remove(own);
            }
            if claims.is_empty() {
                self.claims.remove(clock);
                if let Err(error) = self.switch(*clock, false) {
                    self.faults.push(error);
                }
            }
        }
    }
}

/// A consumer's clocks, which run as long as this is there.
#[must_use = "the clocks go off when the claim is dropped"]
pub struct Claim {
    owner: Clocks,
    consumer: Rc<str>,
    clocks: Vec<ClockRef>,
}

impl Claim {
    /// Who has it.
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    /// The clocks.
    pub fn clocks(&self) -> &[ClockRef] {
        &self.clocks
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.owner.0.borrow_mut().give_back(&self.clocks, &self.consumer);
    }
}
