//! What only a kernel with its own checks on can say after the driver's suites: memory that nobody has a pointer to, and locks.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::report::Report;

const STATISTICS: &str = "/proc/lockdep_stats";
const LEAKS: &str = "/sys/kernel/debug/kmemleak";
/// kmemleak says nothing of objects that are younger than five seconds (`mm/kmemleak.c`).
const AGE: Duration = Duration::from_secs(6);
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
    fn statistics_and_leaks_are_read() {
        let statistics = " lock-classes:     900 [max: 8192]\n dependency chains:    1234 [max: 65536]\n debug_locks:    1\n";
        assert_eq!(value(statistics, "debug_locks"), Some(1));
        assert_eq!(value(statistics, "dependency chains"), Some(1234));
        assert_eq!(value(statistics, "classes"), None);
        assert_eq!(objects("unreferenced object 0xff (size 64):\n  comm \"x\"\nunreferenced object 0xfe"), 2);
    }
}
