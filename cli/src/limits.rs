//! What the service in the secure world has room for (`secure/service`), so that nothing is signed that it cannot take.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};

/// The largest TLV area, in bytes: about 1000 segments.
pub const TLVS: u64 = 64 << 10;
/// The largest signature, in bytes: RSA-4096.
pub const SIGNATURE: u64 = 512;
/// The largest table of program headers, section headers or section names of an ELF file, in bytes.
pub const ELF_TABLE: u64 = 64 << 10;
/// The largest resource table, in bytes.
pub const RESOURCE_TABLE: u64 = 4096;

/// Checks a size of metadata against one of these limits.
///
/// # Errors
/// [`Reason::MetadataTooLarge`].
pub fn check_metadata(limit: u64, found: u64) -> Result<(), Refusal> {
    if found > limit {
        return Err(Refusal::new(Reason::MetadataTooLarge)
            .expected(Fact::Size(limit))
            .found(Fact::Size(found)));
    }
    Ok(())
}
