//! What the kernel has reported of itself since it was booted: warnings with a trace, bugs, oopses, stalls, and what its checks find.

use anyhow::{Context as _, Result, bail, ensure};

use crate::kernel_log::KernelLog;

/// The kernel's log from its first line on, which this one must be.
const FIRST: &str = "Booting Linux";
/// What is in reports' first lines.
const REPORTS: [&str; 15] = [
    "WARNING:",
    "BUG:",
    "BUG ",
    "Oops",
    "INFO: trying to register non-static key",
    "INFO: task ",
    "rcu: INFO:",
    "LOCKUP",
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

/// There must be none.
pub fn ensure_none() -> Result<String> {
    let lines: Vec<String> = KernelLog::whole()?.take()?.into_iter().map(|record| record.text).collect();
    let first = lines.first().context("the kernel's log is empty")?;
    ensure!(first.contains(FIRST), "the log has lost its beginning; its first line is: {first}");
    if let Some(at) = lines.iter().position(|line| is_report(line)) {
        bail!("{}", lines.get(at..lines.len().min(at + 60)).unwrap_or_default().join(" | "));
    }
    Ok(format!("{} lines, no report", lines.len()))
}

fn is_report(line: &str) -> bool {
    REPORTS.iter().any(|report| line.contains(report)) && !NO_REPORTS.iter().any(|it| line.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_told_from_other_lines() {
        for line in [
            "WARNING: possible circular locking dependency detected",
            "WARNING: CPU: 1 PID: 90 at kernel/irq/manage.c:774 __enable_irq+0x48/0x80",
            "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:591",
            "BUG kmalloc-64 (Tainted: G O): Poison overwritten",
            "Internal error: Oops: 0000000096000004 [#1]  SMP",
            "watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 1",
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "DMA-API: device driver has pending DMA allocations while released",
        ] {
            assert!(is_report(line), "{line}");
        }
        for line in [
            "remoteproc remoteproc0: m33 is available",
            "rproc_tee: loading out-of-tree module taints kernel.",
            "DMA-API: preallocated 65536 debug entries",
            "DMA-API: debugging enabled by kernel config",
        ] {
            assert!(!is_report(line), "{line}");
        }
    }
}
