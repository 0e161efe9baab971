//! `rproc list`: the processors that drivers have registered with Linux.
//!
//! With `--json`, one object with `processors`, an array of
//!
//! | field | value |
//! |---|---|
//! | `name` | string, as its driver calls it |
//! | `device` | string, `remoteprocN` |
//! | `state` | `offline`, `suspended`, `running`, `crashed`, `deleted`, `attached`, `detached` or `invalid` |
//! | `firmware` | name of the firmware file, or `unknown` for one that ran before Linux |
//! | `recovery` | `enabled` or `disabled`; null where the kernel does not tell |
//! | `coredump` | `disabled`, `enabled` or `inline`; null where the kernel does not tell |

use clap::Args;
use rproc_sysfs::{Error, Remoteproc};
use serde::Serialize;

use super::Machine;
use crate::failure::Failure;
use crate::output;
use crate::report;
use crate::text;

/// Arguments of `rproc list`.
#[derive(Args)]
pub struct List {
    /// Print one JSON object: an array `processors` of name, device, state, firmware, recovery and coredump
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    machine: Machine,
}

#[derive(Serialize)]
struct Listing {
    processors: Vec<Processor>,
}

#[derive(Serialize)]
struct Processor {
    name: String,
    device: String,
    state: String,
    firmware: String,
    recovery: Option<String>,
    coredump: Option<String>,
}

impl Processor {
    fn of(remoteproc: &Remoteproc) -> Result<Self, Error> {
        Ok(Self {
            name: remoteproc.name().to_owned(),
            device: remoteproc.device().to_owned(),
            state: remoteproc.state()?.to_string(),
            firmware: remoteproc.firmware()?,
            recovery: remoteproc.recovery()?,
            coredump: remoteproc.coredump()?,
        })
    }

    fn row(self) -> [String; 6] {
        let told = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        [self.name, self.device, self.state, self.firmware, told(self.recovery), told(self.coredump)]
    }
}

/// Lists.
pub fn run(arguments: &List) -> Result<(), Failure> {
    let mut processors = Vec::new();
    for remoteproc in arguments.machine.linux().remoteprocs()? {
        match Processor::of(&remoteproc) {
            Ok(processor) => processors.push(processor),
            // It went meanwhile.
            Err(Error::Gone(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if arguments.json {
        return output::print_json(&Listing { processors });
    }
    if processors.is_empty() {
        report::note(&format!("{}: {}", Error::NoProcessor, Error::NoProcessor.remedy()));
        return Ok(());
    }
    let header = ["name", "device", "state", "firmware", "recovery", "coredump"];
    output::print(&text::table(header, processors.into_iter().map(Processor::row)))
}
