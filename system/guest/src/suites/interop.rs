//! Images of several signers on this service, whoever wrote it: only what both services promise is looked at.

use std::path::Path;

use anyhow::Result;

use super::verdict::{self, Case};
use crate::firmware::Firmware;
use crate::report::Report;
use crate::service::{Service, Target};

/// Runs the suite.
pub fn run(folder: &Path, target: &Target, report: &mut Report) -> Result<()> {
    let service = target.open()?;
    for case in verdict::cases(folder)? {
        report.test(&case.name, || load(&case, &service, target));
    }
    Ok(())
}

fn load(case: &Case, service: &Service, target: &Target) -> Result<String> {
    let said = case.check(&service.load(target.core(), &case.image))?;
    if !case.result.is_success() {
        return Ok(said);
    }
    let found = Firmware::parse(case.image.clone()).and_then(|firmware| firmware.ensure_in_memory());
    // Released even when the memory is wrong: the next image is another test.
    service.release(target.core())?;
    Ok(format!("{said}, {} bytes are in memory as signed", found?))
}
