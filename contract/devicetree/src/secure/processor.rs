//! Remote processors of the secure tree: who may drive them, what memory they have, what holds and resets them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::block;
use crate::bus::{self, Translation};
use crate::finding::{Findings, Problem};
use crate::model::{MemoryRegion, ProviderRef};
use crate::platform;
use crate::property;
use crate::reference;
use crate::region;
use crate::tree::{NodeRef, Tree};

/// What a region of a processor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegionUse {
    /// Code and data: closed to the normal world while the TEE's firmware is in it.
    Firmware,
    /// What the normal world and the processor share.
    Ipc,
}

/// A region of a processor, at the addresses of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorRegion {
    /// The region with its physical addresses.
    pub region: MemoryRegion,
    /// What it is for: its name in `memory-region-names`, or by its own name where there is none.
    pub usage: RegionUse,
    /// The processor's own addresses of its first byte, by `dma-ranges`; never empty.
    pub device: Vec<u64>,
}

/// A remote processor as the secure side has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecureProcessor {
    /// Node name without the unit address, such as `m33`.
    pub name: String,
    /// Its id: `st,proc-id`, or that of its `compatible`.
    pub id: u32,
    /// Path of its node.
    pub path: String,
    /// `status`: whether the normal world may drive it.
    pub normal: bool,
    /// `secure-status`: whether the TEE may use it.
    pub secure: bool,
    /// `clock-frequency` in hertz.
    pub hertz: Option<u32>,
    /// The windows of its bus; none when it sees the Cortex-A's addresses.
    pub translations: Vec<Translation>,
    /// Its memory, in the order of `memory-region`.
    pub regions: Vec<ProcessorRegion>,
    /// By what it is reset and held, named `mcu_rst` and `hold_boot`.
    pub resets: Vec<ProviderRef>,
    /// Paths of the watchdogs that reset it.
    pub watchdogs: Vec<String>,
    /// `st,started-before-tee`: an earlier boot stage may have started it, and then the TEE lets it go on.
    pub started_before_tee: bool,
    /// `st,syscfg-rsc-tbl`: where whoever starts it leaves the device address of its resource table, 0 for none.
    pub table_word: Option<BootWord>,
    /// `st,syscfg-m4-state`: where whoever starts it leaves its state.
    pub state_word: Option<BootWord>,
}

/// Bits of a register in which boot stages leave word of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootWord {
    /// Physical address of the register.
    pub register: u64,
    /// The bits, which are taken where they are.
    pub mask: u32,
}

impl SecureProcessor {
    /// The regions of one use.
    pub fn regions(&self, usage: RegionUse) -> impl Iterator<Item = &ProcessorRegion> {
        self.regions.iter().filter(move |region| region.usage == usage)
    }
}

const STARTED_BEFORE_TEE: &str = "st,started-before-tee";
const STATE: &str = "st,syscfg-m4-state";
/// Id of the processor whose reset and hold do not tell whether it runs (`platform::default_id`).
const CORTEX_M4: u32 = 0;

/// Every node whose compatible is that of a remote processor.
pub(super) fn processors(tree: &Tree, findings: &mut Findings) -> Vec<SecureProcessor> {
    let mut processors: BTreeMap<u32, SecureProcessor> = BTreeMap::new();
    for node in tree.nodes() {
        let Some(default_id) = platform::default_id(&block::compatible(node)) else { continue };
        let processor = processor(node, default_id, findings);
        let (id, path) = (processor.id, processor.path.clone());
        if let Some(other) = processors.get(&id) {
            let what = format!("the processor id {id}");
            findings.error(&path, "st,proc-id", Problem::Duplicate { what, other: other.path.clone() });
        } else {
            processors.insert(id, processor);
        }
    }
    processors.into_values().collect()
}

fn processor(node: NodeRef<'_>, default_id: u32, findings: &mut Findings) -> SecureProcessor {
    let path = node.path();
    let cell = |property: &str, findings: &mut Findings| {
        node.raw(property).and_then(|value| findings.take(&path, property, property::cell(value)))
    };
    let id = cell("st,proc-id", findings).unwrap_or(default_id);
    let hertz = cell("clock-frequency", findings);
    let normal = findings.take(&path, "status", property::enabled(node)).unwrap_or(false);
    let secure = findings.take(&path, "secure-status", property::secure_enabled(node)).unwrap_or(false);
    let translations = bus::translations(node, findings);
    let regions = regions(node, &translations, findings);
    let state_word = boot_word(node, STATE, findings);
    let started_before_tee = node.raw(STARTED_BEFORE_TEE).is_some();
    if started_before_tee && state_word.is_none() && default_id == CORTEX_M4 {
        let expected = "where its state is told: nothing else says whether a Cortex-M4 runs".to_string();
        findings.error(&path, STATE, Problem::Missing { expected });
    }
    SecureProcessor {
        name: node.base_name().to_string(),
        id,
        normal,
        secure,
        hertz,
        regions,
        resets: reference::list(node, &reference::RESETS, findings),
        watchdogs: watchdogs(node, findings),
        started_before_tee,
        table_word: boot_word(node, "st,syscfg-rsc-tbl", findings),
        state_word,
        translations,
        path,
    }
}

fn regions(node: NodeRef<'_>, translations: &[Translation], findings: &mut Findings) -> Vec<ProcessorRegion> {
    const NAMES: &str = "memory-region-names";
    let path = node.path();
    let named = region::named_by(node, findings);
    let names = node.raw(NAMES).and_then(|names| findings.take(&path, NAMES, property::strings(names)));
    if let Some(names) = &names
        && names.len() != named.len()
    {
        let problem = Problem::NameCount { names: names.len(), list: "memory-region", entries: named.len() };
        findings.error(&path, NAMES, problem);
    }
    let mut regions = Vec::new();
    for (entry, region) in named.into_iter().enumerate() {
        let usage = match names.as_ref().and_then(|names| names.get(entry)).map(String::as_str) {
            Some("firmware") => RegionUse::Firmware,
            Some("ipc") => RegionUse::Ipc,
            Some(other) => {
                let expected = "firmware or ipc".to_string();
                findings.error(&path, NAMES, Problem::Value { expected, found: format!("`{other}`") });
                continue;
            }
            None if region.name.starts_with("ipc") => RegionUse::Ipc,
            None => RegionUse::Firmware,
        };
        let range = region.range();
        let mut device: Vec<u64> =
            translations.iter().filter_map(|window| window.device_address(&range)).collect();
        if translations.is_empty() {
            device.push(range.start);
        }
        if device.is_empty() {
            let problem = Problem::Outside {
                what: region.to_string(),
                bounds: "the windows of `dma-ranges` above this processor".to_string(),
                remedy: "widen a window, or leave the region out".to_string(),
            };
            findings.error(&path, "memory-region", problem);
            continue;
        }
        regions.push(ProcessorRegion { region, usage, device });
    }
    let shared: Vec<String> =
        regions.iter().filter(|one| one.usage == RegionUse::Ipc).map(|one| one.region.to_string()).collect();
    if shared.len() > 1 {
        let expected =
            "one shared region, which Linux splits by the names of its own: each takes a region of the guard";
        let problem = Problem::Value { expected: expected.to_string(), found: shared.join(", ") };
        findings.warning(&path, "memory-region", problem);
    }
    regions
}

/// A register of a controller of the tree.
fn boot_word(node: NodeRef<'_>, name: &'static str, findings: &mut Findings) -> Option<BootWord> {
    let field = reference::syscon(node, name, findings)?;
    let register = field.register();
    if register.is_none() {
        let expected = "a register, at a multiple of 4, of a controller with an address".to_string();
        let found = format!("offset {:#x} of {}", field.offset, field.controller);
        findings.error(&node.path(), name, Problem::Value { expected, found });
    }
    Some(BootWord { register: register?, mask: field.mask })
}

/// Phandles of watchdogs, which take no cells.
fn watchdogs(node: NodeRef<'_>, findings: &mut Findings) -> Vec<String> {
    const LIST: &str = "st,watchdogs";
    let path = node.path();
    let Some(value) = node.raw(LIST) else { return Vec::new() };
    let Some(cells) = findings.take(&path, LIST, property::cells(value)) else { return Vec::new() };
    let mut watchdogs = Vec::new();
    for (entry, phandle) in cells.into_iter().enumerate() {
        match node.tree().by_phandle(phandle) {
            Some(watchdog) => watchdogs.push(watchdog.path()),
            None => findings.error(&path, LIST, Problem::DanglingPhandle { entry, phandle }),
        }
    }
    watchdogs
}
