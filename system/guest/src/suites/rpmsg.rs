//! RPMsg between a program on Linux and the firmware, through Linux's driver and the kernel's own ones.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::driver::{Processor, offer};
use crate::report::Report;

/// Where the channels are that firmware has announced.
const CHANNELS: &str = "/sys/bus/rpmsg/devices";
/// The kernel's driver that makes a channel a device for programs (`drivers/rpmsg/rpmsg_char.c`), under the name of its own.
const CHARACTER_DRIVER: &str = "/sys/bus/rpmsg/drivers/rpmsg_chrdev";
const DEVICE: &str = "/dev/rpmsg0";
/// What the sample firmware announces.
const CHANNEL: &str = "rproc-echo";
/// How many messages are exchanged.
const MESSAGES: u32 = 100;
/// The largest message (512-byte buffers with a header of 16).
const LARGEST: usize = 496;
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs the suite.
pub fn run(image: &Path, report: &mut Report) -> Result<()> {
    offer(image, "good.img")?;
    let m33 = Processor::find("m33").context("the driver waits for the mailboxes")?;
    report.test("starts", || {
        m33.boot("good.img")?;
        m33.ensure_state("running")?;
        m33.wait_for_trace("ready")
    });
    report.test("announces", || {
        let channel = wait_for("the channel", announced)?;
        bind(&channel)?;
        wait_for(DEVICE, || Ok(Path::new(DEVICE).exists().then_some(())))?;
        Ok(channel.display().to_string())
    });
    let mut took = None;
    report.test("echoes", || {
        let mut device = File::options().read(true).write(true).open(DEVICE)?;
        let begin = Instant::now();
        for number in 1..=MESSAGES {
            let size = 1 + number as usize * 7 % LARGEST;
            let sent: Vec<u8> = (0..size).map(|at| (at as u32 ^ number) as u8).collect();
            device.write_all(&sent)?;
            let mut found = [0; LARGEST];
            let len = device.read(&mut found)?;
            ensure!(
                found.get(..len) == Some(&sent[..]),
                "message {number} of {size} bytes came back as {len} others"
            );
        }
        took = Some(begin.elapsed() / MESSAGES);
        Ok(format!("{MESSAGES} messages of up to {LARGEST} bytes came back as sent"))
    });
    if let Some(took) = took {
        report.value("round-trip", took.as_micros(), "us");
    }
    report.test("comes-to-rest", || {
        m33.set("state", "stop")?;
        m33.ensure_state("offline")?;
        ensure!(announced()?.is_none(), "the channel is still there");
        Ok("offline, and the channel is gone")
    });
    Ok(())
}

/// The channel of the sample firmware, if it is there.
fn announced() -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(CHANNELS).context("the kernel's RPMsg bus")? {
        let path = entry?.path();
        if fs::read_to_string(path.join("name")).is_ok_and(|name| name.trim() == CHANNEL) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Gives a channel to the driver for programs.
fn bind(channel: &Path) -> Result<()> {
    let name = channel.file_name().context("a channel without a name")?.to_string_lossy().into_owned();
    fs::write(channel.join("driver_override"), "rpmsg_chrdev")?;
    fs::write(Path::new(CHARACTER_DRIVER).join("bind"), name).context("the channel cannot be bound")
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(begin.elapsed() < LIMIT, "{what} did not come within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
