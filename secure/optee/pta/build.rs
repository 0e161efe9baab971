//! Makes the bindings to OP-TEE's core from its headers, the table of trusted keys, and the processors' memory from a
//! device tree.

#[path = "build/headers.rs"]
mod headers;
#[path = "build/keys.rs"]
mod keys;
#[path = "build/regions.rs"]
mod regions;

use std::path::PathBuf;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let core = headers::Core::from_environment()?;
    core.check_registration()?;
    core.bindings()?.write_to_file(out.join("optee.rs")).context("the bindings cannot be written")?;
    std::fs::write(out.join("trusted_keys.rs"), keys::source()?)
        .context("the trusted keys cannot be written")?;
    std::fs::write(out.join("regions.rs"), regions::source()?).context("the regions cannot be written")
}
