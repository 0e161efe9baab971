//! Guards of memory, and how boot firmware programs them: `st,protreg` of RISAF and RISAB, `st,decprot` of the ETZPC.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ops::Range;

use super::block::{OnChipMemory, RegisterBlock, compatible, physical};
use super::label;
use crate::address;
use crate::finding::{Findings, Problem};
use crate::model::MemoryRegion;
use crate::property;
use crate::region;
use crate::tree::NodeRef;

/// Pages of every RIF guard.
const PAGE: u64 = 4096;
/// Bytes of an on-chip RAM that a RISAB guards at most.
const RISAB_MEMORY: u64 = 128 * 1024;
/// Most regions a `st,protreg` can number (four bits).
const MOST_REGIONS: usize = 15;
/// Regions of the RISAFs of an STM32MP25 by register address (RM0457: RISAF1, RISAF2, RISAF4, RISAF5).
const RISAF_REGIONS: [(u64, usize); 4] =
    [(0x420a_0000, 4), (0x420b_0000, 4), (0x420d_0000, 15), (0x420e_0000, 2)];

/// What kind of guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardKind {
    /// A few freely placed regions over a large memory.
    Risaf {
        /// How many there are, at most 15.
        regions: usize,
    },
    /// Pages of 4 KiB over an on-chip RAM.
    Risab,
    /// A mode for each on-chip memory and peripheral.
    Etzpc,
}

/// A guard with the policy that boot firmware programs into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// What kind.
    pub kind: GuardKind,
    /// Its `label`, such as `RISAF4`, or its node's name.
    pub name: String,
    /// Path of its node.
    pub path: String,
    /// Physical address of its registers.
    pub registers: u64,
    /// Physical addresses that it guards; empty for an ETZPC, which guards by number.
    pub memory: Range<u64>,
    /// What boot firmware programs, in the order of the tree.
    pub regions: Vec<GuardedRegion>,
}

/// One entry of a guard's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardedRegion {
    /// Name of the region, memory or peripheral; `number N` for an ETZPC entry that no node of the tree names.
    pub name: String,
    /// Path of the node that it comes from: the region's, or for an ETZPC the memory's; the guard's own where there is none.
    pub path: String,
    /// Physical addresses; empty for an ETZPC entry that no node of the tree names.
    pub range: Range<u64>,
    /// Its number: of a RISAF's region from 1, of an ETZPC's entry from 0.
    pub number: Option<u8>,
    /// Who gets through.
    pub access: Access,
}

/// Who gets through a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// RISAF and RISAB.
    Compartments {
        /// Only secure transactions.
        secure: bool,
        /// Encrypted in memory (RISAF4 alone can).
        encrypted: bool,
        /// Compartments that may read, a bit a compartment; nothing when all may.
        readers: Option<u8>,
        /// Compartments that may write.
        writers: Option<u8>,
    },
    /// ETZPC.
    Etzpc {
        /// The mode.
        mode: EtzpcMode,
        /// It cannot be changed until the next reset.
        locked: bool,
    },
}

/// A mode of the ETZPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EtzpcMode {
    /// The secure side of the Cortex-A alone.
    Secure,
    /// The secure side writes, the Cortex-A's normal world reads.
    NonSecureRead,
    /// The Cortex-M4 alone.
    Isolated,
    /// Everyone.
    NonSecure,
}

/// The guard that a node declares.
pub(super) fn guard(node: NodeRef<'_>, findings: &mut Findings) -> Option<Guard> {
    let names = compatible(node);
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
    let risaf = has(&["st,stm32mp25-risaf", "st,stm32mp25-risaf-enc"]);
    if has(&["st,stm32-etzpc"]) {
        let regions = decprot(node, findings);
        let registers = physical(node, findings)?.start;
        let (name, path) = (label(node), node.path());
        return Some(Guard { kind: GuardKind::Etzpc, name, path, registers, memory: 0..0, regions });
    }
    if !risaf && !has(&["st,stm32mp25-risab"]) {
        return None;
    }
    let registers = physical(node, findings)?.start;
    let memory = memory_map(node, findings)?;
    let known = RISAF_REGIONS.iter().find(|(address, _)| *address == registers);
    let kind = match (risaf, known) {
        (false, _) => GuardKind::Risab,
        (true, known) => GuardKind::Risaf { regions: known.map_or(MOST_REGIONS, |(_, regions)| *regions) },
    };
    if kind == GuardKind::Risab && memory.end - memory.start > RISAB_MEMORY {
        let found = format!("{:#x} bytes", memory.end - memory.start);
        let expected = format!("at most {RISAB_MEMORY:#x} bytes, which is what a RISAB guards");
        findings.error(&node.path(), "st,mem-map", Problem::Value { expected, found });
    }
    let mut guard =
        Guard { kind, name: label(node), path: node.path(), registers, memory, regions: Vec::new() };
    for region in region::named_by(node, findings) {
        guard.regions.extend(protected(&guard, &region, node, findings));
    }
    check_numbers(&guard, findings);
    Some(guard)
}

/// `st,mem-map`: an address and a size of one cell each, or of two.
fn memory_map(node: NodeRef<'_>, findings: &mut Findings) -> Option<Range<u64>> {
    const MAP: &str = "st,mem-map";
    let path = node.path();
    let missing = || Problem::Missing { expected: "the first guarded address and the size".to_string() };
    let cells = node.raw(MAP).ok_or_else(missing).and_then(property::cells);
    let cells = findings.take(&path, MAP, cells)?;
    let split = cells.split_at_checked(cells.len() / 2).filter(|_| matches!(cells.len(), 2 | 4));
    let range = split.and_then(|(start, size)| {
        let (start, size) = (address::number(start)?, address::number(size)?);
        start.checked_add(size).map(|end| start..end)
    });
    let range = range.filter(|range| !range.is_empty());
    if range.is_none() {
        let expected = "an address and a size above 0, of one or two cells each".to_string();
        findings.error(&path, MAP, Problem::Value { expected, found: format!("{cells:x?}") });
    }
    range
}

/// The policy of one region under a RISAF or RISAB.
fn protected(
    guard: &Guard,
    region: &MemoryRegion,
    node: NodeRef<'_>,
    findings: &mut Findings,
) -> Option<GuardedRegion> {
    const POLICY: &str = "st,protreg";
    let range = region.range();
    if range.start < guard.memory.start || range.end > guard.memory.end {
        let problem = Problem::Outside {
            what: region.to_string(),
            bounds: format!(
                "what {} guards ({:#x}..{:#x})",
                guard.name, guard.memory.start, guard.memory.end
            ),
            remedy: "name it at the guard of its memory".to_string(),
        };
        findings.error(&guard.path, "memory-region", problem);
        return None;
    }
    if !range.start.is_multiple_of(PAGE) || !range.end.is_multiple_of(PAGE) {
        let expected = "an address and a size in steps of 4 KiB, as the guard has them".to_string();
        findings.error(&region.path, "reg", Problem::Value { expected, found: region.to_string() });
        return None;
    }
    let missing = || Problem::Missing {
        expected: format!("how boot firmware programs {}, which names this region", guard.name),
    };
    let node = node.tree().node(&region.path)?;
    let value = node.raw(POLICY).ok_or_else(missing).and_then(property::cell);
    let value = findings.take(&region.path, POLICY, value)?;
    let byte = |shift: u32| (value >> shift) as u8;
    let (number, access) = match guard.kind {
        GuardKind::Risab => {
            let filtered = value >> 24 & 1 != 0;
            let access = Access::Compartments {
                secure: value >> 26 & 1 != 0,
                encrypted: false,
                readers: filtered.then(|| byte(8)),
                writers: filtered.then(|| byte(16)),
            };
            (None, access)
        }
        GuardKind::Risaf { .. } | GuardKind::Etzpc => {
            if value >> 4 & 1 == 0 {
                let expected = "bit 4 set, which switches the region on".to_string();
                findings.warning(
                    &region.path,
                    POLICY,
                    Problem::Value { expected, found: format!("{value:#x}") },
                );
                return None;
            }
            let access = Access::Compartments {
                secure: value >> 5 & 1 != 0,
                encrypted: value >> 6 & 3 != 0,
                readers: Some(byte(16)),
                writers: Some(byte(24)),
            };
            (Some(value as u8 & 0xf), access)
        }
    };
    Some(GuardedRegion { name: region.name.clone(), path: region.path.clone(), range, number, access })
}

/// A RISAF has few regions: each number once, and none that it does not have.
fn check_numbers(guard: &Guard, findings: &mut Findings) {
    let GuardKind::Risaf { regions: limit } = guard.kind else { return };
    if guard.regions.len() > limit {
        let names = guard.regions.iter().map(|region| region.name.as_str()).collect::<Vec<_>>().join(", ");
        let problem = Problem::TooManyRegions { guard: guard.name.clone(), limit, names };
        findings.error(&guard.path, "memory-region", problem);
        return;
    }
    let mut taken: BTreeMap<u8, &str> = BTreeMap::new();
    for region in &guard.regions {
        let Some(number) = region.number else { continue };
        if number == 0 || usize::from(number) > limit {
            let expected = format!("a region number from 1 to {limit} in bits [3:0]");
            findings.error(
                &region.path,
                "st,protreg",
                Problem::Value { expected, found: number.to_string() },
            );
        }
        if let Some(other) = taken.insert(number, &region.path) {
            let what = format!("region {number} of {}", guard.name);
            findings.error(&region.path, "st,protreg", Problem::Duplicate { what, other: other.into() });
        }
    }
}

/// The ETZPC's list. The numbers are named later, by the nodes that refer to them.
fn decprot(node: NodeRef<'_>, findings: &mut Findings) -> Vec<GuardedRegion> {
    const LIST: &str = "st,decprot";
    let path = node.path();
    let Some(value) = node.raw(LIST) else { return Vec::new() };
    let Some(cells) = findings.take(&path, LIST, property::cells(value)) else { return Vec::new() };
    let mut regions: Vec<GuardedRegion> = Vec::new();
    for cell in cells {
        let mode = match cell >> 9 {
            0 => EtzpcMode::Secure,
            1 => EtzpcMode::NonSecureRead,
            2 => EtzpcMode::Isolated,
            3 => EtzpcMode::NonSecure,
            _ => {
                let expected = "a mode from 0 to 3 in bits [10:9]".to_string();
                findings.error(&path, LIST, Problem::Value { expected, found: format!("{cell:#x}") });
                continue;
            }
        };
        let number = cell as u8;
        let name = format!("number {number}");
        if regions.iter().any(|region| region.number == Some(number)) {
            let (what, other) = (name.clone(), "an entry before".to_string());
            findings.error(&path, LIST, Problem::Duplicate { what, other });
            continue;
        }
        let access = Access::Etzpc { mode, locked: cell >> 8 & 1 != 0 };
        regions.push(GuardedRegion { name, path: path.clone(), range: 0..0, number: Some(number), access });
    }
    regions
}

/// Gives the entries of ETZPCs the names and addresses of the nodes that refer to their numbers.
pub(super) fn name_etzpc_entries(guards: &mut [Guard], memories: &[OnChipMemory], blocks: &[RegisterBlock]) {
    let etzpcs = guards.iter_mut().filter(|guard| guard.kind == GuardKind::Etzpc);
    for region in etzpcs.flat_map(|guard| &mut guard.regions) {
        let number = region.number.map(u32::from);
        if let Some(memory) = memories.iter().find(|memory| memory.etzpc.is_some() && memory.etzpc == number)
        {
            region.name.clone_from(&memory.name);
            region.path.clone_from(&memory.path);
            region.range = memory.range.clone();
        } else if let Some(block) = blocks.iter().find(|block| block.etzpc.is_some() && block.etzpc == number)
        {
            region.name.clone_from(&block.name);
            region.path.clone_from(&block.path);
        }
    }
}
