//! `rproc keys`: signing keys, made and looked at.

mod fingerprint;
mod new;
mod public;

use std::path::Path;

use clap::Subcommand;
use rproc_keys::{KeyError, PrivateKey, PublicKey};

use crate::failure::Failure;
use crate::input::{Identity, Input, Kind};

/// What to do with keys.
#[derive(Subcommand)]
pub enum Command {
    /// Make a private key; an existing file is never overwritten
    New(new::Arguments),
    /// Print the public half of a key as PEM
    Public(public::Arguments),
    /// Print the fingerprint of a key, or of the key that a signed image names
    Fingerprint(fingerprint::Arguments),
}

/// Runs one of them.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::New(arguments) => new::run(&arguments),
        Command::Public(arguments) => public::run(&arguments),
        Command::Fingerprint(arguments) => fingerprint::run(&arguments),
    }
}

/// Reads a private key to sign with.
pub fn read_private(path: &Path) -> Result<(PrivateKey, Identity), Failure> {
    let (bytes, identity) = read(path)?;
    Ok((PrivateKey::from_file(&bytes).map_err(|error| no_key(path, &error))?, identity))
}

/// Reads a public key, or the public half of a private one.
pub fn read_public(path: &Path) -> Result<(PublicKey, Identity), Failure> {
    let (bytes, identity) = read(path)?;
    Ok((public_of(path, &bytes)?, identity))
}

/// The public key, or the public half of a private one, that the file of that name holds.
pub fn public_of(path: &Path, bytes: &[u8]) -> Result<PublicKey, Failure> {
    PublicKey::from_file(bytes).map_err(|error| no_key(path, &error))
}

fn read(path: &Path) -> Result<(Vec<u8>, Identity), Failure> {
    let input = Input::open(path, Kind::Key)?;
    let identity = input.identity();
    Ok((input.read_key()?, identity))
}

/// Whether it is the development key of the source tree, which everybody has.
pub fn is_development_key(key: &PublicKey) -> bool {
    rproc_keys::development_key().is_ok_and(|known| known.public_key() == *key)
}

fn no_key(path: &Path, error: &KeyError) -> Failure {
    let help = match error {
        KeyError::PublicOnly => "give the file that `rproc keys new` wrote",
        KeyError::Encrypted => {
            "write a plain copy to a place that only you can read, and remove it afterwards"
        }
        KeyError::OtherKind { .. } => "make one with `rproc keys new FILE --type p256`",
        KeyError::RsaSize { .. } => "make one with `rproc keys new FILE --type rsa2048`",
        _ => "make a key with `rproc keys new FILE`",
    };
    Failure::help(format!("{}: {error}", path.display()), help)
}
