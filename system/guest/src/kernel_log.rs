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
/// What the scheduler says, once and in no level, where a busy host has kept an emulated CPU away for a while (`kernel/sched/deadline.c`).
const LATE: &str = "sched: DL replenish lagged too much";

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

    /// Whether it is a warning or worse, of something else than the host.
    pub fn is_warning(&self) -> bool {
        self.level <= WARNING && !self.text.contains(LATE)
    }
}

impl KernelLog {
    /// Begins with what has been logged already.
    pub fn whole() -> Result<Self> {
        let device = File::options().read(true).custom_flags(NONBLOCKING).open(DEVICE);
        Ok(Self { device: device.with_context(|| format!("cannot open {DEVICE}"))?, records: Vec::new() })
    }

    /// Begins after what has been logged already.
    pub fn from_now() -> Result<Self> {
        let mut log = Self::whole()?;
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

    /// How many of the records so far have this text.
    pub fn count(&mut self, text: &str) -> Result<u64> {
        self.read()?;
        Ok(self.records.iter().filter(|record| record.text.contains(text)).count() as u64)
    }

    /// None of the records so far may be a warning, but those that have one of the `meant` parts; they begin anew with the next call.
    pub fn ensure_quiet(&mut self, meant: &[&str]) -> Result<String> {
        let records = self.take()?;
        let unmeant =
            |record: &&Record| record.is_warning() && !meant.iter().any(|part| record.text.contains(part));
        match records.iter().find(unmeant) {
            Some(record) => bail!("the kernel warns: {}", record.text),
            None => Ok(format!("{} lines, no warning", records.len())),
        }
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
        assert!(!Record::parse("4,1,2,-;sched: DL replenish lagged too much").unwrap().is_warning());
        assert!(Record::parse("no record").is_none());
    }
}
