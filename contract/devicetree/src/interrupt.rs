//! Which line of the GIC an interrupt of a tree reaches, directly or through an EXTI.

use crate::model::ProviderRef;
use crate::property;
use crate::reference::{self, ListKind};
use crate::tree::{NodeRef, Tree};

/// The first cell of a GIC specifier for a shared peripheral interrupt.
const GIC_SPI: u32 = 0;
/// The lines of an EXTI, in their order: each is handed on to the GIC, or is 0.
const LINES: ListKind =
    ListKind { list: "interrupts-extended", cells: "#interrupt-cells", names: "interrupt-names" };

/// The SPI number that an interrupt reaches; nothing when it is another kind, or its controller hands it on to nobody.
pub(crate) fn spi(tree: &Tree, interrupt: &ProviderRef) -> Option<u16> {
    match interrupt.arguments.as_slice() {
        [GIC_SPI, number, _] => u16::try_from(*number).ok(),
        [line, _] => through_exti(tree.node(&interrupt.provider)?, *line),
        _ => None,
    }
}

/// An EXTI's lines are the entries of its own `interrupts-extended`.
fn through_exti(exti: NodeRef<'_>, line: u32) -> Option<u16> {
    let cells = property::cells(exti.raw(LINES.list)?).ok()?;
    let mut rest = cells.as_slice();
    for _ in 0..line {
        rest = reference::entry(exti, &LINES, rest)?.1;
    }
    match reference::entry(exti, &LINES, rest)?.0?.arguments.as_slice() {
        [GIC_SPI, number, _] => u16::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::spi;
    use crate::Tree;
    use crate::model::ProviderRef;
    use crate::testing::SECURE;
    use std::prelude::rust_2024::*;
    use std::vec;

    fn reaches(provider: &str, arguments: Vec<u32>) -> Option<u16> {
        let tree = Tree::parse(SECURE).unwrap();
        spi(&tree, &ProviderRef { name: None, provider: provider.to_owned(), arguments })
    }

    #[test]
    fn interrupts_reach_the_gic_directly_and_through_exti() {
        assert_eq!(reaches("/interrupt-controller@4ac00000", vec![0, 246, 4]), Some(246));
        assert_eq!(reaches("/interrupt-controller@4ac00000", vec![1, 9, 4]), None, "private to a core");
        let exti = "/soc@0/interrupt-controller@46230000";
        assert_eq!(reaches(exti, vec![49, 4]), Some(4), "the seed's interrupt of the M33");
        assert_eq!(reaches(exti, vec![51, 4]), Some(7), "the seed's interrupt of the M0+");
        assert_eq!(reaches(exti, vec![46, 4]), Some(11));
        for nobody in [0, 47, 54, u32::MAX] {
            assert_eq!(reaches(exti, vec![nobody, 4]), None, "line {nobody}");
        }
    }
}
