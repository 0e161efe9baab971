//! `rproc stop`: stops a processor.

use clap::Args;

use super::Chosen;
use crate::failure::Failure;
use crate::output;

/// Arguments of `rproc stop`.
#[derive(Args)]
pub struct Stop {
    #[command(flatten)]
    chosen: Chosen,
}

/// Stops, and says so.
pub fn run(arguments: &Stop) -> Result<(), Failure> {
    let remoteproc = arguments.chosen.find()?;
    remoteproc.stop()?;
    output::print(&format!("{}: stopped\n", remoteproc.name()))
}
