//! Builds of ours and of OP-TEE and TF-A: our programs for the guest, the TA, the platform service, and a flash image of them.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, Inputs};
use super::host::{PYTHON, libclang};
use super::packages::{PLATFORM, Packages};
use crate::core_library::{self, CoreLibrary};
use crate::process::{logged, output};
use crate::repository;

/// The remoteproc TA's UUID (OP-TEE `ta/remoteproc`), which is also its file's name.
pub const TA_UUID: &str = "80a4c275-0a47-4905-8285-1486a9771a08";
const CROSS: &str = "aarch64-linux-gnu-";
/// Of Linux programs and of Trusted Applications.
const LINUX_TARGET: &str = "aarch64-unknown-linux-gnu";
/// Of OP-TEE's core, which keeps the vector registers for its callers.
const CORE_TARGET: &str = "aarch64-unknown-none-softfloat";
/// The symbol that pulls the platform service out of its library.
const PTA_HEAD: &str = "rproc_pta_head";

/// How a Trusted Application is built; the names of secure/optee/ta/build.rs.
#[derive(Clone, Copy, Debug)]
pub struct TaSettings {
    /// Name of the build in the cache.
    pub name: &'static str,
    /// On which list of OP-TEE's an early TA is: `always`, `supplicant` or `never`.
    pub enumeration: &'static str,
    /// `strict` or `compatible`.
    pub policy: &'static str,
    /// Cargo features.
    pub features: &'static str,
}

/// A TA in both of its forms.
#[derive(Clone, Debug)]
pub struct Ta {
    /// To be linked into OP-TEE; its name begins with the UUID, as OP-TEE wants it.
    pub early: PathBuf,
    /// Signed, for tee-supplicant's folder.
    pub file: PathBuf,
}

/// How OP-TEE's core is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreSettings {
    /// Name of the build in the cache.
    pub name: &'static str,
    /// Arm's crypto extensions, which Debian's build leaves out.
    pub crypto_extensions: bool,
}

/// The key that everybody has.
pub fn development_key() -> PathBuf {
    repository().join("contract/keys/src/development.pem")
}

/// The RSA key of this cache.
pub fn rsa_key(cache: &Cache) -> PathBuf {
    cache.place("keys/rsa2048.pem")
}

/// Everything that builds.
pub struct Builder<'a> {
    /// Where it is kept.
    pub cache: &'a Cache,
    /// What it is built with.
    pub packages: &'a Packages,
}

/// What the TA and the platform service are made from; the latter has the memory of a device tree.
const SECURE_WORLD: &[&str] = &["contract", "secure", "bindings"];
/// What the guest's programs are made from: `rproc` carries the virtual board, its device trees and the samples.
const PROGRAMS: &[&str] =
    &["contract", "secure", "normal", "board", "cli", "system", "firmware/elf", "bindings"];

/// The sources in these folders of the repository, so that a change of any makes it anew.
pub fn sources(folders: &[&str]) -> Result<Inputs> {
    let repository = repository();
    let mut files = Vec::new();
    for folder in folders {
        collect(&repository.join(folder), &mut files)?;
    }
    files.push(repository.join("Cargo.lock"));
    files.sort();
    let rustc = output(Command::new("rustc").arg("-vV"))?;
    files.iter().try_fold(Inputs::new().text(rustc), |inputs, file| inputs.file(file))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if name != "target" && name != "tests" && name != "benches" {
                collect(&path, files)?;
            }
        } else if [".rs", ".toml", ".lock", ".elf", ".pem", ".dtb", ".h", "Kbuild"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            files.push(path);
        }
    }
    Ok(())
}

/// Takes Rust's `memcpy` and its like out of the library: they would replace those of OP-TEE's core, for all of the core.
fn without_memory_functions(library: &Path) -> Result<()> {
    let archiver = format!("{CROSS}ar");
    let members = output(Command::new(&archiver).arg("t").arg(library))?;
    let members: Vec<&str> = members.lines().filter(|name| name.starts_with("compiler_builtins-")).collect();
    if members.is_empty() {
        bail!("{} has no compiler_builtins in it: see secure/optee/README.md", library.display());
    }
    output(Command::new(&archiver).arg("d").arg(library).args(members)).map(drop)
}

impl Builder<'_> {
    /// A `cargo build` for another target: with rustup's library when it is installed, else from Debian's sources of it.
    fn cargo(&self, folder: &Path, target: &str, parts: &str) -> Result<Command> {
        let scratch = self.cache.place("rust");
        let mut available = core_library::find(&[target], None, &scratch)?;
        if available.libraries.is_empty() {
            available = core_library::find(&[target], Some(core_library::Origin::Debian), &scratch)?;
        }
        let Some(CoreLibrary { sources, .. }) = available.choose(|_| false) else {
            bail!("there is no core library for {target}:\n  - {}", available.missing.join("\n  - "));
        };
        let mut cargo = Command::new("cargo");
        cargo.current_dir(folder).env("CARGO_TARGET_DIR", self.cache.place("cargo")).env_remove("RUSTFLAGS");
        cargo.args(["build", "--locked", "--target", target]);
        if let Some(sources) = sources {
            cargo.env("RUSTC_BOOTSTRAP", "1").env("__CARGO_TESTS_ONLY_SRC_ROOT", sources);
            cargo.arg(format!("-Zbuild-std={parts}"));
        }
        Ok(cargo)
    }

    fn built(&self, target: &str, profile: &str, name: &str) -> PathBuf {
        self.cache.place("cargo").join(target).join(profile).join(name)
    }

    /// A program of the workspace as one static arm64 file.
    pub fn guest_program(&self, package: &str) -> Result<PathBuf> {
        self.cache.entry(&format!("build/{package}"), &sources(PROGRAMS)?, |file| {
            let mut cargo = self.cargo(&repository(), LINUX_TARGET, "std,panic_abort")?;
            cargo
                .args(["--profile", "device", "--package", package])
                .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", format!("{CROSS}gcc"))
                .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-C target-feature=+crt-static");
            logged(&mut cargo, &self.log(package)?)?;
            fs::copy(self.built(LINUX_TARGET, "device", package), file)?;
            Ok(())
        })
    }

    /// The TA, built as `settings` say and signed with the kit's development key.
    pub fn ta(&self, settings: &TaSettings) -> Result<Ta> {
        let inputs = sources(SECURE_WORLD)?.text(format!("{settings:?}"));
        let folder = self.cache.entry(&format!("build/ta-{}", settings.name), &inputs, |folder| {
            let kit = self.packages.ta_kit();
            let mut cargo =
                self.cargo(&repository().join("secure/optee/ta"), LINUX_TARGET, "core,alloc,panic_abort")?;
            cargo
                .env("TA_DEV_KIT_DIR", &kit)
                .env("RPROC_TA_ENUMERATION", settings.enumeration)
                .env("RPROC_TA_POLICY", settings.policy)
                .env("RPROC_TA_CLIENTS", "kernel,group:0")
                .args(["--release", "--features", settings.features]);
            logged(&mut cargo, &self.log(&format!("ta-{}", settings.name))?)?;
            fs::create_dir_all(folder)?;
            let early = folder.join(format!("{TA_UUID}.stripped.elf"));
            output(
                Command::new(format!("{CROSS}objcopy"))
                    .arg("--strip-unneeded")
                    .arg(self.built(LINUX_TARGET, "release", "rproc-ta"))
                    .arg(&early),
            )?;
            let mut sign = Command::new(PYTHON);
            sign.arg(kit.join("scripts/sign_encrypt.py")).args(["sign-enc", "--uuid", TA_UUID, "--key"]);
            sign.arg(kit.join("keys/default_ta.pem")).arg("--in").arg(&early);
            sign.arg("--out").arg(folder.join(format!("{TA_UUID}.ta")));
            output(&mut sign).map(drop)
        })?;
        Ok(Ta {
            early: folder.join(format!("{TA_UUID}.stripped.elf")),
            file: folder.join(format!("{TA_UUID}.ta")),
        })
    }

    /// OP-TEE's core without anything of ours: headers for the platform service, objects for every link.
    pub fn core(&self, settings: &CoreSettings) -> Result<PathBuf> {
        let name = format!("build/optee-{}", settings.name);
        let inputs = Inputs::new().text(format!("{settings:?} {:?}", self.packages.versions));
        self.cache.entry(&name, &inputs, |folder| {
            // Make records absolute names, so it must build where the build will stay.
            let place = self.cache.place(&name);
            logged(&mut self.make_core(settings, &place), &self.log(&format!("optee-{}", settings.name))?)?;
            fs::rename(place, folder)?;
            Ok(())
        })
    }

    fn make_core(&self, settings: &CoreSettings, out: &Path) -> Command {
        let mut make = Command::new("make");
        make.current_dir(&self.packages.optee_sources).args(["-j2", &format!("PYTHON3={PYTHON}")]);
        for variable in ["CROSS_COMPILE", "CROSS_COMPILE64", "CROSS_COMPILE_core"] {
            make.arg(format!("{variable}={CROSS}"));
        }
        let (flavor, board) = PLATFORM.split_once('-').unwrap_or((PLATFORM, ""));
        make.arg(format!("PLATFORM={flavor}-{board}")).arg(format!("O={}", out.display()));
        make.args([
            "CFG_ARM64_core=y",
            "CFG_ARM_GICV3=y",
            "CFG_USER_TA_TARGETS=ta_arm64",
            "CFG_BUILD_IN_TREE_TA=n",
            "CFG_EARLY_TA=y",
            "CFG_WITH_STATS=y",
            "CFG_TEE_CORE_LOG_LEVEL=2",
            "CFG_TEE_TA_LOG_LEVEL=2",
            "DEBUG=0",
        ]);
        if settings.crypto_extensions {
            make.arg("CFG_CRYPTO_WITH_CE=y");
        }
        make.arg("all");
        make
    }

    /// The platform service as a library for that core.
    pub fn pta(&self, settings: &CoreSettings, features: &str) -> Result<PathBuf> {
        let core = self.core(settings)?;
        let inputs = sources(SECURE_WORLD)?
            .text(features)
            .text(format!("{settings:?} {:?}", self.packages.versions))
            .file(&rsa_key(self.cache))?;
        let name = format!("pta-{}-{}", settings.name, if features.is_empty() { "plain" } else { features });
        self.cache.entry(&format!("build/{name}.a"), &inputs, |file| {
            let mut cargo = self.cargo(&repository().join("secure/optee/pta"), CORE_TARGET, "core")?;
            cargo
                .env("OPTEE_SRC", &self.packages.optee_sources)
                .env("OPTEE_OUT", &core)
                .env("RPROC_TRUSTED_KEYS", self.trusted_keys()?)
                .env("LIBCLANG_PATH", libclang().context("libclang is gone")?)
                .args(["--release", "--features", features]);
            logged(&mut cargo, &self.log(&name)?)?;
            fs::copy(self.built(CORE_TARGET, "release", "librproc_pta.a"), file)?;
            without_memory_functions(file)
        })
    }

    /// What the platform service trusts: the virtual board's development key, and an RSA key of this cache's own, because an
    /// ECDSA check takes OP-TEE longer than all the rest of a LOAD.
    fn trusted_keys(&self) -> Result<std::ffi::OsString> {
        Ok(std::env::join_paths([development_key(), rsa_key(self.cache)])?)
    }

    /// TF-A with OP-TEE, for QEMU's flash. Without `pta` it is Debian's OP-TEE as it is.
    pub fn flash(
        &self,
        name: &str,
        core: &CoreSettings,
        pta: Option<&Path>,
        early: Option<&Ta>,
    ) -> Result<PathBuf> {
        let mut inputs = Inputs::new().text(format!("{core:?} {:?} OS-initiated", self.packages.versions));
        for file in pta.into_iter().chain(early.map(|ta| ta.early.as_path())) {
            inputs = inputs.file(file)?;
        }
        self.cache.entry(&format!("build/flash-{name}.bin"), &inputs, |file| {
            let images = match pta {
                None => self.packages.ready_optee(),
                Some(library) => self.link(name, core, library, early)?,
            };
            self.tfa(name, &images, file)
        })
    }

    /// Links the platform service, and perhaps an early TA, into the core.
    fn link(
        &self,
        name: &str,
        settings: &CoreSettings,
        library: &Path,
        early: Option<&Ta>,
    ) -> Result<PathBuf> {
        let core = self.core(settings)?;
        for made in ["core/tee.elf", "core/all_objs.ld"] {
            let made = core.join(made);
            if made.exists() {
                fs::remove_file(made)?;
            }
        }
        let mut make = self.make_core(settings, &core);
        make.arg(format!("LDADD=-u {PTA_HEAD} {}", library.display()));
        if let Some(ta) = early {
            make.arg(format!("EARLY_TA_PATHS={}", ta.early.display()));
        }
        logged(&mut make, &self.log(&format!("optee-{name}"))?)?;
        Ok(core.join("core"))
    }

    fn tfa(&self, name: &str, optee: &Path, flash: &Path) -> Result<()> {
        let out = self.cache.place("build/tfa-os-initiated");
        let mut make = Command::new("make");
        make.current_dir(&self.packages.tfa_sources).args([
            "-j2",
            &format!("CROSS_COMPILE={CROSS}"),
            "PLAT=qemu",
            "DEBUG=0",
        ]);
        make.args(["E=0", "SPD=opteed", "QEMU_USE_GIC_DRIVER=QEMU_GICV3", "BL32_RAM_LOCATION=tdram"]);
        make.args(["ARM_LINUX_KERNEL_AS_BL33=1", "PRELOADED_BL33_BASE=0x44000000", "LOG_LEVEL=20"]);
        // Linux makes power domains of nodes below /psci only where it may say which of them power down.
        make.arg("PSCI_OS_INIT_MODE=1");
        make.arg(format!("BUILD_BASE={}", out.display()));
        for (variable, image) in [("BL32", "header"), ("BL32_EXTRA1", "pager"), ("BL32_EXTRA2", "pageable")] {
            make.arg(format!("{variable}={}", optee.join(format!("tee-{image}_v2.bin")).display()));
        }
        make.args(["all", "fip"]);
        let made = out.join("qemu/release");
        if made.join("fip.bin").exists() {
            // Make does not see that the images in it are others.
            fs::remove_file(made.join("fip.bin"))?;
        }
        logged(&mut make, &self.log(&format!("tfa-{name}"))?)?;
        // BL1 at the start, the image package at 256 KiB (TF-A `plat/qemu`).
        let mut bytes = fs::read(made.join("bl1.bin"))?;
        bytes.resize(0x4_0000, 0);
        bytes.extend(fs::read(made.join("fip.bin"))?);
        bytes.resize(64 << 20, 0);
        Ok(fs::write(flash, bytes)?)
    }

    /// The same program for the host, which runs the virtual board and signs.
    pub fn host_program(&self) -> Result<PathBuf> {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(repository()).args(["build", "--release", "--locked", "--package", "rproc"]);
        logged(&mut cargo, &self.log("rproc-host")?)?;
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
        Ok(target.join("release/rproc"))
    }

    /// The log of a build.
    pub fn log(&self, name: &str) -> Result<PathBuf> {
        let folder = self.cache.place("logs");
        fs::create_dir_all(&folder)?;
        Ok(folder.join(format!("{name}.log")))
    }
}
