//! Chores of this repository: `cargo xtask <chore>`.

#[macro_use]
mod process;

mod core_library;
mod debian;
mod firmware;
mod system;

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask <chore>

  firmware [--check] [--core installed|rust-src|debian]
      builds the sample firmware into firmware/elf/; with --check, says whether what is there is what the sources give.
      --core says where the Cortex-M's core library comes from; only `debian` may download one. Without it, of those on this
      machine the one that built the stored files is taken, else the first. Bytes are compared only when the compilers are those
      that built the stored files; otherwise --check builds, says so, and succeeds.

  system [--shell] [--only BOOT] [--cycles N] [--linux VERSION]
         [--pin PACKAGE=VERSION] [--update] [--record]
      builds TF-A, OP-TEE and the guest from Debian's packages, boots them under QEMU with the virtual board beside, and runs the
      system tests. --shell leaves you in the booted Linux with rproc on the path. --only runs one boot; --cycles (1000) is how
      often firmware is loaded, started, stopped and released; --linux takes this kernel version instead of the newest,
      --pin another version of another package that it prints; --update asks Debian for versions again; --record writes docs/system-results.md, of all boots.

  driver [--figures] [--linux VERSION] [--pin PACKAGE=VERSION] [--update]
      builds Linux's driver (normal/linux) as a module for the kernel that `system` boots, with the kernel's clippy. --figures counts its
      lines and unsafe blocks beside the kernel's own drivers for the same hardware.";

fn main() -> ExitCode {
    if let Some(status) = firmware::run_as_rustc_wrapper() {
        return status;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|word| word == "--help" || word == "-h") {
        return say!("{HELP}");
    }
    match arguments {
        [chore, options @ ..] if chore == "firmware" => firmware::run(&firmware::Options::parse(options)?),
        [chore, options @ ..] if chore == "system" => {
            system::run(&system::Options::parse(system::Chore::System, options)?)
        }
        [chore, options @ ..] if chore == "driver" => {
            system::driver(&system::Options::parse(system::Chore::Driver, options)?)
        }
        [] => bail!("no chore given\n{HELP}"),
        [chore, ..] if chore == "help" => {
            say!("{HELP}")
        }
        [chore, ..] => bail!("no chore is called {chore}\n{HELP}"),
    }
}

/// The repository's top folder: the one above this crate's.
fn repository() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}
