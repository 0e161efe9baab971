//! How the firmware is compiled, to the same bytes wherever the repository lies.

use super::programs::Chip;
use super::{C_COMPILER, C_PROGRAM};
use crate::core_library::CoreLibrary;
use crate::process::output;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Set while cargo runs this program in place of rustc.
const WRAPPER: &str = "RPROC_XTASK_RUSTC_WRAPPER";

/// Programs by name, and their files.
pub type Built = Vec<(&'static str, PathBuf)>;

/// Builds the workspace in `firmware/`, for every chip.
pub fn build_rust(repository: &Path, scratch: &Path, core: &CoreLibrary) -> Result<Built> {
    let mut built = Built::new();
    for chip in Chip::ALL {
        // Two chips with one target would write the same files.
        let folder = chip.feature().map_or_else(|| scratch.to_path_buf(), |name| scratch.join(name));
        build_for(chip, repository, &folder, core)?;
        let release = folder.join(chip.target()).join("release");
        built.extend(chip.programs().map(|program| (program.name, release.join(program.binary))));
    }
    Ok(built)
}

fn build_for(chip: Chip, repository: &Path, scratch: &Path, core: &CoreLibrary) -> Result<()> {
    let target = chip.target();
    let mut cargo = Command::new("cargo");
    cargo.current_dir(repository.join("firmware"));
    cargo.args(["build", "--release", "--locked", "--target", target]);
    for program in chip.programs() {
        cargo.args(["--bin", program.binary]);
    }
    if let Some(feature) = chip.feature() {
        cargo.arg("--features").arg(format!("rproc-runtime/{feature}"));
    }
    cargo.arg("--target-dir").arg(scratch);
    // No path of this machine may get into the files, and none may change a symbol's name (see the wrapper).
    let mut remapped = vec![(repository.to_path_buf(), "rproc")];
    remapped.extend(cargo_home().map(|home| (home, "cargo")));
    if let Some(sources) = &core.sources {
        cargo.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
        cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", sources);
        remapped.push((sources.clone(), "rust"));
    }
    let flags: Vec<String> =
        remapped.iter().map(|(from, to)| format!("'--remap-path-prefix={}={to}'", from.display())).collect();
    cargo.arg("--config").arg(format!("target.{target}.rustflags=[{}]", flags.join(",")));
    for variable in
        ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET_DIR", "RUSTC_WORKSPACE_WRAPPER"]
    {
        cargo.env_remove(variable);
    }
    cargo.env("RUSTC_WRAPPER", std::env::current_exe()?).env(WRAPPER, "1");
    if !cargo.status().context("cargo cannot be run")?.success() {
        bail!("cargo could not build the firmware for {target}; its complaint is above");
    }
    Ok(())
}

fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// Runs rustc if cargo called this program in its place, with a crate's name and version in place of cargo's metadata:
/// cargo hashes the absolute path of a crate outside the workspace into it, and rustc hashes it into every symbol, which
/// decides their order.
pub fn run_as_rustc_wrapper() -> Option<ExitCode> {
    std::env::var_os(WRAPPER)?;
    let mut arguments = std::env::args_os().skip(1);
    let rustc = arguments.next()?;
    let name = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let arguments = arguments.map(|argument| replace_metadata(argument, &name, &version));
    let status = Command::new(rustc).args(arguments).env_remove(WRAPPER).status();
    let succeeded = status.is_ok_and(|status| status.success());
    Some(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn replace_metadata(argument: OsString, name: &str, version: &str) -> OsString {
    let is_metadata = argument.to_str().is_some_and(|text| text.starts_with("metadata="));
    if is_metadata && !name.is_empty() { format!("metadata={name}-{version}").into() } else { argument }
}

/// Builds the C program.
pub fn build_c(firmware: &Path, scratch: &Path) -> Result<PathBuf> {
    let folder = firmware.join(C_PROGRAM);
    let built = scratch.join(C_PROGRAM);
    let mut compiler = Command::new(C_COMPILER);
    compiler.current_dir(&folder);
    // The options lie beside the source, where the test that boots a fresh build finds them too.
    compiler.arg("@gcc.options").arg("-o").arg(&built);
    output(&mut compiler)?;
    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_metadata_is_replaced() {
        let replaced = |text: &str| replace_metadata(text.into(), "thiserror", "2.0.0");
        assert_eq!(replaced("metadata=0123456789abcdef"), "metadata=thiserror-2.0.0");
        assert_eq!(replaced("extra-filename=-0123"), "extra-filename=-0123");
    }
}
