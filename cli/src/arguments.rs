//! The command line as a whole; each subcommand declares its own arguments.

use clap::{Parser, Subcommand};

use crate::{board, completions, doctor, inspect, keys, run, sign, verify};
#[cfg(target_os = "linux")]
use crate::{linux, tee};

/// Sign, inspect, verify and boot firmware for remote processors
#[derive(Parser)]
#[command(
    name = "rproc",
    version,
    after_help = "Exit codes: 0 done, 1 wrong usage or I/O, 2 image refused, 3 firmware failed"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Make keys and look at them
    #[command(subcommand)]
    Keys(keys::Command),
    /// Sign ELF files into one image that the secure world accepts
    Sign(sign::Arguments),
    /// Show what a signed image or an ELF file contains, damaged or not
    Inspect(inspect::Arguments),
    /// Check a signed image as far as the file and a key tell; `run` also knows the board's memory
    Verify(verify::Arguments),
    /// Boot firmware on a virtual board through the TEE, and talk to it
    Run(run::Arguments),
    /// Say what each processor of this machine or of a virtual board waits for, and what would satisfy it
    Doctor(doctor::Arguments),
    /// The virtual board by itself
    #[command(subcommand)]
    Board(board::Command),
    /// Use the remoteproc service of OP-TEE on this machine
    #[cfg(target_os = "linux")]
    #[command(subcommand)]
    Tee(tee::Command),
    /// List the processors of this machine's Linux
    #[cfg(target_os = "linux")]
    List(linux::List),
    /// Start the firmware of a processor of this machine's Linux
    #[cfg(target_os = "linux")]
    Start(linux::Start),
    /// Stop a processor of this machine's Linux
    #[cfg(target_os = "linux")]
    Stop(linux::Stop),
    /// Show or set the firmware file of a processor of this machine's Linux
    #[cfg(target_os = "linux")]
    Firmware(linux::Firmware),
    /// Show what running firmware of this machine's Linux has traced
    #[cfg(target_os = "linux")]
    Trace(linux::Trace),
    /// Take the core dump that Linux keeps of a crashed processor
    #[cfg(target_os = "linux")]
    Coredump(linux::Coredump),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}
