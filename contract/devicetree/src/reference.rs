//! Lists of phandles with arguments: mailboxes, clocks, power domains, resets and interrupts.

use crate::address;
use crate::finding::{Findings, Problem};
use crate::model::{ProviderRef, SysconField};
use crate::property;
use crate::tree::NodeRef;
use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

/// The most argument cells a reference may take (Linux: `MAX_PHANDLE_ARGS`).
const MAXIMUM_ARGUMENTS: u32 = 16;

/// One kind of reference list and its spelling.
pub(crate) struct ListKind {
    /// The property with the phandles.
    pub(crate) list: &'static str,
    /// The property of the provider that says how many cells follow the phandle.
    pub(crate) cells: &'static str,
    /// The property that names the entries.
    pub(crate) names: &'static str,
}

pub(crate) const MAILBOXES: ListKind = ListKind { list: "mboxes", cells: "#mbox-cells", names: "mbox-names" };
pub(crate) const CLOCKS: ListKind = ListKind { list: "clocks", cells: "#clock-cells", names: "clock-names" };
pub(crate) const RESETS: ListKind = ListKind { list: "resets", cells: "#reset-cells", names: "reset-names" };
pub(crate) const POWER_DOMAINS: ListKind =
    ListKind { list: "power-domains", cells: "#power-domain-cells", names: "power-domain-names" };
pub(crate) const ACCESS_CONTROLLERS: ListKind = ListKind {
    list: "access-controllers",
    cells: "#access-controller-cells",
    names: "access-controller-names",
};
const INTERRUPTS_EXTENDED: ListKind =
    ListKind { list: "interrupts-extended", cells: "#interrupt-cells", names: "interrupt-names" };

/// Reads a reference list of `node`; what cannot be resolved becomes a finding and ends the list.
pub(crate) fn list(node: NodeRef<'_>, kind: &ListKind, findings: &mut Findings) -> Vec<ProviderRef> {
    let path = node.path();
    let Some(value) = node.raw(kind.list) else {
        if node.raw(kind.names).is_some() {
            let expected = format!("the entries that `{}` names", kind.names);
            findings.error(&path, kind.list, Problem::Missing { expected });
        }
        return Vec::new();
    };
    let Some(cells) = findings.take(&path, kind.list, property::cells(value)) else { return Vec::new() };
    let mut references = Vec::new();
    let mut rest = cells.as_slice();
    while let Some((phandle, after)) = rest.split_first() {
        let entry = references.len();
        match resolve(node, kind, entry, *phandle, after) {
            Ok((reference, after)) => {
                references.push(reference);
                rest = after;
            }
            Err(problem) => {
                findings.error(&path, kind.list, problem);
                return references;
            }
        }
    }
    name(node, kind, &mut references, findings);
    references
}

fn resolve<'c>(
    node: NodeRef<'_>,
    kind: &ListKind,
    entry: usize,
    phandle: u32,
    after: &'c [u32],
) -> Result<(ProviderRef, &'c [u32]), Problem> {
    let provider = node.tree().by_phandle(phandle).ok_or(Problem::DanglingPhandle { entry, phandle })?;
    let count = provider_cells(provider, kind.cells, entry)?;
    let cut =
        || Problem::CutReference { entry, provider: provider.path(), expected: count, found: after.len() };
    let (arguments, after) = after.split_at_checked(count as usize).ok_or_else(cut)?;
    let reference = ProviderRef { name: None, provider: provider.path(), arguments: arguments.to_vec() };
    Ok((reference, after))
}

/// Reads a phandle with an offset and a mask: bits of a system controller.
pub(crate) fn syscon(
    node: NodeRef<'_>,
    property: &'static str,
    findings: &mut Findings,
) -> Option<SysconField> {
    let value = node.raw(property)?;
    let field = property::cells(value).and_then(|cells| match *cells.as_slice() {
        [phandle, offset, mask] => {
            let dangling = Problem::DanglingPhandle { entry: 0, phandle };
            let controller = node.tree().by_phandle(phandle).ok_or(dangling)?;
            let address = address::physical(controller);
            Ok(SysconField { controller: controller.path(), address, offset, mask })
        }
        _ => Err(Problem::Length {
            expected: "a phandle, an offset and a mask (12)".to_owned(),
            found: value.len(),
        }),
    });
    findings.take(&node.path(), property, field)
}

/// One entry at the start of `cells` and what follows it. A phandle of 0 is an entry of nothing (Linux: `of_phandle_iterator`).
pub(crate) fn entry<'c>(
    node: NodeRef<'_>,
    kind: &ListKind,
    cells: &'c [u32],
) -> Option<(Option<ProviderRef>, &'c [u32])> {
    match cells.split_first()? {
        (0, rest) => Some((None, rest)),
        (phandle, rest) => {
            let (reference, rest) = resolve(node, kind, 0, *phandle, rest).ok()?;
            Some((Some(reference), rest))
        }
    }
}

fn provider_cells(provider: NodeRef<'_>, cells: &'static str, entry: usize) -> Result<u32, Problem> {
    property::cell_count(provider, cells, None, MAXIMUM_ARGUMENTS).map_err(|fault| Problem::Provider {
        entry,
        provider: provider.path(),
        cells,
        fault: Box::new(fault),
    })
}

fn name(node: NodeRef<'_>, kind: &ListKind, references: &mut [ProviderRef], findings: &mut Findings) {
    let path = node.path();
    let Some(value) = node.raw(kind.names) else { return };
    let Some(names) = findings.take(&path, kind.names, property::strings(value)) else { return };
    if names.len() != references.len() {
        let problem = Problem::NameCount { names: names.len(), list: kind.list, entries: references.len() };
        findings.error(&path, kind.names, problem);
    }
    for (reference, name) in references.iter_mut().zip(names) {
        reference.name = Some(name);
    }
}

/// Reads `interrupts` with the inherited `interrupt-parent`, or `interrupts-extended`, which wins when both are there.
pub(crate) fn interrupts(node: NodeRef<'_>, findings: &mut Findings) -> Vec<ProviderRef> {
    if node.raw(INTERRUPTS_EXTENDED.list).is_some() {
        return list(node, &INTERRUPTS_EXTENDED, findings);
    }
    let path = node.path();
    let Some(value) = node.raw("interrupts") else { return Vec::new() };
    let Some(cells) = findings.take(&path, "interrupts", property::cells(value)) else { return Vec::new() };
    let mut references = match one_controller(node, &cells) {
        Ok(references) => references,
        Err((property, problem)) => {
            findings.error(&path, property, problem);
            return Vec::new();
        }
    };
    let kind = ListKind { list: "interrupts", ..INTERRUPTS_EXTENDED };
    name(node, &kind, &mut references, findings);
    references
}

fn one_controller(node: NodeRef<'_>, cells: &[u32]) -> Result<Vec<ProviderRef>, (&'static str, Problem)> {
    let parent = core::iter::successors(Some(node), |node| node.parent());
    let parent = parent.into_iter().find_map(|node| node.raw("interrupt-parent"));
    let at = "interrupt-parent";
    let missing = || Problem::Missing { expected: "a phandle here or in a parent node".to_owned() };
    let phandle = parent.ok_or_else(missing).and_then(property::cell).map_err(|problem| (at, problem))?;
    let dangling = (at, Problem::DanglingPhandle { entry: 0, phandle });
    let controller = node.tree().by_phandle(phandle).ok_or(dangling)?;
    let count = provider_cells(controller, "#interrupt-cells", 0).map_err(|problem| (at, problem))?;
    let length = count as usize;
    if length == 0 || !cells.len().is_multiple_of(length) {
        let expected = format!("{count} cells of 4 bytes for each interrupt of {}", controller.path());
        return Err(("interrupts", Problem::Length { expected, found: cells.len() * 4 }));
    }
    let reference = |arguments: &[u32]| ProviderRef {
        name: None,
        provider: controller.path(),
        arguments: arguments.to_vec(),
    };
    Ok(cells.chunks(length).map(reference).collect())
}
