//! Lives of a firmware one after the other: neither world's memory grows.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{linux_memory, statistics};
use crate::firmware::Firmware;
use crate::report::Report;
use crate::service::{Service, Target};

/// Lives before the first look: caches and pools have filled then.
const WARM_UP: u32 = 10;
/// What all lives together may take of Linux's memory, in KiB: other processes use it too.
const SYSTEM_ALLOWANCE: i64 = 1024;
/// What they may add to this process, in KiB.
const PROCESS_ALLOWANCE: i64 = 256;

/// Runs the suite.
pub fn run(image: &Path, count: u32, target: &Target, report: &mut Report) -> Result<()> {
    let firmware = Firmware::read(image)?;
    let service = target.fresh()?;
    let statistics = target.tee()?;
    for _ in 0..WARM_UP {
        live(&service, target, &firmware)?;
    }
    let heap_before = statistics::heap(&statistics)?;
    let (in_use, resident) = (linux_memory::in_use()?, linux_memory::of_process()?);
    let mut times = [Duration::ZERO; 4];
    report.test("lives", || {
        for life in 0..count {
            let took = live(&service, target, &firmware).with_context(|| format!("in life {life}"))?;
            times.iter_mut().zip(took).for_each(|(sum, time)| *sum += time);
        }
        Ok(format!("{count} times load, start, stop, release"))
    });
    for (name, time) in ["load", "start", "stop", "release"].into_iter().zip(times) {
        report.value(name, (time / count.max(1)).as_micros(), "us");
    }
    let taken = linux_memory::in_use()? - in_use;
    let grown = linux_memory::of_process()? - resident;
    report.value("linux-taken", taken, "KiB");
    report.value("process-grown", grown, "KiB");
    report.test("linux-memory", || {
        ensure!(taken <= SYSTEM_ALLOWANCE, "{taken} KiB more are in use");
        ensure!(grown <= PROCESS_ALLOWANCE, "this process has grown by {grown} KiB");
        Ok(format!("{taken} KiB taken, process grown by {grown} KiB"))
    });
    if let (Some(before), Some(after)) = (heap_before, statistics::heap(&statistics)?) {
        report.value("core-heap-before", before.allocated, "bytes");
        report.value("core-heap-after", after.allocated, "bytes");
        report.value("core-heap-most", after.high_water, "bytes");
        report.test("core-heap", || {
            ensure!(
                after.allocated <= before.allocated,
                "{} bytes in use before, {} after",
                before.allocated,
                after.allocated
            );
            Ok(format!("{} bytes in use before, {} after", before.allocated, after.allocated))
        });
    }
    Ok(())
}

/// One life; gives how long its four commands took.
fn live(service: &Service, target: &Target, firmware: &Firmware) -> Result<[Duration; 4]> {
    let core = target.core();
    let begin = Instant::now();
    service.load(core, &firmware.image)?;
    let loaded = begin.elapsed();
    service.start(core)?;
    let started = begin.elapsed();
    service.stop(core)?;
    let stopped = begin.elapsed();
    service.release(core)?;
    Ok([loaded, started - loaded, stopped - started, begin.elapsed() - stopped])
}
