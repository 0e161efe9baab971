//! What can go wrong between an agent and its platform, as sentences.

use rproc_scmi::reset::Action;
use rproc_scmi::{BadMessage, Request, Status, base, clock, power, reset};
use rproc_tee::TeeError;
use thiserror::Error;

/// The platform did not do what it was asked, or could not be asked.
#[derive(Debug, Error)]
pub enum ScmiError {
    /// No session.
    #[error("the TEE opens no session with its SCMI service: {0}")]
    Open(#[source] TeeError),
    /// The service carries messages in another way.
    #[error(
        "the SCMI service carries messages as {found:#x} says, and bit 1, messages in shared memory, is wanted; build OP-TEE with CFG_SCMI_MSG_SHM_MSG=y"
    )]
    Capabilities {
        /// Its capability bits.
        found: u32,
    },
    /// The channel is not there.
    #[error(
        "the SCMI service has no channel {channel}: {source}; linaro,optee-channel-id in the device tree names the channel"
    )]
    Channel {
        /// The channel's number.
        channel: u32,
        /// The call's failure.
        source: TeeError,
    },
    /// A call failed underneath the message.
    #[error("the message to {operation} did not get through: {source}")]
    Transport {
        /// What was asked.
        operation: String,
        /// The call's failure.
        source: TeeError,
    },
    /// The answer is none.
    #[error("the answer to the message to {operation} is not one: {source}")]
    Answer {
        /// What was asked.
        operation: String,
        /// What is wrong with it.
        source: BadMessage,
    },
    /// The service says nothing where it must.
    #[error("the SCMI service left the outputs of its command {command} empty")]
    Silent {
        /// The command of the service.
        command: u32,
    },
    /// The platform refused.
    #[error("the TEE would not {operation}: {status}{}", advice(*status))]
    Refused {
        /// What was asked.
        operation: String,
        /// Why not.
        status: Status,
    },
}

impl ScmiError {
    /// The platform's own reason, where it is the platform that refused.
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

const fn advice(status: Status) -> &'static str {
    match status {
        Status::DENIED => {
            "; the TEE keeps it to itself, as it does the resets of a processor that it owns: ask the remoteproc service"
        }
        Status::NOT_FOUND => "; compare the number in the device tree with the SCMI numbers of the SoC",
        Status::HARDWARE_ERROR => "; the TEE's log has the register",
        _ => "",
    }
}

/// What a command asks for, as it stands in "would not …".
pub fn describe(request: &Request) -> String {
    match request {
        Request::Version(protocol) => format!("say its version of the {protocol:?} protocol"),
        Request::Attributes(protocol) => format!("say what its {protocol:?} protocol has"),
        Request::MessageAttributes { protocol, message } => {
            format!("say whether its {protocol:?} protocol has message {message:#x}")
        }
        Request::Base(request) => match request {
            base::Request::Vendor | base::Request::SubVendor => "name its vendor".to_owned(),
            base::Request::ImplementationVersion => "say its version".to_owned(),
            base::Request::Protocols { .. } => "list its protocols".to_owned(),
            base::Request::Agent { .. } => "name its agent".to_owned(),
        },
        Request::Power(request) => match request {
            power::Request::DomainAttributes { domain } => format!("describe power domain {domain}"),
            power::Request::StateSet { domain, state } if *state == power::State::ON => {
                format!("switch power domain {domain} on")
            }
            power::Request::StateSet { domain, .. } => format!("switch power domain {domain} off"),
            power::Request::StateGet { domain } => format!("say whether power domain {domain} is on"),
        },
        Request::Clock(request) => match request {
            clock::Request::ClockAttributes { clock } => format!("describe clock {clock}"),
            clock::Request::DescribeRates { clock, .. } => format!("list the rates of clock {clock}"),
            clock::Request::RateSet { clock, rate, .. } => format!("set clock {clock} to {rate} Hz"),
            clock::Request::RateGet { clock } => format!("say the rate of clock {clock}"),
            clock::Request::ConfigSet { clock, enable: true } => format!("switch clock {clock} on"),
            clock::Request::ConfigSet { clock, enable: false } => format!("switch clock {clock} off"),
            clock::Request::ConfigGet { clock } => format!("say whether clock {clock} runs"),
        },
        Request::Reset(request) => match request {
            reset::Request::DomainAttributes { domain } => format!("describe reset {domain}"),
            reset::Request::Reset { domain, action, .. } => match action {
                Action::Autonomous => format!("pulse reset {domain}"),
                Action::Assert => format!("assert reset {domain}"),
                Action::Deassert => format!("release reset {domain}"),
            },
        },
    }
}
