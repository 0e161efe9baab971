//! Linux's driver (normal/linux) and what it works with, built for the kernel that is booted.

use anyhow::Result;
use std::fs;
use std::path::PathBuf;

use super::build::{Builder, sources};
use super::cache::Inputs;
use super::kernel_build::KernelBuild;
use super::lockdep::{Lockdep, OPTIONS};
use crate::repository;

/// The driver of the processors.
pub const DRIVER: &str = "rproc_tee.ko";
/// That of the virtual board's mailboxes.
pub const MAILBOX: &str = "rproc_ipcc.ko";
/// What they are made from, as folders of the repository; the last one has their `Kbuild`.
const SOURCES: [&str; 3] = ["contract/abi/src", "contract/aperture/src", "normal/linux"];

impl Builder<'_> {
    /// A folder with our modules for Debian's kernel. A warning of the kernel's clippy is a failure.
    pub fn drivers(&self) -> Result<PathBuf> {
        let build = self.packages.kernel_build(self.cache)?;
        self.drivers_for(&build, "drivers", true, "")
    }

    /// The same for the kernel with lockdep, which clippy does not look at again.
    pub fn lockdep_drivers(&self, kernel: &Lockdep) -> Result<PathBuf> {
        self.drivers_for(&kernel.build, "drivers-lockdep", false, OPTIONS)
    }

    fn drivers_for(&self, build: &KernelBuild, name: &str, clippy: bool, options: &str) -> Result<PathBuf> {
        let inputs = sources(&SOURCES)?.text(format!("{:?}", self.packages.versions)).text(options);
        self.cache.entry(&format!("build/{name}"), &inputs, |folder| {
            let folders = SOURCES.map(|folder| (repository().join(folder), folder));
            let folders: Vec<_> = folders.iter().map(|(from, to)| (from.as_path(), *to)).collect();
            let built = build.modules(&folders, clippy, &self.log(name)?)?;
            fs::create_dir_all(folder)?;
            for name in [DRIVER, MAILBOX] {
                fs::copy(built.join(name), folder.join(name))?;
            }
            Ok(())
        })
    }

    /// A folder with the kernel's own drivers of RPMsg over virtio.
    pub fn rpmsg(&self) -> Result<PathBuf> {
        let build = self.packages.kernel_build(self.cache)?;
        let inputs =
            Inputs::new().text(include_str!("kernel_build.rs")).text(format!("{:?}", self.packages.versions));
        self.cache.entry("build/rpmsg", &inputs, |folder| {
            fs::create_dir_all(folder)?;
            for module in build.rpmsg(&self.log("rpmsg")?)? {
                fs::copy(&module, folder.join(module.file_name().unwrap_or_default()))?;
            }
            Ok(())
        })
    }
}
