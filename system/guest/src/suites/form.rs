//! How Linux's driver finds the service and its processors: before the service is there, in a form of the device tree, and as it goes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use rproc_abi::Uuid;

use super::driver::{CLASS, PROCESSORS, Processor, insert, offer, processors, remove};
use crate::firmware::Firmware;
use crate::kernel_log::{KernelLog, Record};
use crate::report::Report;

/// A driver without a service.
#[derive(Args)]
pub struct AbsentArguments {
    /// The driver
    module: PathBuf,
    /// Remove it at the end
    #[arg(long)]
    remove: bool,
}

/// A driver with a service.
#[derive(Args)]
pub struct Arguments {
    /// A good image whose firmware has a trace buffer
    image: PathBuf,
    /// The driver, if it is not there yet
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// What ends the path of a node that is left out, in a line of its own
    #[arg(long, value_name = "NODE")]
    left_out: Vec<String>,
    /// A part of a line that the firmware traces
    #[arg(long, value_name = "TEXT", default_value = "waiting for the host")]
    expect: String,
}

/// The driver among those of the TEE bus.
const BUS_DRIVER: &str = "/sys/bus/tee/drivers/rproc-tee";
/// What waits for something else; a word of our devices' names.
const DEFERRED: (&str, &str) = ("/sys/kernel/debug/devices_deferred", "rproc-tee");
const LEFT_OUT: &str = " is left out: ";
const ABSENT: &str = "the TEE has no remoteproc service";
/// What the kernel says of a module that is not its own.
const TAINT: &str = "taint";
/// How long the processors may take to appear.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs the suite without a service.
pub fn run_absent(arguments: &AbsentArguments, report: &mut Report) -> Result<()> {
    let mut log = KernelLog::from_now()?;
    report.test("says-one-line", || {
        insert(&arguments.module)?;
        let found = processors()?;
        ensure!(found.is_empty(), "{found:?} are registered");
        let records = log.take()?;
        let said: Vec<&str> = records.iter().filter(|it| is_ours(it)).map(|it| &*it.text).collect();
        ensure!(said.len() == 1 && said.iter().all(|line| line.contains(ABSENT)), "it says {said:?}");
        no_warning(&records, &[])?;
        Ok(said.concat())
    });
    report.test("defers-nothing", nothing_deferred);
    if arguments.remove {
        report.test("goes", || {
            remove()?;
            no_warning(&log.take()?, &[])?;
            Ok("removed")
        });
    }
    Ok(())
}

/// Runs the suite with a service.
pub fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let firmware = Firmware::read(&arguments.image)?;
    offer(&arguments.image, "good.img")?;
    // Without a module to insert, the lines of its insertion have been written already.
    let mut log = if arguments.module.is_some() { KernelLog::from_now() } else { KernelLog::whole() }?;
    report.test("registers", || {
        if let Some(module) = &arguments.module {
            insert(module)?;
        }
        wait_for_processors()
    });
    // What the kernel said before the driver was there is not the driver's.
    let mut records: Vec<Record> = log.take()?.into_iter().skip_while(|it| !is_ours(it)).collect();
    report.test("left-out", || {
        let lines: Vec<&str> =
            records.iter().map(|it| &*it.text).filter(|text| text.contains(LEFT_OUT)).collect();
        for node in &arguments.left_out {
            let one = format!("{node}{LEFT_OUT}");
            let count = lines.iter().filter(|line| line.contains(&one)).count();
            ensure!(count == 1, "{node} is left out by {count} lines of {lines:?}");
        }
        ensure!(lines.len() == arguments.left_out.len(), "more is left out: {lines:?}");
        Ok(if lines.is_empty() { "nothing".to_owned() } else { lines.join("; ") })
    });
    report.test("nodes", || {
        PROCESSORS.iter().map(|name| node(name)).collect::<Result<Vec<_>>>().map(|nodes| nodes.join(" and "))
    });
    let m33 = Processor::find("m33")?;
    report.test("starts", || {
        m33.boot("good.img")?;
        m33.ensure_state("running")?;
        m33.wait_for_trace(&arguments.expect)
    });
    report.test("stops", || {
        m33.set("state", "stop")?;
        m33.ensure_state("offline")?;
        Ok(format!("offline, and {} bytes are zero", firmware.ensure_wiped()?))
    });
    report.test("goes-with-the-service", || {
        m33.boot("good.img")?;
        m33.wait_for_trace(&arguments.expect)?;
        bus("unbind")?;
        let left = processors()?;
        ensure!(left.is_empty(), "{left:?} are still there");
        Ok(format!("no processor, and {} bytes are zero", firmware.ensure_wiped()?))
    });
    report.test("comes-with-the-service", || {
        bus("bind")?;
        wait_for_processors()
    });
    report.test("defers-nothing", nothing_deferred);
    report.test("is-removed", || {
        remove()?;
        let left = processors()?;
        ensure!(left.is_empty(), "{left:?} are still there");
        Ok("no processor")
    });
    report.test("no-warning", || {
        records.extend(log.take()?);
        no_warning(&records, &[LEFT_OUT])
    });
    Ok(())
}

/// Whether the driver, its service or its processors say it.
fn is_ours(record: &Record) -> bool {
    !record.text.contains(TAINT) && ["rproc_tee", "rproc-tee"].iter().any(|name| record.text.contains(name))
}

fn no_warning(records: &[Record], meant: &[&str]) -> Result<String> {
    let meant = |text: &str| text.contains(TAINT) || meant.iter().any(|meant| text.contains(meant));
    match records.iter().find(|it| it.is_warning() && !meant(&it.text)) {
        Some(record) => bail!("the kernel warns: {}", record.text),
        None => Ok(format!("{} lines, no warning", records.len())),
    }
}

fn nothing_deferred() -> Result<&'static str> {
    let (list, ours) = DEFERRED;
    let deferred = fs::read_to_string(list).with_context(|| format!("cannot read {list}"))?;
    ensure!(!deferred.contains(ours), "deferred are {deferred:?}");
    Ok("nothing of the driver's waits")
}

fn wait_for_processors() -> Result<String> {
    let begin = Instant::now();
    loop {
        let found: Vec<String> = processors()?.into_keys().collect();
        if found == PROCESSORS {
            return Ok(format!("{} after {} ms", found.join(" and "), begin.elapsed().as_millis()));
        }
        ensure!(begin.elapsed() < LIMIT, "registered {found:?} within {LIMIT:?}, not {PROCESSORS:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn service() -> String {
    format!("optee-ta-{}", Uuid::REMOTEPROC_TA)
}

/// Takes the service from the driver, or gives it back.
fn bus(attribute: &str) -> Result<()> {
    fs::write(Path::new(BUS_DRIVER).join(attribute), service())
        .with_context(|| format!("{BUS_DRIVER}/{attribute}"))
}

/// The path of a processor's own node in the device tree. Its device is a child of the service's, which no driver for the node's
/// `compatible` is for.
fn node(name: &str) -> Result<String> {
    let registered = processors()?.remove(name).with_context(|| format!("no processor {name}"))?;
    let device = fs::canonicalize(Path::new(CLASS).join(registered).join("device"))?;
    let parent = device.parent().context("a device without a parent")?;
    ensure!(parent.ends_with(service()), "its parent is {}", parent.display());
    let modalias = fs::read_to_string(device.join("modalias"))?;
    ensure!(modalias.starts_with("platform:"), "it asks for a driver of {modalias}");
    let node = fs::canonicalize(device.join("of_node")).context("it has no node of the device tree")?;
    let own = node.file_name().is_some_and(|own| own.to_string_lossy().starts_with(name));
    ensure!(own, "its node is {}", node.display());
    Ok(node.display().to_string())
}
