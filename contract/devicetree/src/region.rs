//! Reserved memory: the regions below `/reserved-memory` and those that a processor names.

use crate::finding::{Findings, Problem};
use crate::model::MemoryRegion;
use crate::property;
use crate::tree::{NodeRef, Tree};
use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString as _;
use alloc::vec::Vec;

/// Addresses and sizes have one or two cells; three (PCI) have no meaning for memory.
const MAXIMUM_ADDRESS_CELLS: u32 = 2;

/// Every placed region below `/reserved-memory`, in the order of the blob; regions that Linux places itself are left out.
pub(crate) fn reserved(tree: &Tree, findings: &mut Findings) -> Vec<MemoryRegion> {
    let Some(parent) = tree.node("/reserved-memory") else { return Vec::new() };
    let mut regions = Vec::new();
    for node in parent.children().filter(|node| node.raw("reg").is_some()) {
        match region(node) {
            Ok(region) => regions.push(region),
            Err((property, problem)) => findings.error(&node.path(), property, problem),
        }
    }
    regions
}

/// The regions that `node` names in `memory-region`, in its order.
pub(crate) fn named_by(node: NodeRef<'_>, findings: &mut Findings) -> Vec<MemoryRegion> {
    const LIST: &str = "memory-region";
    let path = node.path();
    let Some(value) = node.raw(LIST) else { return Vec::new() };
    let Some(phandles) = findings.take(&path, LIST, property::cells(value)) else { return Vec::new() };
    let mut regions: Vec<MemoryRegion> = Vec::new();
    for (entry, phandle) in phandles.into_iter().enumerate() {
        let Some(target) = node.tree().by_phandle(phandle) else {
            findings.error(&path, LIST, Problem::DanglingPhandle { entry, phandle });
            continue;
        };
        if target.parent().is_none_or(|parent| parent.path() != "/reserved-memory") {
            let expected = format!("a child of /reserved-memory in entry {entry}, which Linux keeps free");
            findings.error(&path, LIST, Problem::Value { expected, found: target.path() });
            continue;
        }
        match region(target) {
            Ok(region) => {
                conflicts(&path, &regions, &region, findings);
                regions.push(region);
            }
            Err((property, fault)) => {
                let problem =
                    Problem::Region { entry, region: target.path(), property, fault: Box::new(fault) };
                findings.error(&path, LIST, problem);
            }
        }
    }
    regions
}

/// Linux takes the first region of a name; two that share bytes give the same memory to two users.
fn conflicts(path: &str, regions: &[MemoryRegion], new: &MemoryRegion, findings: &mut Findings) {
    for other in regions {
        if other.name == new.name {
            let problem =
                Problem::Duplicate { what: format!("the name `{}`", new.name), other: other.path.clone() };
            findings.error(path, "memory-region", problem);
        }
        if other.overlaps(new) {
            let problem = Problem::Overlap { first: other.to_string(), second: new.to_string() };
            findings.error(path, "memory-region", problem);
        }
    }
}

fn region(node: NodeRef<'_>) -> Result<MemoryRegion, (&'static str, Problem)> {
    let at = |property| move |problem| (property, problem);
    let parent = node.parent().unwrap_or(node);
    // Absent cells mean 2 and 1 (Devicetree Specification 2.3.5).
    let address_cells = property::cell_count(parent, "#address-cells", Some(2), MAXIMUM_ADDRESS_CELLS);
    let address_cells = address_cells.map_err(at("#address-cells"))? as usize;
    let size_cells = property::cell_count(parent, "#size-cells", Some(1), MAXIMUM_ADDRESS_CELLS);
    let size_cells = size_cells.map_err(at("#size-cells"))? as usize;
    let expected = || format!("one address of {address_cells} and one size of {size_cells} cells of 4 bytes");
    let missing = || Problem::Missing {
        expected: format!("{}; a remote processor's region cannot be placed by Linux", expected()),
    };
    let value = node.raw("reg").ok_or_else(missing).map_err(at("reg"))?;
    let cells = property::cells(value).map_err(at("reg"))?;
    let length = || (("reg"), Problem::Length { expected: expected(), found: value.len() });
    let (address, size) = cells.split_at_checked(address_cells).ok_or_else(length)?;
    if size.len() != size_cells {
        return Err(length());
    }
    let (address, size) = (number(address), number(size));
    if size == 0 || address.checked_add(size).is_none() {
        let expected = "a size above 0 and an end within 64 bits".to_owned();
        let found = format!("address {address:#x}, size {size:#x}");
        return Err(("reg", Problem::Value { expected, found }));
    }
    let compatible = node.raw("compatible").and_then(|value| property::strings(value).ok());
    Ok(MemoryRegion {
        name: node.base_name().to_owned(),
        path: node.path(),
        address,
        size,
        no_map: node.raw("no-map").is_some(),
        shared_dma_pool: compatible.is_some_and(|names| names.iter().any(|name| name == "shared-dma-pool")),
    })
}

/// At most two cells as one number.
fn number(cells: &[u32]) -> u64 {
    cells.iter().fold(0, |number, cell| number << 32 | u64::from(*cell))
}
