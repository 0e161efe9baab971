//! Linux's driver: what it registers, and a firmware's life as root sees it in sysfs.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use rproc_abi::refusal::Reason;
use rproc_elf::ElfFile;

use crate::firmware::Firmware;
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

/// The processors that Linux knows.
pub const CLASS: &str = "/sys/class/remoteproc";
pub const DEBUG: &str = "/sys/kernel/debug/remoteproc";
/// Where Linux keeps core dumps until somebody takes them.
const DUMPS: &str = "/sys/class/devcoredump";
/// `e_type` of a core file.
const ELF_CORE: u16 = 4;
/// Where Linux looks for firmware files.
pub const FIRMWARE: &str = "/lib/firmware";
/// The processors of the device tree (xtask/src/system/tree.rs).
pub const PROCESSORS: [&str; 2] = ["m0", "m33"];
const MODULE: &str = "rproc_tee";
/// `EKEYREJECTED`
const KEY_REJECTED: i32 = 129;
/// How long the kernel or the firmware may take for what is waited for.
pub const LIMIT: Duration = Duration::from_secs(10);
/// How long a recovery may take, in which the TEE copies out all of the processor's memory.
pub const DUMP_LIMIT: Duration = Duration::from_secs(60);
/// Warnings that are meant: of a module that is not Debian's, and of the crash that a test causes.
const MEANT: [&str; 4] = ["taint", CRASH_IS_MEANT[0], CRASH_IS_MEANT[1], CRASH_IS_MEANT[2]];
/// Those of a crash alone.
pub const CRASH_IS_MEANT: [&str; 3] = ["crash detected in ", "handling crash", "recovering "];
/// What the driver says where firmware does not take its request to shut down, and where the next one does.
pub const UNANSWERED: &str = "does not answer the request to shut down";
pub const OLD_REQUEST: &str = "took the request to shut down that firmware before it had left";

/// Runs the suite.
pub fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let firmware = Firmware::read(&arguments.image)?;
    offer(&arguments.image, "good.img")?;
    offer(&arguments.foreign, "foreign.img")?;
    let mut log = KernelLog::from_now()?;
    report.test("registers", || {
        insert(&arguments.module)?;
        let found: Vec<String> = processors()?.into_keys().collect();
        ensure!(found == PROCESSORS, "registered {found:?}, not {PROCESSORS:?}");
        Ok(found.join(" and "))
    });
    let m33 = Processor::find("m33")?;
    report.test("starts", || {
        m33.boot("good.img")?;
        m33.ensure_state("running")?;
        m33.wait_for_trace(&arguments.expect)
    });
    report.test("recovers", || {
        log.take()?.iter().for_each(drop);
        m33.set("coredump", "enabled")?;
        m33.crash()?;
        log.wait_for(&["stopped remote processor m33"], LIMIT)?;
        let line = log.wait_for(&["remote processor m33 is now up"], DUMP_LIMIT)?;
        m33.ensure_state("running")?;
        m33.wait_for_trace(&arguments.expect)?;
        Ok(line)
    });
    report.test("coredump", || {
        let bytes = take_dump()?;
        let file = ElfFile::parse(&bytes)?;
        ensure!(file.header().kind() == ELF_CORE, "an ELF file of type {}", file.header().kind());
        Ok(format!("{} bytes, {} regions", bytes.len(), file.segments().count()))
    });
    report.test("stops", || {
        m33.set("state", "stop")?;
        m33.ensure_state("offline")?;
        Ok(format!("offline, and {} bytes are zero", firmware.ensure_wiped()?))
    });
    report.test("no-warning", || log.ensure_quiet(&MEANT));
    report.test("refuses-foreign-key", || {
        let error = m33.boot("foreign.img").err().context("it started")?;
        let errno = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
        ensure!(
            errno == Some(KEY_REJECTED),
            "the write failed with {error:#}, not with errno {KEY_REJECTED}"
        );
        let line = log.wait_for(&[Reason::UntrustedKey.sentence()], LIMIT)?;
        m33.ensure_state("offline")?;
        log.take()?.iter().for_each(drop);
        // Linux's core itself keeps the carveouts of a boot that fails here.
        let kept = fs::read_to_string(Path::new(DEBUG).join(&m33.device).join("carveout_memories"))?;
        ensure!(kept.trim().is_empty(), "carveouts are kept: {kept}");
        Ok(format!("errno {KEY_REJECTED}; {line}"))
    });
    report.test("starts-after-a-refusal", || {
        m33.boot("good.img")?;
        m33.wait_for_trace(&arguments.expect)
    });
    report.test("goes-while-running", || {
        remove()?;
        let left = processors()?;
        ensure!(left.is_empty(), "{left:?} are still there");
        Ok(format!("no processor, and {} bytes are zero", firmware.ensure_wiped()?))
    });
    report.test("comes-again", || {
        insert(&arguments.module)?;
        ensure!(processors()?.len() == PROCESSORS.len(), "not all processors came back");
        Processor::find("m33")?.boot("good.img")?;
        remove()?;
        Ok("inserted, started and removed again")
    });
    report.test("no-warning-at-the-end", || log.ensure_quiet(&MEANT));
    Ok(())
}

/// Puts an image where Linux looks for firmware.
pub fn offer(image: &Path, name: &str) -> Result<()> {
    fs::create_dir_all(FIRMWARE)?;
    fs::copy(image, Path::new(FIRMWARE).join(name)).with_context(|| image.display().to_string())?;
    Ok(())
}

/// Takes the core dump that Linux keeps, which is gone then.
pub fn take_dump() -> Result<Vec<u8>> {
    let mut entries = fs::read_dir(DUMPS)?
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path().join("data"));
    // Beside the dumps is an attribute of the class.
    let dump = entries.find(|data| data.exists()).context("no dump")?;
    let bytes = fs::read(&dump).with_context(|| format!("cannot read {}", dump.display()))?;
    fs::write(&dump, "0")?;
    Ok(bytes)
}

/// Loads a module: a file, or the name of an installed one, which brings what it needs.
pub fn insert(module: &Path) -> Result<()> {
    let program = if module.components().count() > 1 { "insmod" } else { "modprobe" };
    shell(program, &module.display().to_string())
}

/// Removes the driver.
pub fn remove() -> Result<()> {
    shell("rmmod", MODULE)
}

/// Runs a program of the guest's, which must end well.
pub fn shell(program: &str, word: &str) -> Result<()> {
    let ran = Command::new(program).arg(word).output().with_context(|| format!("cannot run {program}"))?;
    ensure!(ran.status.success(), "{program} {word}: {}", String::from_utf8_lossy(&ran.stderr).trim());
    Ok(())
}

/// The processors by name, each with its device.
pub fn processors() -> Result<BTreeMap<String, String>> {
    let Ok(entries) = fs::read_dir(CLASS) else { bail!("this Linux has no {CLASS}") };
    let mut found = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        match fs::read_to_string(entry.path().join("name")) {
            Ok(name) => {
                found.insert(name.trim().to_owned(), entry.file_name().to_string_lossy().into_owned());
            }
            // Linux shows a device before its files (`device_add`), and its name is the last of them.
            Err(error) if error.kind() == ErrorKind::NotFound => (),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// A processor in sysfs.
pub struct Processor {
    /// Its name in sysfs and debugfs.
    pub device: String,
}

impl Processor {
    /// By its name.
    pub fn find(name: &str) -> Result<Self> {
        let device = processors()?.remove(name).with_context(|| format!("no processor {name} in {CLASS}"))?;
        Ok(Self { device })
    }

    /// Writes an attribute.
    pub fn set(&self, attribute: &str, value: &str) -> Result<()> {
        Ok(fs::write(Path::new(CLASS).join(&self.device).join(attribute), value)?)
    }

    /// Starts it with a firmware file.
    pub fn boot(&self, firmware: &str) -> Result<()> {
        self.set("firmware", firmware)?;
        self.set("state", "start")
    }

    /// Has Linux take it for crashed.
    pub fn crash(&self) -> Result<()> {
        Ok(fs::write(Path::new(DEBUG).join(&self.device).join("crash"), "1")?)
    }

    /// Its state must be this one.
    pub fn ensure_state(&self, wanted: &str) -> Result<()> {
        let state = fs::read_to_string(Path::new(CLASS).join(&self.device).join("state"))?;
        ensure!(state.trim() == wanted, "the state is {}, not {wanted}", state.trim());
        Ok(())
    }

    /// The trace that Linux shows.
    pub fn trace(&self) -> Result<String> {
        let file = Path::new(DEBUG).join(&self.device).join("trace0");
        let said = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// Waits until the text is in the trace that Linux shows.
    pub fn wait_for_trace(&self, text: &str) -> Result<String> {
        let begin = Instant::now();
        loop {
            let said = self.trace()?;
            if said.contains(text) {
                return Ok(format!("trace0 has {said:?} after {} ms", begin.elapsed().as_millis()));
            }
            ensure!(begin.elapsed() < LIMIT, "trace0 has {said:?} after {LIMIT:?}, not {text:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
