//! `rproc coredump`: takes the core dump that Linux keeps of a crashed processor.

use std::path::PathBuf;

use clap::Args;
use rproc_sysfs::Dump;

use super::Chosen;
use crate::failure::Failure;
use crate::output::{self, OutputFile};
use crate::text;

/// Arguments of `rproc coredump`.
#[derive(Args)]
#[command(
    after_help = "Linux keeps one dump of a processor for five minutes, and none of a later crash until that one is taken."
)]
pub struct Coredump {
    #[command(flatten)]
    chosen: Chosen,
    /// The file to write; it appears whole or not at all, and only then Linux is told to free the dump
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Takes it.
pub fn run(arguments: &Coredump) -> Result<(), Failure> {
    let file = OutputFile::new(&arguments.output, &[])?;
    let remoteproc = arguments.chosen.find()?;
    let dump = remoteproc.dump()?;
    let mut from = dump.open()?;
    let mut copied = 0;
    file.write_to_disk(|file| {
        copied = Dump::copy(&mut from, file)?;
        Ok(())
    })?;
    drop(from);
    dump.free()?;
    let size = text::size(copied);
    output::print(&format!("{}: wrote {size} to {}\n", remoteproc.name(), arguments.output.display()))
}
