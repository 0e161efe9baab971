//! What happened on the board and when, in virtual time.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::bus::{AccessError, Direction, Initiator};
use crate::core::CrashReport;
use crate::description::CoreName;

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A coprocessor left its boot hold.
    Released {
        /// Which.
        core: CoreName,
        /// Address of its vector table.
        vector_table: u32,
        /// With TrustZone on.
        secure: bool,
    },
    /// A coprocessor was put back into its boot hold.
    Held {
        /// Which.
        core: CoreName,
    },
    /// The bus refused an access.
    IllegalAccess(AccessError),
    /// A coprocessor, which the report names, crashed and stays so until it is reset.
    Crashed(Box<CrashReport>),
    /// A coprocessor asked for a reset of itself (`AIRCR.SYSRESETREQ`).
    ResetRequested {
        /// Which.
        core: CoreName,
    },
    /// A watchdog reset a coprocessor.
    WatchdogReset {
        /// Which.
        core: CoreName,
        /// Name of the watchdog.
        watchdog: &'static str,
    },
    /// Firmware printed a line.
    UartLine {
        /// Address of the UART.
        uart: u64,
        /// The line, without its end.
        line: String,
    },
    /// First access to a register block that has no model; it reads back what is written.
    Unmodelled {
        /// Address of the access.
        address: u64,
        /// By whom.
        initiator: Initiator,
        /// Which way.
        direction: Direction,
    },
}

impl Happening {
    /// The processor id of the coprocessor that it is about, where it is about one.
    pub fn core(&self) -> Option<u32> {
        match self {
            Happening::Released { core, .. }
            | Happening::Held { core }
            | Happening::ResetRequested { core }
            | Happening::WatchdogReset { core, .. } => Some(core.id),
            Happening::Crashed(report) => Some(report.core.id),
            Happening::IllegalAccess(_) | Happening::UartLine { .. } | Happening::Unmodelled { .. } => None,
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::Released { core, vector_table, secure } => {
                let state = if *secure { "secure" } else { "non-secure" };
                write!(f, "the {core} starts from the {state} vector table at {vector_table:#010x}")
            }
            Happening::Held { core } => write!(f, "the {core} is held in reset"),
            Happening::IllegalAccess(error) => write!(f, "illegal access: {error}"),
            Happening::Crashed(report) => write!(f, "the {} crashed: {report}", report.core),
            Happening::ResetRequested { core } => write!(f, "the {core} reset itself"),
            Happening::WatchdogReset { core, watchdog } => write!(f, "{watchdog} reset the {core}"),
            Happening::UartLine { uart, line } => write!(f, "uart {uart:#010x}: {line}"),
            Happening::Unmodelled { address, initiator, direction } => {
                write!(
                    f,
                    "{initiator} {direction}s {address:#010x}, which has no model and reads back what is written"
                )
            }
        }
    }
}

/// A [`Happening`] and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Virtual time since power-on.
    pub at: Duration,
    /// What happened.
    pub what: Happening,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:12.6}] {}", self.at.as_secs_f64(), self.what)
    }
}

/// Events kept until someone drains them; the oldest go first when there are too many.
#[derive(Debug, Default)]
pub struct EventLog {
    events: VecDeque<Event>,
    dropped: u64,
}

impl EventLog {
    /// Most events kept.
    pub const CAPACITY: usize = 4096;

    /// Adds an event.
    pub fn push(&mut self, event: Event) {
        if self.events.len() >= Self::CAPACITY {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(event);
    }

    /// Takes every event, oldest first. Of cores that run one slice after another, each logs in its own time.
    pub fn drain(&mut self) -> Vec<Event> {
        let mut events: Vec<Event> = self.events.drain(..).collect();
        events.sort_by_key(|event| event.at);
        events
    }

    /// Events lost so far because nobody drained the log.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_keeps_the_newest() {
        let mut log = EventLog::default();
        for n in 0..EventLog::CAPACITY as u64 + 3 {
            let what = Happening::UartLine { uart: 0, line: String::new() };
            log.push(Event { at: Duration::from_nanos(n), what });
        }
        assert_eq!(log.dropped(), 3);
        assert_eq!(log.drain()[0].at, Duration::from_nanos(3));
    }
}
