//! What the kernel has in use, to find what a repeated deed leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::linux_memory;

/// Long enough for what the kernel frees a grace period later, before which it gathers some for five seconds (`KFREE_DRAIN_JIFFIES`,
/// `mm/slab_common.c`).
const SETTLING: Duration = Duration::from_secs(8);
/// How often it is looked at: what is only about to be freed is not there each time.
const LOOKS: usize = 3;
const BETWEEN: Duration = Duration::from_millis(500);
/// Objects of mappings. Those that are gone are kept for a while, to be forgotten many at once, so mappings are counted instead.
const KEPT: &str = "vmap_area";
/// What `/proc/vmallocinfo` says of a mapping that is gone.
const GONE: &str = "unpurged";

/// Objects, mappings and pages in use.
pub struct Footprint {
    /// Objects of each size of the kernel's allocator, and of each kind that has a cache of its own, with their bytes.
    objects: BTreeMap<String, (u64, u64)>,
    /// Ranges of the kernel's virtual memory: mappings, and large allocations.
    mappings: u64,
    /// All other memory in use, in KiB.
    memory: i64,
}

impl Footprint {
    /// As it is once nothing is kept that could be had back: the least of several looks.
    pub fn take() -> Result<Self> {
        fs::write("/proc/sys/vm/drop_caches", "3").context("cannot drop caches")?;
        std::thread::sleep(SETTLING);
        let mut least = Self::look()?;
        for _ in 1..LOOKS {
            std::thread::sleep(BETWEEN);
            least = least.min(Self::look()?);
        }
        Ok(least)
    }

    /// What both have.
    fn min(mut self, other: Self) -> Self {
        for (name, (count, _)) in &mut self.objects {
            *count = other.objects.get(name).map_or(0, |(found, _)| *found).min(*count);
        }
        let (mappings, memory) = (self.mappings.min(other.mappings), self.memory.min(other.memory));
        Self { objects: self.objects, mappings, memory }
    }

    fn look() -> Result<Self> {
        let mappings = read("/proc/vmallocinfo")?;
        Ok(Self {
            objects: objects(&read("/proc/slabinfo")?),
            mappings: mappings.lines().filter(|line| !line.contains(GONE)).count() as u64,
            memory: linux_memory::without_objects()?,
        })
    }

    /// What has grown since, when something was done `times`: nothing by an object or mapping for every second time, nor by a page.
    pub fn ensure_flat_since(&self, before: &Self, times: u64) -> Result<String> {
        let most = times / 2;
        let mut objects = (0, "none");
        let mut bytes = 0;
        for (name, (now, size)) in &self.objects {
            let grown = now.saturating_sub(before.objects.get(name).map_or(0, |(count, _)| *count));
            ensure!(
                grown < most,
                "{grown} more objects of {name}, of {size} bytes each, after {times} times"
            );
            objects = objects.max((grown, name));
            bytes += grown * size;
        }
        let mappings = self.mappings.saturating_sub(before.mappings);
        ensure!(mappings < most, "{mappings} more mappings after {times} times");
        let memory = self.memory - before.memory;
        let limit = most.cast_signed() * linux_memory::PAGE;
        ensure!(memory < limit, "{memory} KiB more are in use after {times} times, not less than {limit}");
        let (count, name) = objects;
        Ok(format!(
            "{memory} KiB and {mappings} mappings more; {bytes} bytes in objects, most of them {name} ({count})"
        ))
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// Of `/proc/slabinfo`, version 2.1: name, objects in use, objects there are, bytes of each.
fn objects(slabinfo: &str) -> BTreeMap<String, (u64, u64)> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, used) = (words.next()?, words.next()?.parse().ok()?);
        (name != KEPT).then_some((name.to_owned(), (used, words.nth(1)?.parse().ok()?)))
    };
    slabinfo.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "slabinfo - version: 2.1\n\
        # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables …\n\
        kmalloc-4k            56     64   4096    8    8 : tunables    0    0    0 : slabdata      8      8      0\n";

    fn footprint(used: u64, mappings: u64, memory: i64) -> Footprint {
        Footprint { objects: [("kmalloc-4k".to_owned(), (used, 4096))].into(), mappings, memory }
    }

    #[test]
    fn objects_are_counted_by_their_cache() {
        assert_eq!(objects(TEXT), BTreeMap::from([("kmalloc-4k".to_owned(), (56, 4096))]));
    }

    #[test]
    fn what_is_not_there_each_time_does_not_count() {
        let least = footprint(50, 12, 1000).min(footprint(60, 10, 900));
        assert_eq!((least.objects["kmalloc-4k"].0, least.mappings, least.memory), (50, 10, 900));
    }

    #[test]
    fn what_stays_of_every_time_is_found() {
        let before = footprint(50, 10, 1000);
        assert!(footprint(90, 50, 1300).ensure_flat_since(&before, 200).is_ok());
        assert!(footprint(10, 5, 900).ensure_flat_since(&before, 200).is_ok());
        for (after, named) in [
            (footprint(250, 10, 1000), "kmalloc-4k"),
            (footprint(50, 210, 1000), "mappings"),
            (footprint(50, 10, 1800), "KiB more"),
        ] {
            let error = after.ensure_flat_since(&before, 200).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
