//! `rproc keys fingerprint`: how a key is named in images, logs and refusals.

use std::path::PathBuf;

use clap::Args;
use rproc_image::{Header, MAGIC, Metadata};

use crate::failure::{Failure, Refused};
use crate::input::{Input, Kind};
use crate::keys::KeyFile;
use crate::output;
use crate::text::hex;

/// Arguments of `rproc keys fingerprint`.
#[derive(Args)]
pub struct Arguments {
    /// A key file, private or public, or a signed image
    file: PathBuf,
}

/// Prints SHA-256 of the key's SubjectPublicKeyInfo, and whose it is.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = arguments.file.display();
    let input = Input::open(&arguments.file, Kind::Key)?;
    if input.take(0..4)? == MAGIC.to_le_bytes() {
        let fingerprint = claimed(&input)?;
        return output::print(&format!("{}  claimed by {path}, not verified\n", hex(&fingerprint)));
    }
    let key = KeyFile::of(input)?.public()?;
    output::print(&format!("{}  {} key in {path}\n", hex(&key.fingerprint()), key.kind()))
}

/// The fingerprint that a signed image names.
fn claimed(input: &Input) -> Result<[u8; 32], Failure> {
    let refused = |error: rproc_image::Error| Failure::from(Refused::from(error));
    let layout = Header::of_file(&input.take(0..20)?).and_then(|header| header.layout(input.len()));
    let layout = layout.map_err(refused)?;
    let (signed, signature) = (input.take(layout.header_and_tlvs)?, input.take(layout.signature)?);
    let metadata = Metadata::parse(&signed, &signature, input.len()).map_err(refused)?;
    metadata.claimed_key_fingerprint().map_err(refused)?.copied().ok_or_else(|| {
        Failure::help(
            format!("{} does not name the key that it was signed with", input.path().display()),
            "it was signed with --plain or by OP-TEE's script: try keys with `rproc verify`",
        )
    })
}
