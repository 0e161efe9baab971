//! `rproc list`, `start`, `stop`, `firmware`, `trace` and `coredump` on Linux's driver, as people and scripts meet them.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use rproc_abi::refusal::Reason;
use rproc_elf::ElfFile;

use super::driver::{insert, offer, shell};
use crate::kernel_log::KernelLog;
use crate::report::Report;

/// What is loaded.
#[derive(Args)]
pub struct Arguments {
    /// The driver: a file, or the name of an installed module
    module: PathBuf,
    /// A good image whose firmware has a trace buffer
    image: PathBuf,
    /// The same firmware, signed with a key that the platform does not trust
    foreign: PathBuf,
    /// A part of a line that the firmware traces
    #[arg(long, value_name = "TEXT", default_value = "waiting for the host")]
    expect: String,
}

/// Where debugfs is.
const DEBUG: &str = "/sys/kernel/debug";
/// Where a dump is written to.
const DUMP: &str = "/tmp/m33.core";
/// `e_type` of a core file.
const ELF_CORE: u16 = 4;
/// A user without any rights.
const NOBODY: u32 = 65534;
/// How long anything may take; in a recovery the TEE copies out all of the processor's memory.
const LIMIT: Duration = Duration::from_secs(60);
/// What a kernel that finds a fault in itself writes.
const FAULTS: [&str; 4] = ["WARNING:", "BUG:", "Call trace", "Internal error"];

/// Runs the suite.
pub fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    offer(&arguments.image, "good.img")?;
    offer(&arguments.foreign, "foreign.img")?;
    let mut log = KernelLog::from_now()?;
    report.test("no-processor", || {
        let none = rproc(&["list"])?;
        ensure!(none.code == Some(0) && none.err.contains("rproc_tee"), "{none:?}");
        rproc(&["stop", "m33"])?.failed(1, &["this Linux has no remote processor", "rproc doctor"])
    });
    report.test("waits-for-the-driver", || {
        let start = rproc_command(&["start", "m33", "--firmware", "good.img", "--wait", "60s"]).spawn()?;
        std::thread::sleep(Duration::from_millis(300));
        insert(&arguments.module)?;
        Ran::of(start.wait_with_output()?).succeeded(&["m33: running, good.img"])
    });
    report.test("lists", || {
        rproc(&["list", "--json"])?.succeeded(&["\"name\": \"m33\"", "\"state\": \"running\""])?;
        let said = rproc(&["list"])?.succeeded(&[])?;
        let row = |name: &str| said.lines().find(|line| line.split_whitespace().next() == Some(name));
        let m33 = row("m33").with_context(|| said.clone())?;
        ensure!(m33.contains("running") && m33.contains("good.img"), "{said}");
        ensure!(row("m0").is_some_and(|m0| m0.contains("offline")), "{said}");
        Ok(m33.trim().to_owned())
    });
    report.test("doctor-knows-the-chosen-firmware", || {
        let ran = rproc(&["doctor"])?;
        let said = format!("{}{}", ran.out, ran.err);
        // Nobody has chosen one for the other processor.
        ensure!(said.contains("rproc-m0-fw") && !said.contains("rproc-m33-fw"), "{ran:?}");
        Ok(said.trim().replace('\n', " | "))
    });
    report.test("traces", || until(|| rproc(&["trace", "m33"])?.succeeded(&[&arguments.expect])));
    report.test("refuses-what-runs", || {
        rproc(&["firmware", "m33", "foreign.img"])?.failed(1, &["it is running", "rproc stop"])?;
        rproc(&["start", "m33"])?.failed(1, &["it is running", "rproc stop"])
    });
    report.test("users-may-look", || {
        let user = |words: &[&str]| -> Result<Ran> {
            Ok(Ran::of(rproc_command(words).uid(NOBODY).gid(NOBODY).spawn()?.wait_with_output()?))
        };
        user(&["list"])?.succeeded(&["m33"])?;
        user(&["trace", "m33"])?.failed(1, &["may not read", "as root"])?;
        user(&["stop", "m33"])?.failed(1, &["may not write", "as root"])
    });
    report.test("says-how-to-mount-debugfs", || {
        unmount(DEBUG)?;
        let said = rproc(&["trace", "m33"])?.failed(1, &["mount -t debugfs debugfs /sys/kernel/debug"]);
        mount_debugfs()?;
        said
    });
    report.test("follows-until-the-stop", || {
        let follow = rproc_command(&["trace", "m33", "--follow"]).spawn()?;
        std::thread::sleep(Duration::from_millis(300));
        rproc(&["stop", "m33"])?.succeeded(&["m33: stopped"])?;
        let followed = Ran::of(follow.wait_with_output()?);
        ensure!(followed.err.contains("it is offline"), "{followed:?}");
        followed.succeeded(&[&arguments.expect])
    });
    report.test("refuses-to-stop-twice", || rproc(&["stop", "m33"])?.failed(1, &["it is offline"]));
    report.test("firmware-is-chosen-by-name", || {
        let elsewhere = arguments.image.display().to_string();
        rproc(&["firmware", "m33", &elsewhere])?.failed(1, &["/lib/firmware", "cp "])?;
        rproc(&["firmware", "m33", "no.img"])?.failed(1, &["no.img", "/lib/firmware"])?;
        rproc(&["firmware", "m33", "/lib/firmware/good.img"])?
            .succeeded(&["m33: good.img (/lib/firmware/good.img)"])
    });
    report.test("refuses-foreign-key", || {
        let reason = Reason::UntrustedKey;
        let words = ["refused: ", reason.sentence(), reason.next_step()];
        rproc(&["start", "m33", "--firmware", "foreign.img"])?.failed(2, &words)
    });
    report.test("no-dump-without-a-crash", || {
        rproc(&["coredump", "m33", "-o", DUMP])?.failed(1, &["no core dump of m33", "echo enabled > "])
    });
    report.test("takes-a-coredump", || {
        rproc(&["start", "m33", "--firmware", "good.img"])?.succeeded(&["running"])?;
        set("coredump", "enabled")?;
        crash()?;
        let said = until(|| rproc(&["coredump", "m33", "-o", DUMP])?.succeeded(&["m33: wrote", DUMP]))?;
        let bytes = fs::read(DUMP)?;
        let file = ElfFile::parse(&bytes)?;
        ensure!(file.header().kind() == ELF_CORE, "an ELF file of type {}", file.header().kind());
        until(|| {
            rproc(&["coredump", "m33", "-o", DUMP])?.failed(1, &["no core dump of m33", "five minutes"])
        })?;
        until(|| rproc(&["list"])?.succeeded(&["running"]))?;
        Ok(format!("{}, {} regions, then none", said.trim(), file.segments().count()))
    });
    report.test("stops-what-has-crashed", || {
        set("recovery", "disabled")?;
        crash()?;
        until(|| rproc(&["list"])?.succeeded(&["crashed"]))?;
        rproc(&["start", "m33"])?.failed(1, &["it is crashed"])?;
        rproc(&["stop", "m33"])?.succeeded(&["m33: stopped"])?;
        set("recovery", "enabled")?;
        rproc(&["start", "m33"])?.succeeded(&["running"])?;
        rproc(&["stop", "m33"])?.succeeded(&["m33: stopped"])
    });
    report.test("ends", || {
        shell("rmmod", "rproc_tee")?;
        let records = log.take()?;
        let fault = records.iter().find(|record| FAULTS.iter().any(|fault| record.text.contains(fault)));
        ensure!(fault.is_none(), "the kernel says: {}", fault.map_or("", |record| &record.text));
        Ok(format!("{} lines of the kernel's, no fault", records.len()))
    });
    Ok(())
}

/// What a command gave.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: std::process::Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// It must have ended well, and its output must have all of these parts.
    fn succeeded(self, parts: &[&str]) -> Result<String> {
        ensure!(
            self.code == Some(0) && parts.iter().all(|part| self.out.contains(part)),
            "{self:?}, not {parts:?}"
        );
        Ok(self.out)
    }

    /// It must have ended with this exit code, and what it said of that must have all of these parts.
    fn failed(self, code: i32, parts: &[&str]) -> Result<String> {
        ensure!(
            self.code == Some(code) && parts.iter().all(|part| self.err.contains(part)),
            "{self:?}, not {parts:?}"
        );
        Ok(self.err.trim().replace('\n', " | "))
    }
}

fn rproc_command(words: &[&str]) -> Command {
    let mut command = Command::new("rproc");
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn rproc(words: &[&str]) -> Result<Ran> {
    Ok(Ran::of(rproc_command(words).output().context("cannot run rproc")?))
}

/// Tries again until it goes well.
fn until(mut attempt: impl FnMut() -> Result<String>) -> Result<String> {
    let begin = Instant::now();
    loop {
        match attempt() {
            Err(error) if begin.elapsed() > LIMIT => bail!("after {LIMIT:?}: {error:#}"),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
            done => return done,
        }
    }
}

/// The folder of the m33 below one that has a folder for each processor.
fn m33(folder: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if fs::read_to_string(path.join("name"))?.trim() == "m33" {
            return Ok(path);
        }
    }
    bail!("no m33 in {folder}")
}

fn set(attribute: &str, value: &str) -> Result<()> {
    Ok(fs::write(m33("/sys/class/remoteproc")?.join(attribute), value)?)
}

fn crash() -> Result<()> {
    Ok(fs::write(m33(&format!("{DEBUG}/remoteproc"))?.join("crash"), "1")?)
}

fn unmount(folder: &str) -> Result<()> {
    busybox(&["umount", folder])
}

fn mount_debugfs() -> Result<()> {
    ensure!(Path::new(DEBUG).is_dir(), "no {DEBUG}");
    busybox(&["mount", "-t", "debugfs", "debugfs", DEBUG])
}

fn busybox(words: &[&str]) -> Result<()> {
    let ran = Ran::of(Command::new("busybox").args(words).output()?);
    ensure!(ran.code == Some(0), "{words:?}: {ran:?}");
    Ok(())
}
