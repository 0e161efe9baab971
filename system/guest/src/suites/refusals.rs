//! Images that must be refused, each for its reason, leaving nothing behind.

use std::path::Path;

use anyhow::{Result, ensure};
use rproc_abi::TeeResult;

use super::verdict::{self, Case};
use crate::firmware::Firmware;
use crate::memory;
use crate::report::Report;
use crate::service::{Service, Target, ensure_zero, result};

/// Runs the suite.
pub fn run(folder: &Path, target: &Target, report: &mut Report) -> Result<()> {
    let service = target.fresh()?;
    for case in verdict::cases(folder)? {
        report.test(&case.name, || refuse(&case, &service, target));
    }
    target.reset(&service)
}

fn refuse(case: &Case, service: &Service, target: &Target) -> Result<String> {
    ensure!(!case.result.is_success(), "the case expects success");
    let outcome = service.load(target.core(), &case.image);
    let said = case.check(&outcome)?;
    let start = result(&service.start(target.core()));
    ensure!(start == TeeResult::BAD_STATE, "after it, START gives {start}");
    // Of an image that cannot be taken apart there is no segment to look at.
    let looked = match Firmware::parse(case.image.clone()) {
        Ok(firmware) => look(&firmware)?,
        Err(_) => 0,
    };
    Ok(format!("{said}; {looked} bytes looked at are zero"))
}

/// The memory of the segments that can be read; one of them may lie where nothing is.
fn look(firmware: &Firmware) -> Result<usize> {
    let mut looked = 0;
    for segment in &firmware.segments {
        let size = usize::try_from(segment.memory_size)?.min(1 << 20);
        if let Ok(bytes) = memory::read(segment.address, size) {
            ensure_zero(&bytes, segment.address)?;
            looked += size;
        }
    }
    Ok(looked)
}
