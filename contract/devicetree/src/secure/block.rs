//! DDR, on-chip memories and register blocks of the secure tree, by their `compatible`.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ops::Range;

use super::label;
use crate::address;
use crate::finding::{Findings, Problem};
use crate::interrupt;
use crate::property;
use crate::reference;
use crate::tree::NodeRef;

/// What a register block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BlockKind {
    /// A mailbox, IPCC.
    Mailbox,
    /// Hardware semaphores, HSEM.
    Semaphores,
    /// Reset and clock controller, RCC.
    Rcc,
    /// Power controller, PWR.
    Power,
    /// Tamper and backup registers, TAMP.
    Tamp,
    /// System configuration, SYSCFG.
    Syscfg,
    /// System configuration of the Cortex-A35, CA35SYSCFG.
    Ca35Syscfg,
    /// One-time-programmable words, BSEC.
    Bsec,
    /// Resource isolation of peripherals, RIFSC.
    Rifsc,
    /// Illegal-access controller, IAC.
    Iac,
    /// Extended interrupt controller, EXTI.
    Exti,
    /// Independent watchdog, IWDG.
    Iwdg,
    /// Window watchdog, WWDG.
    Wwdg,
    /// Serial port.
    Uart,
}

/// Compatibles as OP-TEE and Linux have them; `st,stm32mp25-pwr`, `-syscfg`, `-a35ss-syscfg`, `-wwdg` and `-lpuart` are in no
/// mainline tree of OP-TEE.
const COMPATIBLES: [(&str, BlockKind); 24] = [
    ("st,stm32mp1-ipcc", BlockKind::Mailbox),
    ("st,stm32mp25-ipcc", BlockKind::Mailbox),
    ("st,stm32-hwspinlock", BlockKind::Semaphores),
    ("st,stm32mp25-hsem", BlockKind::Semaphores),
    ("st,stm32mp1-rcc", BlockKind::Rcc),
    ("st,stm32mp1-rcc-secure", BlockKind::Rcc),
    ("st,stm32mp25-rcc", BlockKind::Rcc),
    ("st,stm32mp1,pwr-reg", BlockKind::Power),
    ("st,stm32mp25-pwr", BlockKind::Power),
    ("st,stm32-tamp", BlockKind::Tamp),
    ("st,stm32mp25-tamp", BlockKind::Tamp),
    ("st,stm32mp157-syscfg", BlockKind::Syscfg),
    ("st,stm32mp25-syscfg", BlockKind::Syscfg),
    ("st,stm32mp25-a35ss-syscfg", BlockKind::Ca35Syscfg),
    ("st,stm32mp15-bsec", BlockKind::Bsec),
    ("st,stm32mp25-bsec", BlockKind::Bsec),
    ("st,stm32mp25-rifsc", BlockKind::Rifsc),
    ("st,stm32mp25-iac", BlockKind::Iac),
    ("st,stm32mp1-exti", BlockKind::Exti),
    ("st,stm32mp1-iwdg", BlockKind::Iwdg),
    ("st,stm32mp1-wwdg", BlockKind::Wwdg),
    ("st,stm32mp25-wwdg", BlockKind::Wwdg),
    ("st,stm32h7-uart", BlockKind::Uart),
    ("st,stm32mp25-lpuart", BlockKind::Uart),
];

/// A block of registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterBlock {
    /// What it is.
    pub kind: BlockKind,
    /// Its `label`, such as `IPCC1`, or its node's name.
    pub name: String,
    /// Path of its node.
    pub path: String,
    /// Physical address of the first register.
    pub address: u64,
    /// The SPI numbers of its interrupts that reach the GIC, in the order of the tree.
    pub interrupts: Vec<u16>,
    /// The number under which an ETZPC guards it.
    pub etzpc: Option<u32>,
}

/// An on-chip RAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnChipMemory {
    /// Its `label`, such as `RETRAM`, or its node's name.
    pub name: String,
    /// Path of its node.
    pub path: String,
    /// Physical addresses.
    pub range: Range<u64>,
    /// The number under which an ETZPC guards it.
    pub etzpc: Option<u32>,
}

pub(super) fn compatible(node: NodeRef<'_>) -> Vec<String> {
    node.raw("compatible").and_then(|names| property::strings(names).ok()).unwrap_or_default()
}

/// The DDR that a `memory` node declares: every entry of its `reg`.
pub(super) fn ddr(node: NodeRef<'_>, findings: &mut Findings) -> Vec<Range<u64>> {
    if node.raw("device_type").is_none_or(|kind| kind != b"memory\0") {
        return Vec::new();
    }
    let range = physical(node, findings);
    range.into_iter().collect()
}

/// The RAM that an `mmio-sram` node declares.
pub(super) fn memory(node: NodeRef<'_>, findings: &mut Findings) -> Option<OnChipMemory> {
    compatible(node).iter().find(|name| *name == "mmio-sram")?;
    let range = physical(node, findings)?;
    Some(OnChipMemory { name: label(node), path: node.path(), range, etzpc: etzpc(node, findings) })
}

/// The register block that a node with a known `compatible` declares.
pub(super) fn block(node: NodeRef<'_>, findings: &mut Findings) -> Option<RegisterBlock> {
    let names = compatible(node);
    let kind = names
        .iter()
        .find_map(|name| COMPATIBLES.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind))?;
    let address = physical(node, findings)?.start;
    // An EXTI's `interrupts-extended` are its lines, not interrupts of its own.
    let interrupts = match kind {
        BlockKind::Exti => Vec::new(),
        _ => reference::interrupts(node, findings),
    };
    Some(RegisterBlock {
        kind,
        name: label(node),
        path: node.path(),
        address,
        interrupts: interrupts.iter().filter_map(|one| interrupt::spi(node.tree(), one)).collect(),
        etzpc: etzpc(node, findings),
    })
}

/// The first entry of a node's `reg` in physical addresses; its absence is an error.
pub(super) fn physical(node: NodeRef<'_>, findings: &mut Findings) -> Option<Range<u64>> {
    let range = address::physical_range(node).filter(|range| !range.is_empty());
    if range.is_none() {
        let expected = "an address and a size above 0 that the buses above translate".to_string();
        findings.error(&node.path(), "reg", Problem::Missing { expected });
    }
    range
}

/// The number under which an ETZPC guards a node.
fn etzpc(node: NodeRef<'_>, findings: &mut Findings) -> Option<u32> {
    let controllers = reference::list(node, &reference::ACCESS_CONTROLLERS, findings);
    let guard = controllers.into_iter().find(|one| {
        let provider = node.tree().node(&one.provider);
        provider.is_some_and(|provider| compatible(provider).contains(&"st,stm32-etzpc".to_owned()))
    })?;
    guard.arguments.first().copied()
}
