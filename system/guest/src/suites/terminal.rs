//! Firmware as a terminal of Linux's, by the kernel's own driver for channels of that name.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::channel::{LARGEST, wait_for};
use super::driver::{Processor, offer};
use crate::kernel_log::KernelLog;
use crate::report::Report;

/// The first terminal of `drivers/tty/rpmsg_tty.c`.
const TERMINAL: &str = "/dev/ttyRPMSG0";
/// A property of its channel that the kernel sets with the device's lock held.
const LOCKED: &str = "/sys/class/tty/ttyRPMSG0/device/power/control";
/// How many lines are typed.
const LINES: usize = 100;

/// Runs the suite.
pub fn run(image: &Path, report: &mut Report) -> Result<()> {
    offer(image, "tty.img")?;
    let m33 = Processor::find("m33").context("the driver waits for the mailboxes")?;
    let mut log = KernelLog::from_now()?;
    report.test("appears", || {
        m33.boot("tty.img")?;
        wait_for(TERMINAL, || Ok(Path::new(TERMINAL).exists().then_some(())))?;
        // The kernel's driver shows the terminal before it has told it its channel, and what is written in between ends in an oops (Linux
        // 7.3, `rpmsg_tty_probe`). Its lock is free when it is done.
        fs::write(LOCKED, "auto").context(LOCKED)?;
        Ok(TERMINAL)
    });
    report.test("answers", || {
        let mut terminal = File::options().read(true).write(true).open(TERMINAL)?;
        for number in 0..LINES {
            let line = line(number);
            terminal.write_all(&line)?;
            let mut found = vec![0; line.len()];
            terminal.read_exact(&mut found)?;
            ensure!(found == line, "line {number} came back as {:?}", String::from_utf8_lossy(&found));
        }
        Ok(format!("{LINES} lines came back as typed"))
    });
    report.test("goes", || {
        m33.set("state", "stop")?;
        m33.ensure_state("offline")?;
        ensure!(!Path::new(TERMINAL).exists(), "{TERMINAL} is still there");
        Ok("offline, and the terminal is gone")
    });
    report.test("no-warning", || log.ensure_quiet(&[]));
    Ok(())
}

/// Printable, up to the largest message.
fn line(number: usize) -> Vec<u8> {
    let letters = (0..number * 5 % LARGEST).map(|at| b'!' + ((at + number) % 90) as u8);
    letters.chain([b'\n']).collect()
}
