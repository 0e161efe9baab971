//! The public keys that the platform trusts, compiled in.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use rproc_keys::{Numbers, PublicKey};

const VARIABLE: &str = "RPROC_TRUSTED_KEYS";

/// Rust source of a slice of `CompiledKey`, of the files that `RPROC_TRUSTED_KEYS` names, colon-separated; of the
/// development key when it is not set.
pub fn source() -> Result<String> {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let keys = match std::env::var_os(VARIABLE) {
        None => {
            println!(
                "cargo::warning=the platform will trust the development key, which everybody has: set {VARIABLE}"
            );
            vec![rproc_keys::development_key()?.public_key()]
        }
        Some(list) => std::env::split_paths(&list)
            .filter(|path| !path.as_os_str().is_empty())
            .map(read)
            .collect::<Result<_>>()?,
    };
    if keys.is_empty() {
        bail!("{VARIABLE} names no file, so the platform would refuse every image: give at least one key");
    }
    let mut source = String::from("&[\n");
    for key in &keys {
        writeln!(source, "    CompiledKey {{ fingerprint: {:?}, half: {} }},", key.fingerprint(), half(key))?;
    }
    source.push(']');
    Ok(source)
}

fn read(path: PathBuf) -> Result<PublicKey> {
    println!("cargo::rerun-if-changed={}", path.display());
    let bytes = std::fs::read(&path)
        .with_context(|| format!("{VARIABLE} names {}, which cannot be read", path.display()))?;
    PublicKey::from_file(&bytes).with_context(|| format!("{} is no key to trust", path.display()))
}

fn half(key: &PublicKey) -> String {
    match key.numbers() {
        Numbers::Rsa { modulus, exponent } => {
            format!("Half::Rsa {{ modulus: &{modulus:?}, exponent: &{exponent:?} }}")
        }
        Numbers::P256 { x, y } => format!("Half::P256 {{ x: {x:?}, y: {y:?} }}"),
    }
}
