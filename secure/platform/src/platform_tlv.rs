//! The platform TLVs of ST, as the drivers of ST's processors take them.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};

/// Type of the TLV that says where the vector table is: one little-endian word.
pub(crate) const BOOTADDR: u32 = 0x1_0001;
/// Type of the TLV that says whether to start in the secure state.
pub(crate) const BOOTSEC: u32 = 0x1_0002;

/// The value of a TLV that is one little-endian word.
pub(crate) fn word(kind: u32, value: &[u8]) -> Result<u32, Refusal> {
    let bytes: [u8; 4] = value.try_into().map_err(|_| {
        Refusal::new(Reason::BadTlv)
            .expected(Fact::Size(4))
            .found(Fact::Size(value.len() as u64))
            .at(Place::Tlv { kind })
    })?;
    Ok(u32::from_le_bytes(bytes))
}

/// BOOTSEC is one byte or, as OP-TEE's signing script writes numbers, four; only a start in the non-secure state is offered.
pub(crate) fn check_boot_state(value: &[u8]) -> Result<(), Refusal> {
    let secure = match *value {
        [byte] => byte != 0,
        _ => word(BOOTSEC, value)? != 0,
    };
    if secure {
        return Err(Refusal::new(Reason::SecureBootUnsupported).at(Place::Tlv { kind: BOOTSEC }));
    }
    Ok(())
}

/// The TLVs of a processor that always starts at `vectors`: an image may say so, and may not say anything else.
pub(crate) fn check_fixed(kind: u32, value: &[u8], vectors: u32) -> Result<(), Refusal> {
    match kind {
        BOOTADDR => {
            let found = word(kind, value)?;
            if found == vectors {
                return Ok(());
            }
            Err(Refusal::new(Reason::BootAddressOutside)
                .expected(Fact::Address(u64::from(vectors)))
                .found(Fact::Address(u64::from(found)))
                .at(Place::Tlv { kind }))
        }
        BOOTSEC => check_boot_state(value),
        _ => Ok(()),
    }
}
