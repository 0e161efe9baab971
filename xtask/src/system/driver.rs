//! Linux's driver (normal/linux), built for the kernel that is booted.

use anyhow::Result;
use std::fs;
use std::path::PathBuf;

use super::build::{Builder, sources};
use crate::repository;

/// The module's name.
pub const NAME: &str = "rproc_tee";
/// What it is made from, as folders of the repository; the last one has its `Kbuild`.
const SOURCES: [&str; 2] = ["contract/abi/src", "normal/linux"];

impl Builder<'_> {
    /// The driver as a module for Debian's kernel. A warning of the kernel's clippy is a failure.
    pub fn driver(&self) -> Result<PathBuf> {
        let build = self.packages.kernel_build(self.cache)?;
        let inputs = sources(&SOURCES)?.text(format!("{:?}", self.packages.versions));
        self.cache.entry(&format!("build/{NAME}.ko"), &inputs, |file| {
            let folders = SOURCES.map(|folder| (repository().join(folder), folder));
            let folders: Vec<_> = folders.iter().map(|(from, to)| (from.as_path(), *to)).collect();
            fs::copy(build.module(&folders, NAME, &self.log(NAME)?)?, file)?;
            Ok(())
        })
    }
}
