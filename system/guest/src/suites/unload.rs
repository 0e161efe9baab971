//! Linux's driver and that of its mailboxes, removed while firmware talks, and back in the other order.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use super::channel::{Channel, wait_for};
use super::driver::{Processor, insert, offer, processors, remove, shell};
use crate::kernel_log::KernelLog;
use crate::report::Report;

/// What is loaded, and was already.
#[derive(Args)]
pub struct Arguments {
    /// The driver
    module: PathBuf,
    /// That of its mailboxes
    mailboxes: PathBuf,
    /// A good image whose firmware echoes
    image: PathBuf,
}

/// What the sample firmware announces.
const CHANNEL: &str = "rproc-echo";
const MAILBOXES: &str = "rproc_ipcc";
const PCI_DRIVER: &str = "/sys/bus/pci/drivers/rproc_ipcc";
/// How often all of it happens: what the first time has left behind is found by the second.
const TIMES: usize = 2;

/// Runs the suite.
pub fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    offer(&arguments.image, "good.img")?;
    let mut log = KernelLog::from_now()?;
    report.test("mailboxes-stay-while-used", || {
        let error = shell("rmmod", MAILBOXES).err().context("the driver of mailboxes in use was removed")?;
        Ok(format!("{error:#}"))
    });
    report.test("go-while-firmware-talks-and-come-again", || {
        for _ in 0..TIMES {
            talk()?;
            remove()?;
            shell("rmmod", MAILBOXES)?;
            ensure!(processors()?.is_empty(), "processors are left: {:?}", processors()?);
            insert(&arguments.module)?;
            ensure!(!processors()?.contains_key("m33"), "m33 does not wait for its mailboxes");
            insert(&arguments.mailboxes)?;
            wait_for("m33", || Ok(processors()?.remove("m33")))?;
        }
        talk_and_rest()
    });
    report.test("goes-and-comes-with-its-mailboxes", || {
        let device = mailbox_device()?;
        for _ in 0..TIMES {
            talk()?;
            fs::write(Path::new(PCI_DRIVER).join("unbind"), &device)?;
            ensure!(!processors()?.contains_key("m33"), "m33 is still there");
            fs::write(Path::new(PCI_DRIVER).join("bind"), &device)?;
            wait_for("m33", || Ok(processors()?.remove("m33")))?;
        }
        talk_and_rest()
    });
    report.test("no-warning", || log.ensure_quiet(&[]));
    Ok(())
}

/// The PCI device that is the mailboxes.
fn mailbox_device() -> Result<String> {
    for entry in fs::read_dir(PCI_DRIVER)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.contains(':') {
            return Ok(name);
        }
    }
    bail!("{PCI_DRIVER} has no device")
}

/// After all of it.
fn talk_and_rest() -> Result<String> {
    talk()?;
    let m33 = Processor::find("m33")?;
    m33.set("state", "stop")?;
    m33.ensure_state("offline")?;
    Ok(format!("{TIMES} times, and it talks"))
}

fn talk() -> Result<()> {
    Processor::find("m33")?.boot("good.img")?;
    Channel::open(CHANNEL)?.echo(b"are you there?")
}
