//! Linux's driver with all that a processor's node may name: what it attaches to, keeps on, and does when others fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use super::driver::{
    DEBUG, FIRMWARE, LIMIT, OLD_REQUEST, Processor, UNANSWERED, insert, offer, processors, remove,
};
use crate::firmware::Firmware;
use crate::kernel_log::KernelLog;
use crate::memory;
use crate::report::Report;
use crate::service::Target;

/// What is loaded.
#[derive(Args)]
pub struct Arguments {
    /// The driver; that of its mailboxes is there already
    module: PathBuf,
    /// A good image whose firmware has a trace buffer and comes to rest when it is asked to
    image: PathBuf,
    /// One that is refused
    foreign: PathBuf,
    /// A good image whose firmware answers nothing
    silent: PathBuf,
    /// A part of a line that the firmware traces
    #[arg(long, value_name = "TEXT", default_value = "waiting for the host")]
    expect: String,
}

/// The clocks of the device tree (xtask/src/system/tree.rs), with how often the Cortex-M33's node names each.
const CLOCKS: [(&str, u32); 2] = [("rproc-m33", 2), ("rproc-m33-bus", 1)];
const CLOCK_DEBUG: &str = "/sys/kernel/debug/clk";
/// What Linux's core and the driver say of what the tests cause.
const MEANT: [&str; 16] = [
    OLD_REQUEST,
    "taint",
    "does not answer",
    "the firmware is refused",
    "Failed to load program segments",
    "Failed to process resources",
    "rsc table is truncated",
    "Boot failed",
    "crash detected in m33",
    "handling crash",
    "recovering m33",
    "the recovery failed",
    "suspend debug: Waiting",
    "PM: suspend debug",
    "Failed to load",
    "power-domains: default may be switched off",
];
/// What the firmware traces when it comes to rest.
const RESTS: &str = "shut down";
/// How long the firmware may take to come to rest, as the driver has it.
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(500);
/// What Linux gives firmware for its answer that it leaves.
const DETACH_LIMIT: Duration = Duration::from_millis(200);
/// The kernel's waits are counted in ticks: they end up to one early, and more where the host keeps the CPU that counts from running.
const EARLY: Duration = Duration::from_millis(50);
/// How long a recovery may take, in which the TEE wipes all of the processor's memory.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);
/// Where a resource table says where its first entry is (`struct resource_table`, Linux `include/linux/rsc_table.h`).
const FIRST_OFFSET: u64 = 16;
/// How long Linux is kept asleep.
const SLEEP_SECONDS: u32 = 2;

/// Runs the suite.
pub fn run(arguments: &Arguments, target: &Target, report: &mut Report) -> Result<()> {
    let firmware = Firmware::read(&arguments.image)?;
    let silent = Firmware::read(&arguments.silent)?;
    offer(&arguments.image, "good.img")?;
    offer(&arguments.foreign, "foreign.img")?;
    offer(&arguments.silent, "silent.img")?;
    let mut log = KernelLog::from_now()?;
    report.test("finds-it-running", || {
        let service = target.fresh()?;
        service.load(target.core(), &fs::read(&arguments.image)?)?;
        service.start(target.core())?;
        drop(service);
        ensure_clocks(0)?;
        insert(&arguments.module)?;
        Processor::find("m33")?.ensure_state("detached")?;
        ensure_clocks(1)?;
        log.wait_for(&["m33@1 does without: firmware-name"], LIMIT)?;
        log.wait_for(&["m0@2 does without:", "clocks", "power-domains", "mboxes"], LIMIT)
    });
    report.test("attaches", || attach(&arguments.expect));
    report.test("detaches", || {
        let m33 = Processor::find("m33")?;
        let begin = Instant::now();
        m33.set("state", "detach")?;
        let took = begin.elapsed();
        m33.ensure_state("detached")?;
        ensure_answered(&mut log)?;
        ensure_clocks(1)?;
        Ok(format!("after {took:?}"))
    });
    report.test("outlives-the-driver", || {
        log.take()?;
        remove()?;
        ensure_clocks(1)?;
        log.wait_for(&["power-domains: default may be switched off now"], LIMIT)?;
        insert(&arguments.module)?;
        Processor::find("m33")?.ensure_state("detached")?;
        attach("the host detaches")
    });
    let m33 = Processor::find("m33")?;
    report.test("stops-what-it-attached-to", || {
        log.take()?;
        let took = stop(&m33)?;
        ensure_answered(&mut log)?;
        // What the removed driver had claimed for a processor that ran on.
        ensure_clocks(1)?;
        Ok(format!("after {took:?}, and {} bytes are zero", firmware.ensure_wiped()?))
    });
    report.test("keeps-on-what-it-needs", || {
        m33.boot("good.img")?;
        ensure_clocks(2)?;
        m33.wait_for_trace(&arguments.expect)
    });
    report.test("no-warning-until-now", || log.ensure_quiet(&MEANT));
    report.test("stops-when-asked", || {
        log.take()?;
        let took = stop(&m33)?;
        ensure_answered(&mut log)?;
        ensure_clocks(1)?;
        Ok(format!("after {took:?}"))
    });
    report.test("gives-back-after-a-refusal", || {
        m33.boot("foreign.img").err().context("it started")?;
        ensure_clocks(1)?;
        Ok("refused, and nothing is left on")
    });
    report.test("gives-up-a-failed-recovery", || {
        m33.boot("good.img")?;
        offer(&arguments.foreign, "good.img")?;
        crash(&m33)?;
        let line = log.wait_for(&["the recovery failed"], RECOVERY_LIMIT)?;
        m33.ensure_state("offline")?;
        ensure_clocks(1)?;
        Ok(format!("{line}; {} bytes are zero", firmware.ensure_wiped()?))
    });
    report.test("gives-up-without-a-file", || {
        offer(&arguments.image, "good.img")?;
        m33.boot("good.img")?;
        m33.wait_for_trace(&arguments.expect)?;
        log.take()?;
        fs::remove_file(Path::new(FIRMWARE).join("good.img"))?;
        crash(&m33)?;
        log.wait_for(&["the recovery failed"], RECOVERY_LIMIT)?;
        m33.ensure_state("offline")?;
        ensure_clocks(1)?;
        offer(&arguments.image, "good.img")?;
        m33.boot("good.img")?;
        let line = m33.wait_for_trace(&arguments.expect)?;
        stop(&m33)?;
        Ok(line)
    });
    report.test("goes-after-a-failed-recovery", || {
        m33.boot("good.img")?;
        fs::remove_file(Path::new(FIRMWARE).join("good.img"))?;
        log.take()?;
        crash(&m33)?;
        remove()?;
        ensure_clocks(1)?;
        insert(&arguments.module)?;
        m33_again()?.ensure_state("offline")?;
        Ok("removed and inserted")
    });
    report.test("sleeps", || {
        // After the recoveries: Linux keeps firmware files for some time after it has slept.
        offer(&arguments.image, "good.img")?;
        let m33 = m33_again()?;
        m33.boot("good.img")?;
        sleep("devices")?;
        ensure_clocks(2)?;
        m33.ensure_state("running")?;
        stop(&m33)?;
        ensure_clocks(1)?;
        Ok("it runs on, and its clocks are on")
    });
    report.test("stops-the-silent", || {
        let m33 = m33_again()?;
        log.take()?;
        m33.boot("silent.img")?;
        let took = stop(&m33)?;
        ensure!(took + EARLY >= SHUTDOWN_LIMIT, "it took {took:?}");
        ensure_clocks(1)?;
        let line = log.wait_for(&[UNANSWERED], LIMIT)?;
        Ok(format!("after {took:?}; {line}"))
    });
    report.test("keeps-the-next-from-an-old-request", || {
        let m33 = m33_again()?;
        log.take()?;
        m33.boot("good.img")?;
        m33.wait_for_trace(&arguments.expect)?;
        // It would have gone by now.
        std::thread::sleep(2 * SHUTDOWN_LIMIT);
        m33.ensure_state("running")?;
        ensure!(!m33.trace()?.contains(RESTS), "it took the old request: {:?}", m33.trace()?);
        let line = log.wait_for(&[OLD_REQUEST, "loaded once more"], LIMIT)?;
        stop(&m33)?;
        ensure_answered(&mut log)?;
        ensure_clocks(1)?;
        m33.boot("good.img")?;
        m33.wait_for_trace(&arguments.expect)?;
        stop(&m33)?;
        ensure_answered(&mut log)?;
        Ok(line)
    });
    report.test("notices-an-answer-that-comes-late", || {
        let m33 = m33_again()?;
        m33.boot("silent.img")?;
        stop(&m33)?;
        m33.boot("silent.img")?;
        log.take()?;
        // Behind Linux's back, so that another firmware takes the request long after the start that Linux knows.
        let service = target.open()?;
        service.stop(target.core())?;
        service.load(target.core(), &fs::read(&arguments.image)?)?;
        service.start(target.core())?;
        drop(service);
        let line = log.wait_for(&[OLD_REQUEST], LIMIT)?;
        log.wait_for(&["remote processor m33 is now up"], RECOVERY_LIMIT)?;
        stop(&m33)?;
        ensure_clocks(1)?;
        Ok(line)
    });
    report.test("leaves-the-silent", || {
        remove()?;
        let service = target.fresh()?;
        service.load(target.core(), &fs::read(&arguments.silent)?)?;
        service.start(target.core())?;
        drop(service);
        insert(&arguments.module)?;
        let m33 = m33_again()?;
        m33.set("state", "start")?;
        m33.ensure_state("attached")?;
        let begin = Instant::now();
        m33.set("state", "detach")?;
        let took = begin.elapsed();
        m33.ensure_state("detached")?;
        ensure!(took + EARLY >= DETACH_LIMIT, "nobody answers, but it took {took:?}");
        let line = log.wait_for(&["does not answer that Linux leaves"], LIMIT)?;
        m33.set("state", "start")?;
        stop(&m33)?;
        ensure_clocks(1)?;
        Ok(format!("after {took:?}; {line}"))
    });
    report.test("attaches-to-no-damaged-table", || {
        let service = target.fresh()?;
        remove()?;
        service.load(target.core(), &fs::read(&arguments.image)?)?;
        service.start(target.core())?;
        let table = service.resource_table(target.core())?.context("the firmware has no resource table")?;
        memory::write(table.address + FIRST_OFFSET, u32::MAX)?;
        insert(&arguments.module)?;
        let m33 = m33_again()?;
        m33.set("state", "start").err().context("it attached")?;
        let shown = read(&Path::new(DEBUG).join(&m33.device).join("resource_table"))?;
        ensure!(shown.contains("No resource table"), "Linux still has one: {shown}");
        remove()?;
        target.reset(&service)?;
        insert(&arguments.module)?;
        let m33 = m33_again()?;
        m33.boot("good.img")?;
        m33.wait_for_trace(&arguments.expect)?;
        stop(&m33)?;
        Ok(shown)
    });
    report.test("goes-though-it-is-told-to-end", || {
        let clock = Path::new(CLOCK_DEBUG).join(CLOCKS[0].0).join("clk_enable_count");
        let on = read(&clock)?;
        let ended = remove_under_a_signal()?;
        let left = processors()?;
        ensure!(left.is_empty(), "{left:?} are still there");
        let bytes = silent.ensure_wiped()?;
        ensure!(read(&clock)? == on, "a clock is on {} times, and was {on} times before", read(&clock)?);
        // What is asked of the silent is left to the next firmware.
        let service = target.fresh()?;
        service.load(target.core(), &fs::read(&arguments.image)?)?;
        service.start(target.core())?;
        std::thread::sleep(SHUTDOWN_LIMIT);
        target.reset(&service)?;
        insert(&arguments.module)?;
        Ok(format!("rmmod: {ended}; no processor, and {bytes} bytes are zero"))
    });
    report.test("no-warning-at-the-end", || {
        remove()?;
        log.ensure_quiet(&MEANT)
    });
    Ok(())
}

/// The firmware must have answered what it was asked since the last look at the log.
fn ensure_answered(log: &mut KernelLog) -> Result<()> {
    let unanswered = log.take()?.into_iter().find(|it| it.text.contains("does not answer"));
    ensure!(unanswered.is_none(), "it did not answer: {:?}", unanswered.map(|it| it.text));
    Ok(())
}

/// Removes the driver by a program that is told to end while the core's lock is held: by a start, which waits for whether firmware takes
/// the request that others left. Gives how the program ended.
fn remove_under_a_signal() -> Result<ExitStatus> {
    let m33 = m33_again()?;
    m33.boot("silent.img")?;
    stop(&m33)?;
    let starter = std::thread::spawn(move || m33.boot("silent.img"));
    std::thread::sleep(SHUTDOWN_LIMIT / 4);
    let mut rmmod = Command::new("rmmod").arg("rproc_tee").spawn().context("cannot run rmmod")?;
    std::thread::sleep(SHUTDOWN_LIMIT / 4);
    kill_process(Pid::from_child(&rmmod), Signal::TERM)?;
    let ended = rmmod.wait()?;
    starter.join().ok().context("the one that starts panicked")??;
    Ok(ended)
}

fn m33_again() -> Result<Processor> {
    Processor::find("m33")
}

fn attach(expected: &str) -> Result<String> {
    let m33 = Processor::find("m33")?;
    m33.set("state", "start")?;
    m33.ensure_state("attached")?;
    m33.wait_for_trace(expected)
}

/// Linux sleeps for a while, as deep as `pm_test` has it (Linux `Documentation/power/basic-pm-debugging.rst`).
pub fn sleep(depth: &str) -> Result<()> {
    let begin = Instant::now();
    fs::write("/sys/module/suspend/parameters/pm_test_delay", SLEEP_SECONDS.to_string())?;
    fs::write("/sys/power/pm_test", depth)?;
    fs::write("/sys/power/state", "freeze")?;
    fs::write("/sys/power/pm_test", "none")?;
    ensure!(begin.elapsed() >= Duration::from_secs(SLEEP_SECONDS.into()), "it did not sleep");
    Ok(())
}

/// Gives how long it took.
pub fn stop(processor: &Processor) -> Result<Duration> {
    let begin = Instant::now();
    processor.set("state", "stop")?;
    let took = begin.elapsed();
    processor.ensure_state("offline")?;
    Ok(took)
}

fn crash(processor: &Processor) -> Result<()> {
    Ok(fs::write(Path::new(DEBUG).join(&processor.device).join("crash"), "1")?)
}

/// Each clock must be on as often as `claims` claims of all of them make it.
fn ensure_clocks(claims: u32) -> Result<()> {
    for (name, named) in CLOCKS {
        let count = read(&Path::new(CLOCK_DEBUG).join(name).join("clk_enable_count"))?;
        ensure!(
            count == (claims * named).to_string(),
            "{name} is enabled {count} times, not {claims} * {named}"
        );
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    Ok(fs::read_to_string(file).with_context(|| file.display().to_string())?.trim().to_owned())
}
