//! The agent: what Linux's SCMI drivers ask of the platform.

use rproc_scmi::power::State;
use rproc_scmi::reset::Action;
use rproc_scmi::{Attributes, Protocol, Reply, Request, Status, base, clock, power, reset};
use rproc_tee::TeeClient;

use crate::ScmiError;
use crate::channel::{Channel, is_absent};

/// Who the platform is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// Its vendor.
    pub vendor: String,
    /// The vendor's number for its version.
    pub version: u32,
    /// The numbers of its protocols, the base protocol left out.
    pub protocols: Vec<u8>,
    /// The name that it has for this agent.
    pub agent: String,
}

/// A clock of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockInfo {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub enabled: bool,
}

/// An agent on a channel of the TEE's SCMI service.
pub struct ScmiClient<C: TeeClient> {
    channel: Channel<C>,
}

/// A platform that always promises more protocols is cut off here; there are 256 numbers.
const MOST_PROTOCOLS: usize = 256;

impl<C: TeeClient> ScmiClient<C> {
    /// Opens the channel with this number (`linaro,optee-channel-id`).
    pub fn open(client: C, channel: u32) -> Result<Self, ScmiError> {
        Channel::open(client, channel).map(|channel| Self { channel })
    }

    /// As [`ScmiClient::open`]; `None` when this TEE has no SCMI service.
    pub fn open_if_present(client: C, channel: u32) -> Result<Option<Self>, ScmiError> {
        match Self::open(client, channel) {
            Ok(agent) => Ok(Some(agent)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks who the platform is.
    pub fn discover(&self) -> Result<Platform, ScmiError> {
        let base::Reply::Vendor(vendor) = self.base(base::Request::Vendor)? else { return Err(silent()) };
        let base::Reply::ImplementationVersion(version) = self.base(base::Request::ImplementationVersion)?
        else {
            return Err(silent());
        };
        let mut protocols = Vec::new();
        while protocols.len() < MOST_PROTOCOLS {
            let skip = protocols.len() as u32;
            let base::Reply::Protocols(list) = self.base(base::Request::Protocols { skip })? else {
                return Err(silent());
            };
            if list.ids().is_empty() {
                break;
            }
            protocols.extend_from_slice(list.ids());
        }
        let agent = base::Request::Agent { agent: base::Request::ASKING_AGENT };
        let base::Reply::Agent { name, .. } = self.base(agent)? else { return Err(silent()) };
        Ok(Platform { vendor: vendor.to_string(), version, protocols, agent: name.to_string() })
    }

    /// Clocks have numbers below this; not every number has a clock.
    pub fn clocks(&self) -> Result<u16, ScmiError> {
        match self.channel.call(&Request::Attributes(Protocol::Clock))? {
            Reply::Attributes(Attributes::Clock { clocks, .. }) => Ok(clocks),
            _ => Err(silent()),
        }
    }

    /// A clock's name and state; `None` when the number has no clock.
    pub fn clock(&self, clock: u32) -> Result<Option<ClockInfo>, ScmiError> {
        match self.clock_call(clock::Request::ClockAttributes { clock }) {
            Ok(clock::Reply::ClockAttributes { enabled, name, .. }) => {
                Ok(Some(ClockInfo { name: name.to_string(), enabled }))
            }
            Ok(_) => Err(silent()),
            Err(error) if error.status() == Some(Status::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Switches a clock on.
    pub fn enable_clock(&self, clock: u32) -> Result<(), ScmiError> {
        self.clock_call(clock::Request::ConfigSet { clock, enable: true }).map(drop)
    }

    /// Lets a clock go off.
    pub fn disable_clock(&self, clock: u32) -> Result<(), ScmiError> {
        self.clock_call(clock::Request::ConfigSet { clock, enable: false }).map(drop)
    }

    /// A clock's rate in hertz.
    pub fn clock_rate(&self, clock: u32) -> Result<u64, ScmiError> {
        match self.clock_call(clock::Request::RateGet { clock })? {
            clock::Reply::RateGet(rate) => Ok(rate),
            _ => Err(silent()),
        }
    }

    /// Puts a domain into reset.
    pub fn assert_reset(&self, domain: u32) -> Result<(), ScmiError> {
        self.reset(domain, Action::Assert)
    }

    /// Lets a domain out of reset.
    pub fn deassert_reset(&self, domain: u32) -> Result<(), ScmiError> {
        self.reset(domain, Action::Deassert)
    }

    /// Puts a domain into reset and lets it out again.
    pub fn pulse_reset(&self, domain: u32) -> Result<(), ScmiError> {
        self.reset(domain, Action::Autonomous)
    }

    /// Switches a power domain.
    pub fn set_power(&self, domain: u32, on: bool) -> Result<(), ScmiError> {
        let state = if on { State::ON } else { State::OFF };
        self.channel.call(&Request::Power(power::Request::StateSet { domain, state })).map(drop)
    }

    /// Whether a power domain is on.
    pub fn is_powered(&self, domain: u32) -> Result<bool, ScmiError> {
        match self.channel.call(&Request::Power(power::Request::StateGet { domain }))? {
            Reply::Power(power::Reply::StateGet(state)) => Ok(state == State::ON),
            _ => Err(silent()),
        }
    }

    fn base(&self, request: base::Request) -> Result<base::Reply, ScmiError> {
        match self.channel.call(&Request::Base(request))? {
            Reply::Base(reply) => Ok(reply),
            _ => Err(silent()),
        }
    }

    fn clock_call(&self, request: clock::Request) -> Result<clock::Reply, ScmiError> {
        match self.channel.call(&Request::Clock(request))? {
            Reply::Clock(reply) => Ok(reply),
            _ => Err(silent()),
        }
    }

    fn reset(&self, domain: u32, action: Action) -> Result<(), ScmiError> {
        let state = reset::Request::COLD;
        self.channel.call(&Request::Reset(reset::Request::Reset { domain, action, state })).map(drop)
    }
}

/// A reply is parsed as what its command wants, so that no other kind of it comes here.
const fn silent() -> ScmiError {
    ScmiError::Silent { command: 4 }
}
