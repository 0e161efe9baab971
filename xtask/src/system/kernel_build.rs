//! Debian's own compilers in a folder of their own, where modules for Debian's kernel are built as Debian built the kernel.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, Inputs};
use crate::debian::{PrivateApt, files, unpack};
use crate::process::{logged, output};

/// The release whose compilers build the kernels of its backports.
const SUITE: &str = "trixie";
/// What a build of the kernel's Rust crates and of modules runs; dependencies come with them.
const TOOLS: &str = "base-files bash dash coreutils sed grep findutils diffutils mawk tar gzip xz-utils make perl python3-minimal bc \
     flex bison gcc libc6-dev rustc gcc-14-aarch64-linux-gnu rust-src rust-clippy bindgen libelf-dev libssl-dev pahole";
/// Packages that their dependants only name for other uses: static libraries of clang, 300 MB.
const LEFT_OUT: &[&str] = &["libclang-19-dev_"];
/// What maintainer scripts would have made, which are not run.
const LINKS: [(&str, &str); 2] = [("usr/bin/awk", "mawk"), ("usr/bin/cc", "gcc")];
/// Character devices that the tools open: name, major and minor number.
const DEVICES: [(&str, &str, &str); 3] = [("null", "1", "3"), ("zero", "1", "5"), ("urandom", "1", "9")];
/// Of the kernel's sources only what its configuration and its Rust crates are made from.
const NOT_READ: [&str; 9] = [
    "Documentation/*/*",
    // All but `drivers/rp*` and `drivers/tt*`, where RPMsg's are, which become modules (`RPMSG`).
    "drivers/[!rt]*.c",
    "drivers/r[!p]*.c",
    "drivers/t[!t]*.c",
    "drivers/gpu/drm/amd/*.h",
    "fs/*.c",
    "net/*.c",
    "sound/*.c",
    "tools/testing/*",
];
/// Drivers of RPMsg's that Debian's configuration leaves out, and what the kernel's headers ask for with `IS_ENABLED`.
const RPMSG: [&str; 4] = ["virtio_rpmsg_bus", "rpmsg_ns", "rpmsg_char", TTY];
/// The one of them that is not with the others, and where it is.
const TTY: &str = "rpmsg_tty";
const TTY_FOLDER: &str = "drivers/tty";
const RPMSG_OPTIONS: &str =
    "-DCONFIG_RPMSG_VIRTIO_MODULE=1 -DCONFIG_RPMSG_NS_MODULE=1 -DCONFIG_RPMSG_CHAR_MODULE=1";
/// What the kernel's sources tell clippy, and Debian's headers leave out.
const LINTS: &str = ".clippy.toml";
const CROSS: &str = "aarch64-linux-gnu-";
/// The compiler that builds Debian's kernel, as a word for `make`.
const GCC: &str = "CC=aarch64-linux-gnu-gcc-14";
/// How the name of an archive of sources ends.
const ARCHIVE: &str = ".tar.xz";
/// At least so many functions of the kernel's crates must have been compared.
const FEWEST_EXPORTS: usize = 1000;

/// A folder with everything in it, ready to build modules.
pub struct KernelBuild {
    root: PathBuf,
    /// The kernel's headers, or all of its tree.
    tree: PathBuf,
}

/// For which kernel.
pub struct Kernel {
    /// As `uname -r` says it.
    pub release: String,
    /// Version of its Debian packages.
    pub version: String,
}

impl KernelBuild {
    /// Fetches, unpacks and prepares whatever is not there yet.
    pub fn get(apt: &PrivateApt, cache: &Cache, kernel: &Kernel) -> Result<Self> {
        // This file is the recipe.
        let inputs = Inputs::new().text(include_str!("kernel_build.rs"));
        let inputs = inputs.text(&kernel.release).text(&kernel.version);
        let root = cache.entry("packages/kernel-build", &inputs, |root| {
            make(apt, cache, kernel, root).context(
                "the kernel's build environment (docs/system.md, The driver's build) is not to be had; `--only` another boot does \
                 without it",
            )
        })?;
        let tree = headers(&root, &kernel.release);
        Ok(Self { root, tree })
    }

    /// The same compilers for the kernel of another tree in their folder.
    pub fn for_tree(&self, tree: PathBuf) -> Self {
        Self { root: self.root.clone(), tree }
    }

    /// Debian's archive of the kernel's sources.
    pub fn source_archive(&self) -> Result<PathBuf> {
        let archives = files(&self.root.join("usr/src"), ARCHIVE)?;
        archives
            .into_iter()
            .next()
            .with_context(|| format!("{} has no archive of sources", self.root.display()))
    }

    /// `make` in the kernel's tree, whose goals are to follow.
    pub fn make(&self) -> Result<Command> {
        let mut make = enter(&self.root)?;
        make.arg("make").arg("-C").arg(self.inside(&self.tree)?);
        make.args(["ARCH=arm64", &format!("CROSS_COMPILE={CROSS}"), GCC]);
        Ok(make)
    }

    /// A path as programs in the folder have it.
    pub fn inside(&self, path: &Path) -> Result<PathBuf> {
        Ok(Path::new("/").join(path.strip_prefix(&self.root)?))
    }

    /// Copies folders of the repository in, builds the modules of the last one, and gives the folder. With `clippy`, the kernel's looks
    /// at them, and a warning is an error.
    pub fn modules(&self, sources: &[(&Path, &str)], clippy: bool, log: &Path) -> Result<PathBuf> {
        let work = self.root.join("work");
        if work.exists() {
            fs::remove_dir_all(&work)?;
        }
        let mut last = PathBuf::new();
        for (from, to) in sources {
            last = work.join(to);
            fs::create_dir_all(last.parent().unwrap_or(&work))?;
            output(Command::new("cp").arg("-r").arg(from).arg(&last))?;
        }
        let lints = format!("CLIPPY_CONF_DIR={}", self.inside(&self.tree)?.display());
        let words = ["CLIPPY=1", &lints];
        self.make_modules(&last, if clippy { &words } else { &[] }, log)?;
        let said = fs::read_to_string(log)?;
        if let Some(warning) = said.lines().find(|line| line.starts_with("warning")) {
            bail!("the kernel's clippy warns: {warning}; all of it is in {}", log.display());
        }
        Ok(last)
    }

    /// The kernel's own drivers of RPMsg over virtio, which Debian's kernel has not, as modules.
    pub fn rpmsg(&self, log: &Path) -> Result<[PathBuf; RPMSG.len()]> {
        let folder = self.root.join("rpmsg");
        let objects = RPMSG.map(|name| format!("{name}.o")).join(" ");
        fs::write(folder.join("Kbuild"), format!("obj-m := {objects}\nccflags-y := {RPMSG_OPTIONS}\n"))?;
        fs::remove_file(folder.join("Makefile")).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        self.make_modules(&folder, &[], log)?;
        Ok(RPMSG.map(|name| folder.join(format!("{name}.ko"))))
    }

    fn make_modules(&self, folder: &Path, more: &[&str], log: &Path) -> Result<()> {
        let mut make = self.make()?;
        make.args(more).arg(format!("M={}", self.inside(folder)?.display())).arg("modules");
        logged(&mut make, log)
    }
}

/// Where the kernel's headers are in the folder.
fn headers(root: &Path, release: &str) -> PathBuf {
    root.join("usr/src").join(format!("linux-headers-{release}"))
}

fn make(apt: &PrivateApt, cache: &Cache, kernel: &Kernel, root: &Path) -> Result<()> {
    let downloaded = cache.place("packages/kernel-build.debs");
    let tools: Vec<&str> = TOOLS.split_whitespace().collect();
    apt.download_with_dependencies(&tools, SUITE, &downloaded)?;
    // Common to all architectures, without the name of one.
    let common = kernel.release.rsplit_once('-').map_or(kernel.release.as_str(), |(common, _)| common);
    let series: Vec<&str> = kernel.release.split(['.', '+']).take(2).collect();
    let source = format!("linux-source-{}", series.join("."));
    let packages = [
        format!("linux-headers-{}:arm64", kernel.release),
        format!("linux-headers-{common}-common"),
        format!("linux-kbuild-{common}:amd64"),
        source.clone(),
    ];
    apt.download(&packages.map(|package| format!("{package}={}", kernel.version)), &downloaded)?;
    for package in files(&downloaded, ".deb")? {
        let name = package.file_name().unwrap_or_default().to_string_lossy();
        if !LEFT_OUT.iter().any(|left_out| name.starts_with(left_out)) {
            unpack(&package, root)?;
        }
    }
    fs::remove_dir_all(&downloaded)?;
    for (link, target) in LINKS {
        symlink(target, root.join(link)).with_context(|| format!("/{link} of the tools' folder"))?;
    }
    if is_root()? {
        for (name, major, minor) in DEVICES {
            output(
                Command::new("mknod")
                    .args(["-m", "666"])
                    .arg(root.join("dev").join(name))
                    .args(["c", major, minor]),
            )?;
        }
    }
    let archive = root.join("usr/src").join(format!("{source}{ARCHIVE}"));
    unpack_sources(&archive, &NOT_READ, &root.join("sources").join(&source))?;
    let headers = headers(root, &kernel.release);
    build_crates(root, &headers, &source, &kernel.release, &cache.place("logs/kernel-build.log"))?;
    compare_symbols(&root.join("objects"), &headers)?;
    let sources = root.join("sources").join(&source);
    fs::copy(sources.join(LINTS), headers.join(LINTS))?;
    fs::create_dir_all(headers.join("rust"))?;
    for made in [".rmeta", ".so"] {
        for file in files(&root.join("objects/rust"), made)? {
            fs::copy(&file, headers.join("rust").join(file.file_name().unwrap_or_default()))?;
        }
    }
    let rpmsg = root.join("rpmsg");
    fs::rename(sources.join("drivers/rpmsg"), &rpmsg)?;
    fs::rename(sources.join(TTY_FOLDER).join(format!("{TTY}.c")), rpmsg.join(format!("{TTY}.c")))?;
    for done in ["objects", "sources", "usr/share/doc", "usr/share/man", "usr/share/locale"] {
        fs::remove_dir_all(root.join(done))?;
    }
    Ok(())
}

/// Unpacks the archive, which has everything in a folder of its own name, but for what is not read.
pub fn unpack_sources(archive: &Path, not_read: &[&str], into: &Path) -> Result<()> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let folder = name.trim_end_matches(ARCHIVE);
    fs::create_dir_all(into)?;
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(into).arg("-xf").arg(archive).args(["--strip-components=1", "--anchored"]);
    tar.args(not_read.iter().map(|pattern| format!("--exclude={folder}/{pattern}")));
    output(&mut tar).map(drop)
}

/// Debian's packages for building modules have no Rust crates: they are made from the same sources, configuration and compilers.
fn build_crates(root: &Path, headers: &Path, source: &str, release: &str, log: &Path) -> Result<()> {
    let objects = root.join("objects");
    fs::create_dir_all(&objects)?;
    fs::create_dir_all(log.parent().unwrap_or(root))?;
    fs::copy(headers.join(".config"), objects.join(".config"))?;
    let tree = root.join("sources").join(source);
    let mut make = KernelBuild { root: root.to_owned(), tree }.make()?;
    make.args(["O=/objects", &jobs(), &format!("KERNELRELEASE={release}")]);
    make.args(["olddefconfig", "modules_prepare"]);
    logged(&mut make, log)
}

/// Refuses crates whose functions have other names than those of Debian's kernel, for a module of them could not be loaded.
fn compare_symbols(objects: &Path, headers: &Path) -> Result<()> {
    let mut ours = BTreeSet::new();
    for file in files(&objects.join("rust"), "_generated.h")? {
        let text = fs::read_to_string(file)?;
        let exported =
            text.lines().filter_map(|line| line.split_once("EXPORT_SYMBOL_RUST_GPL(")?.1.split_once(')'));
        ours.extend(exported.map(|(name, _)| name.to_owned()).filter(|name| is_from_crates(name)));
    }
    let text = fs::read_to_string(headers.join("Module.symvers"))?;
    let theirs: BTreeSet<String> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(name, place)| *place == "vmlinux" && is_from_crates(name))
        .map(|(name, _)| name.to_owned())
        .collect();
    let differing = ours.symmetric_difference(&theirs).count();
    if ours.len() < FEWEST_EXPORTS || differing != 0 {
        bail!(
            "the crates made here export {} functions and Debian's kernel {}, of which {differing} differ: another compiler or \
             configuration built that kernel; `--linux` takes another kernel",
            ours.len(),
            theirs.len()
        );
    }
    Ok(())
}

/// Whether a symbol is a Rust function's or static's (v0 mangling), or one of C's that only Rust calls.
fn is_from_crates(symbol: &str) -> bool {
    let rust = symbol.strip_prefix("_R").is_some_and(|rest| rest.starts_with(['N', 'M', 'I', 'X', 'Y']));
    rust || symbol.starts_with("rust_helper_")
}

/// How many processes `make` may run at once, as a word for it.
pub fn jobs() -> String {
    format!("-j{}", std::thread::available_parallelism().map_or(1, usize::from))
}

fn is_root() -> Result<bool> {
    Ok(output(Command::new("id").arg("-u"))? == "0")
}

/// A command that runs inside the folder, whose words are to follow.
fn enter(root: &Path) -> Result<Command> {
    let environment = ["/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin", "HOME=/root"];
    if is_root()? {
        let mut command = Command::new("chroot");
        command.arg(root).args(environment);
        return Ok(command);
    }
    // Anybody may be root of a user namespace, where devices cannot be made but those of the machine be shown.
    let script = "PATH=$PATH:/usr/sbin; mount --rbind /dev \"$0/dev\" && exec chroot \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(root).args(environment);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_symbols_are_refused() {
        let folder = std::env::temp_dir().join(format!("rproc-xtask-symbols-{}", std::process::id()));
        fs::create_dir_all(folder.join("rust")).unwrap();
        let names: Vec<String> = (0..FEWEST_EXPORTS).map(|n| format!("_RNvCs_4core{n}")).collect();
        let exports: String = names.iter().map(|name| format!("EXPORT_SYMBOL_RUST_GPL({name});\n")).collect();
        fs::write(folder.join("rust/exports_core_generated.h"), exports).unwrap();
        let listed = |names: &[String]| -> String {
            names.iter().map(|name| format!("0x00000000\t{name}\tvmlinux\tEXPORT_SYMBOL_GPL\t\n")).collect()
        };
        let others =
            "0x0\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n0x0\t_RNvother\tdrivers/x\tEXPORT_SYMBOL_GPL\t\n";
        fs::write(folder.join("Module.symvers"), listed(&names) + others).unwrap();
        compare_symbols(&folder, &folder).unwrap();
        fs::write(folder.join("Module.symvers"), listed(&names[1..])).unwrap();
        let error = compare_symbols(&folder, &folder).unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(error.contains("1 differ"), "{error}");
    }
}
