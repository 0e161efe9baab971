//! Who drives each remote processor, from what both trees say, and where the two contradict each other.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::finding::{Finding, Findings, Problem};
use crate::model::{MemoryRegion, Model, PlatformProcessor, Processor};
use crate::secure::{RegionUse, SecureModel, SecureProcessor};
use crate::tree::Tree;

/// Who drives a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The TEE's service loads and starts it.
    Tee,
    /// Linux does; the TEE never had it.
    Linux,
    /// Linux does; the TEE gives the rights away at boot.
    LinuxThroughTee,
    /// It stays in reset.
    Nobody,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Owner::Tee => "TEE",
            Owner::Linux => "Linux",
            Owner::LinuxThroughTee => "Linux, through the TEE",
            Owner::Nobody => "nobody",
        })
    }
}

/// A processor and who owns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// Its id.
    pub id: u32,
    /// Its name, such as `m33`.
    pub name: String,
    /// Who drives it; nobody while the trees contradict each other.
    pub owner: Owner,
    /// Path of its node below the TEE's service in Linux's tree.
    pub service_node: Option<String>,
    /// Path of its platform node in Linux's tree.
    pub platform_node: Option<String>,
    /// Path of its node in the secure tree.
    pub secure_node: Option<String>,
}

/// Both trees' words about one processor.
#[derive(Clone, Copy)]
struct Words<'a> {
    service: Option<&'a Processor>,
    platform: Option<&'a PlatformProcessor>,
    secure: Option<&'a SecureProcessor>,
}

impl<'a> Words<'a> {
    fn of(id: u32, linux: &'a Model, secure: &'a SecureModel) -> Self {
        Self {
            service: linux.processors().find(|one| one.id == id),
            platform: linux.platform.iter().find(|one| one.processor.id == id),
            secure: secure.processor(id),
        }
    }
}

/// The owner of every processor that either tree knows, in the order of their ids; contradictions between the trees, and memory
/// that Linux shares with a processor outside what the TEE declares as shared, or that is the TEE's and left to Linux, are findings.
#[must_use]
pub fn ownership(linux: &Model, secure: &SecureModel) -> (Vec<Ownership>, Vec<Finding>) {
    let mut findings = Findings::default();
    let ids: BTreeSet<u32> = linux
        .processors()
        .chain(linux.platform.iter().map(|one| &one.processor))
        .map(|one| one.id)
        .chain(secure.processors.iter().map(|one| one.id))
        .collect();
    let mut owners = Vec::new();
    for id in ids {
        let words = Words::of(id, linux, secure);
        let owner = owner(words, &mut findings).unwrap_or(Owner::Nobody);
        check_shared(words, owner, &mut findings);
        check_dram(words, owner, (linux, secure), &mut findings);
        check_watchdogs(words, owner, secure, &mut findings);
        let name = words.service.or(words.platform.map(|one| &one.processor)).map(|one| &one.name);
        let name = name.or(words.secure.map(|one| &one.name)).cloned().unwrap_or_default();
        owners.push(Ownership {
            id,
            name,
            owner,
            service_node: words.service.map(|one| one.path.clone()),
            platform_node: words.platform.map(|one| one.processor.path.clone()),
            secure_node: words.secure.map(|one| one.path.clone()),
        });
    }
    (owners, findings.list)
}

/// Who drives the processor; nothing after a contradiction.
fn owner(words: Words<'_>, findings: &mut Findings) -> Option<Owner> {
    let service = words.service.filter(|one| one.enabled);
    let platform = words.platform.map(|one| &one.processor).filter(|one| one.enabled);
    match (service, platform, words.secure) {
        (None, None, _) => Some(Owner::Nobody),
        (Some(service), Some(platform), _) => {
            let problem = Problem::Contradiction {
                found: "okay".to_string(),
                other: platform.path.clone(),
                property: "status",
                tree: "the same tree",
                value: "okay".to_string(),
                meaning: "the TEE's service and Linux's own driver would both drive one processor",
                remedy: "set status = \"disabled\" in one of them".to_string(),
            };
            findings.error(&service.path, "status", problem);
            None
        }
        (Some(service), None, None) => {
            let id = service.id;
            let expected = format!(
                "a processor with st,proc-id = <{id}> in the secure tree, whose service is to drive it; add its node there, or \
                 set status = \"disabled\" here"
            );
            findings.node_error(
                &service.path,
                Problem::Value { expected, found: "in Linux's tree only".to_string() },
            );
            None
        }
        (Some(service), None, Some(secure)) if !secure.secure => {
            let remedy =
                format!("set secure-status = \"okay\" in {}, or status = \"disabled\" here", secure.path);
            let problem = Problem::Contradiction {
                found: "okay".to_string(),
                other: secure.path.clone(),
                property: "secure-status",
                tree: "the secure tree",
                value: "disabled".to_string(),
                meaning: "the TEE's service would be asked for a processor that the TEE may not use",
                remedy,
            };
            findings.error(&service.path, "status", problem);
            None
        }
        (Some(_), None, Some(_)) => Some(Owner::Tee),
        (None, Some(_), None) => Some(Owner::Linux),
        (None, Some(platform), Some(secure)) => match (secure.normal, secure.secure) {
            (true, true) => Some(Owner::LinuxThroughTee),
            (_, false) => Some(Owner::Linux),
            (false, true) => {
                let problem = Problem::Contradiction {
                    found: "okay".to_string(),
                    other: secure.path.clone(),
                    property: "status",
                    tree: "the secure tree",
                    value: "disabled, with secure-status okay".to_string(),
                    meaning: "Linux would drive a processor that the TEE keeps to itself",
                    remedy: format!(
                        "set status = \"okay\" in {} as well, with which the TEE gives the rights away, or secure-status = \
                         \"disabled\" there, or status = \"disabled\" here",
                        secure.path
                    ),
                };
                findings.error(&platform.path, "status", problem);
                None
            }
        },
    }
}

/// The node in Linux's tree that counts for this owner.
fn node_of<'a>(words: Words<'a>, owner: Owner) -> Option<&'a Processor> {
    match owner {
        Owner::Tee => words.service,
        Owner::Linux | Owner::LinuxThroughTee => words.platform.map(|one| &one.processor),
        Owner::Nobody => None,
    }
}

/// What Linux takes for the watchdogs' interrupts must be theirs, or Linux never hears that one has bitten.
fn check_watchdogs(words: Words<'_>, owner: Owner, secure: &SecureModel, findings: &mut Findings) {
    let (Some(linux), Some(processor)) = (node_of(words, owner), words.secure) else { return };
    let blocks = || secure.blocks.iter().filter(|block| processor.watchdogs.contains(&block.path));
    let raised: Vec<u16> = blocks().flat_map(|block| block.interrupts.iter().copied()).collect();
    let list =
        |numbers: &[u16]| numbers.iter().map(|spi| format!("SPI {spi}")).collect::<Vec<_>>().join(", ");
    let others: Vec<u16> = linux.spis.iter().copied().filter(|spi| !raised.contains(spi)).collect();
    if raised.is_empty() || others.is_empty() {
        return;
    }
    let problem = Problem::Contradiction {
        found: list(&others),
        other: blocks().map(|block| block.path.as_str()).collect::<Vec<_>>().join(" and "),
        property: "interrupts",
        tree: "the secure tree",
        value: list(&raised),
        meaning: "Linux would not hear of the processor's watchdog",
        remedy: format!("name {} here", list(&raised)),
    };
    findings.error(&linux.path, "interrupts", problem);
}

/// The firewall has one region for what both sides share, and Linux splits it by names: each part must lie inside.
fn check_shared(words: Words<'_>, owner: Owner, findings: &mut Findings) {
    let Some(secure) = words.secure else { return };
    let Some(linux) = node_of(words, owner) else { return };
    let shared: Vec<&MemoryRegion> = secure.regions(RegionUse::Ipc).map(|one| &one.region).collect();
    let inside = |region: &MemoryRegion| {
        let (range, spans) = (region.range(), shared.iter().map(|one| one.range()));
        spans.into_iter().any(|span| span.start <= range.start && range.end <= span.end)
    };
    // Linux itself loads into the other regions of a processor that it drives.
    let wanted = |region: &&MemoryRegion| owner == Owner::Tee || region.name.starts_with("vdev");
    for region in linux.memory_regions.iter().filter(wanted).filter(|region| !inside(region)) {
        let names = shared.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (bounds, remedy) = if shared.is_empty() {
            (
                format!("any shared region: {} in the secure tree names none", secure.path),
                format!("name a region \"ipc\" in memory-region-names of {} in the secure tree", secure.path),
            )
        } else {
            (
                format!("{names}, which {} in the secure tree shares with Linux", secure.path),
                format!("move {} in Linux's tree, or widen that region in the secure tree", region.path),
            )
        };
        let what = region.to_string();
        findings.error(&linux.path, "memory-region", Problem::Outside { what, bounds, remedy });
    }
}

/// What the TEE has of the DRAM for a processor must be kept from Linux, which else uses it as its own and faults once it is closed, and
/// must lie behind a guard that closes it.
fn check_dram(
    words: Words<'_>,
    owner: Owner,
    (linux, secure): (&Model, &SecureModel),
    findings: &mut Findings,
) {
    let (Owner::Tee, Some(processor)) = (owner, words.secure) else { return };
    let in_dram = |region: &MemoryRegion| {
        let range = region.range();
        secure.ddr.iter().any(|ddr| range.start < ddr.end && ddr.start < range.end)
    };
    for one in processor.regions.iter().filter(|one| in_dram(&one.region)) {
        let (region, range) = (&one.region, one.region.range());
        if !is_reserved(linux, region) {
            let expected = format!(
                "nodes with no-map that cover {region}, which {} in the secure tree has: Linux would use that memory as its own and \
                 fault once the TEE has closed it",
                processor.path
            );
            findings.node_error("/reserved-memory", Problem::Missing { expected });
        }
        let guarded = |memory: &Range<u64>| memory.start <= range.start && range.end <= memory.end;
        if one.usage == RegionUse::Firmware && !secure.guards.iter().any(|guard| guarded(&guard.memory)) {
            let problem = Problem::Outside {
                what: region.to_string(),
                bounds: "the memory of any guard that is okay".to_string(),
                remedy:
                    "set status = \"okay\" in the guard's node: without it the TEE cannot close this memory"
                        .to_string(),
            };
            findings.error(&processor.path, "memory-region", problem);
        }
    }
}

/// Whether regions that Linux does not map cover all of this one.
fn is_reserved(linux: &Model, region: &MemoryRegion) -> bool {
    let Range { mut start, end } = region.range();
    let covers = |start: u64| {
        let mut reserved = linux.reserved_memory.iter().filter(|one| one.no_map).map(MemoryRegion::range);
        reserved.find(|range| range.contains(&start)).map(|range| range.end)
    };
    while start < end {
        let Some(covered) = covers(start) else { return false };
        start = covered;
    }
    true
}

/// A processor that cannot be given to an owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "processor {id} cannot be given to {owner}: {tree} has no {node} of it; add the node, with any status"
)]
pub struct AssignError {
    id: u32,
    owner: Owner,
    tree: &'static str,
    node: &'static str,
}

/// Both trees (Linux's, then the secure one) with the statuses that give processor `id` to `owner`.
///
/// # Errors
/// A tree lacks the node that the owner needs.
pub fn assign(linux: &Tree, secure: &Tree, id: u32, owner: Owner) -> Result<(Tree, Tree), AssignError> {
    let (linux_model, secure_model) = (Model::of(linux), SecureModel::of(secure));
    let words = Words::of(id, &linux_model, &secure_model);
    let missing = |tree, node| AssignError { id, owner, tree, node };
    let service = words.service.map(|one| one.path.as_str());
    let platform = words.platform.map(|one| one.processor.path.as_str());
    let (tee, own, normal, secured) = match owner {
        Owner::Tee => (true, false, false, true),
        Owner::Linux => (false, true, true, false),
        Owner::LinuxThroughTee => (false, true, true, true),
        Owner::Nobody => (false, false, false, false),
    };
    if tee && service.is_none() {
        return Err(missing("Linux's tree", "node below the TEE's service"));
    }
    if own && platform.is_none() {
        return Err(missing("Linux's tree", "platform node"));
    }
    let secure_path = words.secure.map(|one| one.path.as_str());
    let secure_path = secure_path.ok_or_else(|| missing("the secure tree", "node"))?;
    let status = |on: bool| if on { "okay" } else { "disabled" };
    let set = |tree: Tree, path: Option<&str>, property, on| match path {
        Some(path) => tree.with_string(path, property, status(on)).unwrap_or(tree),
        None => tree,
    };
    let linux = set(linux.clone(), service, "status", tee);
    let linux = set(linux, platform, "status", own);
    let secure = set(secure.clone(), Some(secure_path), "status", normal);
    let secure = set(secure, Some(secure_path), "secure-status", secured);
    Ok((linux, secure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{linux, secure};
    use proptest::prelude::*;
    use std::panic;
    use std::prelude::rust_2024::*;

    const BOARDS: [&str; 3] = ["stm32mp157f-dk2", "stm32mp257f-ev1", "stm32mp215f-dk"];

    fn decide(linux: &Tree, secure: &Tree) -> (Vec<Ownership>, Vec<Finding>) {
        ownership(&Model::of(linux), &SecureModel::of(secure))
    }

    #[test]
    fn the_boards_processors_are_the_tees() {
        for board in BOARDS {
            let (owners, findings) = decide(&linux(board), &secure(board));
            assert_eq!(findings, [], "{board}");
            assert!(!owners.is_empty() && owners.iter().all(|one| one.owner == Owner::Tee), "{owners:?}");
        }
    }

    #[test]
    fn a_processor_can_be_given_to_every_owner() {
        for board in BOARDS {
            for owner in [Owner::Linux, Owner::LinuxThroughTee, Owner::Nobody, Owner::Tee] {
                let (mut linux, mut secure) = (linux(board), secure(board));
                let ids: Vec<u32> = decide(&linux, &secure).0.iter().map(|one| one.id).collect();
                for id in &ids {
                    (linux, secure) = assign(&linux, &secure, *id, owner).unwrap();
                }
                let (owners, findings) = decide(&linux, &secure);
                assert_eq!(findings, [], "{board}, {owner}");
                assert!(owners.iter().all(|one| one.owner == owner), "{board}, {owner}: {owners:?}");
            }
        }
    }

    const SERVICE: &str = "/firmware/optee/rproc-service@0/m33@1";
    const PLATFORM: &str = "/ahb@a040000/m33@a041000";

    /// The M33's owner and the findings with these four statuses.
    fn with(service: bool, platform: bool, normal: bool, secured: bool) -> (Owner, Vec<Finding>) {
        let status = |on| if on { "okay" } else { "disabled" };
        let linux = linux("stm32mp215f-dk").with_string(SERVICE, "status", status(service)).unwrap();
        let linux = linux.with_string(PLATFORM, "status", status(platform)).unwrap();
        let secure = secure("stm32mp215f-dk").with_string(PLATFORM, "status", status(normal)).unwrap();
        let secure = secure.with_string(PLATFORM, "secure-status", status(secured)).unwrap();
        let (owners, findings) = decide(&linux, &secure);
        (owners[0].owner, findings)
    }

    #[test]
    fn each_contradiction_names_both_nodes_and_what_to_change() {
        for (statuses, words) in [
            ((true, true, false, true), [SERVICE, PLATFORM, "set status = \"disabled\" in one of them"]),
            ((true, false, true, false), [SERVICE, PLATFORM, "set secure-status = \"okay\" in"]),
            ((true, false, false, false), [SERVICE, "`secure-status`", "or status = \"disabled\" here"]),
            ((false, true, false, true), [PLATFORM, "the secure tree", "set status = \"okay\" in"]),
        ] {
            let (service, platform, normal, secured) = statuses;
            let (owner, findings) = with(service, platform, normal, secured);
            assert_eq!(owner, Owner::Nobody, "{statuses:?}");
            let [finding] = findings.as_slice() else { panic!("{statuses:?}: {findings:?}") };
            let text = finding.to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{statuses:?}: {text}");
        }
    }

    #[test]
    fn every_combination_of_statuses_is_decided() {
        for bits in 0..16 {
            let bit = |n: u32| bits >> n & 1 != 0;
            let (service, platform, normal, secured) = (bit(0), bit(1), bit(2), bit(3));
            let (owner, findings) = with(service, platform, normal, secured);
            let expected = match (service, platform) {
                (false, false) => Some(Owner::Nobody),
                (true, false) => secured.then_some(Owner::Tee),
                (false, true) if !secured => Some(Owner::Linux),
                (false, true) => normal.then_some(Owner::LinuxThroughTee),
                (true, true) => None,
            };
            assert_eq!(owner, expected.unwrap_or(Owner::Nobody), "{bits:04b}");
            assert_eq!(findings.is_empty(), expected.is_some(), "{bits:04b}: {findings:?}");
        }
    }

    #[test]
    fn a_processor_of_one_tree_only() {
        let ev1 = linux("stm32mp257f-ev1");
        let (owners, findings) = decide(&ev1, &secure("stm32mp215f-dk"));
        assert_eq!((owners[1].name.as_str(), owners[1].owner), ("m0", Owner::Nobody));
        assert!(findings[0].to_string().contains("st,proc-id = <2>"), "{}", findings[0]);
        // The other way round nobody asks for it.
        let (owners, findings) = decide(&linux("stm32mp215f-dk"), &secure("stm32mp257f-ev1"));
        assert_eq!((owners[1].owner, findings), (Owner::Nobody, Vec::new()));
        assert!(assign(&linux("stm32mp215f-dk"), &secure("stm32mp257f-ev1"), 2, Owner::Tee).is_err());
    }

    #[test]
    fn interrupts_that_are_no_watchdogs_are_refused_for_every_owner() {
        let secure_tree = secure("stm32mp257f-ev1");
        for owner in [Owner::Tee, Owner::Linux, Owner::LinuxThroughTee, Owner::Nobody] {
            let (linux, secure) = assign(&linux("stm32mp257f-ev1"), &secure_tree, 1, owner).unwrap();
            let mut model = Model::of(&linux);
            let nested = model.services.iter_mut().flat_map(|one| &mut one.processors);
            for one in nested.chain(model.platform.iter_mut().map(|one| &mut one.processor)) {
                if one.id == 1 {
                    assert_eq!(core::mem::replace(&mut one.spis, vec![5]), [4]);
                }
            }
            let (_, findings) = ownership(&model, &SecureModel::of(&secure));
            let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
            let told = texts.iter().any(|text| {
                text.contains("property `interrupts` is SPI 5") && text.contains("is SPI 4, SPI 6:")
            });
            assert_eq!(
                (told, texts.len()),
                (owner != Owner::Nobody, texts.len().min(1)),
                "{owner}: {texts:?}"
            );
        }
    }

    #[test]
    fn memory_of_the_tees_that_linux_would_use_is_refused() {
        let (model, secure) =
            (Model::of(&linux("stm32mp257f-ev1")), SecureModel::of(&secure("stm32mp257f-ev1")));
        let place = model.reserved_memory.iter().position(|one| one.name == "cm33-cube-fw").unwrap();
        let changes: [fn(&mut Vec<MemoryRegion>, usize); 4] = [
            |regions, place| drop(regions.remove(place)),
            |regions, place| regions[place].size /= 2,
            |regions, place| regions[place].address += 0x1000,
            |regions, place| regions[place].no_map = false,
        ];
        for change in changes {
            let mut model = model.clone();
            change(&mut model.reserved_memory, place);
            let (_, findings) = ownership(&model, &secure);
            let [finding] = findings.as_slice() else { panic!("{findings:?}") };
            let text = finding.to_string();
            for word in ["/reserved-memory", "cm33-cube-fw (0x80100000..", "no-map", "m33@"] {
                assert!(text.contains(word), "{word}: {text}");
            }
        }
    }

    #[test]
    fn memory_of_the_tees_without_a_guard_is_refused() {
        let mut secure = SecureModel::of(&secure("stm32mp257f-ev1"));
        secure.guards.retain(|guard| guard.name != "RISAF4");
        let (_, findings) = ownership(&Model::of(&linux("stm32mp257f-ev1")), &secure);
        assert!(!findings.is_empty());
        for finding in findings {
            let text = finding.to_string();
            assert!(text.contains("cm33-cube-") && text.contains("cannot close this memory"), "{text}");
        }
    }

    #[test]
    fn vrings_outside_the_shared_region_are_refused() {
        let mut model = Model::of(&linux("stm32mp257f-ev1"));
        let regions = &mut model.services[0].processors[0].memory_regions;
        let ring = regions.iter_mut().find(|region| region.name == "vdev0vring1").unwrap();
        ring.address = 0x812f_f800;
        let (_, findings) = ownership(&model, &SecureModel::of(&secure("stm32mp257f-ev1")));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        let text = finding.to_string();
        for word in
            [SERVICE, "vdev0vring1 (0x812ff800..0x81300800)", "ipc-shmem (0x81200000..0x81300000)", "widen"]
        {
            assert!(text.contains(word), "{word}: {text}");
        }
    }

    proptest! {
        #[test]
        fn mutated_trees_are_decided_without_a_panic(
            changes in proptest::collection::vec((0..crate::testing::SECURE.len(), any::<u8>()), 1..12),
        ) {
            let mut blob = crate::testing::SECURE.to_vec();
            for (offset, byte) in changes {
                blob[offset] = byte;
            }
            if let Ok(tree) = Tree::parse(&blob) {
                let (_, findings) = decide(&linux("stm32mp257f-ev1"), &tree);
                let _ = findings.iter().map(ToString::to_string).collect::<Vec<_>>();
                // A secure tree read as Linux's, and the other way round.
                let _ = decide(&tree, &linux("stm32mp257f-ev1"));
            }
        }
    }
}
