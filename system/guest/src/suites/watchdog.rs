//! Firmware whose watchdog runs out: Linux is interrupted, takes the processor for crashed and recovers it, each time once.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::driver::{CRASH_IS_MEANT, Processor, offer, take_dump};
use crate::interrupts;
use crate::kernel_log::KernelLog;
use crate::report::Report;

/// What is loaded.
#[derive(Args)]
pub struct Arguments {
    /// A good image whose firmware starves its watchdog
    starving: PathBuf,
    /// A good image whose firmware does well
    good: PathBuf,
}

/// What the firmware traces when it has stopped to feed.
const UNFED: &str = "the watchdog is no longer fed";
/// What the kernel logs of a crash, and of every start.
const CRASHED: &str = "crash detected in m33";
const STARTED: &str = "remote processor m33 is now up";
/// How long a bite, and a recovery with a dump of all memory, may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the suite.
pub fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    offer(&arguments.starving, "starving.img")?;
    offer(&arguments.good, "good.img")?;
    let m33 = Processor::find("m33").context("the driver waits for the watchdog's interrupt")?;
    let mut log = KernelLog::from_now()?;
    let before = interrupts::taken("m33")?;
    report.test("is-quiet-for-other-firmware", || {
        m33.boot("good.img")?;
        m33.wait_for_trace("ready")?;
        m33.set("state", "stop")?;
        m33.ensure_state("offline")?;
        ensure!(interrupts::taken("m33")? == before, "an interrupt of a watchdog that does not run");
        Ok("started and stopped, without an interrupt")
    });
    report.test("bites", || {
        m33.set("coredump", "enabled")?;
        m33.boot("starving.img")?;
        log.wait_for(&[CRASHED, "watchdog"], LIMIT)
    });
    report.test("recovers", || {
        // Both starts before said so too.
        wait_for_more(&mut log, STARTED, 2)?;
        Ok("by itself")
    });
    report.test("coredump", || {
        m33.set("coredump", "disabled")?;
        let bytes = take_dump()?;
        let said = bytes.windows(UNFED.len()).any(|part| part == UNFED.as_bytes());
        ensure!(said, "{} bytes without {UNFED:?}", bytes.len());
        Ok(format!("{} bytes, in them {UNFED:?}", bytes.len()))
    });
    report.test("bites-again", || {
        let (crashes, starts) = (log.count(CRASHED)?, log.count(STARTED)?);
        wait_for_more(&mut log, CRASHED, crashes)?;
        wait_for_more(&mut log, STARTED, starts)?;
        Ok("crashed and recovered once more")
    });
    report.test("stops", || {
        // While it recovers there is nothing to stop.
        let begin = Instant::now();
        while let Err(error) = m33.set("state", "stop") {
            ensure!(begin.elapsed() < LIMIT, "it does not stop: {error:#}");
            std::thread::sleep(Duration::from_millis(10));
        }
        m33.ensure_state("offline")?;
        Ok("offline")
    });
    report.test("one-interrupt-a-bite", || {
        let crashes = log.count(CRASHED)?;
        let taken = interrupts::taken("m33")? - before;
        ensure!(taken == crashes && crashes >= 2, "{taken} interrupts for {crashes} crashes");
        Ok(format!("{taken} interrupts for {crashes} crashes"))
    });
    // This firmware answers no request to shut down.
    let meant = [&CRASH_IS_MEANT[..], &["does not answer the request to shut down"]].concat();
    report.test("no-warning", || log.ensure_quiet(&meant));
    Ok(())
}

/// Waits until the kernel has logged this more than so many times.
fn wait_for_more(log: &mut KernelLog, text: &str, times: u64) -> Result<()> {
    let begin = Instant::now();
    while log.count(text)? <= times {
        ensure!(begin.elapsed() < LIMIT, "the kernel logged {text:?} {times} times within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
