//! Where the `core` library for the firmware's targets comes from: rustup's ready-built one, or sources to build it from.

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use crate::debian::{PrivateApt, unpack_all};
use crate::process::output;

/// A place that `core` can come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Ready-built, beside the compiler's own (`rustup target add`).
    Installed,
    /// Built from the compiler's own sources (`rustup component add rust-src`).
    RustSrc,
    /// Built from Debian's `rust-src` package of the compiler's version.
    Debian,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Installed => "installed",
            Self::RustSrc => "rust-src",
            Self::Debian => "debian",
        })
    }
}

impl FromStr for Origin {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "installed" => Ok(Self::Installed),
            "rust-src" => Ok(Self::RustSrc),
            "debian" => Ok(Self::Debian),
            _ => bail!("core comes from `installed`, `rust-src` or `debian`, not from `{text}`"),
        }
    }
}

/// A `core` library that can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreLibrary {
    /// Where it comes from.
    pub origin: Origin,
    /// The sources that cargo must build it from (`library` of Rust's repository); none for the ready-built one.
    pub sources: Option<PathBuf>,
    /// What tells it from others of the same compiler: two origins that say the same give the same firmware.
    pub identity: String,
}

impl CoreLibrary {
    fn installed() -> Self {
        Self { origin: Origin::Installed, sources: None, identity: "core ready-built".into() }
    }

    fn from_sources(origin: Origin, library: PathBuf) -> Result<Self> {
        let identity = format!("core built from sources with SHA-256 {}", fingerprint(&library)?);
        Ok(Self { origin, sources: Some(library), identity })
    }
}

impl fmt::Display for CoreLibrary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.origin {
            Origin::Installed => "rustup's target",
            Origin::RustSrc => "rustup's rust-src",
            Origin::Debian => "Debian's rust-src",
        };
        write!(formatter, "{} ({origin})", self.identity)
    }
}

/// The core libraries that can be had, and why the others cannot.
#[derive(Debug, Default)]
pub struct Available {
    /// In order of preference.
    pub libraries: Vec<CoreLibrary>,
    /// A sentence for each origin that has none.
    pub missing: Vec<String>,
}

impl Available {
    /// The first library that is `same`, or else the first of all.
    pub fn choose(&self, same: impl Fn(&CoreLibrary) -> bool) -> Option<&CoreLibrary> {
        self.libraries.iter().find(|library| same(library)).or(self.libraries.first())
    }

    fn add(&mut self, origin: Origin, library: Result<CoreLibrary>) {
        match library {
            Ok(library) => self.libraries.push(library),
            Err(error) => self.missing.push(format!("{origin}: {error:#}")),
        }
    }
}

/// Looks for core libraries for all of `targets`: at the origin `wanted`, or at all that need no network. Debian's package is unpacked below
/// `scratch`, once, and downloaded only when it is asked for by name.
pub fn find(targets: &[&str], wanted: Option<Origin>, scratch: &Path) -> Result<Available> {
    let mut available = Available::default();
    for origin in [Origin::Installed, Origin::RustSrc, Origin::Debian] {
        if wanted.is_some_and(|wanted| wanted != origin) {
            continue;
        }
        let library = match origin {
            Origin::Installed => installed(targets),
            Origin::RustSrc => rust_src().and_then(|sources| CoreLibrary::from_sources(origin, sources)),
            Origin::Debian => debian(scratch, wanted == Some(Origin::Debian))
                .and_then(|sources| CoreLibrary::from_sources(origin, sources)),
        };
        available.add(origin, library);
    }
    Ok(available)
}

fn installed(targets: &[&str]) -> Result<CoreLibrary> {
    let mut missing = Vec::new();
    for target in targets {
        let libraries = output(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))?;
        if !Path::new(&libraries).is_dir() {
            missing.push(*target);
        }
    }
    if missing.is_empty() {
        return Ok(CoreLibrary::installed());
    }
    let missing = missing.join(" ");
    bail!("no core for {missing} is installed; `rustup target add {missing}` would install it")
}

fn rust_src() -> Result<PathBuf> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
    if !sources.join("core").is_dir() {
        bail!("the compiler's sources are not installed; `rustup component add rust-src` would install them");
    }
    Ok(sources)
}

/// SHA-256 over the path and content of each Rust file that `core` is built from, whichever package brought it: rustup's and
/// Debian's differ in licence files and vendored crates only.
fn fingerprint(library: &Path) -> Result<String> {
    let mut files = Vec::new();
    for part in [
        "core/src",
        "compiler-builtins",
        "portable-simd/crates/core_simd/src",
        "stdarch/crates/core_arch/src",
    ] {
        rust_files(&library.join(part), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let content = fs::read(&file)?;
        let name = file.strip_prefix(library)?.to_string_lossy().into_owned();
        hash.update(format!("{name} {}\n", content.len()));
        hash.update(content);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            rust_files(&entry.path(), files)?;
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Debian's sources of the running compiler's version: those unpacked earlier, or, if that is allowed, from the mirror that the machine
/// already uses, through lists and a cache of our own: the machine's own apt is left as it is.
fn debian(scratch: &Path, download: bool) -> Result<PathBuf> {
    let verbose = output(Command::new("rustc").arg("-vV"))?;
    let version = verbose
        .lines()
        .find_map(|line| line.strip_prefix("release: "))
        .context("`rustc -vV` names no release")?;
    let unpacked = scratch.join(format!("rust-src-{version}"));
    let library = unpacked.join(format!("usr/src/rustc-{version}/library"));
    if library.join("core").is_dir() {
        return Ok(library);
    }
    if !download {
        bail!("not downloaded; `--core debian` would download rust-src {version}");
    }
    fs::create_dir_all(scratch)?;
    let apt = PrivateApt::new(scratch.join("apt"), "amd64")?;
    apt.update()?;
    let wanted = format!("{version}+");
    let package = apt.newest("rust-src", |found| found.starts_with(&wanted))?;
    let downloaded = scratch.join("rust-src.download");
    apt.download(&[format!("rust-src={package}")], &downloaded)?;
    fs::create_dir_all(&unpacked)?;
    unpack_all(&downloaded, &unpacked)?;
    fs::remove_dir_all(&downloaded)?;
    if !library.join("core").is_dir() {
        bail!("the package rust-src {package} has no usr/src/rustc-{version}/library/core");
    }
    Ok(library)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_named() {
        assert_eq!("debian".parse::<Origin>().unwrap(), Origin::Debian);
        assert!("Debian".parse::<Origin>().is_err());
    }

    #[test]
    fn a_target_without_core_says_how_to_get_it() {
        let targets = ["x86_64-unknown-linux-gnu", "thumbv4t-none-eabi"];
        let found = find(&targets, Some(Origin::Installed), Path::new("nowhere")).unwrap();
        if found.libraries.is_empty() {
            assert!(found.missing[0].contains("rustup target add "), "{found:?}");
            assert!(found.missing[0].ends_with("would install it"), "{found:?}");
        }
    }

    #[test]
    fn nothing_is_downloaded_unasked() {
        let error = debian(Path::new("nowhere"), false).unwrap_err().to_string();
        assert!(error.contains("`--core debian` would download rust-src"), "{error}");
        assert!(!Path::new("nowhere").exists());
    }

    #[test]
    fn the_same_core_is_preferred_to_the_first() {
        let other = CoreLibrary { origin: Origin::Debian, sources: None, identity: "other".into() };
        let found = Available { libraries: vec![CoreLibrary::installed(), other.clone()], missing: vec![] };
        assert_eq!(found.choose(|library| library.identity == "other"), Some(&other));
        assert_eq!(found.choose(|_| false), Some(&CoreLibrary::installed()));
        assert_eq!(Available::default().choose(|_| true), None);
    }

    #[test]
    fn a_changed_source_is_another_core() {
        let library = std::env::temp_dir().join(format!("rproc-xtask-{}", std::process::id()));
        let parts = ["core/src", "compiler-builtins", "portable-simd/crates/core_simd/src"];
        for part in parts.into_iter().chain(["stdarch/crates/core_arch/src/inner"]) {
            fs::create_dir_all(library.join(part)).unwrap();
        }
        let source = library.join("stdarch/crates/core_arch/src/inner/a.rs");
        fs::write(&source, "fn a() {}").unwrap();
        let first = fingerprint(&library).unwrap();
        fs::write(library.join("core/LICENSE"), "words").unwrap();
        assert_eq!(fingerprint(&library).unwrap(), first);
        fs::write(&source, "fn b() {}").unwrap();
        assert_ne!(fingerprint(&library).unwrap(), first);
        fs::remove_dir_all(&library).unwrap();
    }
}
