//! Processors on their own bus: Linux's platform nodes, and the layouts that hand such a node to the TEE.
//!
//! Of the published layouts, v19 gives the node another compatible (`st,stm32mp1-m4-tee`), v21 a phandle `rproc-tee-phandle`
//! to `/firmware/optee-rproc`, whose compatible is the UUID of the service, and v22 the same as `st,rproc-tee` on the ordinary
//! node. (v20 nests the processors below `/firmware/optee`, see `nested`.)

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::bus;
use crate::finding::{Findings, Problem};
use crate::model::{PlatformProcessor, Processor, Service};
use crate::nested::{self, Uses};
use crate::property;
use crate::tree::{NodeRef, Tree};

/// The remoteproc service of OP-TEE, which v19 takes for granted.
const REMOTEPROC_TA: &str = "80a4c275-0a47-4905-8285-1486a9771a08";
/// The ending of a compatible that hands the processor to the TEE.
const TEE_SUFFIX: &str = "-tee";
/// Compatibles of the platform nodes and the processor's id: Linux (`st,stm32mp1-m4`), ST's release (`st,stm32mp2-*`), the
/// mailing-list thread (`st,stm32mp1-m33`, `-m0`).
const COMPATIBLES: [(&str, u32); 5] = [
    ("st,stm32mp1-m4", 0),
    ("st,stm32mp2-m33", 1),
    ("st,stm32mp1-m33", 1),
    ("st,stm32mp2-m0", 2),
    ("st,stm32mp1-m0", 2),
];
/// Properties that hand the node to a service, with the phandle of the service and the processor's id.
const LINKS: [&str; 2] = ["st,rproc-tee", "rproc-tee-phandle"];

/// The id of the processor that one of these compatibles names.
pub(crate) fn default_id(names: &[String]) -> Option<u32> {
    names.iter().find_map(|name| {
        let name = name.strip_suffix(TEE_SUFFIX).unwrap_or(name);
        COMPATIBLES.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
    })
}

/// The platform nodes of a tree, by who drives them.
#[derive(Default)]
pub(crate) struct Found {
    /// Services that nodes are handed to.
    pub(crate) services: Vec<Service>,
    /// Processors that are Linux's.
    pub(crate) platform: Vec<PlatformProcessor>,
}

/// Reads every platform node of a remote processor.
pub(crate) fn processors(tree: &Tree, uses: &mut Uses, findings: &mut Findings) -> Found {
    let mut found = Found::default();
    for node in tree.nodes() {
        let Some(Ok(names)) = node.raw("compatible").map(property::strings) else { continue };
        let Some(default_id) = default_id(&names) else { continue };
        let link = link(node, findings);
        let enabled = core::iter::successors(Some(node), |node| node.parent())
            .all(|node| nested::enabled(node, findings));
        let numbered = || {
            let id = node.raw("st,proc-id")?;
            Some(property::cell(id))
        };
        let id = match (&link, numbered()) {
            (Some(Link { id, .. }), _) => *id,
            (None, Some(id)) => findings.take(&node.path(), "st,proc-id", id).unwrap_or(default_id),
            (None, None) => default_id,
        };
        let processor = nested::describe(node, id, enabled, uses, findings);
        let by_compatible = names.iter().any(|name| name.ends_with(TEE_SUFFIX));
        match link {
            Some(link) => hand_over(&mut found.services, link, processor, findings),
            None if by_compatible => {
                let link = Link { uuid: REMOTEPROC_TA.to_owned(), path: node.path(), enabled: true, id };
                hand_over(&mut found.services, link, processor, findings);
            }
            None => {
                let translations = bus::translations(node, findings);
                found.platform.push(PlatformProcessor { processor, translations });
            }
        }
    }
    found
}

/// Where a platform node is handed to.
struct Link {
    uuid: String,
    path: String,
    enabled: bool,
    id: u32,
}

fn link(node: NodeRef<'_>, findings: &mut Findings) -> Option<Link> {
    let (property, value) = LINKS.iter().find_map(|name| Some((*name, node.raw(name)?)))?;
    let path = node.path();
    let cells = findings.take(&path, property, property::cells(value))?;
    let &[phandle, id] = cells.as_slice() else {
        let expected = "a phandle of the service and the processor's id".to_string();
        findings.error(&path, property, Problem::Length { expected, found: value.len() });
        return None;
    };
    let Some(service) = node.tree().by_phandle(phandle) else {
        findings.error(&path, property, Problem::DanglingPhandle { entry: 0, phandle });
        return None;
    };
    let names = service.raw("compatible").and_then(|names| property::strings(names).ok());
    let uuid = names.unwrap_or_default().iter().find_map(|name| nested::uuid_text(name));
    let Some(uuid) = uuid else {
        let expected = "a UUID as 8-4-4-4-12 hexadecimal digits, that of the service's Trusted Application";
        let found = format!("no such compatible, and {path} refers to it");
        let problem = Problem::Value { expected: expected.to_string(), found };
        findings.error(&service.path(), "compatible", problem);
        return None;
    };
    Some(Link { uuid, path: service.path(), enabled: nested::enabled(service, findings), id })
}

fn hand_over(services: &mut Vec<Service>, link: Link, mut processor: Processor, findings: &mut Findings) {
    processor.enabled &= link.enabled;
    let Some(service) = services.iter_mut().find(|service| service.uuid == link.uuid) else {
        let Link { uuid, path, enabled, .. } = link;
        services.push(Service { uuid, path, enabled, processors: Vec::from([processor]) });
        return;
    };
    if let Some(other) = service.processors.iter().find(|other| other.id == processor.id) {
        let what = format!("the processor id {}", processor.id);
        let problem = Problem::Duplicate { what, other: other.path.clone() };
        findings.node_error(&processor.path, problem);
    }
    service.processors.push(processor);
}

#[cfg(test)]
mod tests {
    use crate::testing::{compile, linux};
    use crate::{Model, Problem, Tree};
    use std::panic;
    use std::prelude::rust_2024::*;
    use std::{eprintln, format};

    /// The DK2 with its nested node off, and the platform node of these first properties on.
    fn with(firmware: &str, node: &str) -> Option<Model> {
        let source = include_str!("../../../bindings/boards/stm32mp157f-dk2/linux.dts");
        let nested = source.find("rproc-service@0 {").unwrap();
        let end = source.find("\t\tscmi {").unwrap();
        let platform = "m4_rproc: m4@10000000 {\n\t\t\tcompatible = \"st,stm32mp1-m4\";";
        assert!(source.contains(platform));
        let source = format!("{}}};\n{firmware}{}", &source[..nested], &source[end..]);
        let source = source.replace(platform, &format!("m4@10000000 {{ {node}")).replace("disabled", "okay");
        let blob = compile(&source);
        if blob.is_none() {
            eprintln!("SKIPPED: dtc is not installed, the layout was not tried");
        }
        blob.map(|blob| Model::of(&Tree::parse(&blob).unwrap()))
    }

    const OPTEE_RPROC: &str =
        "tee_rproc: optee-rproc { compatible = \"80a4c275-0a47-4905-8285-1486a9771a08\"; };";

    fn assert_the_m4_is_the_tees(model: &Model, name: &str) {
        let (found, _) = (model.processor("m4"), assert_eq!(model.platform, [], "{name}"));
        let m4 = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((m4.id, m4.enabled, m4.memory_regions.len()), (0, true, 7), "{name}");
        assert_eq!(m4.mailboxes["detach"].channel, 3, "{name}");
        assert_eq!(model.services[0].uuid, super::REMOTEPROC_TA, "{name}");
    }

    #[test]
    fn every_published_layout_gives_the_same_processor() {
        let ordinary = "compatible = \"st,stm32mp1-m4\";";
        for (name, firmware, node) in [
            ("v19", "", "compatible = \"st,stm32mp1-m4-tee\";".to_owned()),
            ("v21", OPTEE_RPROC, format!("{ordinary} rproc-tee-phandle = <&tee_rproc 0>;")),
            ("v22", OPTEE_RPROC, format!("{ordinary} st,rproc-tee = <&tee_rproc 0>;")),
        ] {
            let Some(model) = with(firmware, &node) else { return };
            assert_the_m4_is_the_tees(&model, name);
        }
        let Some(model) = with("", ordinary) else { return };
        assert!(model.services.is_empty(), "nothing hands the ordinary node over");
        assert!(model.platform[0].processor.enabled);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_named() {
        let ordinary = "compatible = \"st,stm32mp1-m4\";";
        let broken = |property: &str, holds: fn(&Problem) -> bool| {
            let Some(model) = with(OPTEE_RPROC, &format!("{ordinary} {property};")) else { return };
            let found = model.findings.iter().any(|finding| holds(&finding.problem));
            assert!(found, "{property}: {:?}", model.findings);
        };
        broken("st,rproc-tee = <&tee_rproc>", |problem| matches!(problem, Problem::Length { found: 4, .. }));
        broken("st,rproc-tee = <0x7777 0>", |problem| matches!(problem, Problem::DanglingPhandle { .. }));
        broken("rproc-tee-phandle = <&intc 0>", |problem| matches!(problem, Problem::Value { .. }));
    }

    #[test]
    fn the_boards_platform_nodes_are_off_and_whole() {
        for (board, ids) in
            [("stm32mp157f-dk2", &[0][..]), ("stm32mp257f-ev1", &[1, 2]), ("stm32mp215f-dk", &[1])]
        {
            let model = Model::of(&linux(board));
            assert_eq!(model.findings, [], "{board}");
            let found: Vec<u32> = model.platform.iter().map(|one| one.processor.id).collect();
            assert_eq!(found, ids, "{board}");
            assert!(model.platform.iter().all(|one| !one.processor.enabled), "{board}");
            assert!(model.platform.iter().all(|one| !one.processor.resets.is_empty()), "{board}");
        }
    }
}
