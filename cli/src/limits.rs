//! The service's limits on metadata, checked before anything is signed or verified in vain.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};

pub use rproc_service::limits::{ELF_TABLE, RESOURCE_TABLE, SIGNATURE, TLVS};

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
