//! How a processor's own addresses become those of the Cortex-A: `dma-ranges` of the bus it sits on.

use alloc::format;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::ops::Range;

use crate::address;
use crate::finding::{Findings, Problem};
use crate::property;
use crate::tree::NodeRef;

/// One window: addresses of the processor and of the Cortex-A for the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// First address as the processor sees it.
    pub device: u64,
    /// The same byte's physical address.
    pub physical: u64,
    /// Bytes, above 0; neither end exceeds 64 bits.
    pub size: u64,
}

impl Translation {
    /// The processor's address of a physical range that lies wholly inside.
    #[must_use]
    pub fn device_address(&self, physical: &Range<u64>) -> Option<u64> {
        let offset = physical.start.checked_sub(self.physical)?;
        (physical.end.checked_sub(self.physical)? <= self.size).then(|| self.device.saturating_add(offset))
    }
}

/// The windows of the bus above `node`, in its order; none when the bus says nothing, and the two addresses are the same.
pub(crate) fn translations(node: NodeRef<'_>, findings: &mut Findings) -> Vec<Translation> {
    const LIST: &str = "dma-ranges";
    let Some(bus) = node.parent() else { return Vec::new() };
    let Some(value) = bus.raw(LIST) else { return Vec::new() };
    let path = bus.path();
    let Some(cells) = findings.take(&path, LIST, property::cells(value)) else { return Vec::new() };
    let above = bus.parent().and_then(address::cells);
    let (Some((child, sizes)), Some((parent, _))) = (address::cells(bus), above) else {
        let expected = "up to 3 address and size cells, here and in the node above".to_string();
        findings.error(&path, LIST, Problem::Missing { expected });
        return Vec::new();
    };
    let entry = child + parent + sizes;
    if entry == 0 || !cells.len().is_multiple_of(entry) {
        let expected =
            format!("entries of {entry} cells: the processor's address, the Cortex-A's address, the size");
        findings.error(&path, LIST, Problem::Length { expected, found: value.len() });
        return Vec::new();
    }
    let mut windows = Vec::new();
    for cells in cells.chunks_exact(entry) {
        let window = window(cells, child, parent);
        match window {
            Some(window) => windows.push(window),
            None => {
                let expected = "windows of a size above 0 that end within 64 bits".to_string();
                findings.error(&path, LIST, Problem::Value { expected, found: format!("{cells:x?}") });
            }
        }
    }
    windows
}

fn window(cells: &[u32], child: usize, parent: usize) -> Option<Translation> {
    let (device, rest) = cells.split_at_checked(child)?;
    let (physical, size) = rest.split_at_checked(parent)?;
    let (device, physical) = (address::number(device)?, address::number(physical)?);
    let size = address::number(size).filter(|size| *size > 0)?;
    device.checked_add(size)?;
    physical.checked_add(size)?;
    Some(Translation { device, physical, size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tree;
    use crate::testing::{compile, secure};
    use std::eprintln;

    #[test]
    fn the_cortex_m4_boots_from_retram_at_zero() {
        let tree = secure("stm32mp157f-dk2");
        let mut findings = Findings::default();
        let windows = translations(tree.node("/ahb@10000000/m4@10000000").unwrap(), &mut findings);
        assert_eq!(findings.list, []);
        assert_eq!(windows[0], Translation { device: 0, physical: 0x3800_0000, size: 0x1_0000 });
        assert_eq!(windows[0].device_address(&(0x3800_0010..0x3801_0000)), Some(0x10));
        assert_eq!(windows[0].device_address(&(0x3800_0010..0x3801_0001)), None);
        assert_eq!(windows[0].device_address(&(0x37ff_ffff..0x3800_0001)), None);
    }

    #[test]
    fn impossible_windows_are_named() {
        let source = |ranges: &str| {
            std::format!(
                "/dts-v1/; / {{ #address-cells = <1>; #size-cells = <1>; bus {{ #address-cells = <1>; \
                #size-cells = <1>; dma-ranges = {ranges}; m {{ }}; }}; }};"
            )
        };
        for (ranges, flaws) in [("<1 2 3>", 0), ("<1 2>", 1), ("<1 2 0>", 1), ("<0 0 1>, <9 9 0>", 1)] {
            let Some(blob) = compile(&source(ranges)) else {
                eprintln!("SKIPPED: dtc is not installed, dma-ranges were not tried");
                return;
            };
            let tree = Tree::parse(&blob).unwrap();
            let mut findings = Findings::default();
            translations(tree.node("/bus/m").unwrap(), &mut findings);
            assert_eq!(findings.list.len(), flaws, "{ranges}: {:?}", findings.list);
        }
    }
}
