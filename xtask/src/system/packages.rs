//! Everything that comes from Debian, resolved to versions once, fetched and unpacked.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, Inputs};
use super::kernel_build::{Kernel, KernelBuild};
use super::lockdep::Lockdep;
use super::versions::{LINUX, LINUX_RELEASE, Wishes, at_least, parse, print, version_of};
use crate::debian::{PrivateApt, files, unpack, unpack_all};
use crate::process::output;

/// The first Linux whose OP-TEE driver and TEE bus are as docs/protocol.md says.
const OLDEST_LINUX: (u32, u32) = (7, 0);

/// The unpacked packages.
pub struct Packages {
    /// Package, version, in the order in which they were resolved.
    pub versions: Vec<(String, String)>,
    /// QEMU with everything that it needs, run through its own dynamic linker.
    pub qemu: PathBuf,
    /// `usr/lib/modules/<version>` with `vmlinuz` (a plain arm64 Image) and the modules.
    pub kernel: PathBuf,
    /// OP-TEE as Debian builds it, and its development kits.
    pub optee: PathBuf,
    /// arm64 programs and libraries for the guest.
    pub guest: PathBuf,
    /// `modprobe` and its like for the guest, and the libraries that they load.
    pub kmod: PathBuf,
    /// OP-TEE's sources.
    pub optee_sources: PathBuf,
    /// TF-A's sources.
    pub tfa_sources: PathBuf,
}

/// The platform of Debian's `optee-os` that runs on QEMU's `virt`.
pub const PLATFORM: &str = "vexpress-qemu_armv8a";
/// TF-A of trixie: later ones of sid had no sources when this was written.
const TFA: &str = "2.12.1+dfsg";

const OPTEE: [&str; 2] = ["optee-os", "optee-os-dev"];
const GUEST: [&str; 5] = ["busybox-static", "tee-supplicant", "libteec2", "libc6", "libgcc-s1"];
const KMOD: [&str; 5] = ["kmod", "libssl3t64", "zlib1g", "libzstd1", "liblzma5"];

impl Packages {
    /// Resolves, fetches and unpacks whatever is not there yet.
    pub fn get(cache: &Cache, wishes: &Wishes) -> Result<Self> {
        let record = cache.place("packages/versions");
        let known = fs::read_to_string(&record).ok().map(|text| parse(&text));
        let known = known.filter(|versions| wishes.keep(versions));
        let apt = private_apt(cache)?;
        let resolver = Resolver { apt: &apt, wishes };
        let mut versions = known.unwrap_or_default();
        let whole = for_guest().all(|name| version_of(&versions, name).is_some());
        if !whole {
            say!("  asking Debian for versions")?;
            apt.update().context("Debian's lists of packages could not be fetched")?;
            if versions.is_empty() {
                versions = resolver.all()?;
            }
            // Of a record that is older than this list, the rest stays.
            resolver.add_for_guest(&mut versions)?;
            fs::create_dir_all(cache.place("packages"))?;
            fs::write(&record, print(&versions))?;
        }
        Fetch { apt, cache, versions: &versions }
            .all()
            .map(|parts| Self { versions: versions.clone(), ..parts })
    }

    /// The kernel's release, as `uname -r` says it.
    pub fn linux_release(&self) -> Result<String> {
        version_of(&self.versions, LINUX_RELEASE).map(str::to_owned).context("no kernel release is recorded")
    }

    /// What builds modules for the kernel; made when it is first asked for.
    pub fn kernel_build(&self, cache: &Cache) -> Result<KernelBuild> {
        KernelBuild::get(&private_apt(cache)?, cache, &self.kernel_names()?)
    }

    /// The kernel with lockdep, of the same sources; made when it is first asked for.
    pub fn lockdep(&self, cache: &Cache) -> Result<Lockdep> {
        Lockdep::get(&self.kernel_build(cache)?, cache, &self.kernel_names()?)
    }

    fn kernel_names(&self) -> Result<Kernel> {
        let version = version_of(&self.versions, LINUX).context("no version of the kernel is recorded")?;
        Ok(Kernel { release: self.linux_release()?, version: version.to_owned() })
    }

    /// A folder with files of the kernel's sources, which are fetched for them.
    pub fn kernel_files(&self, cache: &Cache, paths: &[&str]) -> Result<PathBuf> {
        let version = version_of(&self.versions, LINUX).context("no version of the kernel is recorded")?;
        let series: Vec<&str> = version.split(['.', '-']).take(2).collect();
        let source = format!("linux-source-{}", series.join("."));
        let inputs = Inputs::new().text(version).text(paths.join(" "));
        cache.entry("packages/kernel-files", &inputs, |folder| {
            let downloaded = cache.place("packages/kernel-files.debs");
            private_apt(cache)?.download(&[format!("{source}={version}")], &downloaded)?;
            for package in files(&downloaded, ".deb")? {
                unpack(&package, &downloaded)?;
            }
            fs::create_dir_all(folder)?;
            let archive = downloaded.join(format!("usr/src/{source}.tar.xz"));
            let mut tar = Command::new("tar");
            // `--occurrence` ends the search where all are found.
            tar.arg("-C").arg(folder).arg("-xJf").arg(archive).args(["--strip-components=1", "--occurrence"]);
            output(tar.args(paths.iter().map(|path| format!("{source}/{path}"))))?;
            Ok(fs::remove_dir_all(&downloaded)?)
        })
    }

    /// The folder of Debian's kernel: `vmlinuz` and, in `kernel`, its modules.
    pub fn linux(&self) -> Result<PathBuf> {
        Ok(self.kernel.join("usr/lib/modules").join(self.linux_release()?))
    }

    /// Debian's kit for building Trusted Applications.
    pub fn ta_kit(&self) -> PathBuf {
        self.optee.join("usr/lib/optee-os-dev").join(PLATFORM)
    }

    /// The images of Debian's own build of OP-TEE.
    pub fn ready_optee(&self) -> PathBuf {
        self.optee.join("usr/lib/optee").join(PLATFORM)
    }
}

fn private_apt(cache: &Cache) -> Result<PrivateApt> {
    PrivateApt::new(cache.place("apt"), "amd64,arm64")
}

/// The guest's packages, by their names in the record too.
fn for_guest() -> impl Iterator<Item = &'static str> {
    GUEST.into_iter().chain(KMOD)
}

struct Resolver<'a> {
    apt: &'a PrivateApt,
    wishes: &'a Wishes,
}

impl Resolver<'_> {
    /// The newest of what is called `name` in the record, unless another one is wished for.
    fn newest(&self, name: &str, package: &str, fits: impl Fn(&str) -> bool) -> Result<String> {
        let found = self.apt.newest(package, |version| self.wishes.want(name, version, &fits));
        match self.wishes.pinned(name) {
            Some(pin) => found.with_context(|| {
                format!("{pin} is the beginning of no version of {package}; give one that is there, or leave it out")
            }),
            None => found,
        }
    }

    fn of_arm64(&self, name: &str, fits: impl Fn(&str) -> bool) -> Result<String> {
        self.newest(name, &format!("{name}:arm64"), fits)
    }

    /// All but what is for the guest alone.
    fn all(&self) -> Result<Vec<(String, String)>> {
        let mut versions = Vec::new();
        let mut add = |name: &str, version: String| versions.push((name.to_owned(), version));
        let qemu = "qemu-system-arm";
        let new_enough = |version: &str| version.contains("bpo") && at_least(version, 11, 1);
        add(qemu, self.newest(qemu, qemu, new_enough).context("QEMU's vfio-user device came with 11.1")?);
        let linux = self.newest(LINUX, "linux-image-arm64:arm64", |version| version.contains("bpo"))?;
        if !at_least(&linux, OLDEST_LINUX.0, OLDEST_LINUX.1) {
            bail!(
                "Linux {linux} is too old: its OP-TEE driver differs; take {}.{} or later",
                OLDEST_LINUX.0,
                OLDEST_LINUX.1
            );
        }
        let depends = self.apt.depends("linux-image-arm64:arm64", &linux)?;
        let release = depends
            .split([',', ' '])
            .find_map(|word| {
                word.strip_prefix("linux-image-")
                    .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            })
            .with_context(|| format!("linux-image-arm64 {linux} names no kernel: {depends}"))?;
        add(LINUX, linux);
        add(LINUX_RELEASE, release.to_owned());
        add("optee-os", self.of_arm64("optee-os", |version| at_least(version, 4, 10))?);
        let tfa = "arm-trusted-firmware";
        add(tfa, self.of_arm64(tfa, |version| version.starts_with(TFA))?);
        Ok(versions)
    }

    /// Adds what the guest has and the record does not.
    fn add_for_guest(&self, versions: &mut Vec<(String, String)>) -> Result<()> {
        for name in for_guest() {
            if version_of(versions, name).is_none() {
                versions.push((name.to_owned(), self.of_arm64(name, |_| true)?));
            }
        }
        Ok(())
    }
}

struct Fetch<'a> {
    apt: PrivateApt,
    cache: &'a Cache,
    versions: &'a [(String, String)],
}

impl Fetch<'_> {
    fn all(&self) -> Result<Packages> {
        let linux = self.version(LINUX)?;
        let release = self.version(LINUX_RELEASE)?;
        let linux_packages: Vec<String> =
            ["binary", "modules"].map(|part| format!("linux-{part}-{release}:arm64={linux}")).to_vec();
        let optee = self.version("optee-os")?;
        let optee_packages: Vec<String> = OPTEE.map(|name| format!("{name}:arm64={optee}")).to_vec();
        let of_arm64 = |names: &[&str]| -> Result<Vec<String>> {
            names.iter().map(|name| Ok(format!("{name}:arm64={}", self.version(name)?))).collect()
        };
        Ok(Packages {
            versions: Vec::new(),
            qemu: self.qemu()?,
            kernel: self.unpacked("packages/linux", &linux_packages)?,
            optee: self.unpacked("packages/optee", &optee_packages)?,
            guest: self.unpacked("packages/guest", &of_arm64(&GUEST)?)?,
            kmod: self.unpacked("packages/kmod", &of_arm64(&KMOD)?)?,
            optee_sources: self.sources("packages/optee-sources", "optee-os", optee)?,
            tfa_sources: self.sources(
                "packages/tfa-sources",
                "arm-trusted-firmware",
                self.version("arm-trusted-firmware")?,
            )?,
        })
    }

    fn version(&self, package: &str) -> Result<&str> {
        version_of(self.versions, package).with_context(|| {
            format!(
                "the record of versions does not name {package}; `cargo xtask system --update` makes it anew"
            )
        })
    }

    fn qemu(&self) -> Result<PathBuf> {
        let version = self.version("qemu-system-arm")?;
        self.cache.entry("packages/qemu", &Inputs::new().text(version), |tree| {
            let packages = self.cache.place("packages/qemu.debs");
            self.apt.download_with_dependencies(
                &[&format!("qemu-system-arm={version}")],
                "trixie-backports",
                &packages,
            )?;
            unpack_all(&packages, tree)?;
            Ok(fs::remove_dir_all(&packages)?)
        })
    }

    fn unpacked(&self, name: &str, packages: &[String]) -> Result<PathBuf> {
        self.cache.entry(name, &Inputs::new().text(packages.join(" ")), |tree| {
            let downloaded = self.cache.place(&format!("{name}.debs"));
            self.apt.download(packages, &downloaded)?;
            for package in files(&downloaded, ".deb")? {
                unpack(&package, tree)?;
            }
            Ok(fs::remove_dir_all(&downloaded)?)
        })
    }

    fn sources(&self, name: &str, package: &str, version: &str) -> Result<PathBuf> {
        self.cache.entry(name, &Inputs::new().text(version), |tree| {
            let downloaded = self.cache.place(&format!("{name}.download"));
            if downloaded.exists() {
                fs::remove_dir_all(&downloaded)?;
            }
            let sources = self.apt.source(package, version, &downloaded)?;
            fs::rename(sources, tree)?;
            Ok(fs::remove_dir_all(&downloaded)?)
        })
    }
}

/// The command that runs QEMU from its unpacked packages, with no change to the host.
pub fn qemu(tree: &Path) -> Command {
    let mut command = Command::new("setpriv");
    // Whatever becomes of this process, QEMU does not outlive it.
    command.args(["--pdeathsig", "KILL", "--"]);
    command.arg(tree.join("usr/lib64/ld-linux-x86-64.so.2"));
    command.arg("--library-path").arg(tree.join("usr/lib/x86_64-linux-gnu"));
    command.arg(tree.join("usr/bin/qemu-system-aarch64"));
    command.arg("-L").arg(tree.join("usr/share/qemu"));
    command
}
