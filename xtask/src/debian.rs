//! Debian's packages without root: apt with lists, cache and sources of its own, from the mirror that the machine already uses.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::output;

/// apt beside the machine's own, which is left as it is.
pub struct PrivateApt {
    folder: PathBuf,
    architectures: &'static str,
}

impl PrivateApt {
    const SUITES: [&str; 4] = ["trixie", "trixie-backports", "forky", "sid"];

    /// With lists and cache in `folder`, for these architectures (comma-separated). Nothing is fetched yet.
    pub fn new(folder: PathBuf, architectures: &'static str) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let targets = ["indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages"];
        let repositories = output(Command::new("apt-get").args(targets))
            .context("packages come through apt, so this needs Debian or a system derived from it")?;
        let mirror = repositories
            .lines()
            .find_map(|line| line.strip_suffix(" Debian"))
            .context("the machine's apt knows no Debian mirror: add one to its sources")?;
        let sources: String = Self::SUITES
            .iter()
            .map(|suite| format!("deb {mirror} {suite} main\ndeb-src {mirror} {suite} main\n"))
            .collect();
        fs::write(folder.join("sources.list"), sources)?;
        fs::write(folder.join("status"), "")?;
        Ok(Self { folder, architectures })
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
        command.arg("-o").arg(format!("APT::Architectures={}", self.architectures));
        command.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "Debug::NoLocking=1", "-q"]);
        command
    }

    /// Fetches the lists of packages.
    pub fn update(&self) -> Result<()> {
        output(self.command("apt-get").arg("update")).map(drop)
    }

    /// The versions of a package (`name` or `name:architecture`), newest first.
    pub fn versions(&self, package: &str) -> Result<Vec<String>> {
        let listed = output(self.command("apt-cache").args(["madison", package]))?;
        let versions = listed.lines().filter(|line| line.ends_with(" Packages"));
        let mut versions: Vec<String> =
            versions.filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned())).collect();
        versions.dedup();
        Ok(versions)
    }

    /// The newest version for which `wanted` holds.
    pub fn newest(&self, package: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let versions = self.versions(package)?;
        match versions.iter().find(|version| wanted(version)) {
            Some(version) => Ok(version.clone()),
            None if versions.is_empty() => {
                bail!(
                    "no suite of the mirror has the package {package} (looked in {})",
                    Self::SUITES.join(", ")
                )
            }
            None => bail!("no version of {package} fits; there are: {}", versions.join(", ")),
        }
    }

    /// What a version of a package depends on, as its control file says.
    pub fn depends(&self, package: &str, version: &str) -> Result<String> {
        let shown = output(self.command("apt-cache").args(["show", &format!("{package}={version}")]))?;
        let depends = shown.lines().find_map(|line| line.strip_prefix("Depends: "));
        Ok(depends.unwrap_or_default().to_owned())
    }

    /// Downloads packages (`name=version`) into a folder.
    pub fn download(&self, packages: &[String], into: &Path) -> Result<()> {
        fs::create_dir_all(into)?;
        output(self.command("apt-get").arg("download").args(packages).current_dir(into)).map(drop)
    }

    /// Downloads packages of the machine's architecture, by preference of a suite, with everything that they depend on, into a folder.
    pub fn download_with_dependencies(&self, packages: &[&str], suite: &str, into: &Path) -> Result<()> {
        fs::create_dir_all(into.join("partial"))?;
        let mut command = self.command("apt-get");
        command.arg("-o").arg(format!("Dir::Cache::archives={}", into.display()));
        command
            .args(["-t", suite, "--no-install-recommends", "--download-only", "-y", "install"])
            .args(packages);
        output(&mut command).map(drop)
    }

    /// Downloads the sources of a package and unpacks them; gives the folder they are in.
    pub fn source(&self, package: &str, version: &str, into: &Path) -> Result<PathBuf> {
        fs::create_dir_all(into)?;
        let wanted = format!("{package}={version}");
        output(self.command("apt-get").args(["--download-only", "source", &wanted]).current_dir(into))?;
        let description = files(into, ".dsc")?.pop().context("apt-get fetched no .dsc file")?;
        let sources = into.join("source");
        output(Command::new("dpkg-source").args(["--no-check", "-x"]).arg(&description).arg(&sources))?;
        Ok(sources)
    }
}

/// Unpacks every package of a folder over one tree.
pub fn unpack_all(packages: &Path, into: &Path) -> Result<()> {
    for package in files(packages, ".deb")? {
        unpack(&package, into)?;
    }
    Ok(())
}

/// Unpacks one package over a tree.
pub fn unpack(package: &Path, into: &Path) -> Result<()> {
    output(Command::new("dpkg-deb").arg("-x").arg(package).arg(into)).map(drop)
}

/// The files of a folder whose names end in `suffix`, in order.
pub fn files(folder: &Path, suffix: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.ends_with(suffix)))
        .collect();
    found.sort();
    Ok(found)
}
