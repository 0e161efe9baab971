//! `rproc keys public`: the half that platforms trust.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::failure::Failure;
use crate::keys::KeyFile;
use crate::output::{self, OutputFile};

/// Arguments of `rproc keys public`.
#[derive(Args)]
pub struct Arguments {
    /// A key file, private or public
    file: PathBuf,
    /// Write to this file instead of the standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Prints or writes the PEM.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let file = KeyFile::read(&arguments.file)?;
    let pem = file.public()?.to_pem().context("cannot encode the key")?;
    match &arguments.output {
        None => output::print(&pem),
        Some(path) => OutputFile::new(path, &[file.identity()])?.write(|file| file.write_all(pem.as_bytes())),
    }
}
