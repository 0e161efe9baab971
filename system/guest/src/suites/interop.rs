//! Images of several signers on this service, whoever wrote it: only what both services promise is looked at.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use rproc_abi::TeeResult;

use super::verdict::{self, Case};
use crate::firmware::Firmware;
use crate::report::Report;
use crate::service::{Service, Target, result};

/// What to load, and what is expected of it.
#[derive(Args)]
pub struct Arguments {
    /// The folder
    folder: PathBuf,
    /// START must be refused with this result: the service does not hand the boot address on
    #[arg(long, value_name = "HEX", value_parser = hexadecimal)]
    start_refused: Option<u32>,
}

fn hexadecimal(text: &str) -> Result<u32, std::num::ParseIntError> {
    u32::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16)
}

/// Runs the suite.
pub fn run(arguments: &Arguments, target: &Target, report: &mut Report) -> Result<()> {
    let service = target.open()?;
    let start = arguments.start_refused.map_or(TeeResult::SUCCESS, TeeResult);
    for case in verdict::cases(&arguments.folder)? {
        report.test(&case.name, || load(&case, start, &service, target));
    }
    Ok(())
}

fn load(case: &Case, start: TeeResult, service: &Service, target: &Target) -> Result<String> {
    let said = case.check(&service.load(target.core(), &case.image))?;
    if !case.result.is_success() {
        return Ok(said);
    }
    let found = Firmware::parse(case.image.clone()).and_then(|firmware| firmware.ensure_in_memory());
    let started = result(&service.start(target.core()));
    // Stopped and released even when something is wrong: the next image is another test.
    if started.is_success() {
        service.stop(target.core())?;
    }
    service.release(target.core())?;
    ensure!(started == start, "START: expected {start}, found {started}");
    Ok(format!("{said}, {} bytes are in memory as signed, START gives {started}", found?))
}
