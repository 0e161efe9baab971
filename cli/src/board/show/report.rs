//! What `rproc board show` says of a board, as data: the source of the tables, of the JSON object and of the picture.
//!
//! Addresses, sizes and frequencies are numbers: bytes and hertz. `readers` and `writers` are names of who gets through right after boot:
//! `TEE`, `Linux`, and the processors; `M33-S` is the Cortex-M33 in its secure state.

use std::ops::Range;

use rproc_devicetree::secure::{BlockKind, Guard, GuardKind, RegionUse};
use rproc_devicetree::{Processor as LinuxProcessor, Severity};
use serde::Serialize;

use super::access::Rights;
use crate::board::trees::Trees;

/// A board.
#[derive(Serialize)]
pub struct Report {
    /// Its name.
    pub board: String,
    /// Name of its SoC.
    pub soc: String,
    /// What the trees get wrong, as sentences.
    pub findings: Vec<Finding>,
    /// The remote processors.
    pub processors: Vec<Processor>,
    /// The memories.
    pub memories: Vec<Memory>,
    /// The guards.
    pub guards: Vec<GuardRow>,
    /// Regions of memory, in the order of their addresses.
    pub regions: Vec<Region>,
    /// Linux's parts of what is shared.
    pub linux_regions: Vec<LinuxRegion>,
    /// The mailboxes.
    pub mailboxes: Vec<Mailbox>,
    /// Clocks that a processor needs Linux to hold on.
    pub clocks: Vec<Clock>,
    /// Interrupts of the Cortex-A.
    pub interrupts: Vec<Interrupt>,
    /// The processors' watchdogs.
    pub watchdogs: Vec<Watchdog>,
}

/// A flaw.
#[derive(Serialize)]
pub struct Finding {
    /// Which tree.
    pub tree: &'static str,
    /// Whether the board cannot be used like this.
    pub error: bool,
    /// The sentence.
    pub text: String,
}

/// A processor.
#[derive(Serialize)]
pub struct Processor {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: u32,
    /// Its kind.
    pub core: &'static str,
    /// Its clock.
    pub hertz: u64,
    /// Who drives it.
    pub owner: String,
    /// What holds it, as names of resets.
    pub held_by: Vec<String>,
    /// Node below the TEE's service in Linux's tree.
    pub service_node: Option<String>,
    /// Platform node in Linux's tree.
    pub platform_node: Option<String>,
    /// Node in the secure tree.
    pub secure_node: Option<String>,
    /// Whether the secure tree lets it run before the TEE does.
    pub started_before_tee: bool,
    /// Power domains in Linux's tree, by name.
    pub power_domains: Vec<String>,
}

/// A memory.
#[derive(Serialize)]
pub struct Memory {
    /// Its name.
    pub name: String,
    /// Physical address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// The guards over it.
    pub guard: Option<String>,
}

/// A guard.
#[derive(Serialize)]
pub struct GuardRow {
    /// Its name.
    pub name: String,
    /// Physical address of its registers.
    pub registers: u64,
    /// Regions, pages or numbers.
    pub guards_by: &'static str,
    /// How many are programmed.
    pub programmed: usize,
    /// How many there are, where there are few.
    pub limit: Option<usize>,
}

/// A region.
#[derive(Serialize)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// Physical address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// The guard that knows it.
    pub guard: Option<String>,
    /// The number under which it does.
    pub number: Option<u8>,
    /// Who may read.
    pub readers: Vec<&'static str>,
    /// Who may write.
    pub writers: Vec<&'static str>,
    /// What it is for.
    pub used_by: Vec<Use>,
}

/// A processor's use of a region.
#[derive(Serialize)]
pub struct Use {
    /// The processor.
    pub processor: String,
    /// Shared with Linux; otherwise for firmware.
    pub shared: bool,
    /// The processor's addresses of it.
    pub device_addresses: Vec<u64>,
}

/// A region of Linux's.
#[derive(Serialize)]
pub struct LinuxRegion {
    /// Its name.
    pub name: String,
    /// Physical address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// The processor that it is shared with.
    pub processor: String,
}

/// A mailbox.
#[derive(Serialize)]
pub struct Mailbox {
    /// Its name.
    pub name: &'static str,
    /// Physical address of its registers.
    pub registers: u64,
    /// The processor at its other end.
    pub processor: String,
    /// How many channels.
    pub channels: u32,
    /// Named channels, from 0.
    pub used: Vec<Channel>,
    /// SPI numbers of the Cortex-A: occupied, free.
    pub spi: [u16; 2],
    /// NVIC numbers of the processor: occupied, free.
    pub nvic: [u16; 2],
}

/// A channel.
#[derive(Serialize)]
pub struct Channel {
    /// Its role.
    pub name: String,
    /// Its number.
    pub channel: u32,
}

/// A clock.
#[derive(Serialize)]
pub struct Clock {
    /// The processor.
    pub processor: String,
    /// Path of the provider's node.
    pub provider: String,
    /// Its numbers, in the order of the tree.
    pub numbers: Vec<u32>,
}

/// An interrupt.
#[derive(Serialize)]
pub struct Interrupt {
    /// SPI number.
    pub spi: u16,
    /// What raises it.
    pub source: String,
    /// Whose it is.
    pub handler: &'static str,
}

/// A watchdog.
#[derive(Serialize)]
pub struct Watchdog {
    /// Its name.
    pub name: &'static str,
    /// Physical address of its registers.
    pub registers: u64,
    /// The processor that it resets.
    pub processor: String,
    /// The SPI number by which the Cortex-A hears of that.
    pub spi: u16,
}

impl Report {
    /// Of a board's trees.
    pub fn of(trees: &Trees) -> Self {
        let board = &trees.description;
        let findings = trees.findings().map(|(tree, finding)| Finding {
            tree,
            error: finding.severity == Severity::Error,
            text: finding.sentence(),
        });
        Self {
            board: board.name.clone(),
            soc: board.soc.to_string(),
            findings: findings.collect(),
            processors: trees.owners.iter().map(|owned| processor(trees, owned)).collect(),
            memories: memories(trees),
            guards: guards(trees),
            regions: regions(trees),
            linux_regions: linux_regions(trees),
            mailboxes: mailboxes(trees),
            clocks: clocks(trees),
            interrupts: interrupts(trees),
            watchdogs: board
                .watchdogs
                .iter()
                .map(|one| Watchdog {
                    name: one.name,
                    registers: one.registers,
                    processor: name_of(trees, one.coprocessor),
                    spi: one.spi,
                })
                .collect(),
        }
    }
}

fn name_of(trees: &Trees, id: u32) -> String {
    trees
        .owners
        .iter()
        .find(|owned| owned.id == id)
        .map_or_else(|| format!("{id}"), |owned| owned.name.clone())
}

/// The node of Linux's tree that tells how a processor is driven: the one that is on, or else the service's.
fn linux_node<'t>(trees: &'t Trees, id: u32) -> Option<&'t LinuxProcessor> {
    let nodes = trees.linux.processors().chain(trees.linux.platform.iter().map(|one| &one.processor));
    let mut nodes: Vec<&'t LinuxProcessor> = nodes.filter(|node| node.id == id).collect();
    nodes.sort_by_key(|node| !node.enabled);
    nodes.first().copied()
}

fn processor(trees: &Trees, owned: &rproc_devicetree::Ownership) -> Processor {
    let core = trees.description.coprocessor(owned.id);
    let secure = trees.secure.processor(owned.id);
    let resets = secure.map(|node| node.resets.as_slice()).unwrap_or_default();
    let domains = linux_node(trees, owned.id).map(|node| node.power_domains.as_slice()).unwrap_or_default();
    let named = |reference: &rproc_devicetree::ProviderRef| {
        reference.name.clone().unwrap_or_else(|| reference.provider.clone())
    };
    Processor {
        name: owned.name.clone(),
        id: owned.id,
        core: core.map_or("unknown", |core| core.kind.name()),
        hertz: core.map_or(0, |core| core.hertz),
        owner: owned.owner.to_string(),
        held_by: resets.iter().map(named).collect(),
        service_node: owned.service_node.clone(),
        platform_node: owned.platform_node.clone(),
        secure_node: owned.secure_node.clone(),
        started_before_tee: secure.is_some_and(|node| node.started_before_tee),
        power_domains: domains.iter().map(named).collect(),
    }
}

/// The guard that a tree programs, and that knows this address.
fn guard_over(trees: &Trees, address: u64) -> Option<&Guard> {
    let etzpc = |guard: &Guard| guard.regions.iter().any(|region| region.range.contains(&address));
    trees.secure.guards.iter().find(|guard| guard.memory.contains(&address) || etzpc(guard))
}

/// The names of what guards a range: the one guard that a tree programs, or the RISALs of the banks of LPSRAM.
fn guard_names(trees: &Trees, range: Range<u64>) -> Option<String> {
    if let Some(guard) = guard_over(trees, range.start) {
        return Some(guard.name.clone());
    }
    let risals = trees.description.risals.iter();
    let over = risals.filter(|one| one.memory < range.end && range.start < one.memory + one.size);
    let names: Vec<&str> = over.map(|one| one.name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn memories(trees: &Trees) -> Vec<Memory> {
    let memories = trees.description.memories.iter();
    memories
        .map(|one| Memory {
            name: one.name.clone(),
            address: one.base,
            size: one.size,
            guard: guard_names(trees, one.base..one.base + one.size),
        })
        .collect()
}

/// Those that the secure tree programs, then the RISALs, which boot firmware leaves open and the TEE closes with a processor.
fn guards(trees: &Trees) -> Vec<GuardRow> {
    let risals = trees.description.risals.iter().map(|one| GuardRow {
        name: one.name.to_owned(),
        registers: one.registers,
        guards_by: if one.movable { "subregions" } else { "the whole bank" },
        programmed: 0,
        limit: Some(2),
    });
    trees.secure.guards.iter().map(guard).chain(risals).collect()
}

fn guard(guard: &Guard) -> GuardRow {
    let (guards_by, limit) = match guard.kind {
        GuardKind::Risaf { regions } => ("regions", Some(regions)),
        GuardKind::Risab => ("pages of 4 KiB", None),
        GuardKind::Etzpc => ("memories and peripherals", None),
    };
    let programmed = guard.regions.len();
    GuardRow { name: guard.name.clone(), registers: guard.registers, guards_by, programmed, limit }
}

/// Guarded regions, and the processors' regions that no guard names.
fn regions(trees: &Trees) -> Vec<Region> {
    let mut regions = Vec::new();
    for guard in &trees.secure.guards {
        for one in guard.regions.iter().filter(|one| !one.range.is_empty()) {
            let Rights { readers, writers } = Rights::of(one.access);
            regions.push(Region {
                name: one.name.clone(),
                address: one.range.start,
                size: one.range.end - one.range.start,
                guard: Some(guard.name.clone()),
                number: one.number,
                readers,
                writers,
                used_by: uses(trees, one.range.start, one.range.end),
            });
        }
    }
    let etzpc = trees.secure.guards.iter().any(|guard| guard.kind == GuardKind::Etzpc);
    for processor in &trees.secure.processors {
        for one in &processor.regions {
            let range = one.region.range();
            if regions
                .iter()
                .any(|known| known.address < range.end && range.start < known.address + known.size)
            {
                continue;
            }
            let over = guard_over(trees, range.start);
            let rights = over.map_or_else(|| Rights::unguarded(etzpc), |guard| Rights::at_reset(guard.kind));
            regions.push(Region {
                name: one.region.name.clone(),
                address: range.start,
                size: one.region.size,
                guard: guard_names(trees, range.clone()),
                number: None,
                readers: rights.readers,
                writers: rights.writers,
                used_by: uses(trees, range.start, range.end),
            });
        }
    }
    regions.sort_by_key(|region| region.address);
    regions
}

fn uses(trees: &Trees, start: u64, end: u64) -> Vec<Use> {
    let mut uses = Vec::new();
    for processor in &trees.secure.processors {
        let inside = |address: u64, size: u64| address < end && start < address + size;
        let found = processor.regions.iter().find(|one| inside(one.region.address, one.region.size));
        uses.extend(found.map(|one| {
            Use {
                processor: processor.name.clone(),
                shared: one.usage == RegionUse::Ipc,
                device_addresses: one
                    .device
                    .iter()
                    .map(|device| device.wrapping_add(start.saturating_sub(one.region.address)))
                    .collect(),
            }
        }));
    }
    uses
}

fn linux_regions(trees: &Trees) -> Vec<LinuxRegion> {
    let mut regions = Vec::new();
    for owned in &trees.owners {
        let node = linux_node(trees, owned.id);
        let shared = node.map(|node| node.memory_regions.as_slice()).unwrap_or_default();
        regions.extend(shared.iter().map(|one| LinuxRegion {
            name: one.name.clone(),
            address: one.address,
            size: one.size,
            processor: owned.name.clone(),
        }));
    }
    regions.sort_by_key(|region| region.address);
    regions
}

fn mailboxes(trees: &Trees) -> Vec<Mailbox> {
    let mailboxes = trees.description.mailboxes.iter();
    mailboxes
        .map(|site| {
            let node = linux_node(trees, site.coprocessor);
            let used = node.into_iter().flat_map(|node| &node.mailboxes);
            let used = used.filter(|(_, one)| one.controller_address == Some(site.registers));
            let mut used: Vec<Channel> =
                used.map(|(name, one)| Channel { name: name.clone(), channel: one.channel }).collect();
            used.sort_by_key(|channel| channel.channel);
            Mailbox {
                name: site.name,
                registers: site.registers,
                processor: name_of(trees, site.coprocessor),
                channels: site.channels,
                used,
                spi: [site.spi.rx, site.spi.tx],
                nvic: [site.nvic.rx, site.nvic.tx],
            }
        })
        .collect()
}

fn clocks(trees: &Trees) -> Vec<Clock> {
    let mut clocks: Vec<Clock> = Vec::new();
    for owned in &trees.owners {
        let node = linux_node(trees, owned.id);
        for one in node.map(|node| node.clocks.as_slice()).unwrap_or_default() {
            let known = clocks
                .iter_mut()
                .find(|clock| clock.processor == owned.name && clock.provider == one.provider);
            let numbers = one.arguments.iter().copied();
            match known {
                Some(clock) => clock.numbers.extend(numbers),
                None => clocks.push(Clock {
                    processor: owned.name.clone(),
                    provider: one.provider.clone(),
                    numbers: numbers.collect(),
                }),
            }
        }
    }
    clocks
}

fn interrupts(trees: &Trees) -> Vec<Interrupt> {
    let board = &trees.description;
    let mut interrupts = Vec::new();
    for one in &board.mailboxes {
        let mut add = |spi, what| {
            let source = format!("{}, a channel {what}", one.name);
            interrupts.push(Interrupt { spi, source, handler: "Linux" });
        };
        add(one.spi.rx, "is occupied");
        add(one.spi.tx, "has become free");
    }
    for one in &board.watchdogs {
        let source = format!("{} has reset {}", one.name, name_of(trees, one.coprocessor));
        interrupts.push(Interrupt { spi: one.spi, source, handler: "Linux" });
    }
    for block in trees.secure.blocks(BlockKind::Iac) {
        let source = format!("{}, an illegal access", block.name);
        interrupts.extend(block.interrupts.iter().map(|spi| Interrupt {
            spi: *spi,
            source: source.clone(),
            handler: "TEE",
        }));
    }
    interrupts.sort_by_key(|one| one.spi);
    interrupts
}
