//! The values of TLVs in words.

use rproc_abi::ProcessorId;
use rproc_image::{BoundResourceTable, HashTable, SignatureAlgorithm, Target, Tlv, TlvKind};

use crate::text::{address, hex, size};

/// How many bytes of a value without meaning are shown.
const SHOWN: usize = 32;

/// What a TLV says, or its first bytes when it says nothing that is known here.
pub fn of(tlv: &Tlv<'_>) -> String {
    known(tlv).unwrap_or_else(|| raw(tlv.value))
}

fn known(tlv: &Tlv<'_>) -> Option<String> {
    let value = tlv.value;
    let word = || value.first_chunk().map(|word| u32::from_le_bytes(*word)).filter(|_| value.len() == 4);
    Some(match tlv.kind {
        TlvKind::SIGN_TYPE => SignatureAlgorithm::from_code(*value.first()?)?.to_string(),
        TlvKind::HASH_TYPE if value == [1] => "SHA-256".to_owned(),
        TlvKind::NUM_IMG => value.first()?.to_string(),
        TlvKind::IMG_TYPE => list(value.iter().map(|kind| match kind {
            1 => "ELF".to_owned(),
            2 => "encrypted ELF".to_owned(),
            other => format!("unknown type {other}"),
        })),
        TlvKind::IMG_SIZE => {
            list(value.as_chunks::<4>().0.iter().map(|bytes| size(u32::from_le_bytes(*bytes).into())))
        }
        TlvKind::HASH_TABLE => format!("{} segments", HashTable::parse(value).ok()?.len()),
        TlvKind::BOOT_ADDRESS => address(word()?),
        TlvKind::BOOT_SECURE => match value.first()? {
            0 => "boot non-secure".to_owned(),
            1 => "boot secure".to_owned(),
            _ => return None,
        },
        TlvKind::TARGET => {
            let target = Target::parse(value).ok()?;
            format!("{}:{}", target.soc(), ProcessorId(target.processor))
        }
        TlvKind::SECURITY_COUNTER => word()?.to_string(),
        TlvKind::RESOURCE_TABLE => match BoundResourceTable::parse(value).ok()? {
            BoundResourceTable::Absent => "none".to_owned(),
            BoundResourceTable::At { address: at, size: len } => {
                format!("{}, {}", address(at), size(len.into()))
            }
        },
        TlvKind::KEY_FINGERPRINT | TlvKind::ELF_METADATA_DIGEST => {
            list(value.as_chunks::<32>().0.iter().map(|digest| hex(digest)))
        }
        _ => return None,
    })
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn raw(value: &[u8]) -> String {
    match value.get(..SHOWN) {
        Some(start) if value.len() > SHOWN => format!("{}…", hex(start)),
        _ => hex(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_are_words_and_nonsense_is_bytes() {
        let meaning = |kind, value: &[u8]| of(&Tlv { kind, value, offset: 20 });
        assert_eq!(meaning(TlvKind::SIGN_TYPE, &[2]), "ECDSA P-256 with SHA-256");
        assert_eq!(meaning(TlvKind::SIGN_TYPE, &[9]), "09");
        assert_eq!(meaning(TlvKind::BOOT_ADDRESS, &[0, 0, 0x10, 0x80]), "0x80100000");
        assert_eq!(meaning(TlvKind::BOOT_ADDRESS, &[0; 5]), "0000000000");
        assert_eq!(meaning(TlvKind::IMG_SIZE, &[8, 0, 0, 0, 0, 4, 0, 0]), "8 bytes, 1 KiB");
        assert_eq!(meaning(TlvKind::TARGET, b"\x01\0\0\0stm32mp257"), "stm32mp257:m33");
        assert_eq!(meaning(TlvKind(0x1_5555), &[0xab; 40]), format!("{}…", "ab".repeat(32)));
        assert_eq!(meaning(TlvKind::NUM_IMG, &[]), "");
    }
}
