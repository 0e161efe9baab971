//! Nodes of Linux's tree: which are switched off, what drivers know them by, which were meant to be a service, and what nobody
//! will provide.

use std::collections::BTreeSet;

use rproc_abi::Uuid;
use rproc_devicetree::{Finding, Model, NodeRef, Problem, Severity, Tree};

/// OP-TEE's node, below which the services are.
const OPTEE: &str = "/firmware/optee";

/// The node and those above it.
fn upwards(node: Option<NodeRef<'_>>) -> impl Iterator<Item = NodeRef<'_>> {
    std::iter::successors(node, |node| node.parent())
}

/// Whether the node or one above it is switched off: Linux makes no device of it then. So is a node that is not there.
pub fn is_off(tree: &Tree, path: &str) -> bool {
    let node = tree.node(path);
    node.is_none()
        || upwards(node).any(|node| !matches!(node.raw("status"), None | Some(b"okay\0" | b"ok\0")))
}

/// The node, or the nearest above it, of which Linux makes a device: the one with a `compatible`.
pub fn device_of<'t>(tree: &'t Tree, path: &str) -> Option<NodeRef<'t>> {
    upwards(tree.node(path)).find(|node| node.raw("compatible").is_some())
}

/// Whether the device of the node is one that a driver for any of these compatibles takes.
pub fn is_compatible(tree: &Tree, path: &str, drivers: &[&str]) -> bool {
    device_of(tree, path).is_some_and(|node| compatibles(node).any(|name| drivers.contains(&name)))
}

fn compatibles(node: NodeRef<'_>) -> impl Iterator<Item = &str> {
    let names = node.raw("compatible").unwrap_or_default().split(|byte| *byte == 0);
    names.filter_map(|name| str::from_utf8(name).ok()).filter(|name| !name.is_empty())
}

/// Nodes below OP-TEE's that have processors below them and are not the remoteproc service, by their `compatible`.
pub fn misnamed_services(tree: &Tree, model: &Model) -> Vec<Finding> {
    let uuid = Uuid::REMOTEPROC_TA.to_string();
    let is_service = |path: &str| model.services.iter().any(|one| one.path == path && one.uuid == uuid);
    let nodes = tree.node(OPTEE).into_iter().flat_map(NodeRef::children);
    nodes
        .filter(|node| node.children().any(|child| child.raw("reg").is_some()) && !is_service(&node.path()))
        .map(|node| {
            let found: Vec<String> = compatibles(node).map(|name| format!("`{name}`")).collect();
            let expected = format!("`rproc-service-{uuid}`, by which Linux finds the remoteproc service");
            let problem = match found.as_slice() {
                [] => Problem::Missing { expected },
                found => Problem::Value { expected, found: found.join(", ") },
            };
            error(node.path(), "compatible", problem)
        })
        .collect()
}

/// References of processors to nodes that are switched off, of which Linux makes no provider.
pub fn absent_providers(tree: &Tree, model: &Model) -> Vec<Finding> {
    let processors = model.processors().chain(model.platform.iter().map(|one| &one.processor));
    let mut findings = Vec::new();
    for processor in processors.filter(|one| one.enabled) {
        let mailboxes = processor.mailboxes.values().map(|channel| ("mboxes", &channel.controller));
        let others = [
            ("power-domains", &processor.power_domains),
            ("clocks", &processor.clocks),
            ("resets", &processor.resets),
        ];
        let others = others.into_iter().flat_map(|(property, references)| {
            references.iter().map(move |reference| (property, &reference.provider))
        });
        let off: BTreeSet<_> =
            mailboxes.chain(others).filter(|(_, provider)| is_off(tree, provider)).collect();
        findings.extend(off.into_iter().map(|(property, provider)| {
            let found = format!("{provider}, which is switched off there or above");
            let expected = "a node with status okay".to_owned();
            error(processor.path.clone(), property, Problem::Value { expected, found })
        }));
    }
    findings
}

fn error(path: String, property: &str, problem: Problem) -> Finding {
    Finding { severity: Severity::Error, path, property: Some(property.to_owned()), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ev1() -> Tree {
        let board = rproc_board::boards::BOARDS.into_iter().find(|board| board.name == "stm32mp257f-ev1");
        Tree::parse(board.unwrap().linux_tree).unwrap()
    }

    #[test]
    fn a_node_is_off_with_those_above_it() {
        let tree = ev1().with_string("/soc@0", "status", "disabled").unwrap();
        assert!(is_off(&tree, "/soc@0/mailbox@40490000") && is_off(&tree, "/no/such/node"));
        assert!(!is_off(&tree, "/firmware/scmi/protocol@14"));
        assert!(is_compatible(&tree, "/firmware/scmi/protocol@14", &["linaro,scmi-optee"]));
        assert!(!is_compatible(&tree, "/soc@0/clock-controller@44200000", &["linaro,scmi-optee"]));
    }

    #[test]
    fn a_service_of_another_name_is_told() {
        let path = "/firmware/optee/rproc-service@0";
        let told = |compatible: &str| {
            let tree = ev1().with_string(path, "compatible", compatible).unwrap();
            misnamed_services(&tree, &Model::of(&tree))
        };
        assert_eq!(told("rproc-service-80a4c275-0a47-4905-8285-1486a9771a08"), []);
        for wrong in ["rproc-service-80a4c275-0a47-4905-8285-1486a9771a09", "rproc-servce-80a4c275"] {
            let told = told(wrong);
            let [one] = told.as_slice() else { panic!("{told:?}") };
            assert!(one.path == path && one.sentence().contains(&format!("is `{wrong}`; expected")), "{one}");
        }
        assert!(told("")[0].sentence().contains("is missing; expected `rproc-service-"));
    }

    #[test]
    fn a_provider_that_is_off_is_told_once_a_property() {
        let told = |off: &str| {
            let tree = ev1().with_string(off, "status", "disabled").unwrap();
            let findings = absent_providers(&tree, &Model::of(&tree));
            findings.iter().map(Finding::sentence).collect::<Vec<_>>()
        };
        assert_eq!(
            told("/soc@0/mailbox@40490000"),
            [
                "/firmware/optee/rproc-service@0/m33@1: property `mboxes` is /soc@0/mailbox@40490000, which is switched off there or \
             above; expected a node with status okay"
            ]
        );
        assert!(told("/firmware/scmi").iter().any(|one| one.contains("m0@2: property `clocks`")));
        assert_eq!(absent_providers(&ev1(), &Model::of(&ev1())), []);
    }
}
