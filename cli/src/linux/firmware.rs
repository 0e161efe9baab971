//! `rproc firmware`: the firmware file of a processor, shown or set.
//!
//! With `--json`, one object: `processor`, `firmware` (its name), and `path`, where Linux finds the file, or null.

use clap::Args;
use serde::Serialize;

use super::Chosen;
use crate::failure::Failure;
use crate::output;

/// Arguments of `rproc firmware`.
#[derive(Args)]
pub struct Firmware {
    #[command(flatten)]
    chosen: Chosen,
    /// Set this file, while the processor is offline: a name below /lib/firmware, or the path of a file there
    #[arg(value_name = "NAME")]
    set: Option<String>,
    /// Print one JSON object: `processor`, `firmware`, and `path`, which is null when Linux does not find the file
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    processor: String,
    firmware: String,
    path: Option<String>,
}

/// Sets it, if a name is given, and shows it.
pub fn run(arguments: &Firmware) -> Result<(), Failure> {
    let remoteproc = arguments.chosen.find()?;
    let folders = remoteproc.linux().firmware_folders();
    if let Some(given) = &arguments.set {
        let (name, _) = folders.resolve(given)?;
        remoteproc.set_firmware(&name)?;
    }
    let firmware = remoteproc.firmware()?;
    let path = folders.find(&firmware).map(|file| file.path.display().to_string());
    let shown = Shown { processor: remoteproc.name().to_owned(), firmware, path };
    if arguments.json {
        return output::print_json(&shown);
    }
    let Shown { processor, firmware, path } = shown;
    output::print(&match path {
        Some(path) => format!("{processor}: {firmware} ({path})\n"),
        None => format!("{processor}: {firmware}, of which Linux finds no file\n"),
    })
}
