//! What the kernel's own checks say after the driver's suites: of locks, of objects, of DMA, and of memory that nobody has a pointer to.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::kernel_log::KernelLog;
use crate::report::Report;

const STATISTICS: &str = "/proc/lockdep_stats";
const LEAKS: &str = "/sys/kernel/debug/kmemleak";
/// kmemleak says nothing of objects that are younger than five seconds (`mm/kmemleak.c`).
const AGE: Duration = Duration::from_secs(6);
/// The kernel's log from its first line on, which this one must be.
const FIRST: &str = "Booting Linux";
/// How reports of the kernel's checks begin.
const REPORTS: [&str; 13] = [
    "WARNING:",
    "BUG:",
    "BUG ",
    "Oops",
    "INFO: trying to register non-static key",
    "INFO: task ",
    "possible circular locking",
    "suspicious RCU usage",
    "inconsistent lock state",
    "DMA-API:",
    "ODEBUG:",
    "list_add corruption",
    "Call trace:",
];
/// Lines that begin as a report does, and are none.
const NO_REPORTS: [&str; 2] = ["DMA-API: preallocated", "DMA-API: debugging enabled"];

/// Runs the suite.
pub fn run(report: &mut Report) -> Result<()> {
    report.test("no-leak", || {
        // An object that was moved between registers and lists while memory was read is not found again by the second scan.
        for _ in 0..2 {
            std::thread::sleep(AGE);
            fs::write(LEAKS, "scan").with_context(|| format!("this kernel has no {LEAKS}"))?;
        }
        let leaks = fs::read_to_string(LEAKS)?;
        ensure!(leaks.trim().is_empty(), "{} objects that nobody has a pointer to: {leaks}", objects(&leaks));
        Ok("two scans found nothing")
    });
    report.test("no-report", || {
        let lines: Vec<String> = KernelLog::whole()?.take()?.into_iter().map(|record| record.text).collect();
        let first = lines.first().context("the kernel's log is empty")?;
        ensure!(first.contains(FIRST), "the log has lost its beginning; its first line is: {first}");
        if let Some(line) = lines.iter().find(|line| is_report(line)) {
            let at = lines.iter().position(|other| other == line).unwrap_or_default();
            bail!("{}", lines.get(at..lines.len().min(at + 60)).unwrap_or_default().join(" | "));
        }
        Ok(format!("{} lines, no report", lines.len()))
    });
    // Lockdep goes off with its first report, and when it runs out of its tables.
    report.test("still-on", || {
        let statistics =
            fs::read_to_string(STATISTICS).with_context(|| format!("this kernel has no {STATISTICS}"))?;
        let on = value(&statistics, "debug_locks").context("no debug_locks in its statistics")?;
        let chains = value(&statistics, "dependency chains").context("no chains in its statistics")?;
        ensure!(on == 1, "lockdep is off");
        Ok(format!("{chains} chains of locks were proved"))
    });
    Ok(())
}

fn is_report(line: &str) -> bool {
    REPORTS.iter().any(|report| line.contains(report)) && !NO_REPORTS.iter().any(|it| line.contains(it))
}

/// How many objects a list of kmemleak's has.
fn objects(leaks: &str) -> usize {
    leaks.lines().filter(|line| line.starts_with("unreferenced object")).count()
}

/// A number of lockdep's statistics: ` NAME:   NUMBER [max: …]`.
fn value(statistics: &str, name: &str) -> Option<u64> {
    let line = statistics.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_told_from_other_lines() {
        for line in [
            "WARNING: possible circular locking dependency detected",
            "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:591",
            "BUG kmalloc-64 (Tainted: G O): Poison overwritten",
            "DMA-API: device driver has pending DMA allocations while released",
        ] {
            assert!(is_report(line), "{line}");
        }
        for line in [
            "remoteproc remoteproc0: m33 is available",
            "DMA-API: preallocated 65536 debug entries",
            "DMA-API: debugging enabled by kernel config",
        ] {
            assert!(!is_report(line), "{line}");
        }
    }

    #[test]
    fn statistics_and_leaks_are_read() {
        let statistics = " lock-classes:     900 [max: 8192]\n dependency chains:    1234 [max: 65536]\n debug_locks:    1\n";
        assert_eq!(value(statistics, "debug_locks"), Some(1));
        assert_eq!(value(statistics, "dependency chains"), Some(1234));
        assert_eq!(value(statistics, "classes"), None);
        assert_eq!(objects("unreferenced object 0xff (size 64):\n  comm \"x\"\nunreferenced object 0xfe"), 2);
    }
}
