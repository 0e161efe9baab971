//! The kernel's log, from a moment on.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

const DEVICE: &str = "/dev/kmsg";
/// `O_NONBLOCK` of arm64: a reader at the log's end is told so instead of waiting.
const NONBLOCKING: i32 = 0o4000;
/// The largest record that the kernel gives out (`PRINTK_MESSAGE_MAX`).
const RECORD: usize = 2048;
/// Warnings and worse have a level of at most this.
const WARNING: u32 = 4;

/// Everything that has been logged since it was opened.
pub struct KernelLog {
    device: File,
    records: Vec<Record>,
}

/// One line of the log.
pub struct Record {
    level: u32,
    /// What it says.
    pub text: String,
}

impl Record {
    /// From a record as the device gives it: `priority,sequence,time,flags;text`, then lines that begin with a space.
    fn parse(record: &str) -> Option<Self> {
        let (prefix, text) = record.split_once(';')?;
        let priority: u32 = prefix.split(',').next()?.parse().ok()?;
        Some(Self { level: priority & 7, text: text.lines().next().unwrap_or_default().to_owned() })
    }

    /// Whether it is a warning or worse.
    pub fn is_warning(&self) -> bool {
        self.level <= WARNING
    }
}

impl KernelLog {
    /// Begins with the oldest line that the kernel has kept.
    pub fn from_start() -> Result<Self> {
        let device = File::options().read(true).custom_flags(NONBLOCKING).open(DEVICE);
        Ok(Self { device: device.with_context(|| format!("cannot open {DEVICE}"))?, records: Vec::new() })
    }

    /// Begins after what has been logged already.
    pub fn from_now() -> Result<Self> {
        let mut log = Self::from_start()?;
        log.read()?;
        log.records.clear();
        Ok(log)
    }

    fn read(&mut self) -> Result<()> {
        let mut record = [0; RECORD];
        loop {
            match self.device.read(&mut record) {
                Ok(len) => {
                    let text = String::from_utf8_lossy(record.get(..len).unwrap_or_default());
                    self.records.extend(Record::parse(&text));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // The kernel has overwritten some that nobody read.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    bail!("the kernel's log was too long to follow")
                }
                Err(error) => return Err(error).context("the kernel's log cannot be read"),
            }
        }
    }

    /// All records so far; they begin anew with the next call.
    pub fn take(&mut self) -> Result<Vec<Record>> {
        self.read()?;
        Ok(std::mem::take(&mut self.records))
    }

    /// Waits until a line has all of these parts, and gives it.
    pub fn wait_for(&mut self, parts: &[&str], limit: Duration) -> Result<String> {
        let begin = Instant::now();
        loop {
            self.read()?;
            let found =
                self.records.iter().find(|record| parts.iter().all(|part| record.text.contains(part)));
            if let Some(record) = found {
                return Ok(record.text.clone());
            }
            if begin.elapsed() > limit {
                let said: Vec<&str> = self.records.iter().map(|record| record.text.as_str()).collect();
                bail!("the kernel logged no line with {parts:?} within {limit:?}, but {said:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_its_level_and_its_line() {
        let record = Record::parse("30,412,21738463,-;rproc: started\n SUBSYSTEM=tee\n").unwrap();
        assert_eq!((record.level, record.text.as_str()), (6, "rproc: started"));
        assert!(!record.is_warning());
        assert!(Record::parse("4,1,2,-;WARNING: here").unwrap().is_warning());
        assert!(Record::parse("no record").is_none());
    }
}
