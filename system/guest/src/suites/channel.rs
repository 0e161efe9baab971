//! A channel that firmware has announced to the kernel, as a device for programs.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// Where the channels are that firmware has announced.
const CHANNELS: &str = "/sys/bus/rpmsg/devices";
/// The kernel's driver that makes a channel a device for programs (`drivers/rpmsg/rpmsg_char.c`), under the name of its own.
const DRIVER: &str = "/sys/bus/rpmsg/drivers/rpmsg_chrdev";
/// The largest message (512-byte buffers with a header of 16).
pub const LARGEST: usize = 496;
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(1);

/// A channel whose device is open.
pub struct Channel {
    device: File,
    node: PathBuf,
}

/// Gives a channel to the driver for programs, which may have taken it by itself. Linux shows a device before a driver may have it, and
/// says EAGAIN until then (Linux `drivers/base/dd.c`, `device_driver_attach`).
fn bind(channel: &Path, id: &str) -> Result<Option<()>> {
    if channel.join("driver").exists() {
        return Ok(Some(()));
    }
    match fs::write(Path::new(DRIVER).join("bind"), id) {
        Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ResourceBusy) => {
            Err(error).context("the channel cannot be bound")
        }
        _ => Ok(None),
    }
}

impl Channel {
    /// Waits until firmware has announced the channel, gives it to the driver for programs, and opens its device.
    pub fn open(name: &str) -> Result<Self> {
        let channel = wait_for(&format!("the channel {name}"), || announced(name))?;
        let id = channel.file_name().context("a channel without a name")?.to_string_lossy().into_owned();
        fs::write(channel.join("driver_override"), "rpmsg_chrdev")?;
        wait_for("the channel's driver", || bind(&channel, &id))?;
        let node = wait_for("the channel's device", || node(&channel))?;
        let device = wait_for(&node.display().to_string(), || {
            // devtmpfs follows sysfs.
            Ok(if node.exists() { Some(File::options().read(true).write(true).open(&node)?) } else { None })
        })?;
        Ok(Self { device, node })
    }

    /// The device's file.
    pub fn node(&self) -> &Path {
        &self.node
    }

    /// The same open file once more.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self { device: self.device.try_clone()?, node: self.node.clone() })
    }

    /// Sends a message.
    pub fn send(&mut self, message: &[u8]) -> std::io::Result<()> {
        self.device.write_all(message)
    }

    /// Waits for a message; its bytes are then the first ones of `into`.
    pub fn receive<'a>(&mut self, into: &'a mut [u8; LARGEST]) -> std::io::Result<&'a [u8]> {
        let length = self.device.read(into)?;
        Ok(into.get(..length).unwrap_or_default())
    }

    /// Sends a message, and the next one to come must be the same bytes.
    pub fn echo(&mut self, message: &[u8]) -> Result<()> {
        let mut found = [0; LARGEST];
        self.send(message).with_context(|| format!("cannot send {} bytes", message.len()))?;
        let found = self.receive(&mut found).context("cannot receive")?;
        ensure!(found == message, "a message of {} bytes came back as {} others", message.len(), found.len());
        Ok(())
    }
}

/// The channel of that name, if it is there.
pub fn announced(name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(CHANNELS).context("the kernel's RPMsg bus")? {
        let path = entry?.path();
        if fs::read_to_string(path.join("name")).is_ok_and(|found| found.trim() == name) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The device's file of a bound channel, if it is there yet.
fn node(channel: &Path) -> Result<Option<PathBuf>> {
    let Ok(mut devices) = fs::read_dir(channel.join("rpmsg")) else { return Ok(None) };
    let Some(device) = devices.next() else { return Ok(None) };
    Ok(Some(Path::new("/dev").join(device?.file_name())))
}

/// Looks until there is something.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(begin.elapsed() < LIMIT, "{what} did not come within {LIMIT:?}");
        std::thread::sleep(PAUSE);
    }
}
