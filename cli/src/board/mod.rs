//! `rproc board`: the virtual board by itself.

#[cfg(target_os = "linux")]
mod event;
mod list;
pub mod nodes;
#[cfg(target_os = "linux")]
mod serve;
mod show;
mod trees;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::failure::Failure;
pub use trees::{Trees, tree_of};

use crate::run::{Board, DEFAULT_BOARD, parse_time};

/// What to do with a board.
#[derive(Subcommand)]
pub enum Command {
    /// List the bundled boards with their processors
    List(list::Arguments),
    /// Show a board: memory, firewall, mailboxes, clocks, interrupts, watchdogs and processors
    Show(show::Arguments),
    /// Be a PCI device of a machine that QEMU emulates, until that machine ends (docs/board-serve.md)
    Serve(ServeArguments),
}

/// Arguments of `rproc board serve`.
#[derive(Args)]
pub struct ServeArguments {
    /// The socket to listen at; QEMU is given the same path
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// The board
    #[arg(long, value_name = "NAME", default_value = DEFAULT_BOARD)]
    board: Board,
    /// Write one JSON object a line to this file, - for the standard output
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Give up when no machine has attached the board after this time; without it, wait for ever
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    wait: Option<Duration>,
}

/// Does it.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        #[cfg(target_os = "linux")]
        Command::Serve(arguments) => serve::run(&arguments),
        #[cfg(not(target_os = "linux"))]
        Command::Serve(_) => Err(Failure::help(
            "rproc board serve needs Linux: it shares memory and eventfds with QEMU",
            "run it in a virtual machine or container with Linux, together with QEMU",
        )),
    }
}
