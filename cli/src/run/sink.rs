//! Where events go: a timeline for people, or one JSON object a line.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::event::{LINUX, MessageDirection, Outcome, RunEvent, TEE};
use crate::failure::{Failure, Refused};
use crate::output;

/// Who reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A person.
    Timeline,
    /// A program.
    Json,
}

/// Writes events as they come.
pub struct Sink<W: Write> {
    out: W,
    format: Format,
    /// The reader has seen enough, as `head` does; the run goes on for its exit code.
    closed: bool,
    /// People are told whose each event is.
    names: bool,
    /// When the last event happened.
    now: Duration,
    /// The text of every event so far that firmware produced, for `--expect`.
    heard: Vec<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    at_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    core: Option<&'a str>,
    #[serde(flatten)]
    event: &'a RunEvent,
}

impl<W: Write> Sink<W> {
    /// A sink.
    pub fn new(out: W, format: Format) -> Self {
        Self { out, format, closed: false, names: false, now: Duration::ZERO, heard: Vec::new() }
    }

    /// From now on people are told whose each event is, too: several processors run.
    pub fn name_cores(&mut self) {
        self.names = true;
    }

    /// Writes one event that happened at this virtual time, to this processor, if it is about one.
    pub fn emit(&mut self, at: Duration, core: Option<&str>, event: &RunEvent) -> Result<()> {
        self.now = self.now.max(at);
        match event {
            RunEvent::Trace { line, .. } | RunEvent::Uart { line, .. } => self.heard.push(line.clone()),
            RunEvent::Rpmsg { direction: MessageDirection::Received, text: Some(text), .. } => {
                self.heard.push(text.clone());
            }
            _ => {}
        }
        let mut text = match self.format {
            Format::Json => serde_json::to_string(&Line { at_us: at.as_micros() as u64, core, event })?,
            Format::Timeline => timeline(at, core.filter(|_| self.names), event),
        };
        text.push('\n');
        if self.closed {
            return Ok(());
        }
        self.closed = !output::write(&mut self.out, &text)?;
        Ok(())
    }

    /// Writes the end of a run that came to nothing, at the time of the last event.
    pub fn emit_failure(&mut self, failure: &Failure) -> Result<()> {
        let now = self.now;
        let (outcome, reason) = match failure {
            Failure::Refused(refused) => {
                let (refused, tee_result) = (refused.clone(), None);
                self.emit(now, None, &RunEvent::Refused { refused: refused.clone(), tee_result })?;
                (Outcome::Refused, refused.sentence)
            }
            Failure::Trouble { error, .. } => (Outcome::Error, format!("{error:#}")),
        };
        let exit_code = failure.exit_code();
        self.emit(now, None, &RunEvent::Finished { outcome, exit_code, reason })
    }

    /// What the firmware has said so far counts no more.
    pub fn forget(&mut self) {
        self.heard.clear();
    }

    /// Whether the firmware has said this, as a part of a line or message.
    pub fn has_heard(&self, text: &str) -> bool {
        self.heard.iter().any(|line| line.contains(text))
    }
}

/// One event for a person; what does not fit a line is indented below it.
fn timeline(at: Duration, core: Option<&str>, event: &RunEvent) -> String {
    let (world, text) = sentence(event);
    let text = core.map_or_else(String::new, |core| format!("{core}: ")) + &text;
    let text = text.replace('\n', &format!("\n{:25}", ""));
    format!("{:>11.6} s  {world:<10}{text}", at.as_secs_f64())
}

/// Who did it, and what in words.
fn sentence(event: &RunEvent) -> (&'static str, String) {
    const HOST: &str = "rproc";
    match event {
        RunEvent::SignedInMemory { file, key, development_key, boot_address } => {
            let whose = if *development_key { "the built-in development key" } else { "your key" };
            let boot = boot_address.map_or_else(String::new, |address| format!(", boots at {address:#010x}"));
            (HOST, format!("signed {file} in memory with {whose} {}{boot}", short(key)))
        }
        RunEvent::DeviceTree { board, processor, path, id, owner } => {
            let owner = if *owner == LINUX { ", which Linux loads" } else { "" };
            (LINUX, format!("device tree of {board} read: {processor} is {path}, processor id {id}{owner}"))
        }
        RunEvent::Loaded { size } => {
            (LINUX, format!("ELF file of {size} bytes checked and loaded, unsigned"))
        }
        RunEvent::Started {} => (LINUX, "processor started by its non-secure resets".to_owned()),
        RunEvent::Service { device, needs_supplicant } => {
            let when = if *needs_supplicant { ", once tee-supplicant runs" } else { "" };
            (LINUX, format!("TEE service found on the bus: {device}{when}"))
        }
        RunEvent::Authenticated { algorithm, key, soc, processor, security_counter, not_authenticated } => {
            let key = key
                .as_deref()
                .map_or_else(|| "a trusted key".to_owned(), |key| format!("key {}", short(key)));
            let target = soc
                .as_ref()
                .map_or_else(|| format!("loaded for {processor}"), |soc| format!("for {processor} of {soc}"));
            let counter =
                security_counter.map_or_else(String::new, |counter| format!(", security counter {counter}"));
            let mut text = format!("authenticated: {algorithm}, {key}, {target}{counter}");
            if !not_authenticated.is_empty() {
                let names = not_authenticated.join(", ").replace('_', " ");
                text += &format!("\nnot authenticated by this image, and not used: {names}");
            }
            (TEE, text)
        }
        RunEvent::FirewallClosed { regions } => {
            let names: Vec<&str> = regions.iter().map(|region| region.name.as_str()).collect();
            (TEE, format!("firewall closed to Linux: {}", names.join(", ")))
        }
        RunEvent::FirewallOpened {} => (TEE, "firewall opened: the processor is Linux's".to_owned()),
        RunEvent::Segment { image, index, address, file_size, memory_size } => {
            let zeros = memory_size - file_size;
            let rest = if zeros > 0 { format!(" and {zeros} zero bytes") } else { String::new() };
            (TEE, format!("segment {image}.{index} placed at {address:#010x}: {file_size} bytes{rest}"))
        }
        RunEvent::ResourceTable { address: Some(address), size, derived } => {
            let how = if *derived { ", found in the authenticated segments" } else { "" };
            (TEE, format!("resource table at {address:#010x}, {} bytes{how}", size.unwrap_or(0)))
        }
        RunEvent::ResourceTable { address: None, .. } => {
            (TEE, "no resource table: no trace, no messages".to_owned())
        }
        RunEvent::Carveout { name, region, address, size } => {
            (LINUX, format!("carveout {} at {address:#010x} in {region}, {size} bytes", name.escape_debug()))
        }
        RunEvent::TraceBuffer { name, address: Some(address), size } => {
            (LINUX, format!("trace buffer {} at {address:#010x}, {size} bytes", name.escape_debug()))
        }
        RunEvent::TraceBuffer { name, address: None, .. } => {
            (LINUX, format!("trace buffer {} lies in memory that Linux cannot read", name.escape_debug()))
        }
        RunEvent::Vring { vring, region, address, entries, notify_id } => (
            LINUX,
            format!("vring {vring} at {address:#010x} in {region}, {entries} entries, notify id {notify_id}"),
        ),
        RunEvent::Buffers { region, address, each_way, .. } => {
            (LINUX, format!("message buffers at {address:#010x} in {region}, {each_way} each way"))
        }
        RunEvent::Released { boot_address } => {
            (TEE, format!("processor released, vector table at {boot_address:#010x}"))
        }
        RunEvent::Trace { line, .. } => ("firmware", format!("trace: {line}")),
        RunEvent::Uart { uart, line } => ("firmware", format!("uart {uart:#010x}: {line}")),
        RunEvent::Channel { channel, address, announced: true } => {
            (LINUX, format!("channel {channel} announced by endpoint {address:#x}"))
        }
        RunEvent::Channel { channel, .. } => (LINUX, format!("channel {channel} withdrawn")),
        RunEvent::Rpmsg { direction, channel, text, hex } => {
            let arrow = match direction {
                MessageDirection::Sent => "→",
                MessageDirection::Received => "←",
            };
            let what = match (text, hex) {
                (Some(text), _) => format!("{text:?}"),
                (None, hex) => format!("hex {}", hex.as_deref().unwrap_or_default()),
            };
            (LINUX, format!("{channel} {arrow} {what}"))
        }
        RunEvent::Note { text } => (HOST, format!("note: {text}")),
        RunEvent::IllegalAccess { text, .. } => ("board", format!("illegal access: {text}")),
        RunEvent::Crashed { kind, reason } if kind == "watchdog" => {
            ("board", format!("the processor crashed, says its watchdog: {reason}"))
        }
        RunEvent::Crashed { reason, .. } => ("board", format!("the processor crashed: {reason}")),
        RunEvent::Coredump { size, file } => {
            let file = file.as_ref().map_or_else(String::new, |file| format!(" into {file}"));
            (LINUX, format!("memory dumped: {size} bytes{file}"))
        }
        RunEvent::Recovered { count } => {
            (LINUX, format!("recovered: the processor runs again, {count} so far"))
        }
        RunEvent::Shutdown { acknowledged: true } => {
            (LINUX, "shutdown requested, firmware acknowledged".to_owned())
        }
        RunEvent::Shutdown { acknowledged: false } => {
            (LINUX, "shutdown requested, firmware did not answer".to_owned())
        }
        RunEvent::Stopped { by } => (by, "processor stopped".to_owned()),
        RunEvent::Wiped { size } => (TEE, format!("memory wiped: {size} bytes")),
        RunEvent::Refused { refused, tee_result } => {
            let Refused { reason, sentence, expected, found, place, next_step } = refused;
            let mut lines = format!("refused ({reason}): {sentence}");
            for (name, value) in [("where", place), ("expected", expected), ("found", found)] {
                if let Some(value) = value {
                    lines += &format!("\n{name}: {value}");
                }
            }
            if let Some(result) = tee_result {
                lines += &format!("\nTEE result: {result}");
            }
            lines += &format!("\nnext step: {next_step}");
            (TEE, lines)
        }
        RunEvent::Expected { text } => (HOST, format!("expected {text:?}: heard")),
        RunEvent::Finished { outcome, reason, .. } => {
            let word = match outcome {
                Outcome::Done => "done",
                Outcome::Refused => "refused",
                Outcome::Failed => "failed",
                Outcome::Error => "error",
                Outcome::Interrupted(_) => "interrupted",
            };
            (HOST, if reason.is_empty() { word.to_owned() } else { format!("{word}: {reason}") })
        }
    }
}

/// The first eight digits of a fingerprint, enough to tell keys apart by eye.
fn short(fingerprint: &str) -> String {
    match fingerprint.get(..8) {
        Some(start) => format!("{start}…"),
        None => fingerprint.to_owned(),
    }
}
