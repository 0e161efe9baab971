//! Where the `core` library for the firmware's target comes from: rustup's ready-built one, or sources to build it from.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

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

/// What cargo must be told to use it.
#[derive(Debug, PartialEq, Eq)]
pub enum CoreLibrary {
    /// Nothing.
    Installed,
    /// To build it, from the sources in this folder (`library` of Rust's repository).
    Sources(PathBuf),
}

impl fmt::Display for CoreLibrary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Installed => "core ready-built",
            Self::Sources(_) => "core built from its sources",
        })
    }
}

/// The core library for `target`: from `wanted`, or from the first origin that has it. Debian's package is unpacked below
/// `scratch`, once.
pub fn find(target: &str, wanted: Option<Origin>, scratch: &Path) -> Result<CoreLibrary> {
    let wants = |origin| wanted.is_none_or(|wanted| wanted == origin);
    let mut missing = Vec::new();
    if wants(Origin::Installed) {
        let libraries = output(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))?;
        if Path::new(&libraries).is_dir() {
            return Ok(CoreLibrary::Installed);
        }
        missing.push(format!(
            "no core for {target} is installed (`rustup target add {target}` would install it)"
        ));
    }
    if wants(Origin::RustSrc) {
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
        if sources.join("core").is_dir() {
            return Ok(CoreLibrary::Sources(sources));
        }
        missing.push("the compiler's sources are not installed (`rustup component add rust-src`)".into());
    }
    if wants(Origin::Debian) {
        match debian(scratch) {
            Ok(sources) => return Ok(CoreLibrary::Sources(sources)),
            Err(error) => missing.push(format!("Debian's rust-src cannot be had: {error:#}")),
        }
    }
    bail!("there is no core library for {target}:\n  - {}", missing.join("\n  - "))
}

/// Debian's sources of the running compiler's version, from the mirror that the machine already uses, through lists and a
/// cache of our own: the machine's own apt is left as it is.
fn debian(scratch: &Path) -> Result<PathBuf> {
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
    let apt = PrivateApt::new(scratch.join("apt"))?;
    apt.get(&["update"], scratch)?;
    let listed = output(apt.command("apt-cache").args(["madison", "rust-src"]))?;
    let wanted = format!("{version}+");
    let package = listed
        .lines()
        .filter_map(|line| line.split('|').nth(1).map(str::trim))
        .find(|found| found.starts_with(&wanted))
        .with_context(|| format!("no suite has rust-src {version}; what there is:\n{listed}"))?;
    apt.get(&["download", &format!("rust-src={package}")], scratch)?;
    let archive = fs::read_dir(scratch)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("rust-src_") && name.ends_with(".deb")
        })
        .context("apt-get said it downloaded rust-src, but there is no such file")?;
    fs::create_dir_all(&unpacked)?;
    output(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&unpacked))?;
    fs::remove_file(&archive)?;
    if !library.join("core").is_dir() {
        bail!("the package rust-src {package} has no usr/src/rustc-{version}/library/core");
    }
    Ok(library)
}

/// apt with lists, cache and sources of its own.
struct PrivateApt {
    folder: PathBuf,
}

impl PrivateApt {
    const SUITES: [&str; 4] = ["trixie", "trixie-backports", "forky", "sid"];

    fn new(folder: PathBuf) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let targets = ["indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages"];
        let repositories = output(Command::new("apt-get").args(targets))?;
        let mirror = repositories
            .lines()
            .find_map(|line| line.strip_suffix(" Debian"))
            .context("the machine's apt knows no Debian mirror")?;
        let sources: String =
            Self::SUITES.iter().map(|suite| format!("deb {mirror} {suite} main\n")).collect();
        fs::write(folder.join("sources.list"), sources)?;
        fs::write(folder.join("status"), "")?;
        Ok(Self { folder })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (option, place) in [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State::Lists", "lists"),
            ("Dir::Cache", "cache"),
            ("Dir::State::status", "status"),
        ] {
            command.arg("-o").arg(format!("{option}={}", self.folder.join(place).display()));
        }
        command.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "Debug::NoLocking=1", "-q"]);
        command
    }

    fn get(&self, arguments: &[&str], folder: &Path) -> Result<String> {
        output(self.command("apt-get").args(arguments).current_dir(folder))
    }
}

/// What a command prints, without the last line break; its complaint if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{name} cannot be run"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}): {}", output.status, complaint.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
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
        let error = find("thumbv6m-none-eabi", Some(Origin::Installed), Path::new("nowhere"));
        if let Err(error) = error {
            assert!(error.to_string().contains("rustup target add thumbv6m-none-eabi"), "{error}");
        }
    }
}
