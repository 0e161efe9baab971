//! A second kernel, from Debian's sources, with the kernel's own checks of locks, objects and memory on.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

use super::cache::{Cache, Inputs};
use super::kernel_build::{Kernel, KernelBuild, jobs, unpack_sources};
use crate::process::logged;

/// What it has beyond nothing.
pub const OPTIONS: &str = include_str!("lockdep.config");
/// Of the sources only what this configuration may be made from: below `drivers`, these folders have none of it.
const NOT_READ: [&str; 6] = [
    "Documentation/*/*",
    "arch/*/boot/dts/*/*",
    "arch/[b-z]*/*.[chS]",
    "sound/*.[ch]",
    "tools/perf/*",
    "tools/testing/*",
];
const DRIVERS_NOT_READ: [&str; 20] = [
    "accel",
    "clk/*",
    "comedi",
    "crypto",
    "gpu",
    "hid",
    "hwmon",
    "iio",
    "infiniband",
    "input",
    "md",
    "media",
    "mtd",
    "net/*",
    "pinctrl",
    "platform",
    "scsi",
    "staging",
    "usb",
    "video",
];
/// What modules are built with, once the kernel is there: folders of its tree, and what is left of others is not needed.
const KEPT: [&str; 5] = ["arch", "include", "installed", "rust", "scripts"];
/// Where it is in the folder of the compilers: part of that entry of the cache, and made anew with it.
const PLACE: &str = "packages/kernel-build/lockdep";
/// Where in its tree the kernel and its modules are, as Debian's packages have them.
const INSTALLED: &str = "installed/usr/lib/modules";

/// The kernel, and what builds modules for it.
pub struct Lockdep {
    /// For modules.
    pub build: KernelBuild,
    /// `vmlinuz` (a plain arm64 Image) and the folder `kernel` of its modules.
    pub linux: PathBuf,
}

impl Lockdep {
    /// Builds it from the sources of Debian's kernel, unless it is there: some minutes.
    pub fn get(debian: &KernelBuild, cache: &Cache, kernel: &Kernel) -> Result<Self> {
        let release = release(kernel);
        let inputs = Inputs::new().text(include_str!("lockdep.rs")).text(OPTIONS);
        let inputs = inputs.text(include_str!("kernel_build.rs")).text(&kernel.version);
        let tree = cache.entry(PLACE, &inputs, |tree| {
            make(debian, cache, &release, tree)
                .context("the kernel with lockdep (docs/system.md, The kernel with lockdep)")
        })?;
        Ok(Self { linux: tree.join(INSTALLED).join(&release), build: debian.for_tree(tree) })
    }
}

/// What `uname -r` says of it: the sources' version, and what it is for.
fn release(kernel: &Kernel) -> String {
    let upstream = kernel.release.split(['+', '-']).next().unwrap_or(&kernel.release);
    format!("{upstream}-lockdep")
}

fn make(debian: &KernelBuild, cache: &Cache, release: &str, tree: &Path) -> Result<()> {
    let drivers = DRIVERS_NOT_READ.map(|folder| format!("drivers/{folder}/*.[ch]"));
    let not_read: Vec<&str> = NOT_READ.into_iter().chain(drivers.iter().map(String::as_str)).collect();
    unpack_sources(&debian.source_archive()?, &not_read, tree)?;
    fs::write(tree.join("lockdep.config"), OPTIONS)?;
    let log = |step: &str| cache.place(&format!("logs/lockdep-{step}.log"));
    let build = debian.for_tree(tree.to_owned());
    let run = |step: &str, words: &[&str]| -> Result<()> {
        let mut make = build.make()?;
        make.args([&jobs(), &format!("KERNELRELEASE={release}")]).args(words);
        logged(&mut make, &log(step))
    };
    run("config", &["KCONFIG_ALLCONFIG=lockdep.config", "allnoconfig"])?;
    let made = fs::read_to_string(tree.join(".config"))?;
    let lost = lost(OPTIONS, &made);
    anyhow::ensure!(
        lost.is_empty(),
        "this kernel's configuration has not {}, which xtask/src/system/lockdep.config asks for: an option was renamed or depends on \
         another one now",
        lost.join(", ")
    );
    run("build", &["Image", "modules"])?;
    let inside = build.inside(tree)?;
    run(
        "install",
        &[&format!("INSTALL_MOD_PATH={}/installed/usr", inside.display()), "DEPMOD=true", "modules_install"],
    )?;
    fs::copy(tree.join("arch/arm64/boot/Image"), tree.join(INSTALLED).join(release).join("vmlinuz"))?;
    for entry in fs::read_dir(tree)? {
        let path = entry?.path();
        if path.is_dir() && !KEPT.iter().any(|kept| path.ends_with(kept)) {
            fs::remove_dir_all(path)?;
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains("vmlinux")) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The options that were asked for and did not come.
fn lost<'a>(wanted: &'a str, made: &str) -> Vec<&'a str> {
    let is_there = |option: &&str| !made.lines().any(|line| line == *option);
    wanted.lines().filter(|line| line.starts_with("CONFIG_")).filter(is_there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_did_not_come_is_named() {
        let wanted = "# why\nCONFIG_A=y\nCONFIG_B=m\n";
        assert!(lost(wanted, "CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=y\n").is_empty());
        assert_eq!(lost(wanted, "CONFIG_A=y\n# CONFIG_B is not set\n"), ["CONFIG_B=m"]);
        assert!(OPTIONS.contains("\nCONFIG_PROVE_LOCKING=y\n"));
    }

    #[test]
    fn it_is_named_after_the_sources() {
        let of = |name: &str| release(&Kernel { release: name.to_owned(), version: String::new() });
        assert_eq!(of("7.3.4+deb13-arm64"), "7.3.4-lockdep");
        assert_eq!(of("7.3-arm64"), "7.3-lockdep");
    }
}
