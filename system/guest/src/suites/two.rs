//! Two processors under Linux's driver at once: what happens to one does not reach the other.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::channel::{Channel, LARGEST, wait_for};
use super::driver::{CRASH_IS_MEANT, DUMP_LIMIT, Processor, offer};
use super::rpmsg::message;
use super::watchdog::{stop, wait_for_more};
use crate::firmware::Firmware;
use crate::interrupts;
use crate::kernel_log::KernelLog;
use crate::memory;
use crate::report::Report;

/// What the Cortex-M33's firmware announces.
const CHANNEL: &str = "rproc-echo";
/// The trace buffer of the Cortex-M0+'s firmware (firmware/runtime/stm32mp25-m0.ld), which tells of it in no resource table.
const TRACE: u64 = 0x200c_4000;
const TRACE_SIZE: usize = 0x100;
/// Its first words. Half a second later it feeds its watchdog no longer.
const FIRST_WORDS: &str = "starve: the watchdog runs";
/// What the kernel logs of its crash, and of every start.
const CRASHED: &str = "crash detected in m0";
const STARTED: &str = "remote processor m0 is now up";

/// Runs the suite.
pub fn run(echo: &Path, starve: &Path, report: &mut Report) -> Result<()> {
    let of_m0 = Firmware::read(starve)?;
    offer(echo, "good.img")?;
    offer(starve, "starve.img")?;
    let [m33, m0] = [Processor::find("m33")?, Processor::find("m0")?];
    let mut log = KernelLog::from_now()?;
    m33.boot("good.img")?;
    let mut channel = Channel::open(CHANNEL)?;
    report.test("both-run", || {
        let echoed = while_echoing(&mut channel, || {
            m0.boot("starve.img")?;
            m0.ensure_state("running")?;
            wait_for_trace(FIRST_WORDS)
        })?;
        m33.ensure_state("running")?;
        m33.wait_for_trace("echo: ready")?;
        Ok(format!("m0 says {FIRST_WORDS:?}, m33 echoed {echoed} messages meanwhile"))
    });
    report.test("m0-crashes", || {
        let before = [interrupts::taken("m0")?, interrupts::taken("m33")?];
        let starts = log.count(STARTED)?;
        let echoed = while_echoing(&mut channel, || {
            log.wait_for(&[CRASHED, "watchdog"], DUMP_LIMIT)?;
            wait_for_more(&mut log, STARTED, starts)?;
            wait_for_trace(FIRST_WORDS)
        })?;
        m33.ensure_state("running")?;
        ensure!(interrupts::taken("m0")? > before[0], "it crashed without an interrupt");
        ensure!(interrupts::taken("m33")? == before[1], "an interrupt of the other's watchdog");
        Ok(format!(
            "m0 starved, by its own interrupt, and was recovered; m33 echoed {echoed} messages meanwhile"
        ))
    });
    report.test("m0-stops", || {
        let echoed = while_echoing(&mut channel, || stop(&m0))?;
        m33.ensure_state("running")?;
        let wiped = of_m0.ensure_wiped()?;
        Ok(format!("{wiped} bytes of m0 are zero, m33 echoed {echoed} messages meanwhile"))
    });
    drop(channel);
    report.test("m33-stops", || {
        let crashes = log.count(CRASHED)?;
        m0.boot("starve.img")?;
        m33.set("state", "stop")?;
        m33.ensure_state("offline")?;
        wait_for_more(&mut log, CRASHED, crashes)?;
        stop(&m0)?;
        Ok("m0 ran until its watchdog bit")
    });
    report.test("no-warning", || log.ensure_quiet(&CRASH_IS_MEANT));
    Ok(())
}

/// Exchanges messages until `deed` is done; gives how many. All must come back, and one after the deed.
fn while_echoing(channel: &mut Channel, deed: impl FnOnce() -> Result<()>) -> Result<usize> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let echo = scope.spawn(|| -> Result<usize> {
            let mut count = 0;
            loop {
                let last = done.load(Ordering::Acquire);
                channel
                    .echo(&message(count, 1 + count % LARGEST))
                    .with_context(|| format!("message {count}"))?;
                count += 1;
                if last {
                    return Ok(count);
                }
            }
        });
        let result = deed();
        done.store(true, Ordering::Release);
        let echoed = echo.join().map_err(|_| anyhow!("the echo panicked"))?;
        result?;
        let echoed = echoed?;
        ensure!(echoed > 0, "no message was exchanged");
        Ok(echoed)
    })
}

/// Waits for words of the Cortex-M0+.
fn wait_for_trace(words: &str) -> Result<()> {
    wait_for(&format!("{words:?} in the trace of m0"), || {
        let said = memory::read(TRACE, TRACE_SIZE)?;
        Ok(String::from_utf8_lossy(&said).contains(words).then_some(()))
    })
}
