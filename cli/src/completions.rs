//! `rproc completions`: completion scripts for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Cli;
use crate::failure::Failure;
use crate::output;

/// Arguments of `rproc completions`.
#[derive(Args)]
pub struct Arguments {
    /// The shell to complete in
    shell: Shell,
}

/// Prints the script; the shell's manual says where it goes.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "rproc", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
