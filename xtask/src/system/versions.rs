//! Versions of Debian's packages: which are wanted, what a record of them says, and which have moved since all tests passed.

use anyhow::{Context, Result, ensure};

/// Package and version, in the order in which they were resolved.
pub type Versions = [(String, String)];

/// The name of the kernel's version in records; `--linux` pins it.
pub const LINUX: &str = "linux-binary";
/// The name of what `uname -r` says in records, which follows from that version.
pub const LINUX_RELEASE: &str = "linux-release";
/// The last run in which all tests passed.
const RECORDED: &str = include_str!("../../../docs/system-results.md");

/// What is wanted of Debian beyond the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Packages by their names in the record, each with the beginning of a version, such as `7.3.4`.
    pub pins: Vec<(String, String)>,
    /// Resolve versions anew, although the last run's are still there.
    pub update: bool,
}

impl Wishes {
    /// Adds `PACKAGE=VERSION`. The package must be one that the last record has.
    pub fn pin(&mut self, words: &str) -> Result<()> {
        let (name, version) =
            words.split_once('=').with_context(|| format!("--pin wants PACKAGE=VERSION, not {words}"))?;
        let recorded = recorded(RECORDED);
        let known: Vec<&str> =
            recorded.iter().map(|(name, _)| name.as_str()).filter(|name| *name != LINUX_RELEASE).collect();
        ensure!(known.contains(&name), "no package {name} is resolved here; there are: {}", known.join(", "));
        self.pin_to(name, version)
    }

    /// Takes this version of a package, or that which begins so.
    pub fn pin_to(&mut self, name: &str, version: &str) -> Result<()> {
        ensure!(!version.is_empty(), "no version is given for {name}: say how it begins");
        self.pins.push((name.to_owned(), version.to_owned()));
        Ok(())
    }

    /// How the version of a package must begin, if it was said.
    pub fn pinned(&self, package: &str) -> Option<&str> {
        version_of(&self.pins, package)
    }

    /// Whether a version is wanted: one that is pinned, or else one that fits.
    pub fn want(&self, package: &str, version: &str, fits: impl Fn(&str) -> bool) -> bool {
        self.pinned(package).map_or_else(|| fits(version), |pin| version.starts_with(pin))
    }

    /// Whether a record of versions may be kept.
    pub fn keep(&self, versions: &Versions) -> bool {
        let pinned = |(name, pin): &(String, String)| {
            version_of(versions, name).is_some_and(|version| version.starts_with(pin.as_str()))
        };
        !self.update && !versions.is_empty() && self.pins.iter().all(pinned)
    }
}

/// The version of a package.
pub fn version_of<'a>(versions: &'a Versions, package: &str) -> Option<&'a str> {
    versions.iter().find(|(name, _)| name == package).map(|(_, version)| version.as_str())
}

/// From a file of lines `PACKAGE VERSION`.
pub fn parse(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// As a file of lines `PACKAGE VERSION`.
pub fn print(versions: &Versions) -> String {
    versions.iter().map(|(name, version)| format!("{name} {version}\n")).collect()
}

/// As the table of results has them.
pub fn table(versions: &Versions) -> String {
    let rows: String = versions.iter().map(|(name, version)| format!("| {name} | {version} |\n")).collect();
    format!("{TABLE}{rows}")
}

const TABLE: &str = "| package | version |\n|---|---|\n";

/// The versions of a record of results.
fn recorded(results: &str) -> Vec<(String, String)> {
    let rows = results.split_once(TABLE).map_or("", |(_, rows)| rows);
    rows.lines()
        .map_while(|row| row.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect()
}

/// Which packages have moved since all tests passed, and what pins each; nothing where none has.
pub fn moved(now: &Versions) -> Option<String> {
    moved_since(&recorded(RECORDED), now)
}

fn moved_since(then: &Versions, now: &Versions) -> Option<String> {
    let mut lines = String::new();
    for (name, before) in then.iter().filter(|(name, _)| name != LINUX_RELEASE) {
        let Some(after) = version_of(now, name).filter(|after| after != before) else { continue };
        let (package, option) = match name.as_str() {
            LINUX => ("linux-image-arm64", format!("--linux {before}")),
            name => (name, format!("--pin {name}={before}")),
        };
        lines += &format!("\n  {package} is {after} now; `{option}` pins {before}");
    }
    (!lines.is_empty()).then(|| {
        format!(
            "Debian's packages have moved since all tests passed (docs/system-results.md). If this is new, pin one at a time to see \
             which it is:{lines}"
        )
    })
}

/// Whether a Debian version (`[epoch:]major.minor…`) is at least this one.
pub fn at_least(version: &str, major: u32, minor: u32) -> bool {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let mut numbers =
        upstream.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(words: &[(&str, &str)]) -> Vec<(String, String)> {
        words.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(at_least("1:11.1.3+ds-1~bpo13+1", 11, 1));
        assert!(at_least("7.3.4-1~bpo13+1", 7, 0));
        assert!(!at_least("1:10.0.13+ds-0+deb13u1", 11, 1));
        assert!(!at_least("6.12.117-1", 7, 0));
        assert!(at_least("4.10.0-2", 4, 10) && !at_least("4.5.0-2", 4, 10));
        assert!(!at_least("", 1, 0));
    }

    #[test]
    fn a_record_of_versions_survives_its_file_and_its_table() {
        let versions = versions(&[("qemu", "1:11.1"), ("linux", "7.3")]);
        assert_eq!(parse(&print(&versions)), versions);
        assert_eq!(version_of(&versions, "linux"), Some("7.3"));
        assert_eq!(recorded(&format!("# Results\n\n{}\n| boot | tests |\n", table(&versions))), versions);
    }

    #[test]
    fn what_has_moved_is_named_with_what_pins_it() {
        let then = versions(&[(LINUX, "7.3.4-1"), (LINUX_RELEASE, "7.3.4-arm64"), ("optee-os", "4.10.0-2")]);
        assert_eq!(moved_since(&then, &then), None);
        let now = versions(&[(LINUX, "7.4.1-1"), (LINUX_RELEASE, "7.4.1-arm64"), ("optee-os", "4.10.0-2")]);
        let advice = moved_since(&then, &now).unwrap();
        assert!(
            advice.contains("linux-image-arm64 is 7.4.1-1 now; `--linux 7.3.4-1` pins 7.3.4-1"),
            "{advice}"
        );
        assert!(!advice.contains("optee-os") && !advice.contains("uname"), "{advice}");
        let now = versions(&[(LINUX, "7.3.4-1"), ("optee-os", "4.12.0-1")]);
        let advice = moved_since(&then, &now).unwrap();
        assert!(advice.contains("`--pin optee-os=4.10.0-2`") && !advice.contains("linux-image"), "{advice}");
    }

    #[test]
    fn the_record_of_this_tree_is_read() {
        let recorded = recorded(RECORDED);
        let linux = version_of(&recorded, LINUX).unwrap();
        assert!(at_least(linux, 7, 0) && moved(&recorded).is_none());
        let moved = moved(&versions(&[(LINUX, "99.1-1")])).unwrap();
        assert!(moved.contains(&format!("`--linux {linux}`")), "{moved}");
    }

    #[test]
    fn a_pin_is_how_a_version_begins() {
        let mut wishes = Wishes::default();
        let record = versions(&[(LINUX, "7.3.4-1~bpo13+1"), ("optee-os", "4.10.0-2")]);
        assert!(wishes.keep(&record) && !wishes.keep(&[]));
        assert!(wishes.want("optee-os", "4.12", |_| true) && !wishes.want("optee-os", "4.12", |_| false));
        wishes.pin("optee-os=4.10").unwrap();
        assert!(wishes.keep(&record) && wishes.want("optee-os", "4.10.0-2", |_| false));
        assert!(!wishes.want("optee-os", "4.12.0-1", |_| true));
        wishes.pin("linux-binary=7.4").unwrap();
        assert!(!wishes.keep(&record), "it has another kernel");
        let error = wishes.pin("qemu=1").unwrap_err().to_string();
        assert!(error.contains("no package qemu") && error.contains("qemu-system-arm"), "{error}");
        assert!(wishes.pin("optee-os").unwrap_err().to_string().contains("PACKAGE=VERSION"));
    }
}
