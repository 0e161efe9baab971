//! Images that must be refused, each for its reason, leaving nothing behind.

use std::path::Path;

use anyhow::{Result, ensure};
use rproc_abi::TeeResult;

use super::verdict::{self, Case};
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
    Ok(format!("{said}; {} bytes looked at are zero", look()?))
}

/// The firmware's two regions of the STM32MP257F-EV1 (Linux `stm32mp257f-ev1.dts`): every refused image would begin there.
const REGIONS: [u64; 2] = [0x8010_0000, 0x80a0_0000];
/// Bytes looked at in each.
const LOOKED_AT: usize = 1 << 20;

fn look() -> Result<usize> {
    for region in REGIONS {
        ensure_zero(&memory::read(region, LOOKED_AT)?, region)?;
    }
    Ok(REGIONS.len() * LOOKED_AT)
}
