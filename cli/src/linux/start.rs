//! `rproc start`: boots the firmware of a processor, or attaches to what runs already.

use std::time::Duration;

use clap::Args;
use rproc_sysfs::State;

use super::Chosen;
use crate::failure::Failure;
use crate::output;
use crate::run::parse_time;

/// Arguments of `rproc start`.
#[derive(Args)]
#[command(after_help = "Exit codes: 0 it runs, 1 wrong usage or I/O, 2 the service refused the firmware")]
pub struct Start {
    #[command(flatten)]
    chosen: Chosen,
    /// Set the firmware file first, as `rproc firmware` does
    #[arg(long, value_name = "NAME")]
    firmware: Option<String>,
    /// Wait so long for the processor to appear: its driver may wait for the TEE's service or a mailbox
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    wait: Option<Duration>,
}

/// Starts, and says what runs.
pub fn run(arguments: &Start) -> Result<(), Failure> {
    let remoteproc = match arguments.wait {
        None => arguments.chosen.find()?,
        Some(limit) => arguments.chosen.wait(limit)?,
    };
    if let Some(given) = &arguments.firmware {
        let (name, _) = remoteproc.linux().firmware_folders().resolve(given)?;
        remoteproc.set_firmware(&name)?;
    }
    let started = remoteproc.start()?;
    let name = remoteproc.name();
    output::print(&match started.state {
        State::Attached => format!("{name}: attached to what it runs\n"),
        state => format!("{name}: {state}, {}\n", started.firmware),
    })
}
