//! Lives of a firmware one after the other: neither world's memory grows.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::statistics;
use crate::firmware::Firmware;
use crate::report::Report;
use crate::service::{Service, Target};

/// Lives before the first look: caches and pools have filled then.
const WARM_UP: u32 = 10;
/// What all lives together may take of Linux's available memory, in KiB: other processes use it too.
const SYSTEM_ALLOWANCE: i64 = 4096;
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
    let (available, resident) = (memory_available()?, memory_of_process()?);
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
    let taken = available - memory_available()?;
    let grown = memory_of_process()? - resident;
    report.value("linux-taken", taken, "KiB");
    report.value("process-grown", grown, "KiB");
    report.test("linux-memory", || {
        ensure!(taken <= SYSTEM_ALLOWANCE, "{taken} KiB less are available");
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

/// Linux's available memory in KiB.
fn memory_available() -> Result<i64> {
    field("/proc/meminfo", "MemAvailable:")
}

/// What this process has in memory, in KiB.
fn memory_of_process() -> Result<i64> {
    field("/proc/self/status", "VmRSS:")
}

fn field(path: &str, name: &str) -> Result<i64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("{path} has no number {name}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn linux_tells_both_numbers() {
        assert!(super::memory_available().unwrap() > 0);
        assert!(super::memory_of_process().unwrap() > 0);
    }
}
