//! Where a node's registers lie in physical memory: `reg`, translated through the `ranges` of the buses above it.

use core::ops::Range;

use crate::property;
use crate::tree::NodeRef;

/// PCI buses have three address cells; nothing has more.
const MAXIMUM_CELLS: u32 = 3;

/// Cells of an address and of a size below a bus (Devicetree Specification 2.3.5: 2 and 1 where nothing is said).
pub(crate) fn cells(bus: NodeRef<'_>) -> Option<(usize, usize)> {
    let address = property::cell_count(bus, "#address-cells", Some(2), MAXIMUM_CELLS).ok()?;
    let size = property::cell_count(bus, "#size-cells", Some(1), MAXIMUM_CELLS).ok()?;
    Some((address as usize, size as usize))
}

/// Cells as a number, if it fits 64 bits.
pub(crate) fn number(cells: &[u32]) -> Option<u64> {
    cells.iter().try_fold(0u64, |number, cell| Some(number.checked_mul(1 << 32)? | u64::from(*cell)))
}

/// The physical address of a node's first register block; nothing when it has none, or lies on a bus that Linux does not
/// translate either.
pub(crate) fn physical(node: NodeRef<'_>) -> Option<u64> {
    let bus = node.parent()?;
    let (address_cells, size_cells) = cells(bus)?;
    let reg = property::cells(node.raw("reg")?).ok()?;
    translate(bus, number(reg.get(..address_cells)?)?, address_cells, size_cells)
}

/// The physical addresses of a node's first register block.
pub(crate) fn physical_range(node: NodeRef<'_>) -> Option<Range<u64>> {
    let (address_cells, size_cells) = cells(node.parent()?)?;
    let reg = property::cells(node.raw("reg")?).ok()?;
    let size = number(reg.get(address_cells..address_cells.checked_add(size_cells)?)?)?;
    let start = physical(node)?;
    Some(start..start.checked_add(size)?)
}

fn translate(
    mut bus: NodeRef<'_>,
    mut address: u64,
    mut address_cells: usize,
    mut size_cells: usize,
) -> Option<u64> {
    // The root's addresses are physical.
    while let Some(parent) = bus.parent() {
        let (parent_cells, parent_size_cells) = cells(parent)?;
        let windows = property::cells(bus.raw("ranges")?).ok()?;
        if !windows.is_empty() {
            let entry = address_cells.checked_add(parent_cells)?.checked_add(size_cells)?;
            address = windows.chunks_exact(entry.max(1)).find_map(|window| {
                let (child, rest) = window.split_at_checked(address_cells)?;
                let (above, size) = rest.split_at_checked(parent_cells)?;
                let offset = address.checked_sub(number(child)?)?;
                (offset < number(size)?).then(|| number(above)?.checked_add(offset))?
            })?;
        }
        bus = parent;
        (address_cells, size_cells) = (parent_cells, parent_size_cells);
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::physical;
    use crate::Tree;
    use crate::testing::{EXAMPLE, compile};
    use std::eprintln;
    use std::prelude::rust_2024::*;

    #[test]
    fn mailboxes_of_the_example_lie_where_the_manual_has_them() {
        let tree = Tree::parse(EXAMPLE).unwrap();
        let at = |path: &str| physical(tree.node(path).unwrap());
        assert_eq!(at("/soc@0/mailbox@40490000"), Some(0x4049_0000));
        assert_eq!(at("/soc@0/mailbox@46250000"), Some(0x4625_0000));
        assert_eq!(at("/memory@80000000"), Some(0x8000_0000));
        assert_eq!(at("/soc@0"), None, "it has no registers");
        assert_eq!(at("/firmware/optee/rproc-service@0/m33@1"), None, "a processor id is no address");
    }

    #[test]
    fn buses_translate_only_what_their_windows_hold() {
        let source = "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; bus { #address-cells = <1>; #size-cells = <1>; \
            ranges = <0x1000 0x1 0x0 0x100>, <0x8000 0x2 0x40 0x10>; \
            a { reg = <0x1080 4>; }; b { reg = <0x8004 4>; }; c { reg = <0x1100 4>; }; }; };";
        let Some(blob) = compile(source) else {
            eprintln!("SKIPPED: dtc is not installed, bus windows were not tried");
            return;
        };
        let tree = Tree::parse(&blob).unwrap();
        let at = |path: &str| physical(tree.node(path).unwrap());
        assert_eq!(
            (at("/bus/a"), at("/bus/b"), at("/bus/c")),
            (Some(0x1_0000_0080), Some(0x2_0000_0044), None)
        );
    }
}
