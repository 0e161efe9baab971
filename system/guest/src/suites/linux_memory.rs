//! How much of Linux's memory is in use and could not be had back.

use anyhow::{Context as _, Result};

/// KiB of a page of Debian's kernel for arm64.
pub const PAGE: i64 = 4;

/// Memory in use in KiB, without what Linux gives back when asked: its caches (but for tmpfs, which is nowhere else) and the free pages
/// that each processor keeps at hand. Those lists alone come and go by many megabytes, and `/proc/meminfo` counts them nowhere.
pub fn in_use() -> Result<i64> {
    let meminfo = read("/proc/meminfo")?;
    let number = |name: &str| field(&meminfo, name).with_context(|| format!("/proc/meminfo has no {name}"));
    let free = number("MemFree:")? + at_hand(&read("/proc/zoneinfo")?) * PAGE;
    let caches = number("Buffers:")? + number("Cached:")? - number("Shmem:")? + number("SReclaimable:")?;
    Ok(number("MemTotal:")? - free - caches)
}

/// The same, without the pages of caches of objects: of those some are kept empty, or almost.
pub fn without_objects() -> Result<i64> {
    let objects =
        field(&read("/proc/meminfo")?, "SUnreclaim:").context("/proc/meminfo has no SUnreclaim:")?;
    Ok(in_use()? - objects)
}

/// What this process has in memory, in KiB.
pub fn of_process() -> Result<i64> {
    field(&read("/proc/self/status")?, "VmRSS:").context("/proc/self/status has no VmRSS")
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

fn field(text: &str, name: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The pages on the processors' lists (`mm/vmstat.c`, `zoneinfo_show_print`: a `count:` for each processor of each zone).
fn at_hand(zoneinfo: &str) -> i64 {
    let counts = zoneinfo.lines().filter_map(|line| line.trim_start().strip_prefix("count:"));
    counts.filter_map(|count| count.trim().parse::<i64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_tells_both_numbers() {
        assert!(in_use().unwrap() > 0);
        assert!(without_objects().unwrap() < in_use().unwrap());
        assert!(of_process().unwrap() > 0);
    }

    #[test]
    fn pages_of_all_lists_are_counted() {
        let text = "Node 0, zone DMA\n  pagesets\n    cpu: 0\n              count:    7\n              high: 9\n    cpu: 1\n              count: 5\n";
        assert_eq!(at_hand(text), 12);
    }
}
