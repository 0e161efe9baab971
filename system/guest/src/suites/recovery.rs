//! Firmware that fails in the middle of a talk: who waits for it is told, and after the recovery the talk goes on.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::channel::{Channel, LARGEST};
use super::driver::{
    CRASH_IS_MEANT, DUMP_LIMIT, LIMIT, OLD_REQUEST, Processor, UNANSWERED, offer, take_dump,
};
use super::rpmsg::message;
use crate::kernel_log::KernelLog;
use crate::report::Report;

/// What the sample firmware that does what a message says announces.
const CHANNEL: &str = "rproc-obey";
/// What it traces before it executes an undefined instruction, and what its handler adds.
const LAST_WORDS: &str = "obey: about to fault";
const VERDICT: &str = "fault: exception ";
/// Messages after a recovery.
const MESSAGES: usize = 100;
/// Long enough for a reader to be waiting.
const SETTLING: Duration = Duration::from_millis(100);

/// Runs the suite.
pub fn run(image: &Path, report: &mut Report) -> Result<()> {
    offer(image, "obey.img")?;
    let m33 = Processor::find("m33").context("the driver waits for the mailboxes")?;
    let mut log = KernelLog::from_now()?;
    m33.boot("obey.img")?;
    m33.set("coredump", "enabled")?;
    let mut channel = Channel::open(CHANNEL)?;
    report.test("faults", || {
        // The order is sent back before it is obeyed.
        channel.echo(b"fault")?;
        m33.wait_for_trace(LAST_WORDS)?;
        m33.wait_for_trace(VERDICT)
    });
    let mut waiting = channel.try_clone()?;
    let reader = thread::spawn(move || waiting.receive(&mut [0; LARGEST]).map(<[u8]>::len));
    report.test("recovers", || {
        channel.send(b"is anybody there?")?;
        thread::sleep(SETTLING);
        ensure!(!reader.is_finished(), "firmware that has faulted answers");
        // What was said of the first start does not count.
        log.ensure_quiet(&[])?;
        m33.crash()?;
        let line = log.wait_for(&["remote processor m33 is now up"], DUMP_LIMIT)?;
        m33.ensure_state("running")?;
        Ok(line)
    });
    report.test("coredump", || {
        let dump = take_dump()?;
        for words in [LAST_WORDS, VERDICT] {
            let found = dump.windows(words.len()).any(|part| part == words.as_bytes());
            ensure!(found, "no {words:?} in the {} bytes of the dump", dump.len());
        }
        Ok(format!("{} bytes, with what the firmware traced when it faulted", dump.len()))
    });
    report.test("reader-is-told", || {
        let told = reader.join().ok().context("the reader panicked")?;
        let error = told.err().context("it was given a message")?;
        ensure!(channel.send(b"old").is_err(), "the channel of the time before takes messages");
        Ok(format!("the one that waited was told: {error}"))
    });
    drop(channel);
    report.test("echoes-again", || {
        let mut channel = Channel::open(CHANNEL)?;
        for number in 0..MESSAGES {
            channel.echo(&message(number, 1 + number % LARGEST))?;
        }
        // What comes of it is the next test.
        channel.echo(b"deaf")?;
        Ok(format!("{MESSAGES} messages came back on {}", channel.node().display()))
    });
    report.test("stops-the-deaf", || {
        m33.set("state", "stop")?;
        m33.ensure_state("offline")?;
        log.wait_for(&[UNANSWERED], LIMIT)
    });
    report.test("echoes-after-an-old-request", || {
        log.ensure_quiet(&[&CRASH_IS_MEANT[..], &[UNANSWERED]].concat())?;
        m33.boot("obey.img")?;
        let line = log.wait_for(&[OLD_REQUEST], LIMIT)?;
        let mut channel = Channel::open(CHANNEL)?;
        for number in 0..MESSAGES {
            channel.echo(&message(number, 1 + number % LARGEST))?;
        }
        Ok(format!("{line}; then {MESSAGES} messages came back"))
    });
    report.test("stops", || {
        m33.set("state", "stop")?;
        m33.ensure_state("offline")?;
        Ok("offline")
    });
    // The last request was answered.
    report.test("no-warning", || log.ensure_quiet(&[]));
    Ok(())
}
