//! Reads arbitrary bytes, and a board's trees with bytes changed, as either world's device tree, and decides who owns the processors.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rproc_devicetree::{Model, Owner, SecureModel, Tree, assign, ownership};

/// Trees to start from: chance alone hardly makes one.
const TREES: [&[u8]; 3] = [
    include_bytes!("../../bindings/boards/stm32mp257f-ev1/linux.dtb"),
    include_bytes!("../../bindings/boards/stm32mp257f-ev1/secure.dtb"),
    include_bytes!("../../bindings/boards/stm32mp157f-dk2/secure.dtb"),
];

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let Some((which, changes)) = bytes.split_first() else { return };
    let mut tree = TREES[usize::from(*which) % TREES.len()].to_vec();
    // Each change: an offset of two bytes and the new byte.
    for &[high, low, byte] in changes.as_chunks().0 {
        let offset = usize::from(u16::from_be_bytes([high, low])) % tree.len();
        tree[offset] = byte;
    }
    read(&tree);
});

fn read(bytes: &[u8]) {
    let Ok(tree) = Tree::parse(bytes) else { return };
    let (linux, secure) = (Model::of(&tree), SecureModel::of(&tree));
    for finding in linux.findings.iter().chain(&secure.findings) {
        assert!(finding.to_string().len() > finding.path.len());
    }
    let (owners, findings) = ownership(&linux, &secure);
    let _ = findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    for processor in owners {
        let _ = linux.processor(&processor.name);
        let Ok((linux, secure)) = assign(&tree, &tree, processor.id, Owner::Nobody) else { continue };
        let _ = ownership(&Model::of(&linux), &SecureModel::of(&secure));
    }
    for guard in secure.guards {
        assert!(
            guard.regions.iter().all(|region| region.range.start <= region.range.end),
            "a region ends before it starts"
        );
    }
}
