//! `rproc`: sign, inspect, verify and boot firmware for remote processors.
#![forbid(unsafe_code)]

mod arguments;
mod board;
mod completions;
mod doctor;
mod failure;
mod input;
mod inspect;
mod interrupt;
mod keys;
mod limits;
#[cfg(target_os = "linux")]
mod linux;
mod load_plan;
mod output;
mod report;
mod run;
mod sign;
#[cfg(target_os = "linux")]
mod tee;
mod text;
mod usage;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    let done = match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        Err(error) => usage::tell(error),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            report::print(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Gives the exit code of a command that did its work; what it found may still be no success.
fn run(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Keys(command) => keys::run(command),
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Run(arguments) => return run::run(&arguments).map(run::Outcome::exit_code),
        Command::Doctor(arguments) => return doctor::run(&arguments),
        Command::Board(command) => board::run(command),
        #[cfg(target_os = "linux")]
        Command::Tee(command) => tee::run(command),
        #[cfg(target_os = "linux")]
        Command::List(arguments) => linux::list(&arguments),
        #[cfg(target_os = "linux")]
        Command::Start(arguments) => linux::start(&arguments),
        #[cfg(target_os = "linux")]
        Command::Stop(arguments) => linux::stop(&arguments),
        #[cfg(target_os = "linux")]
        Command::Firmware(arguments) => linux::firmware(&arguments),
        #[cfg(target_os = "linux")]
        Command::Trace(arguments) => linux::trace(&arguments),
        #[cfg(target_os = "linux")]
        Command::Coredump(arguments) => linux::coredump(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }?;
    Ok(0)
}
