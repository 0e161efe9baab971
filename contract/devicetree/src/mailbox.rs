//! Mailbox controllers of Linux's tree: which side Linux is, and by which interrupts it hears.

use alloc::string::String;
use alloc::vec::Vec;

use crate::address;
use crate::finding::{Findings, Problem};
use crate::interrupt;
use crate::model::ProviderRef;
use crate::property;
use crate::reference;
use crate::tree::{NodeRef, Tree};

/// A mailbox controller, IPCC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxController {
    /// Path of its node.
    pub path: String,
    /// Physical address of its registers.
    pub address: u64,
    /// Which processor of the controller Linux is, 0 or 1 (`st,proc-id`).
    pub side: u32,
    /// The SPI number of "a channel towards Linux is occupied".
    pub rx: Option<u16>,
    /// The SPI number of "a channel of Linux is free".
    pub tx: Option<u16>,
    /// Its receive interrupt wakes Linux (`wakeup-source`: Linux `stm32-ipcc.c`).
    pub wakeup_source: bool,
    /// The clocks that Linux's driver keeps on while a channel is in use.
    pub clocks: Vec<ProviderRef>,
}

/// Hardware semaphores, HSEM, as Linux's driver finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Semaphores {
    /// Path of the node.
    pub path: String,
    /// The clocks that Linux's driver keeps on.
    pub clocks: Vec<ProviderRef>,
}

/// Every HSEM that is switched on.
pub(crate) fn semaphores(tree: &Tree, findings: &mut Findings) -> Vec<Semaphores> {
    let nodes = tree.nodes().filter(|node| is_a(*node, &["st,stm32-hwspinlock", "st,stm32mp25-hsem"]));
    nodes
        .map(|node| Semaphores {
            path: node.path(),
            clocks: reference::list(node, &reference::CLOCKS, findings),
        })
        .collect()
}

/// Whether a node is switched on and says that it is one of these.
fn is_a(node: NodeRef<'_>, compatibles: &[&str]) -> bool {
    let names = node.raw("compatible").and_then(|names| property::strings(names).ok());
    let one_of = |names: Vec<String>| names.iter().any(|name| compatibles.contains(&name.as_str()));
    names.is_some_and(one_of) && property::enabled(node) == Ok(true)
}

/// Every IPCC that is switched on.
pub(crate) fn controllers(tree: &Tree, findings: &mut Findings) -> Vec<MailboxController> {
    let mut controllers = Vec::new();
    for node in tree.nodes().filter(|node| is_a(*node, &["st,stm32mp1-ipcc", "st,stm32mp25-ipcc"])) {
        let path = node.path();
        let side = node.raw("st,proc-id").map(property::cell).unwrap_or(Ok(0)).and_then(|side| match side {
            0 | 1 => Ok(side),
            _ => Err(Problem::Value { expected: "0 or 1".into(), found: alloc::format!("{side}") }),
        });
        let Some(side) = findings.take(&path, "st,proc-id", side) else { continue };
        let interrupts = reference::interrupts(node, findings);
        let named = |wanted: &str, position: usize| {
            let by_name = interrupts.iter().find(|one| one.name.as_deref() == Some(wanted));
            let unnamed = interrupts.get(position).filter(|one| one.name.is_none());
            interrupt::spi(tree, by_name.or(unnamed)?)
        };
        let (rx, tx) = (named("rx", 0), named("tx", 1));
        if let Some(address) = address::physical(node) {
            let wakeup_source = property::flag(node, "wakeup-source", findings);
            let clocks = reference::list(node, &reference::CLOCKS, findings);
            controllers.push(MailboxController { path, address, side, rx, tx, wakeup_source, clocks });
        }
    }
    controllers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::linux;
    use std::vec;

    #[test]
    fn a_mailbox_and_a_processor_each_say_whether_they_wake_linux() {
        let said = |tree: &crate::Tree| {
            let model = crate::Model::of(tree);
            let mailboxes: Vec<bool> =
                model.mailbox_controllers.iter().map(|mailbox| mailbox.wakeup_source).collect();
            let processors: Vec<bool> = model.processors().map(|one| one.wakeup_source).collect();
            (mailboxes, processors, model.findings)
        };
        assert_eq!(said(&linux("stm32mp157f-dk2")), (vec![true], vec![false], vec![]));
        let tree = linux("stm32mp257f-ev1");
        assert_eq!(said(&tree), (vec![false, false], vec![false, false], vec![]));
        let set = |path, value: &[u8]| said(&tree.with_property(path, "wakeup-source", Some(value)).unwrap());
        assert_eq!(set("/soc@0/mailbox@46250000", &[]).0, [false, true]);
        let m33 = "/firmware/optee/rproc-service@0/m33@1";
        let (mailboxes, processors, findings) = set(m33, &[]);
        assert_eq!((mailboxes, processors, findings), (vec![false, false], vec![true, false], vec![]));
        // A value changes nothing, as in Linux, and is doubted.
        let (_, processors, findings) = set(m33, &[0, 0, 0, 0]);
        assert_eq!(processors, [true, false]);
        assert_eq!(findings[0].property.as_deref(), Some("wakeup-source"));
    }

    #[test]
    fn mailboxes_and_semaphores_name_the_clocks_of_their_drivers() {
        let model = crate::Model::of(&linux("stm32mp257f-ev1"));
        let scmi = |clocks: &[ProviderRef]| {
            let provider = "/firmware/scmi/protocol@14";
            assert!(clocks.iter().all(|clock| clock.provider == provider), "{clocks:?}");
            clocks.iter().flat_map(|clock| clock.arguments.clone()).collect::<Vec<_>>()
        };
        let mailboxes: Vec<_> = model.mailbox_controllers.iter().map(|one| scmi(&one.clocks)).collect();
        assert_eq!(mailboxes, [[105], [106]]);
        let semaphores: Vec<_> = model.semaphores.iter().map(|one| scmi(&one.clocks)).collect();
        assert_eq!(semaphores, [[104]]);
    }

    #[test]
    fn linux_is_a_side_of_each_mailbox() {
        let of = |board| {
            let mut findings = Findings::default();
            let found = controllers(&linux(board), &mut findings);
            assert_eq!(findings.list, []);
            found.iter().map(|one| (one.address, one.side, one.rx, one.tx)).collect::<Vec<_>>()
        };
        assert_eq!(
            of("stm32mp257f-ev1"),
            vec![(0x4049_0000, 0, Some(171), Some(172)), (0x4625_0000, 1, Some(175), Some(176))]
        );
        // Through EXTI line 61, and directly.
        assert_eq!(of("stm32mp157f-dk2"), vec![(0x4c00_1000, 0, Some(100), Some(101))]);
    }
}
