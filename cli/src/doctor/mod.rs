//! `rproc doctor`: what each processor waits for, since when, and what would satisfy it.
//!
//! It looks at a machine ([`machine::Machine`]): a virtual board, or on Linux the one it runs on. What is missing and may still
//! come is waited for until a limit, so that the answer is always one of: ready, waits, cannot be booted.

#[cfg(target_os = "linux")]
mod device;
#[cfg(target_os = "linux")]
mod linux_devices;
mod machine;
mod owners;
mod report;
mod subject;
mod virtual_board;
mod wish;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rproc_doctor::Doctor;

use crate::failure::{Failure, REFUSED};
use crate::output;
use crate::run::parse_time;
use machine::Machine;
use owners::OwnerChange;
use report::Report;
use virtual_board::{ServicePresence, VirtualBoard};

/// How long Linux waits for drivers that wait for others (`deferred_probe_timeout`).
const LINUX_WAITS: Duration = Duration::from_secs(10);

/// Arguments of `rproc doctor`.
#[derive(Args)]
#[command(
    after_help = "Without --board, and without both trees, this machine is looked at: its tree is /sys/firmware/fdt.\n\n\
                        Exit codes: 0 nothing is missing, 1 wrong usage or I/O, 2 something is missing"
)]
pub struct Arguments {
    /// Look at this virtual board (see `rproc board list`) instead of this machine
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,
    /// A device tree blob of Linux's instead of the machine's
    #[arg(long, value_name = "FILE")]
    linux_tree: Option<PathBuf>,
    /// A device tree blob of the secure side's; with --linux-tree, a virtual board is made of the two
    #[arg(long, value_name = "FILE")]
    secure_tree: Option<PathBuf>,
    /// When the virtual board's TEE has the remoteproc service: `late` is once tee-supplicant runs, two seconds after boot
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ServicePresence::AtOnce)]
    service: ServicePresence,
    /// tee-supplicant does not run on the virtual board
    #[arg(long)]
    no_supplicant: bool,
    /// Who owns a processor of the virtual board (tee, linux, both, nobody), by `status` and `secure-status`; for one of
    /// several, m33=linux
    #[arg(long, value_name = "[CORE=]OWNER", value_delimiter = ',')]
    owner: Vec<OwnerChange>,
    /// Look for firmware files in this folder; without it, where this machine's Linux does
    #[arg(long, value_name = "FOLDER")]
    firmware: Option<PathBuf>,
    /// Wait so long for what may still come; without it, this machine is looked at once, and a virtual board for 10s
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    wait: Option<Duration>,
    /// The TEE's device for clients of this machine; without it, /dev/tee0
    #[arg(long, value_name = "PATH")]
    device: Option<PathBuf>,
    /// Print one JSON object (docs/doctor.md)
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn is_virtual(&self) -> bool {
        self.board.is_some() || (self.linux_tree.is_some() && self.secure_tree.is_some())
    }

    /// Options that change a board change no machine that is there, and the other way round.
    fn check(&self) -> Result<(), Failure> {
        let only_virtual = [
            ("--service", self.service != ServicePresence::AtOnce),
            ("--no-supplicant", self.no_supplicant),
            ("--owner", !self.owner.is_empty()),
        ];
        if self.device.is_some() && self.is_virtual() {
            return Err(Failure::help(
                "--device is of this machine, and a virtual board is looked at",
                "leave out --device, or leave out --board and one of the trees",
            ));
        }
        match only_virtual.into_iter().find(|(_, given)| *given && !self.is_virtual()) {
            Some((option, _)) => Err(Failure::help(
                format!("{option} is for virtual boards, and this machine is none"),
                "name a board with --board",
            )),
            None => Ok(()),
        }
    }
}

/// Looks, waits, and says how it stands; gives the exit code.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.check()?;
    let report = if arguments.is_virtual() {
        examine(&mut VirtualBoard::new(arguments)?, Some(arguments.wait.unwrap_or(LINUX_WAITS)))?
    } else {
        this_machine(arguments)?
    };
    if arguments.json {
        output::print_json(&report)?
    } else {
        output::print(&report.to_string())?
    };
    Ok(if report.is_healthy() { 0 } else { REFUSED })
}

#[cfg(target_os = "linux")]
fn this_machine(arguments: &Arguments) -> Result<Report, Failure> {
    examine(&mut device::Device::new(arguments)?, arguments.wait)
}

#[cfg(not(target_os = "linux"))]
fn this_machine(_: &Arguments) -> Result<Report, Failure> {
    Err(Failure::help("rproc doctor needs Linux to look at this machine", "name a board with --board"))
}

/// Looks at the machine until nothing is waited for any more: once without a limit, else until the limit.
fn examine(machine: &mut impl Machine, limit: Option<Duration>) -> Result<Report, Failure> {
    let mut doctor = Doctor::new(limit.unwrap_or(LINUX_WAITS));
    let start = machine.now();
    let deadline = limit.map(|limit| start.saturating_add(limit));
    let mut report = Report::new(machine.name());
    loop {
        let seen = machine.look()?;
        let now = machine.now();
        report.add(now, seen.iter().map(|one| (one.id, one.owner, doctor.observe(now, one))));
        match deadline {
            Some(deadline) if report.waits() && now < deadline => machine.wait(deadline),
            _ => return Ok(report),
        }
        if machine.now() == now {
            return Err(anyhow::anyhow!(
                "the time of {} stands still, which is a bug of rproc",
                machine.name()
            )
            .into());
        }
    }
}
