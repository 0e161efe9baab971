//! `rproc trace`: what running firmware writes into its trace buffers.

use std::time::Duration;

use clap::Args;
use rproc_lifecycle::TraceLines;
use rproc_sysfs::Follower;

use super::Chosen;
use crate::failure::Failure;
use crate::output;
use crate::report;

/// How long a buffer is left alone between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Arguments of `rproc trace`.
#[derive(Args)]
pub struct Trace {
    #[command(flatten)]
    chosen: Chosen,
    /// Go on with what is written later, until the firmware is stopped
    #[arg(short, long)]
    follow: bool,
}

/// One trace buffer, as it is shown.
struct Shown {
    trace: rproc_sysfs::Trace,
    follower: Follower,
    lines: TraceLines,
}

impl Shown {
    /// The lines that are new; `None` when the buffer is gone.
    fn look(&mut self) -> Result<Option<Vec<String>>, Failure> {
        let text = self.trace.read()?;
        Ok(text.map(|text| self.lines.push(&self.follower.update(&text))))
    }
}

/// Shows, and goes on until the buffers are gone or the reader has seen enough.
pub fn run(arguments: &Trace) -> Result<(), Failure> {
    let remoteproc = arguments.chosen.find()?;
    let show = |trace| Shown { trace, follower: Follower::default(), lines: TraceLines::default() };
    let mut traces: Vec<Shown> = remoteproc.traces()?.into_iter().map(show).collect();
    let several = traces.len() > 1;
    loop {
        let mut there = false;
        for shown in &mut traces {
            let looked = shown.look()?;
            let ended = looked.is_none() || !arguments.follow;
            there |= looked.is_some();
            let mut lines = looked.unwrap_or_default();
            if ended {
                lines.extend(shown.lines.last());
            }
            let number = several.then(|| shown.trace.number());
            if !print(number, &lines)? {
                return Ok(());
            }
        }
        if !arguments.follow {
            return Ok(());
        }
        if !there {
            let state = remoteproc.state()?;
            report::note(&format!("the trace of {} is gone: it is {state}", remoteproc.name()));
            return Ok(());
        }
        if output::is_abandoned(std::io::stdout()) {
            return Ok(());
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Prints lines, those of one of several buffers with its number before them; `false` when the reader has seen enough, as `head`.
fn print(number: Option<u32>, lines: &[String]) -> Result<bool, Failure> {
    let prefix = number.map_or_else(String::new, |number| format!("trace{number}: "));
    let text: String = lines.iter().map(|line| format!("{prefix}{line}\n")).collect();
    Ok(output::write(&mut std::io::stdout().lock(), &text)?)
}
