//! RPMsg between a program on Linux and the firmware, through Linux's driver and the kernel's own ones.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};

use super::channel::{Channel, LARGEST, announced};
use super::driver::{Processor, offer};
use crate::interrupts;
use crate::kernel_log::KernelLog;
use crate::report::Report;

/// What the sample firmware announces.
const CHANNEL: &str = "rproc-echo";
/// How many messages are exchanged: each size comes twice at least.
const MESSAGES: usize = 1000;
/// The driver of the board's mailboxes, which names its interrupts.
const MAILBOXES: &str = "rproc_ipcc";

/// What the board interrupts Linux by.
#[derive(Clone, Copy, ValueEnum)]
pub enum By {
    /// Messages (MSI), one for all mailboxes
    Messages,
    /// The pin of the PCI device
    Pin,
}

/// What is loaded, and what is expected.
#[derive(Args)]
pub struct Arguments {
    /// A good image whose firmware echoes
    image: PathBuf,
    /// How the board is to interrupt Linux
    #[arg(long)]
    by: By,
}

/// Runs the suite.
pub fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    offer(&arguments.image, "good.img")?;
    let m33 = Processor::find("m33").context("the driver waits for the mailboxes")?;
    let mut log = KernelLog::from_now()?;
    let mut took = None;
    let mut channel = None;
    report.test("starts-and-answers", || {
        let begin = Instant::now();
        m33.boot("good.img")?;
        let mut opened = Channel::open(CHANNEL)?;
        opened.echo(b"first")?;
        took = Some(begin.elapsed());
        m33.ensure_state("running")?;
        let node = opened.node().display().to_string();
        channel = Some(opened);
        Ok(node)
    });
    if let Some(took) = took {
        report.value("start-to-first-message", took.as_millis(), "ms");
    }
    let mut rate = None;
    report.test("echoes", || {
        let channel = channel.as_mut().context("there is no channel")?;
        let begin = Instant::now();
        for number in 0..MESSAGES {
            let size = 1 + number % LARGEST;
            channel.echo(&message(number, size)).with_context(|| format!("message {number}"))?;
        }
        rate = Some(MESSAGES as f64 / begin.elapsed().as_secs_f64());
        Ok(format!("{MESSAGES} messages of 1 to {LARGEST} bytes came back as sent"))
    });
    if let Some(rate) = rate {
        report.value("round-trips", format!("{rate:.0}"), "1/s");
    }
    drop(channel);
    report.test("interrupts", || {
        let (taken, controllers) = (interrupts::taken(MAILBOXES)?, interrupts::controllers(MAILBOXES)?);
        let messages = controllers.iter().filter(|controller| controller.contains("MSI")).count();
        let expected = match arguments.by {
            By::Messages => messages == 2 && controllers.len() == 2,
            By::Pin => messages == 0 && controllers.len() == 1,
        };
        ensure!(expected && taken > 0, "{taken} interrupts, through {controllers:?}");
        Ok(format!("{taken}, through {controllers:?}"))
    });
    report.test("comes-to-rest", || {
        m33.set("state", "stop")?;
        m33.ensure_state("offline")?;
        ensure!(announced(CHANNEL)?.is_none(), "the channel is still there");
        Ok("offline, and the channel is gone")
    });
    report.test("no-warning", || log.ensure_quiet(&[]));
    Ok(())
}

/// Bytes that differ from place to place and from message to message.
pub fn message(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at.wrapping_mul(7) ^ number.wrapping_mul(13) ^ at >> 8) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_in_content() {
        assert_ne!(message(1, 496), message(2, 496));
        assert_eq!(message(3, 9).len(), 9);
        let sizes: std::collections::BTreeSet<_> = (0..MESSAGES).map(|number| 1 + number % LARGEST).collect();
        assert_eq!((sizes.len(), sizes.first(), sizes.last()), (LARGEST, Some(&1), Some(&LARGEST)));
    }
}
