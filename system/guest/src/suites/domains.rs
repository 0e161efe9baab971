//! Power domains of a processor under Linux's driver: on while the processor runs, another while Linux sleeps.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use super::driver::{Processor, insert, offer, remove};
use super::life::{sleep, stop};
use crate::kernel_log::KernelLog;
use crate::report::Report;

/// What is loaded.
#[derive(Args)]
pub struct Arguments {
    /// The driver; that of its mailboxes is there already
    module: PathBuf,
    /// A good image whose firmware comes to rest when it is asked to
    image: PathBuf,
    /// One that is refused
    foreign: PathBuf,
}

/// The Cortex-M33's domains in the device tree (xtask/src/system/tree.rs).
const DEFAULT: Domain = Domain("power-domain-m33");
const SLEEP: Domain = Domain("power-domain-m33-sleep");
/// What the kernel logs of what the tests cause.
const MEANT: [&str; 6] = [
    "taint",
    "the firmware is refused",
    "Failed to load",
    "Boot failed",
    "suspend debug: Waiting",
    "PM: suspend debug",
];

/// Runs the suite.
pub fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    offer(&arguments.image, "good.img")?;
    offer(&arguments.foreign, "foreign.img")?;
    insert(&arguments.module)?;
    let m33 = Processor::find("m33").context("the driver waits for the power domains")?;
    let mut log = KernelLog::from_now()?;
    report.test("off-without-firmware", || ensure_on(false, false));
    report.test("on-while-it-runs", || {
        boot(&m33)?;
        ensure_on(true, false)?;
        stop(&m33)?;
        ensure_on(false, false)
    });
    report.test("off-after-a-refusal", || {
        m33.boot("foreign.img").err().context("it started")?;
        ensure_on(false, false)
    });
    report.test("another-while-linux-sleeps", || {
        boot(&m33)?;
        let before = (DEFAULT.times_off()?, SLEEP.times_off()?);
        // To where Linux has switched the domains of sleeping devices off.
        sleep("platform")?;
        m33.ensure_state("running")?;
        ensure_on(true, false)?;
        let (default, sleep) = (DEFAULT.times_off()? - before.0, SLEEP.times_off()? - before.1);
        ensure!(default == 1, "{DEFAULT:?} was switched off {default} times, not once");
        ensure!(sleep == 1, "{SLEEP:?} was switched off {sleep} times, not once, after Linux woke");
        stop(&m33)?;
        ensure_on(false, false)
    });
    report.test("off-with-the-driver", || {
        boot(&m33)?;
        remove()?;
        ensure_on(false, false)
    });
    report.test("no-warning", || log.ensure_quiet(&MEANT));
    Ok(())
}

/// Starts good firmware and waits until it listens to requests.
fn boot(m33: &Processor) -> Result<()> {
    m33.boot("good.img")?;
    m33.wait_for_trace("waiting for the host").map(drop)
}

/// Whether `default` and `sleep` are on.
fn ensure_on(default: bool, sleep: bool) -> Result<String> {
    let found = (DEFAULT.is_on()?, SLEEP.is_on()?);
    ensure!(found == (default, sleep), "default and sleep are on: {found:?}, not {:?}", (default, sleep));
    let word = |on| if on { "on" } else { "off" };
    Ok(format!("default {}, sleep {}", word(default), word(sleep)))
}

/// One of Linux's, as debugfs shows it (Linux `drivers/pmdomain/core.c`).
#[derive(Debug)]
struct Domain(&'static str);

impl Domain {
    fn read(&self, what: &str) -> Result<String> {
        let file = Path::new("/sys/kernel/debug/pm_genpd").join(self.0).join(what);
        fs::read_to_string(&file).with_context(|| file.display().to_string())
    }

    fn is_on(&self) -> Result<bool> {
        match self.read("current_state")?.trim() {
            "on" => Ok(true),
            off if off.starts_with("off-") => Ok(false),
            other => bail!("{} is {other:?}", self.0),
        }
    }

    /// How often it was switched off since the kernel's start.
    fn times_off(&self) -> Result<u64> {
        let table = self.read("idle_states")?;
        let mut lines = table.lines().map(str::split_whitespace);
        let column = lines.next().and_then(|mut names| names.position(|name| name == "Usage"));
        let value = column.and_then(|column| lines.next()?.nth(column)?.parse().ok());
        value.with_context(|| format!("no usage in the idle states of {}:\n{table}", self.0))
    }
}
