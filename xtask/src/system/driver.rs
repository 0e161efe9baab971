//! Linux's driver (normal/linux) and what it works with, built for the kernel that is booted, and its Debian package.

use anyhow::Result;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::build::{Builder, sources};
use super::cache::Inputs;
use super::kernel_build::KernelBuild;
use super::lockdep::{Lockdep, OPTIONS};
use crate::process::output;
use crate::repository;

/// The driver of the processors.
pub const DRIVER: &str = "rproc_tee.ko";
/// That of the virtual board's mailboxes.
pub const MAILBOX: &str = "rproc_ipcc.ko";
/// What they are made from, as folders of the repository; the last one has their `Kbuild`.
const SOURCES: [&str; 3] = ["contract/abi/src", "contract/aperture/src", "normal/linux"];

/// Of the package that has the compiler of the OP-TEE build.
const STRIP: &str = "aarch64-linux-gnu-strip";

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

    /// A Debian package with our modules.
    pub fn driver_package(&self) -> Result<PathBuf> {
        let modules = self.drivers()?;
        let release = self.packages.linux_release()?;
        let name = format!("rproc-driver-{release}");
        let control = control(&name, &release);
        let script = script(&release);
        let mut inputs = Inputs::new().text(&control).text(&script);
        for module in [DRIVER, MAILBOX] {
            inputs = inputs.file(&modules.join(module))?;
        }
        let file = format!("build/{name}_{}_arm64.deb", env!("CARGO_PKG_VERSION"));
        self.cache.entry(&file, &inputs, |package| {
            let root = package.with_extension("root");
            let (meta, updates) = (root.join("DEBIAN"), root.join(updates(&release)));
            fs::create_dir_all(&meta)?;
            fs::create_dir_all(&updates)?;
            for module in [DRIVER, MAILBOX] {
                let installed = updates.join(module);
                fs::copy(modules.join(module), &installed)?;
                output(Command::new(STRIP).arg("--strip-debug").arg(installed))?;
            }
            fs::write(meta.join("control"), &control)?;
            for when in ["postinst", "postrm"] {
                fs::write(meta.join(when), &script)?;
                fs::set_permissions(meta.join(when), fs::Permissions::from_mode(0o755))?;
            }
            output(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).args([&root, package]))?;
            Ok(fs::remove_dir_all(root)?)
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

/// Where the kernel's build puts modules that are not its own, which `modprobe` prefers.
pub fn updates(release: &str) -> String {
    format!("usr/lib/modules/{release}/updates")
}

fn control(name: &str, release: &str) -> String {
    format!(
        "Package: {name}\n\
         Version: {}\n\
         Architecture: arm64\n\
         Maintainer: {}\n\
         Depends: kmod, linux-image-{release}\n\
         Section: kernel\n\
         Priority: optional\n\
         Description: remote processors whose firmware a TEE service loads\n \
         The kernel modules rproc_tee and rproc_ipcc, for Linux {release} alone.\n",
        env!("CARGO_PKG_VERSION"),
        "The rproc authors",
    )
}

/// After the modules have come or gone.
fn script(release: &str) -> String {
    format!("#!/bin/sh\nset -e\nif [ -d /lib/modules/{release} ]; then /usr/sbin/depmod {release}; fi\n")
}
