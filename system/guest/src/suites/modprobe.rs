//! Linux's driver as an installed module: what it says of itself, and how kmod finds it and what it needs by what the buses say.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rproc_abi::Uuid;
use rproc_aperture::{DEVICE_ID, VENDOR_ID};

use super::driver::{LIMIT, PROCESSORS, processors, shell};
use crate::kernel_log::KernelLog;
use crate::report::Report;

const MODULES: &str = "/sys/module";
const TEE_BUS: &str = "/sys/bus/tee/devices";
const PCI_BUS: &str = "/sys/bus/pci/devices";
/// The driver's, that of the mailboxes, and those of the TEE.
const DRIVER: &str = "rproc_tee";
const MAILBOX: &str = "rproc_ipcc";
const OPTEE: &str = "optee";
const TEE: &str = "tee";

/// Runs the suite. No module of ours may be loaded.
pub fn run(report: &mut Report) -> Result<()> {
    let mut log = KernelLog::from_now()?;
    report.test("says-what-it-is", || {
        let mut said = String::new();
        for (module, depends, alias) in
            [(DRIVER, TEE, format!("tee:{}*", Uuid::REMOTEPROC_TA)), (MAILBOX, "", pci_alias())]
        {
            ensure!(!is_loaded(module), "{module} is there already");
            let found = |field: &str| {
                let shown = output("modinfo", &["-F", field, module])?;
                Ok::<_, anyhow::Error>(shown.trim().to_owned())
            };
            ensure!(found("license")? == "GPL", "the license of {module} is {}", found("license")?);
            ensure!(!found("description")?.is_empty(), "{module} has no description");
            ensure!(found("depends")? == depends, "{module} depends on {:?}", found("depends")?);
            ensure!(found("alias")?.eq_ignore_ascii_case(&alias), "{module} is for {}", found("alias")?);
            said += &format!("{module} ({}): {}; ", found("filename")?, found("description")?);
        }
        Ok(said)
    });
    report.test("is-found-by-the-tee-bus", || {
        let alias = uevent(TEE_BUS, &format!("optee-ta-{}", Uuid::REMOTEPROC_TA))?;
        shell("modprobe", &alias)?;
        ensure!(is_loaded(DRIVER), "{alias} did not bring {DRIVER}");
        ensure_processors()?;
        Ok(format!("{alias} brings {DRIVER}"))
    });
    report.test("is-found-by-the-pci-bus", || {
        let device = pci_device()?;
        let alias = uevent(PCI_BUS, &device)?;
        shell("modprobe", &alias)?;
        ensure!(is_loaded(MAILBOX), "{alias} did not bring {MAILBOX}");
        let driver = fs::read_link(Path::new(PCI_BUS).join(&device).join("driver"))?;
        ensure!(driver.ends_with(MAILBOX), "{device} has the driver {}", driver.display());
        Ok(format!("{alias} brings {MAILBOX}"))
    });
    report.test("goes-with-what-it-needed", || {
        for module in [MAILBOX, DRIVER, OPTEE] {
            remove(module)?;
        }
        ensure!(!is_loaded(TEE), "{TEE} is still there");
        Ok("without any module of the TEE's")
    });
    report.test("brings-what-it-needs", || {
        shell("modprobe", DRIVER)?;
        ensure!(is_loaded(TEE), "{DRIVER} came without {TEE}");
        ensure!(processors()?.is_empty(), "processors without a TEE");
        shell("modprobe", OPTEE)?;
        ensure_processors()?;
        remove(DRIVER)?;
        Ok(format!("{DRIVER} brings {TEE}, and has its processors when {OPTEE} comes"))
    });
    report.test("no-warning", || log.ensure_quiet(&["taint"]));
    Ok(())
}

fn is_loaded(module: &str) -> bool {
    Path::new(MODULES).join(module).join("initstate").exists()
}

fn remove(module: &str) -> Result<()> {
    output("modprobe", &["-r", module])?;
    ensure!(!is_loaded(module), "{module} is still there");
    Ok(())
}

/// All must come, if only after some time.
fn ensure_processors() -> Result<()> {
    let begin = Instant::now();
    loop {
        let found: Vec<String> = processors()?.into_keys().collect();
        if found == PROCESSORS {
            return Ok(());
        }
        ensure!(begin.elapsed() < LIMIT, "found {found:?} after {LIMIT:?}, not {PROCESSORS:?}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// What a device's bus tells programs that load modules.
fn uevent(bus: &str, device: &str) -> Result<String> {
    let file = Path::new(bus).join(device).join("uevent");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let alias = text.lines().find_map(|line| line.strip_prefix("MODALIAS="));
    Ok(alias.with_context(|| format!("{} names no MODALIAS:\n{text}", file.display()))?.to_owned())
}

fn pci_alias() -> String {
    format!("pci:v{VENDOR_ID:08X}d{DEVICE_ID:08X}sv*sd*bc*sc*i*")
}

fn pci_device() -> Result<String> {
    let wanted = format!("{VENDOR_ID:04X}:{DEVICE_ID:04X}");
    for entry in fs::read_dir(PCI_BUS)? {
        let entry = entry?;
        if fs::read_to_string(entry.path().join("uevent"))?.contains(&format!("PCI_ID={wanted}")) {
            return Ok(entry.file_name().to_string_lossy().into_owned());
        }
    }
    anyhow::bail!("no PCI device {wanted}")
}

fn output(program: &str, words: &[&str]) -> Result<String> {
    let ran = Command::new(program).args(words).output().with_context(|| format!("cannot run {program}"))?;
    let complaint = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{program} {}: {}", words.join(" "), complaint.trim());
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}
