//! `rproc keys`: signing keys, made and looked at.

mod fingerprint;
mod new;
mod public;

use std::path::{Path, PathBuf};

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

/// What a key file holds, read once: a pipe gives it only once.
pub struct KeyFile {
    path: PathBuf,
    bytes: Vec<u8>,
    identity: Identity,
}

impl KeyFile {
    /// Reads it.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        Self::of(Input::open(path, Kind::Key)?)
    }

    /// Reads what is open already.
    pub fn of(input: Input) -> Result<Self, Failure> {
        let (path, identity) = (input.path().to_owned(), input.identity());
        Ok(Self { path, bytes: input.read_key()?, identity })
    }

    /// Which file it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The private key to sign with.
    pub fn private(&self) -> Result<PrivateKey, Failure> {
        PrivateKey::from_file(&self.bytes).map_err(|error| no_key(&self.path, &error))
    }

    /// The public key, or the public half of a private one.
    pub fn public(&self) -> Result<PublicKey, Failure> {
        PublicKey::from_file(&self.bytes).map_err(|error| no_key(&self.path, &error))
    }
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
