//! The memory of each processor's firmware, whose the processors are and which may run already, from the secure side's device tree.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rproc_devicetree::secure::{BootWord, RegionUse, SecureProcessor};
use rproc_devicetree::{SecureModel, Tree};

const VARIABLE: &str = "RPROC_SECURE_TREE";
/// The tree of the board that the virtual machine has beside it.
const BUNDLED: &str = "../../../bindings/boards/stm32mp257f-ev1/secure.dtb";

/// The processors that this library drives: their ids, and the names of their tables.
const PROCESSORS: [(u32, &str); 2] = [(1, "M33"), (2, "M0")];

/// Rust source of a slice of `Region` a processor, empty where the TEE has no part in it, of the processors to give away, and
/// of what is said of those that may run already: of the blob that `RPROC_SECURE_TREE` names, of the STM32MP257F-EV1's when it is not set.
pub fn source() -> Result<String> {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let path = match std::env::var_os(VARIABLE) {
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join(BUNDLED),
        Some(path) => PathBuf::from(path),
    };
    println!("cargo::rerun-if-changed={}", path.display());
    let from = || format!("{}, the secure side's device tree (see {VARIABLE})", path.display());
    let blob = std::fs::read(&path).with_context(|| format!("{} cannot be read", from()))?;
    tables(&blob).with_context(from)
}

fn tables(blob: &[u8]) -> Result<String> {
    let tree = Tree::parse(blob).context("it is no device tree blob: compile the source with dtc")?;
    let model = SecureModel::of(&tree);
    let errors: Vec<String> = model.errors().map(ToString::to_string).collect();
    if !errors.is_empty() {
        bail!("it cannot be used:\n{}", errors.join("\n"));
    }
    let ours = |processor: &&SecureProcessor| processor.secure;
    if let Some(other) = model
        .processors
        .iter()
        .filter(ours)
        .find(|processor| PROCESSORS.iter().all(|(id, _)| *id != processor.id))
    {
        bail!(
            "{} is under the TEE with id {}, and this library drives ids 1 (Cortex-M33) and 2 (Cortex-M0+): \
             set its secure-status to \"disabled\"",
            other.path,
            other.id
        );
    }
    let mut source = String::new();
    let mut given_away = Vec::new();
    let mut before_tee = String::new();
    for (id, table) in PROCESSORS {
        let processor = model.processor(id).filter(ours);
        if let Some(processor) = processor.filter(|processor| processor.normal) {
            given_away.push(processor.id);
        }
        if let Some(processor) = processor {
            let SecureProcessor { started_before_tee, table_word, state_word, .. } = processor;
            let (table, state) = (word(*table_word), word(*state_word));
            writeln!(
                before_tee,
                "    ({id}, BeforeTee {{ may_run: {started_before_tee}, resource_table: {table}, state: {state} }}),"
            )?;
        }
        writeln!(source, "/// Empty where the TEE has no part in the processor.")?;
        writeln!(source, "pub const {table}: &[Region] = &[")?;
        for region in processor.iter().flat_map(|processor| &processor.regions) {
            let kind = match region.usage {
                RegionUse::Firmware => "Firmware",
                RegionUse::Ipc => "Shared",
            };
            // The processor may see it at several addresses: an entry for each.
            for device in &region.device {
                writeln!(
                    source,
                    "    Region {{ name: {:?}, device: {device:#x}, physical: {:#x}, size: {:#x}, kind: RegionKind::{kind} }},",
                    region.region.name, region.region.address, region.region.size
                )?;
            }
        }
        writeln!(source, "];")?;
    }
    writeln!(source, "/// Ids of the processors that both sides may drive: Linux gets them.")?;
    writeln!(source, "pub const GIVEN_AWAY: &[u32] = &{given_away:?};")?;
    writeln!(source, "/// What the tree says for the case that a processor runs already, by its id.")?;
    writeln!(source, "pub const BEFORE_TEE: &[(u32, BeforeTee)] = &[\n{before_tee}];")?;
    Ok(source)
}

fn word(word: Option<BootWord>) -> String {
    match word {
        Some(BootWord { register, mask }) => {
            format!("Some(rproc_platform::Word {{ address: {register:#x}, mask: {mask:#x} }})")
        }
        None => "None".to_owned(),
    }
}
