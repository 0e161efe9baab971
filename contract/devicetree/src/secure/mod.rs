//! The secure side's tree: memories, guards and their boot policy, register blocks, and processors with their regions.

mod block;
mod guard;
mod processor;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

pub use block::{BlockKind, OnChipMemory, RegisterBlock};
pub use guard::{Access, EtzpcMode, Guard, GuardKind, GuardedRegion};
pub use processor::{BootWord, ProcessorRegion, RegionUse, SecureProcessor};

use crate::finding::{Finding, Findings, Severity};
use crate::model::MemoryRegion;
use crate::property;
use crate::region;
use crate::tree::{NodeRef, Tree};

/// All that a secure-side tree says about remote processors and what guards them, with everything that is wrong about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecureModel {
    /// The root's `compatible`, the board first and its SoC last.
    pub compatible: Vec<String>,
    /// The root's `model`.
    pub board: Option<String>,
    /// Physical addresses of the DDR (`memory` nodes), in the order of the tree.
    pub ddr: Vec<Range<u64>>,
    /// On-chip RAMs that are switched on.
    pub memories: Vec<OnChipMemory>,
    /// Every placed region of `/reserved-memory`.
    pub reserved_memory: Vec<MemoryRegion>,
    /// Guards that are switched on.
    pub guards: Vec<Guard>,
    /// Register blocks that are switched on and whose compatible is known here.
    pub blocks: Vec<RegisterBlock>,
    /// The remote processors, switched on or not, in the order of their ids.
    pub processors: Vec<SecureProcessor>,
    /// Flaws, in the order in which they were met.
    pub findings: Vec<Finding>,
}

impl SecureModel {
    /// Reads what `tree` says. Never fails: flaws become [`SecureModel::findings`].
    #[must_use]
    pub fn of(tree: &Tree) -> SecureModel {
        let mut findings = Findings::default();
        let root = tree.root();
        let compatible = root.raw("compatible").map(property::strings);
        let mut model = SecureModel {
            compatible: compatible
                .and_then(|names| findings.take("/", "compatible", names))
                .unwrap_or_default(),
            board: root.raw("model").and_then(|name| property::string(name).ok()),
            reserved_memory: region::reserved(tree, &mut findings),
            ..SecureModel::default()
        };
        for node in tree.nodes().filter(|node| switched_on(*node)) {
            model.ddr.extend(block::ddr(node, &mut findings));
            model.memories.extend(block::memory(node, &mut findings));
            model.blocks.extend(block::block(node, &mut findings));
            model.guards.extend(guard::guard(node, &mut findings));
        }
        model.processors = processor::processors(tree, &mut findings);
        guard::name_etzpc_entries(&mut model.guards, &model.memories, &model.blocks);
        model.findings = findings.list;
        model
    }

    /// The processor with that id.
    #[must_use]
    pub fn processor(&self, id: u32) -> Option<&SecureProcessor> {
        self.processors.iter().find(|processor| processor.id == id)
    }

    /// The register blocks of a kind, in the order of the tree.
    pub fn blocks(&self, kind: BlockKind) -> impl Iterator<Item = &RegisterBlock> {
        self.blocks.iter().filter(move |block| block.kind == kind)
    }

    /// The flaws with which the tree cannot be used.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }
}

/// Whether the secure world uses a node: `secure-status`, or `status` where that is absent.
fn switched_on(node: NodeRef<'_>) -> bool {
    property::secure_enabled(node).unwrap_or(false)
}

/// The `label` of a node, or its name where it has none.
fn label(node: NodeRef<'_>) -> String {
    let label = node.raw("label").and_then(|label| property::string(label).ok());
    label.unwrap_or_else(|| String::from(node.name()))
}
