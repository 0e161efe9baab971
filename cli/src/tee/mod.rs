//! `rproc tee`: the remoteproc service of a real OP-TEE, from the Linux that runs beside it.
//!
//! Each command opens a session and closes it again. What it did stays: the service keeps its state when no client is there.

mod connection;
mod failure;
mod list;
mod operations;
mod services;

use clap::Subcommand;
pub use connection::within_limit;

use crate::failure::Failure;

/// What to do with the TEE.
#[derive(Subcommand)]
pub enum Command {
    /// List the services on the TEE bus, and say which one is for remote processors
    List(list::Arguments),
    /// Have a signed image authenticated and put into the processor's memory
    Load(operations::Load),
    /// Start what was loaded
    Start(operations::Plain),
    /// Stop the processor; its memory stays closed until it is released or loaded again
    Stop(operations::Plain),
    /// Show where the resource table of the loaded firmware is
    Table(operations::Table),
    /// Wipe the processor's memory
    Release(operations::Plain),
    /// Write the memory of a stopped processor as an ELF core file
    Coredump(operations::Coredump),
}

/// Runs one of them.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments),
        Command::Load(arguments) => arguments.run(),
        Command::Start(arguments) => arguments.run("started", |service, core| service.start(core)),
        Command::Stop(arguments) => arguments.run("stopped", |service, core| service.stop(core)),
        Command::Table(arguments) => arguments.run(),
        Command::Release(arguments) => arguments.run("released", |service, core| service.release(core)),
        Command::Coredump(arguments) => arguments.run(),
    }
}
