//! The rules of the house, checked on the tree itself: who may depend on whom, and how a file begins.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A world, by the folder that its crates live in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum World {
    Contract,
    Secure,
    Normal,
    Firmware,
    Board,
    Cli,
    Tool,
}

impl World {
    fn of(folder: &str) -> Self {
        match folder.split('/').next().unwrap_or_default() {
            "contract" => Self::Contract,
            "secure" => Self::Secure,
            "normal" => Self::Normal,
            "firmware" => Self::Firmware,
            "board" => Self::Board,
            "cli" => Self::Cli,
            _ => Self::Tool,
        }
    }

    /// The rule of docs/design.md.
    fn may_use(self, other: Self) -> bool {
        match self {
            Self::Contract => other == Self::Contract,
            Self::Secure | Self::Normal | Self::Firmware => other == Self::Contract || other == self,
            Self::Board => matches!(other, Self::Contract | Self::Secure | Self::Normal),
            Self::Cli => other != Self::Tool,
            Self::Tool => true,
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every `Cargo.toml` or `*.rs` of the repository, by path from its top.
fn files(wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if wanted(&path) {
                found.push(path.strip_prefix(root()).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// The crates by name, with their folder and the crates of ours that they name as dependencies for building.
fn crates() -> BTreeMap<String, (String, Vec<String>)> {
    let mut crates = BTreeMap::new();
    for manifest in files(|path| path.ends_with("Cargo.toml")) {
        let text = std::fs::read_to_string(root().join(&manifest)).unwrap();
        let (mut section, mut name, mut uses) = (String::new(), None, Vec::new());
        for line in text.lines().map(str::trim) {
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_end_matches(']').to_owned();
            } else if section == "package" && name.is_none() {
                name = line.strip_prefix("name = ").map(|name| name.trim_matches('"').to_owned());
            } else if section.ends_with("dependencies") && !section.contains("dev-") {
                let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
                if dependency.starts_with("rproc") && section != "workspace.dependencies" {
                    uses.push(dependency.to_owned());
                }
            }
        }
        if let Some(name) = name {
            let folder = manifest.parent().unwrap().to_string_lossy().into_owned();
            crates.insert(name, (folder, uses));
        }
    }
    crates
}

#[test]
fn no_world_depends_on_one_that_it_may_not_know() {
    let crates = crates();
    let mut checked = 0;
    for (name, (folder, uses)) in &crates {
        for used in uses {
            let (other, _) = &crates[used];
            assert!(
                World::of(folder).may_use(World::of(other)),
                "{name} in {folder} may not depend on {used} in {other}: see the dependency rule in docs/design.md"
            );
            checked += 1;
        }
    }
    assert!(checked > 20, "the manifests were not understood: only {checked} dependencies found");
}

#[test]
fn the_rule_itself_forbids_what_it_should() {
    assert!(!World::Secure.may_use(World::Normal));
    assert!(!World::Normal.may_use(World::Secure));
    assert!(!World::Contract.may_use(World::Board));
    assert!(!World::Firmware.may_use(World::Secure));
    assert!(!World::Board.may_use(World::Cli));
}

#[test]
fn a_crate_is_called_like_its_folder() {
    for (name, (folder, _)) in crates() {
        let last = folder.rsplit('/').next().unwrap_or_default();
        let called = name.strip_prefix("rproc-").unwrap_or(&name);
        let exceptions = ["cli", "fuzz"].contains(&last) || folder.starts_with("firmware");
        assert!(exceptions || called == last, "{name} lives in {folder}");
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let sources = files(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(sources.len() > 50);
    for source in sources {
        let text = std::fs::read_to_string(root().join(&source)).unwrap();
        assert!(text.starts_with("//!"), "{} does not open with a //! sentence", source.display());
    }
}

/// The ports to OP-TEE, which call C: the only crates of these worlds with unsafe code, each block with its reason.
const PORTS: [&str; 2] = ["secure/optee/pta", "secure/optee/ta"];

#[test]
fn contract_and_secure_crates_are_no_std_and_without_unsafe() {
    for (name, (folder, _)) in crates() {
        if !matches!(World::of(&folder), World::Contract | World::Secure) || PORTS.contains(&folder.as_str())
        {
            continue;
        }
        let library = std::fs::read_to_string(root().join(&folder).join("src/lib.rs")).unwrap();
        assert!(library.contains("#![no_std]"), "{name} is not no_std");
        assert!(library.contains("#![forbid(unsafe_code)]"), "{name} does not forbid unsafe code");
    }
}

#[test]
fn the_ports_to_op_tee_are_no_std_and_give_a_reason_for_unsafe_code() {
    let ports: Vec<_> = PORTS.into_iter().filter(|folder| root().join(folder).is_dir()).collect();
    assert!(!ports.is_empty());
    for folder in ports {
        let read = |file: &str| std::fs::read_to_string(root().join(folder).join(file));
        let main = read("src/lib.rs").or_else(|_| read("src/main.rs")).unwrap();
        assert!(main.contains("#![no_std]"), "{folder} is not no_std");
        let manifest = read("Cargo.toml").unwrap();
        for lint in ["undocumented_unsafe_blocks", "unsafe_op_in_unsafe_fn"] {
            assert!(manifest.contains(&format!("{lint} = \"deny\"")), "{folder} does not deny {lint}");
        }
    }
}
