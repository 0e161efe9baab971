//! `rproc keys new`: a private key in a file that only its owner can read.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use rproc_keys::{KeyKind, PrivateKey};

use crate::failure::Failure;
use crate::output;
use crate::text::{Fields, hex};

/// Arguments of `rproc keys new`.
#[derive(Args)]
pub struct Arguments {
    /// The file to make (PEM, mode 0600)
    file: PathBuf,
    /// rsa2048, rsa3072, rsa4096 or p256; OP-TEE's own platform code takes RSA only
    #[arg(long = "type", value_name = "TYPE", default_value = "rsa2048")]
    kind: KeyKind,
}

/// Makes the key.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    output::not_standard_output(&arguments.file)?;
    // Before the key is made: an RSA key takes seconds.
    if arguments.file.symlink_metadata().is_ok() {
        return Err(exists(&arguments.file));
    }
    output::check_folder(&arguments.file)?;
    let key = PrivateKey::generate(arguments.kind).context("cannot make a key")?;
    let pem = key.to_pem().context("cannot encode the key")?;
    write_new(&arguments.file, pem.as_bytes())?;
    let mut fields = Fields::default();
    fields.add("type", key.kind());
    fields.add("fingerprint", hex(&key.public_key().fingerprint()));
    output::print(&format!("made {}\n{fields}", arguments.file.display()))
}

fn write_new(path: &Path, pem: &[u8]) -> Result<(), Failure> {
    let cannot = || format!("cannot write {}", path.display());
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(path)),
        file => file.with_context(cannot)?,
    };
    if let Err(error) = file.write_all(pem).and_then(|()| file.sync_all()) {
        // Half a key is of no use, and would stand in the way of the next attempt.
        let _ = std::fs::remove_file(path);
        return Err(anyhow::Error::new(error).context(cannot()).into());
    }
    Ok(())
}

fn exists(path: &Path) -> Failure {
    Failure::help(
        format!("{} exists, and a key is never overwritten", path.display()),
        "give another name, or remove the file if nothing was signed with it",
    )
}
