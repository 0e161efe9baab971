//! The script that a person is offered, run as it stands.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::driver::Processor;
use crate::kernel_log::KernelLog;
use crate::report::Report;

/// What is run.
#[derive(Args)]
pub struct Arguments {
    /// The script
    script: PathBuf,
}

/// What it prints, line by line, whatever else it does.
const PRINTED: [&str; 3] = ["m33", "echo: waiting for the host", "hello"];

/// Runs the suite. No module of ours may be loaded.
pub fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let mut log = KernelLog::from_now()?;
    // The second time finds what the first has loaded.
    for name in ["runs", "runs-again"] {
        report.test(name, || {
            let ran = Command::new("sh").arg(&arguments.script).output().context("sh cannot be run")?;
            let (said, complaint) =
                (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
            ensure!(ran.status.success(), "{}: {said}{complaint}", ran.status);
            for line in PRINTED {
                ensure!(
                    said.lines().any(|printed| printed == line),
                    "it did not print {line:?}, but {said}{complaint}"
                );
            }
            Processor::find("m33")?.ensure_state("offline")?;
            Ok(said.lines().collect::<Vec<_>>().join(" | "))
        });
    }
    report.test("no-warning", || log.ensure_quiet(&["taint"]));
    Ok(())
}
