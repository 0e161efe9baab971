//! Lives of a firmware under Linux's driver, one after the other: the kernel keeps nothing of any.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::driver::{Processor, offer};
use super::footprint::Footprint;
use super::statistics;
use crate::kernel_log::KernelLog;
use crate::report::Report;
use crate::service::Target;

/// What the sample firmware traces once it has found the rings that Linux laid.
const READY: &str = "echo: ready";
/// Lives before the first look: caches and pools have filled then.
const WARM_UP: u32 = 20;

/// Runs the suite.
pub fn run(image: &Path, count: u32, target: &Target, report: &mut Report) -> Result<()> {
    offer(image, "good.img")?;
    let m33 = Processor::find("m33")?;
    let tee = target.tee()?;
    let mut log = KernelLog::from_now()?;
    for _ in 0..WARM_UP {
        live(&m33)?;
    }
    // Looked at after each life too, so that a warning is told with its life.
    log.ensure_quiet(&[])?;
    let (before, heap_before) = (Footprint::take()?, statistics::heap(&tee)?);
    let mut all = || {
        for life in 1..=count {
            live(&m33).with_context(|| format!("in life {life}"))?;
            log.ensure_quiet(&[])?;
        }
        anyhow::Ok(())
    };
    let begin = Instant::now();
    report.test("start-and-stop", || {
        all()?;
        Ok(format!(
            "{count} times started, with rings laid and found, and stopped; the kernel warned of nothing"
        ))
    });
    report.value("life", (begin.elapsed() / count.max(1)).as_millis(), "ms");
    let (after, heap_after) = (Footprint::take()?, statistics::heap(&tee)?);
    report.test("memory", || {
        let grown = match after.ensure_flat_since(&before, count.into()) {
            Ok(flat) => return Ok(flat),
            Err(grown) => grown,
        };
        // A pool of the kernel's that happened to fill stays as it is; what each life leaves is left again.
        all()?;
        let flat = Footprint::take()?.ensure_flat_since(&after, count.into());
        flat.map(|flat| format!("{grown}; after as many again {flat}"))
            .with_context(|| format!("{grown}; and after as many again"))
    });
    if let (Some(before), Some(after)) = (heap_before, heap_after) {
        report.test("core-heap", || {
            let (before, after) = (before.allocated, after.allocated);
            ensure!(after <= before, "{before} bytes in use before, {after} after");
            Ok(format!("{before} bytes in use before, {after} after"))
        });
    }
    Ok(())
}

/// One life.
fn live(m33: &Processor) -> Result<()> {
    m33.boot("good.img")?;
    m33.wait_for_trace(READY)?;
    m33.set("state", "stop")?;
    m33.ensure_state("offline")
}
