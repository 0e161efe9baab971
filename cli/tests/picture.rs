//! Pictures of boards are XML that a parser takes, and say what the tables say.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

use std::process::Command;

fn picture(board: &str, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("board.svg");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rproc"));
    command.args(["board", "show", board, "--svg"]).arg(&file).args(more);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn every_picture_is_well_formed_and_holds_what_it_should() {
    for (board, words) in [
        ("stm32mp157f-dk2", &["m4: Cortex-M4", "IPCC", "WWDG1", "SPI 143", "RETRAM (84)"][..]),
        ("stm32mp257f-ev1", &["m33: Cortex-M33", "m0: Cortex-M0+", "IPCC2", "SPI 4", "SPI 7", "vdev0vring0"]),
        ("stm32mp215f-dk", &["m33: Cortex-M33", "cm33-cube-fw (2)", "under RISAF4"]),
    ] {
        let picture = picture(board, &[]);
        let document =
            roxmltree::Document::parse(&picture).unwrap_or_else(|error| panic!("{board}: {error}"));
        let texts: Vec<&str> = document
            .descendants()
            .filter(|node| node.has_tag_name("text"))
            .filter_map(|node| node.text())
            .collect();
        for word in words {
            assert!(texts.iter().any(|text| text.contains(word)), "{board} lacks {word}: {texts:?}");
        }
        let number = |node: roxmltree::Node<'_, '_>, name: &str| {
            node.attribute(name).and_then(|value| value.parse::<u32>().ok()).unwrap_or_default()
        };
        let root = document.root_element();
        let (width, height) = (number(root, "width"), number(root, "height"));
        for node in document.descendants().filter(|node| node.has_tag_name("rect")) {
            assert!(number(node, "x") + number(node, "width") <= width, "{board}: a box leaves the picture");
            assert!(
                number(node, "y") + number(node, "height") <= height,
                "{board}: a box leaves the picture"
            );
        }
    }
}

#[test]
fn names_from_a_tree_are_escaped() {
    let blob =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../bindings/boards/stm32mp257f-ev1/secure.dtb"));
    let mut blob = blob.unwrap();
    let place = blob.windows(6).position(|bytes| bytes == b"SYSRAM").unwrap();
    blob[place..place + 6].copy_from_slice(b"<&\">'M");
    let tree = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(tree.path(), blob).unwrap();
    let picture = picture("stm32mp257f-ev1", &["--secure-tree", tree.path().to_str().unwrap()]);
    let document = roxmltree::Document::parse(&picture).unwrap();
    assert!(document.descendants().any(|node| node.text() == Some("<&\">'M")), "the name is lost");
}
