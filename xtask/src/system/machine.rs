//! QEMU and the virtual board beside it, as processes: started, watched, and ended whatever happens.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::packages::qemu;
use crate::process::tail;

const KERNEL: u64 = 0x4400_0000;
const INITRD: u64 = 0x5000_0000;
/// How long Linux waits, in seconds, before it takes a processor for lost or RCU for stalled: its own ten and twenty-one are for a chip,
/// not for one that is emulated on a busy host, nor for a wipe that takes QEMU as long (see the boot `pin`).
const PATIENCE: &str = "watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300";
/// How much of Linux's log is kept: the whole of each boot's.
const LOG: &str = "log_buf_len=4M";

/// One boot.
pub struct Boot<'a> {
    /// QEMU's tree.
    pub qemu: &'a Path,
    /// TF-A with OP-TEE.
    pub flash: &'a Path,
    /// Linux.
    pub kernel: &'a Path,
    /// The root file system.
    pub initrd: &'a Path,
    /// The device tree.
    pub tree: &'a Path,
    /// Where the logs go: `console.log`, `secure.log`, `board.log`.
    pub logs: &'a Path,
    /// The program `rproc`, when the virtual board is part of the machine.
    pub board: Option<&'a Path>,
    /// Further arguments of the kernel's.
    pub arguments: &'a str,
    /// Whether the machine has what takes its devices' messages.
    pub messages: bool,
    /// The longest that the boot may take.
    pub limit: Duration,
}

/// What came of a boot.
pub struct Outcome {
    /// The lines of the guest's console.
    pub console: Vec<String>,
    /// From QEMU's start to its end.
    pub took: Duration,
}

/// The machine, the same for a boot and for dumping its device tree. Without `messages` it has no interrupt translation service (ITS), so
/// that devices have their pins only.
pub fn machine_options(messages: bool, more: &str) -> Vec<String> {
    let its = if messages { "on" } else { "off" };
    let machine =
        format!("virt,secure=on,virtualization=off,gic-version=3,its={its},memory-backend=mem{more}");
    [
        "-M",
        &machine,
        "-cpu",
        "cortex-a57",
        "-smp",
        "2",
        // Guest memory ends at 0xc0000000, so the SoC's DDR is in it at its own addresses.
        "-m",
        "2048",
        "-object",
        "memory-backend-memfd,id=mem,size=2048M,share=on",
        "-nodefaults",
        "-nographic",
        "-nic",
        "none",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A child that does not outlive its owner.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Boot<'_> {
    fn command(&self, socket: Option<&Path>) -> Result<Command> {
        let size = fs::metadata(self.initrd)?.len();
        let mut command = qemu(self.qemu);
        command.args(machine_options(self.messages, "")).args(["-no-reboot", "-monitor", "none"]);
        command.arg("-bios").arg(self.flash).arg("-dtb").arg(self.tree).arg("-kernel").arg(self.kernel);
        command.arg("-append").arg(format!(
            "console=ttyAMA0,115200 rdinit=/init initrd={INITRD:#x},{size} quiet loglevel=4 panic=-1 {PATIENCE} {LOG} {}",
            self.arguments
        ));
        for (file, address) in [(self.kernel, KERNEL), (self.initrd, INITRD)] {
            command
                .arg("-device")
                .arg(format!("loader,file={},addr={address:#x},force-raw=on", file.display()));
        }
        if let Some(socket) = socket {
            let device = format!(
                r#"{{"driver":"vfio-user-pci","socket":{{"path":"{}","type":"unix"}}}}"#,
                socket.display()
            );
            command.arg("-device").arg(device);
        }
        Ok(command)
    }

    fn start_board(&self) -> Result<Option<(Guarded, PathBuf)>> {
        let Some(program) = self.board else { return Ok(None) };
        // A socket's path is at most 107 bytes, and the cache may lie deep.
        let socket = std::env::temp_dir().join(format!("rproc-board-{}.sock", std::process::id()));
        let log = self.logs.join("board.log");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(["board", "serve", "--wait", "60s", "--socket"]);
        command.arg(&socket).arg("--log").arg(&log);
        let messages = File::create(self.logs.join("board.messages"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(messages.try_clone()?)
            .stderr(messages)
            .spawn()
            .context("`rproc board serve` cannot be run")?;
        let mut board = Guarded(child);
        let begun = Instant::now();
        while !socket.exists() {
            let ended = board.0.try_wait()?;
            if ended.is_some() || begun.elapsed() > Duration::from_secs(10) {
                bail!("the virtual board did not start: {}", tail(&self.logs.join("board.messages"), 5));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Some((board, socket)))
    }

    /// Boots, waits for the guest to power off, and gives what it said.
    pub fn run(&self) -> Result<Outcome> {
        fs::create_dir_all(self.logs)?;
        let board = self.start_board()?;
        let begun = Instant::now();
        let mut command = self.command(board.as_ref().map(|(_, socket)| socket.as_path()))?;
        command
            .args(["-serial", "stdio", "-serial"])
            .arg(format!("file:{}", self.logs.join("secure.log").display()));
        let errors = self.logs.join("qemu.messages");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?)
            .spawn()
            .context("QEMU cannot be run")?;
        let mut machine = Guarded(child);
        let console = self.watch(&mut machine, begun);
        let status = machine.0.wait()?;
        let took = begun.elapsed();
        drop(machine);
        let console = console?;
        fs::write(self.logs.join("console.log"), console.join("\n") + "\n")?;
        if let Some((mut board, _)) = board
            && let Some(ended) = board.0.try_wait()?
            && !ended.success()
        {
            bail!(
                "the virtual board ended before its time ({ended}): {}",
                tail(&self.logs.join("board.messages"), 5)
            );
        }
        if !status.success() {
            bail!("QEMU failed ({status}): {}", tail(&errors, 5));
        }
        if !console.iter().any(|line| line == "rproc-boot: done") {
            let end = console.get(console.len().saturating_sub(15)..).unwrap_or_default().join("\n");
            bail!(
                "the guest stopped before the end of its tests; the end of its console ({}):\n{end}\nand of the secure \
                 world's:\n{}",
                self.logs.join("console.log").display(),
                tail(&self.logs.join("secure.log"), 10)
            );
        }
        Ok(Outcome { console, took })
    }

    /// Reads the console until QEMU ends or the time is up; then QEMU is killed.
    fn watch(&self, machine: &mut Guarded, begun: Instant) -> Result<Vec<String>> {
        let output = machine.0.stdout.take().context("QEMU's console is gone")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(output);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        let mut console = Vec::new();
        loop {
            let left = self.limit.saturating_sub(begun.elapsed());
            match receiver.recv_timeout(left) {
                Ok(line) => console.push(line),
                Err(RecvTimeoutError::Disconnected) => return Ok(console),
                Err(RecvTimeoutError::Timeout) => {
                    machine.0.kill()?;
                    let last = console.last().cloned().unwrap_or_default();
                    fs::write(self.logs.join("console.log"), console.join("\n") + "\n")?;
                    bail!(
                        "the guest was not done after {} s and was ended; its last line was `{last}`; all of them are in {}",
                        self.limit.as_secs(),
                        self.logs.join("console.log").display()
                    );
                }
            }
        }
    }

    /// Boots for a person at the terminal.
    pub fn shell(&self) -> Result<()> {
        fs::create_dir_all(self.logs)?;
        let board = self.start_board()?;
        let mut command = self.command(board.as_ref().map(|(_, socket)| socket.as_path()))?;
        // Ctrl-C is the guest's.
        command
            .args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console", "-serial"])
            .arg(format!("file:{}", self.logs.join("secure.log").display()));
        say!("the secure world's console is {}", self.logs.join("secure.log").display())?;
        let status = command.status().context("QEMU cannot be run")?;
        if !status.success() {
            bail!("QEMU failed ({status})");
        }
        Ok(())
    }
}
