//! The server: one message in, one message out.

use rproc_scmi::base::{self, ProtocolList};
use rproc_scmi::clock::{self, Rates};
use rproc_scmi::power::{self, State};
use rproc_scmi::reset::{self, Action};
use rproc_scmi::{
    Attributes, BadMessage, Header, Message, Name, Protocol, Reply, Request, Status, encode_reply,
};

use crate::{Agent, Clocks, PowerDomains, Resets, Resource, Rights};

/// The platform: a SoC, its agents and their rights.
pub struct Server<S, R> {
    soc: S,
    rights: R,
    agents: &'static [Agent],
}

/// The vendor that the base protocol names.
const VENDOR: &str = "rproc";

impl<S: Clocks + Resets + PowerDomains, R: Rights> Server<S, R> {
    /// The platform for these agents; an agent's channel is its index.
    pub const fn new(soc: S, agents: &'static [Agent], rights: R) -> Self {
        Self { soc, rights, agents }
    }

    /// How many agents there are, which is the number of channels.
    pub const fn channels(&self) -> usize {
        self.agents.len()
    }

    /// The SoC.
    pub const fn soc(&self) -> &S {
        &self.soc
    }

    /// The SoC, for what no message asks of it.
    pub const fn soc_mut(&mut self) -> &mut S {
        &mut self.soc
    }

    /// Answers a message of the agent on this channel. Only bytes without a header have no answer.
    pub fn handle(&mut self, channel: u32, message: &[u8]) -> Result<Message, BadMessage> {
        let (header, payload) = Header::split(message)?;
        let answer = match Request::decode(header, payload) {
            Ok(request) => self.answer(channel, &request),
            Err(bad) => Err(bad.status()),
        };
        Ok(encode_reply(header, answer))
    }

    fn answer(&mut self, channel: u32, request: &Request) -> Result<Reply, Status> {
        match request {
            Request::Version(protocol) => Ok(Reply::Version(protocol.version())),
            Request::Attributes(protocol) => Ok(Reply::Attributes(self.attributes(*protocol))),
            Request::MessageAttributes { protocol, message } if protocol.implements(*message) => {
                Ok(Reply::MessageAttributes(0))
            }
            Request::MessageAttributes { .. } => Err(Status::NOT_FOUND),
            Request::Base(request) => self.base(channel, request).map(Reply::Base),
            Request::Power(request) => self.power(channel, request).map(Reply::Power),
            Request::Clock(request) => self.clock(channel, request).map(Reply::Clock),
            Request::Reset(request) => self.reset(channel, request).map(Reply::Reset),
        }
    }

    fn attributes(&self, protocol: Protocol) -> Attributes {
        match protocol {
            Protocol::Base => Attributes::Base {
                protocols: Protocol::LISTED.len() as u8,
                agents: u8::try_from(self.agents.len()).unwrap_or(u8::MAX),
            },
            Protocol::Power => Attributes::Power { domains: PowerDomains::count(&self.soc) },
            Protocol::Clock => Attributes::Clock { clocks: Clocks::count(&self.soc), pending: 0 },
            Protocol::Reset => Attributes::Reset { domains: Resets::count(&self.soc) },
        }
    }

    fn base(&self, channel: u32, request: &base::Request) -> Result<base::Reply, Status> {
        Ok(match request {
            base::Request::Vendor => base::Reply::Vendor(Name::new(VENDOR)),
            base::Request::SubVendor => base::Reply::SubVendor(Name::default()),
            base::Request::ImplementationVersion => base::Reply::ImplementationVersion(1),
            base::Request::Protocols { skip } => {
                let skip = usize::try_from(*skip).unwrap_or(usize::MAX);
                let ids = Protocol::LISTED.iter().skip(skip).map(|protocol| protocol.id());
                base::Reply::Protocols(ProtocolList::new(ids))
            }
            base::Request::Agent { agent } => {
                let agent = match *agent {
                    base::Request::ASKING_AGENT => channel.saturating_add(1),
                    agent => agent,
                };
                // 0 is the platform, the first agent is 1.
                let name = match agent.checked_sub(1) {
                    None => "platform",
                    Some(index) => {
                        let agent = usize::try_from(index).ok().and_then(|index| self.agents.get(index));
                        agent.ok_or(Status::NOT_FOUND)?.name
                    }
                };
                base::Reply::Agent { agent, name: Name::new(name) }
            }
        })
    }

    fn check(&self, channel: u32, resource: Resource) -> Result<(), Status> {
        if self.rights.may_change(channel, resource) { Ok(()) } else { Err(Status::DENIED) }
    }

    fn clock(&mut self, channel: u32, request: &clock::Request) -> Result<clock::Reply, Status> {
        let named = |soc: &S, clock| Clocks::name(soc, clock).map(Name::new).ok_or(Status::NOT_FOUND);
        Ok(match *request {
            clock::Request::ClockAttributes { clock } => {
                let name = named(&self.soc, clock)?;
                clock::Reply::ClockAttributes { enabled: self.soc.enabled(clock)?, name, latency: Some(0) }
            }
            clock::Request::DescribeRates { clock, index } => {
                named(&self.soc, clock)?;
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                let rates = self.soc.rates(clock).get(index..).ok_or(Status::OUT_OF_RANGE)?;
                clock::Reply::DescribeRates(Rates::list(rates))
            }
            clock::Request::RateSet { clock, rate, rounding } => {
                named(&self.soc, clock)?;
                self.check(channel, Resource::Clock(clock))?;
                self.soc.set_rate(clock, rate, rounding)?;
                clock::Reply::RateSet
            }
            clock::Request::RateGet { clock } => {
                named(&self.soc, clock)?;
                clock::Reply::RateGet(self.soc.rate(clock)?)
            }
            clock::Request::ConfigSet { clock, enable } => {
                named(&self.soc, clock)?;
                self.check(channel, Resource::Clock(clock))?;
                self.soc.set_enabled(clock, enable)?;
                clock::Reply::ConfigSet
            }
            clock::Request::ConfigGet { clock } => {
                named(&self.soc, clock)?;
                clock::Reply::ConfigGet { enabled: self.soc.enabled(clock)? }
            }
        })
    }

    fn reset(&mut self, channel: u32, request: &reset::Request) -> Result<reset::Reply, Status> {
        match *request {
            reset::Request::DomainAttributes { domain } => {
                let name = Resets::name(&self.soc, domain).map(Name::new).ok_or(Status::NOT_FOUND)?;
                let latency = reset::Reply::UNKNOWN_LATENCY;
                Ok(reset::Reply::DomainAttributes { attributes: 0, latency, name })
            }
            reset::Request::Reset { domain, action, .. } => {
                Resets::name(&self.soc, domain).ok_or(Status::NOT_FOUND)?;
                self.check(channel, Resource::Reset(domain))?;
                if matches!(action, Action::Assert | Action::Autonomous) {
                    self.soc.assert(domain)?;
                }
                if matches!(action, Action::Deassert | Action::Autonomous) {
                    self.soc.deassert(domain)?;
                }
                Ok(reset::Reply::Reset)
            }
        }
    }

    fn power(&mut self, channel: u32, request: &power::Request) -> Result<power::Reply, Status> {
        let named = |soc: &S, domain| PowerDomains::name(soc, domain).map(Name::new).ok_or(Status::NOT_FOUND);
        Ok(match *request {
            power::Request::DomainAttributes { domain } => {
                let name = named(&self.soc, domain)?;
                power::Reply::DomainAttributes { flags: power::Reply::SETS_AND_WAITS, name }
            }
            power::Request::StateSet { domain, state } => {
                named(&self.soc, domain)?;
                let on = match state {
                    State::ON => true,
                    State::OFF => false,
                    _ => return Err(Status::INVALID_PARAMETERS),
                };
                self.check(channel, Resource::Power(domain))?;
                self.soc.set_on(domain, on)?;
                power::Reply::StateSet
            }
            power::Request::StateGet { domain } => {
                named(&self.soc, domain)?;
                power::Reply::StateGet(if self.soc.is_on(domain)? { State::ON } else { State::OFF })
            }
        })
    }
}
