//! Linux's driver goes on when the Trusted Application panics, whatever the processor does then.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use rproc_abi::refusal::Reason;

use super::driver::{
    CRASH_IS_MEANT, DUMP_LIMIT, LIMIT, PROCESSORS, Processor, insert, offer, processors, remove,
};
use super::panic::panic;
use crate::firmware::Firmware;
use crate::kernel_log::KernelLog;
use crate::report::Report;
use crate::service::Target;

/// What is loaded.
#[derive(Args)]
pub struct Arguments {
    /// The driver
    module: PathBuf,
    /// A good image whose firmware has a trace buffer
    image: PathBuf,
    /// One that is refused
    foreign: PathBuf,
}

/// What the driver says when it asks again.
const ASKED_AGAIN: &str = "has panicked, and is asked again in another session";
/// What it says where the service has no dump to give.
const NO_DUMP: &str = "there is no core dump: ";
/// What the firmware traces.
const READY: &str = "waiting for the host";

/// Runs the suite.
pub fn run(arguments: &Arguments, target: &Target, report: &mut Report) -> Result<()> {
    let firmware = Firmware::read(&arguments.image)?;
    offer(&arguments.image, "good.img")?;
    offer(&arguments.foreign, "foreign.img")?;
    insert(&arguments.module)?;
    let m33 = Processor::find("m33")?;
    let mut log = KernelLog::from_now()?;
    let asked_again = |log: &mut KernelLog, more: &[&str]| {
        let count = log.count(ASKED_AGAIN)?;
        ensure!(count == 1, "the driver has asked again {count} times, not once");
        log.ensure_quiet(&[&[ASKED_AGAIN], more].concat())
    };
    report.test("starts", || {
        panic(target)?;
        m33.boot("good.img")?;
        m33.wait_for_trace(READY)?;
        asked_again(&mut log, &[])
    });
    report.test("stops", || {
        panic(target)?;
        m33.set("state", "stop")?;
        m33.ensure_state("offline")?;
        firmware.ensure_wiped()?;
        asked_again(&mut log, &[])
    });
    report.test("recovers", || {
        m33.set("coredump", "enabled")?;
        m33.boot("good.img")?;
        log.take()?;
        panic(target)?;
        m33.crash()?;
        log.wait_for(&["stopped remote processor m33"], LIMIT)?;
        let line = log.wait_for(&["remote processor m33 is now up"], DUMP_LIMIT)?;
        m33.ensure_state("running")?;
        m33.wait_for_trace(READY)?;
        // What ran before is not known to the new instance, so it has nothing to dump.
        log.wait_for(&[NO_DUMP], LIMIT)?;
        asked_again(&mut log, &[&CRASH_IS_MEANT[..], &[NO_DUMP]].concat())?;
        Ok(line)
    });
    report.test("refuses-with-the-reason", || {
        m33.set("state", "stop")?;
        panic(target)?;
        m33.boot("foreign.img").err().context("it started")?;
        log.wait_for(&[Reason::UntrustedKey.sentence()], LIMIT)
    });
    report.test("goes", || {
        m33.boot("good.img")?;
        log.take()?;
        panic(target)?;
        remove()?;
        let left = processors()?;
        ensure!(left.is_empty(), "{left:?} are still there");
        firmware.ensure_wiped()?;
        asked_again(&mut log, &[])
    });
    report.test("comes-again", || {
        panic(target)?;
        insert(&arguments.module)?;
        ensure!(processors()?.len() == PROCESSORS.len(), "not all processors came back");
        Processor::find("m33")?.boot("good.img")?;
        remove()?;
        log.ensure_quiet(&["taint", "is left out"])
    });
    Ok(())
}
