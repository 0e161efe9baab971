//! Values of platform TLVs that bind an image to where and how it may run.

use crate::error::Error;
use crate::tlv::{TlvKind, exactly};

/// The longest SoC name in bytes.
pub const MAX_SOC_NAME: usize = 27;

/// The processor that an image is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The processor id by which the Trusted Application names it (on the STM32MP25: 1 the Cortex-M33, 2 the M0+).
    pub processor: u32,
    soc: &'a str,
}

impl<'a> Target<'a> {
    /// A target on a SoC whose name is printable ASCII without spaces, 1 to [`MAX_SOC_NAME`] bytes, as `stm32mp25`.
    ///
    /// # Errors
    /// [`Error::TargetLength`], [`Error::TargetName`].
    pub fn new(processor: u32, soc: &'a str) -> Result<Self, Error> {
        check_soc_name(soc.as_bytes())?;
        Ok(Self { processor, soc })
    }

    /// Decodes the value of a TARGET TLV.
    ///
    /// # Errors
    /// [`Error::TargetLength`], [`Error::TargetName`].
    pub fn parse(value: &'a [u8]) -> Result<Self, Error> {
        let (processor, name) =
            value.split_first_chunk::<4>().ok_or(Error::TargetLength { found: value.len() })?;
        check_soc_name(name)?;
        // Printable ASCII is UTF-8, so the default never stands in.
        let soc = core::str::from_utf8(name).unwrap_or_default();
        Ok(Self { processor: u32::from_le_bytes(*processor), soc })
    }

    /// The SoC's name.
    pub fn soc(&self) -> &'a str {
        self.soc
    }
}

fn check_soc_name(name: &[u8]) -> Result<(), Error> {
    if !(1..=MAX_SOC_NAME).contains(&name.len()) {
        return Err(Error::TargetLength { found: name.len().saturating_add(4) });
    }
    match name.iter().enumerate().find(|(_, byte)| !byte.is_ascii_graphic()) {
        Some((position, found)) => Err(Error::TargetName { position, found: *found }),
        None => Ok(()),
    }
}

/// What a signed image says about its resource table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundResourceTable {
    /// The firmware has none.
    Absent,
    /// It has one.
    At {
        /// The device address at which it is loaded.
        address: u32,
        /// Its size in bytes, at least 1.
        size: u32,
    },
}

impl BoundResourceTable {
    /// Decodes the value of a RESOURCE_TABLE TLV.
    ///
    /// # Errors
    /// [`Error::TlvLength`], [`Error::ResourceTableOverflow`].
    pub fn parse(value: &[u8]) -> Result<Self, Error> {
        let [a0, a1, a2, a3, s0, s1, s2, s3] = *exactly(TlvKind::RESOURCE_TABLE, value)?;
        let address = u32::from_le_bytes([a0, a1, a2, a3]);
        let size = u32::from_le_bytes([s0, s1, s2, s3]);
        if u64::from(address) + u64::from(size) > 1 << 32 {
            return Err(Error::ResourceTableOverflow { address, size });
        }
        Ok(if size == 0 { Self::Absent } else { Self::At { address, size } })
    }

    /// Encodes the value of a RESOURCE_TABLE TLV.
    pub fn to_bytes(self) -> [u8; 8] {
        let (address, size) = match self {
            Self::Absent => (0, 0),
            Self::At { address, size } => (address, size),
        };
        (u64::from(size) << 32 | u64::from(address)).to_le_bytes()
    }
}

/// Decodes the value of a BOOTSEC TLV: one byte or, as OP-TEE's script writes numbers, four.
pub(crate) fn boot_secure(value: &[u8]) -> Result<bool, Error> {
    let found = match *value {
        [byte] => u32::from(byte),
        _ => word(TlvKind::BOOT_SECURE, value)?,
    };
    match found {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(Error::BootSecure { found }),
    }
}

/// A value of one little-endian word.
pub(crate) fn word(kind: TlvKind, value: &[u8]) -> Result<u32, Error> {
    exactly(kind, value).map(|bytes| u32::from_le_bytes(*bytes))
}

/// Checks the value of a platform TLV as far as its type is known here.
///
/// # Errors
/// Those of the type's decoder.
pub fn check_value(kind: TlvKind, value: &[u8]) -> Result<(), Error> {
    match kind {
        TlvKind::BOOT_ADDRESS | TlvKind::SECURITY_COUNTER => word(kind, value).map(|_| ()),
        TlvKind::BOOT_SECURE => boot_secure(value).map(|_| ()),
        TlvKind::TARGET => Target::parse(value).map(|_| ()),
        TlvKind::RESOURCE_TABLE => BoundResourceTable::parse(value).map(|_| ()),
        TlvKind::KEY_FINGERPRINT => exactly::<32>(kind, value).map(|_| ()),
        TlvKind::ELF_METADATA_DIGEST if value.is_empty() || !value.len().is_multiple_of(32) => {
            Err(Error::TlvLength { kind, expected: 32, found: value.len() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn targets_have_a_name_of_1_to_27_printable_bytes() {
        let mut value = [b'x'; 32];
        value[..4].copy_from_slice(&7u32.to_le_bytes());
        let target = Target::parse(&value[..31]).unwrap();
        assert_eq!((target.processor, target.soc().len()), (7, 27));
        assert_eq!(Target::parse(&value), Err(Error::TargetLength { found: 32 }));
        assert_eq!(Target::parse(&value[..4]), Err(Error::TargetLength { found: 4 }));
        assert_eq!(Target::parse(&value[..2]), Err(Error::TargetLength { found: 2 }));
        value[6] = 0;
        assert_eq!(Target::parse(&value[..31]), Err(Error::TargetName { position: 2, found: 0 }));
        assert_eq!(Target::new(1, "stm 32"), Err(Error::TargetName { position: 3, found: b' ' }));
        assert_eq!(Target::new(1, ""), Err(Error::TargetLength { found: 4 }));
    }

    #[test]
    fn boot_secure_is_a_byte_or_a_word() {
        assert_eq!(boot_secure(&[1]), Ok(true));
        assert_eq!(boot_secure(&[0, 0, 0, 0]), Ok(false));
        assert_eq!(boot_secure(&[2]), Err(Error::BootSecure { found: 2 }));
        assert!(matches!(boot_secure(&[1, 0]), Err(Error::TlvLength { expected: 4, found: 2, .. })));
    }

    #[test]
    fn a_table_may_end_at_the_end_of_the_address_space_but_not_behind() {
        let at =
            |address, size| BoundResourceTable::parse(&BoundResourceTable::At { address, size }.to_bytes());
        assert_eq!(at(0xffff_ff00, 0x100), Ok(BoundResourceTable::At { address: 0xffff_ff00, size: 0x100 }));
        assert!(matches!(at(0xffff_ff00, 0x101), Err(Error::ResourceTableOverflow { .. })));
        assert_eq!(at(0x1000, 0), Ok(BoundResourceTable::Absent));
    }

    proptest! {
        #[test]
        fn no_panic_on_random_values(kind in 0x1_0000u32..0x1_0108, value in proptest::collection::vec(any::<u8>(), 0..70)) {
            let _ = check_value(TlvKind(kind), &value);
            let _ = Target::parse(&value);
        }
    }
}
