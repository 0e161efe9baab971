//! Blobs for tests: the committed example, hand-made ones, and sources compiled where `dtc` is installed.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::vec::Vec;

/// Where the boards' trees are.
pub(crate) const BOARDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bindings/boards");
/// Linux's tree of the STM32MP257F-EV1.
pub(crate) const EXAMPLE: &[u8] = include_bytes!("../../../bindings/boards/stm32mp257f-ev1/linux.dtb");

/// OP-TEE's tree of the same board.
pub(crate) const SECURE: &[u8] = include_bytes!("../../../bindings/boards/stm32mp257f-ev1/secure.dtb");

/// Linux's tree of a board.
pub(crate) fn linux(board: &str) -> crate::Tree {
    view(board, "linux")
}

/// OP-TEE's tree of a board.
pub(crate) fn secure(board: &str) -> crate::Tree {
    view(board, "secure")
}

fn view(board: &str, view: &str) -> crate::Tree {
    let file = std::format!("{BOARDS}/{board}/{view}.dtb");
    let blob = std::fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    crate::Tree::parse(&blob).unwrap()
}

/// A version 17 blob around a structure and a strings block.
pub(crate) fn blob(structure: &[u8], strings: &[u8]) -> Vec<u8> {
    let structure_offset = 40 + 16;
    let strings_offset = structure_offset + structure.len();
    let total = strings_offset + strings.len();
    let words =
        [0xd00d_feed, total, structure_offset, strings_offset, 40, 17, 16, 0, strings.len(), structure.len()];
    let mut blob: Vec<u8> = words.iter().flat_map(|word| (*word as u32).to_be_bytes()).collect();
    blob.extend([0; 16]);
    blob.extend_from_slice(structure);
    blob.extend_from_slice(strings);
    blob
}

/// A property for [`tree_blob`].
pub(crate) fn property<'a>(name: &'a str, value: &'a [u8]) -> (&'a str, &'a [u8]) {
    (name, value)
}

/// A blob whose root has these properties and no children.
pub(crate) fn tree_blob(properties: &[(&str, &[u8])]) -> Vec<u8> {
    let mut structure = [1u32.to_be_bytes(), [0; 4]].concat();
    let mut strings = Vec::new();
    for (name, value) in properties {
        for word in [3, value.len() as u32, strings.len() as u32] {
            structure.extend(word.to_be_bytes());
        }
        structure.extend_from_slice(value);
        structure.resize(structure.len().next_multiple_of(4), 0);
        strings.extend_from_slice(name.as_bytes());
        strings.push(0);
    }
    structure.extend([2u32, 9].iter().flat_map(|word| word.to_be_bytes()));
    blob(&structure, &strings)
}

/// Compiles a source as bindings/README.md says, or gives nothing when `dtc` is not installed.
pub(crate) fn compile(source: &str) -> Option<Vec<u8>> {
    let mut command = Command::new("dtc");
    command.args(["-q", "-I", "dts", "-O", "dtb", "-i", &std::format!("{BOARDS}/stm32mp257f-ev1"), "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("dtc cannot be started: {error}"),
    };
    child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "dtc refuses the source");
    Some(output.stdout)
}
