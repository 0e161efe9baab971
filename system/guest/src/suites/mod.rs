//! The suites, one a file.

mod boot;
mod bus;
mod by_hand;
mod channel;
mod commands;
mod cycles;
mod domains;
mod driver;
mod footprint;
mod form;
mod hostile;
mod interop;
mod interrupt;
mod life;
mod linux_memory;
mod lives;
mod lockdep;
mod logins;
mod modprobe;
mod outlive;
mod panic;
mod performance;
mod recovery;
mod refusals;
mod reports;
mod rpmsg;
mod states;
mod statistics;
mod terminal;
mod two;
mod unload;
mod verdict;
mod watchdog;

use std::path::PathBuf;

use clap::Subcommand;

use crate::report::Report;
use crate::service::Target;

/// What can be run.
#[derive(Subcommand)]
pub enum Suite {
    /// What the TEE enumerates and what Linux's TEE bus shows
    Bus(bus::Arguments),
    /// All commands in every state, for processors that are not there, and with wrong parameters
    States {
        /// A good image
        image: PathBuf,
    },
    /// One life of a firmware, from load to release
    Boot(boot::Arguments),
    /// Who may open the service
    Logins(logins::Arguments),
    /// Images that must be refused: NAME.img with NAME.expect
    Refusals {
        /// The folder
        folder: PathBuf,
    },
    /// Loads while another thread rewrites the shared buffer
    Hostile {
        /// A good image
        image: PathBuf,
        /// How long
        seconds: u64,
    },
    /// Lives of a firmware one after the other, without memory growth
    Cycles {
        /// A good image
        image: PathBuf,
        /// How many
        count: u32,
    },
    /// A Trusted Application that panics, as the test build does on command
    Panic {
        /// A good image
        image: PathBuf,
    },
    /// How long a load, a call and a kick take; NAME.img
    Performance {
        /// The folder
        folder: PathBuf,
    },
    /// The firmware's answer to a kick interrupts Linux
    Interrupt {
        /// A good image whose firmware acknowledges a shutdown request
        image: PathBuf,
    },
    /// Linux's remoteproc driver, from insertion to removal
    Driver(driver::Arguments),
    /// Linux's driver when the Trusted Application panics, as the test build does on command
    Outlive(outlive::Arguments),
    /// Linux's driver where the TEE has no service, or none yet
    Absent(form::AbsentArguments),
    /// What Linux's driver finds in the device tree, as the service comes and goes
    Form(form::Arguments),
    /// What `rproc` does with Linux's remoteproc driver
    Commands(commands::Arguments),
    /// Linux's remoteproc driver: attachment, clocks, power domains, sleep, what firmware does not answer, failed recoveries
    Life(life::Arguments),
    /// Linux's driver as kmod finds and loads it
    Modprobe,
    /// Power domains of a processor, under Linux's driver
    Domains(domains::Arguments),
    /// Messages to the firmware and back, through Linux's drivers
    Rpmsg(rpmsg::Arguments),
    /// A script of Linux's own commands and files
    ByHand(by_hand::Arguments),
    /// Linux's driver and that of its mailboxes, removed and inserted again
    Unload(unload::Arguments),
    /// The watchdog's interrupt, as Linux's driver takes it
    Watchdog(watchdog::Arguments),
    /// Firmware that faults in the middle of a talk, under Linux's driver
    Recovery {
        /// A good image whose firmware does what a message says
        image: PathBuf,
    },
    /// Lines to the firmware and back by a terminal of Linux's
    Terminal {
        /// A good image whose firmware announces a terminal
        image: PathBuf,
    },
    /// Lives of a firmware under Linux's driver, without memory growth
    Lives {
        /// A good image whose firmware echoes
        image: PathBuf,
        /// How many
        count: u32,
    },
    /// Two processors at once under Linux's driver
    Two {
        /// A good image for the Cortex-M33 whose firmware echoes
        echo: PathBuf,
        /// A good image for the Cortex-M0+ whose firmware starves its watchdog
        starve: PathBuf,
    },
    /// What a kernel with lockdep and kmemleak has seen since it was booted
    Lockdep,
    /// What any kernel has reported of itself since it was booted
    Reports,
    /// Images of several signers: NAME.img with NAME.expect
    Interop(interop::Arguments),
}

impl Suite {
    /// As people type it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bus(_) => "bus",
            Self::States { .. } => "states",
            Self::Boot(_) => "boot",
            Self::Logins(_) => "logins",
            Self::Refusals { .. } => "refusals",
            Self::Hostile { .. } => "hostile",
            Self::Cycles { .. } => "cycles",
            Self::Panic { .. } => "panic",
            Self::Performance { .. } => "performance",
            Self::Interrupt { .. } => "interrupt",
            Self::Driver(_) => "driver",
            Self::Absent(_) => "absent",
            Self::Outlive(_) => "outlive",
            Self::Form(_) => "form",
            Self::Commands(_) => "commands",
            Self::Life(_) => "life",
            Self::Modprobe => "modprobe",
            Self::Domains(_) => "domains",
            Self::Rpmsg(_) => "rpmsg",
            Self::ByHand(_) => "by-hand",
            Self::Unload(_) => "unload",
            Self::Watchdog(_) => "watchdog",
            Self::Recovery { .. } => "recovery",
            Self::Terminal { .. } => "terminal",
            Self::Lives { .. } => "lives",
            Self::Two { .. } => "two",
            Self::Lockdep => "lockdep",
            Self::Reports => "reports",
            Self::Interop(_) => "interop",
        }
    }
}

/// Runs one; gives whether all went well.
pub fn run(suite: &Suite, target: &Target) -> bool {
    let mut report = Report::new(suite.name());
    let ran = match suite {
        Suite::Bus(arguments) => bus::run(arguments, target, &mut report),
        Suite::States { image } => states::run(image, target, &mut report),
        Suite::Boot(arguments) => boot::run(arguments, target, &mut report),
        Suite::Logins(arguments) => logins::run(arguments, target, &mut report),
        Suite::Refusals { folder } => refusals::run(folder, target, &mut report),
        Suite::Hostile { image, seconds } => hostile::run(image, *seconds, target, &mut report),
        Suite::Cycles { image, count } => cycles::run(image, *count, target, &mut report),
        Suite::Panic { image } => panic::run(image, target, &mut report),
        Suite::Performance { folder } => performance::run(folder, target, &mut report),
        Suite::Interrupt { image } => interrupt::run(image, target, &mut report),
        Suite::Driver(arguments) => driver::run(arguments, &mut report),
        Suite::Absent(arguments) => form::run_absent(arguments, &mut report),
        Suite::Outlive(arguments) => outlive::run(arguments, target, &mut report),
        Suite::Form(arguments) => form::run(arguments, &mut report),
        Suite::Commands(arguments) => commands::run(arguments, &mut report),
        Suite::Domains(arguments) => domains::run(arguments, &mut report),
        Suite::Life(arguments) => life::run(arguments, target, &mut report),
        Suite::Modprobe => modprobe::run(&mut report),
        Suite::Rpmsg(arguments) => rpmsg::run(arguments, &mut report),
        Suite::ByHand(arguments) => by_hand::run(arguments, &mut report),
        Suite::Unload(arguments) => unload::run(arguments, &mut report),
        Suite::Watchdog(arguments) => watchdog::run(arguments, &mut report),
        Suite::Recovery { image } => recovery::run(image, &mut report),
        Suite::Terminal { image } => terminal::run(image, &mut report),
        Suite::Lives { image, count } => lives::run(image, *count, target, &mut report),
        Suite::Two { echo, starve } => two::run(echo, starve, &mut report),
        Suite::Lockdep => lockdep::run(&mut report),
        Suite::Reports => {
            report.test("none", reports::ensure_none);
            Ok(())
        }
        Suite::Interop(arguments) => interop::run(arguments, target, &mut report),
    };
    // What stands in the way of a whole suite is a failed test too.
    if let Err(error) = ran {
        report.test("setup", || -> anyhow::Result<&str> { Err(error) });
    }
    report.finish()
}
