//! `cargo xtask system`: the same software on real TF-A, OP-TEE and Linux under QEMU, with the virtual board beside it.

mod build;
mod by_hand;
mod cache;
mod checks;
mod code;
mod comparison;
mod driver;
mod figures;
mod host;
mod images;
mod kernel_build;
mod lockdep;
mod machine;
mod packages;
mod report;
mod rootfs;
mod suites;
mod tree;
mod versions;

use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::repository;
use build::Builder;
use cache::{Cache, Inputs};
use machine::Boot;
use packages::Packages;
use report::Report;
use suites::{Plan, Planned};
use versions::{LINUX, Wishes};

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    shell: bool,
    wishes: Wishes,
    only: Option<String>,
    cycles: u32,
    record: bool,
    figures: bool,
}

/// The chores of this part, of which each has options of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chore {
    /// `system`
    System,
    /// `driver`
    Driver,
}

impl Options {
    /// From the words after the chore; refuses a boot that is not there and options that have no effect together.
    pub fn parse(chore: Chore, words: &[String]) -> Result<Self> {
        let mut options = Self {
            shell: false,
            wishes: Wishes::default(),
            only: None,
            cycles: 1000,
            record: false,
            figures: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} wants a value"));
            match (chore, word.as_str()) {
                (_, "--update") => options.wishes.update = true,
                (_, "--linux") => options.wishes.pin_to(LINUX, value()?)?,
                (_, "--pin") => options.wishes.pin(value()?)?,
                (Chore::Driver, "--figures") => options.figures = true,
                (Chore::System, "--shell") => options.shell = true,
                (Chore::System, "--record") => options.record = true,
                (Chore::System, "--only") => options.only = Some(value()?.clone()),
                (Chore::System, "--cycles") => {
                    let number = value()?;
                    options.cycles =
                        number.parse().with_context(|| format!("--cycles wants a number, not {number}"))?;
                }
                (Chore::System, _) => bail!("`system` has no option {word}"),
                (Chore::Driver, _) => bail!("`driver` has no option {word}"),
            }
        }
        if let Some(only) = &options.only {
            suites::check_name(only)?;
        }
        match (options.shell, options.only.is_some(), options.record) {
            (true, true, _) => {
                bail!("--shell boots a machine of its own, so that --only has no effect with it")
            }
            (true, _, true) => bail!("--shell runs no tests, so that there is nothing to --record"),
            (_, true, true) => {
                bail!("--record writes the results of all boots, and --only runs one: leave out one of them")
            }
            _ => Ok(options),
        }
    }
}

/// Where everything is kept: `target/system`, or what `RPROC_SYSTEM_CACHE` names.
fn cache_folder() -> PathBuf {
    std::env::var_os("RPROC_SYSTEM_CACHE")
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| repository().join("target/system"), |folder| repository().join(folder))
}

/// Builds the system and runs its tests, or leaves a person in it.
pub fn run(options: &Options) -> Result<()> {
    let begun = Instant::now();
    let folder = cache_folder();
    let cache = Cache::open(folder.clone())?;
    host::check(&folder)?;
    say!("packages, in {}", folder.display())?;
    let packages = Packages::get(&cache, &options.wishes)?;
    for (name, version) in &packages.versions {
        say!("  {name} {version}")?;
    }
    with_what_moved(&packages, || with_packages(options, &cache, &packages, begun))
}

fn with_packages(options: &Options, cache: &Cache, packages: &Packages, begun: Instant) -> Result<()> {
    say!("builds")?;
    let builder = Builder { cache, packages };
    let rproc = builder.host_program()?;
    let images = images::make(cache, packages, &rproc)?;
    let plan = Plan { builder, images };
    let runner = Runner { cache, packages, rproc: &rproc };
    if options.shell {
        let planned = plan.shell()?;
        return runner.with_boot(&planned, |boot| {
            cache.release()?;
            boot.shell()
        });
    }
    let names = match &options.only {
        Some(name) => vec![name.as_str()],
        None => suites::names(),
    };
    let boots = names.into_iter().map(|name| plan.boot(name, options.cycles)).collect::<Result<Vec<_>>>()?;
    say!("boots, after {} s", begun.elapsed().as_secs())?;
    let mut report = Report::default();
    for (name, file) in plan.ta_files()? {
        report.measure(&format!("ta-file/{name}"), fs::metadata(file)?.len() as f64, "bytes");
    }
    for planned in &boots {
        runner.run(planned, &mut report)?;
    }
    conclude(&report, packages, begun, options.record)
}

/// Builds Linux's driver for the kernel that the system boots, and says where it is.
pub fn driver(options: &Options) -> Result<()> {
    let folder = cache_folder();
    let cache = Cache::open(folder.clone())?;
    host::check(&folder)?;
    say!("packages, in {}", folder.display())?;
    let packages = Packages::get(&cache, &options.wishes)?;
    say!("builds")?;
    let builder = Builder { cache: &cache, packages: &packages };
    let (folder, package) =
        with_what_moved(&packages, || Ok((builder.drivers()?, builder.driver_package()?)))?;
    say!("{} is for Linux {}", folder.join(driver::DRIVER).display(), packages.linux_release()?)?;
    say!("to install it there: apt install {}", package.display())?;
    if options.figures {
        say!("\n{}", figures::table(&cache, &packages)?)?;
    }
    Ok(())
}

/// A failure says which of Debian's packages are others than when all tests passed, for that may be why.
fn with_what_moved<T>(packages: &Packages, work: impl FnOnce() -> Result<T>) -> Result<T> {
    work().map_err(|error| match versions::moved(&packages.versions) {
        Some(moved) => anyhow!("{error:#}\n{moved}"),
        None => error,
    })
}

struct Runner<'a> {
    cache: &'a Cache,
    packages: &'a Packages,
    rproc: &'a Path,
}

impl Runner<'_> {
    fn with_boot<T>(&self, planned: &Planned, run: impl FnOnce(&Boot<'_>) -> Result<T>) -> Result<T> {
        let logs = self.cache.place("boots").join(planned.name);
        fs::create_dir_all(&logs)?;
        let initrd = logs.join("initrd.cpio");
        let linux = match &planned.extra.linux {
            Some(other) => other.clone(),
            None => self.packages.linux()?,
        };
        rootfs::make(self.packages, &linux, &planned.extra, &initrd)?;
        let inputs = Inputs::new().file(&planned.flash)?.text(format!("{:?}", self.packages.versions));
        let inputs = inputs.text(machine::machine_options(planned.messages, "").join(" "));
        let nodes = planned.tree.nodes();
        let pins = if planned.messages { "" } else { "-pins" };
        let name = format!("build/virt-{}{pins}.dtb", planned.tree.name());
        let tree = self.cache.entry(&name, &inputs.text(&nodes), |file| {
            tree::make(&self.packages.qemu, &planned.flash, planned.messages, &nodes, file)
        })?;
        let kernel = linux.join("vmlinuz");
        run(&Boot {
            qemu: &self.packages.qemu,
            flash: &planned.flash,
            kernel: &kernel,
            initrd: &initrd,
            tree: &tree,
            logs: &logs,
            board: planned.board.then_some(self.rproc),
            arguments: planned.arguments(),
            messages: planned.messages,
            limit: planned.limit,
        })
    }

    fn run(&self, planned: &Planned, report: &mut Report) -> Result<()> {
        let outcome = self
            .with_boot(planned, |boot| boot.run())
            .with_context(|| format!("the boot `{}`", planned.name))?;
        let before = report.tests.len();
        report.add(planned.name, &outcome.console, &[planned.suites, &[rootfs::LAST_SUITE]].concat());
        let logs = self.cache.place("boots").join(planned.name);
        checks::add(planned, &logs, report);
        let failed = report.tests.iter().skip(before).filter(|test| test.failure.is_some()).count();
        let run = report.tests.len() - before;
        say!(
            "  {:<34} {:>4} tests, {failed} failed, {:.1} s",
            planned.name,
            run,
            outcome.took.as_secs_f64()
        )?;
        Ok(())
    }
}

fn conclude(report: &Report, packages: &Packages, begun: Instant, record: bool) -> Result<()> {
    say!("\n{}\n{}\n{}", report.table(), comparison::table(report), report.figures())?;
    for test in report.failures() {
        say!("FAILED {}: {}", test.name, test.failure.as_deref().unwrap_or_default())?;
    }
    let failed = report.failures().count();
    if failed > 0 {
        bail!("{failed} of {} system tests failed", report.tests.len());
    }
    if report.tests.is_empty() {
        bail!("no test ran");
    }
    say!("{} system tests passed in {} s", report.tests.len(), begun.elapsed().as_secs())?;
    if record {
        let text = format!(
            "# The system tests, as last recorded\n\nWritten by `cargo xtask system --record`; do not edit.\n\n{}\n{}\n{}\n{}",
            versions::table(&packages.versions),
            report.table(),
            comparison::table(report),
            report.figures()
        );
        fs::write(repository().join("docs/system-results.md"), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_are_read_and_others_refused() {
        let options = Options::parse(Chore::System, &words("--shell --linux 7.3.4 --cycles 5")).unwrap();
        assert!(options.shell && options.cycles == 5);
        assert_eq!(options.wishes.pinned(LINUX), Some("7.3.4"));
        assert!(
            Options::parse(Chore::System, &words("--cycles many")).unwrap_err().to_string().contains("many")
        );
        assert!(
            Options::parse(Chore::System, &words("--only"))
                .unwrap_err()
                .to_string()
                .contains("wants a value")
        );
        assert!(Options::parse(Chore::System, &words("--fast")).is_err());
        assert!(Options::parse(Chore::System, &words("--figures")).is_err());
        assert!(Options::parse(Chore::Driver, &words("--figures")).unwrap().figures);
        assert!(Options::parse(Chore::Driver, &words("--only early")).is_err());
        assert!(Options::parse(Chore::System, &words("--pin optee-os")).is_err());
        assert_eq!(
            Options::parse(Chore::System, &words("--only early")).unwrap().only.as_deref(),
            Some("early")
        );
        let typo = Options::parse(Chore::System, &words("--only erly")).unwrap_err().to_string();
        assert!(typo.contains("no boot is called erly") && typo.contains("bare, early"), "{typo}");
        assert!(typo.contains("load-ours-extensions"), "{typo}");
        for together in ["--record --only early", "--shell --only early", "--shell --record"] {
            assert!(Options::parse(Chore::System, &words(together)).is_err(), "{together}");
        }
    }
}
