//! Platform TLVs of an authenticated image, several in one piece, as the remoteproc TA tells them to the platform service.

/// Encoded TLVs: of each the type and the value's size as little-endian words, then the value.
#[derive(Clone, Copy, Debug)]
pub struct PlatformTlvs<'a> {
    rest: &'a [u8],
}

impl<'a> PlatformTlvs<'a> {
    /// The TLVs in these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What precedes a value of this size, at most 2³² - 1 bytes.
    pub fn head(kind: u32, size: u32) -> [u8; 8] {
        let mut head = [0; 8];
        head[..4].copy_from_slice(&kind.to_le_bytes());
        head[4..].copy_from_slice(&size.to_le_bytes());
        head
    }

    /// The next one's type and value; `None` where the bytes are cut short. Nothing is left when it was the last.
    pub fn take_next(&mut self) -> Option<(u32, &'a [u8])> {
        let (kind, rest) = self.rest.split_first_chunk::<4>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*size)).ok()?)?;
        self.rest = rest;
        Some((u32::from_le_bytes(*kind), value))
    }

    /// Whether all were taken.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_survive_the_wire(tlvs: Vec<(u32, Vec<u8>)>) {
            let bytes: Vec<u8> = tlvs
                .iter()
                .flat_map(|(kind, value)| [&PlatformTlvs::head(*kind, value.len() as u32), &value[..]].concat())
                .collect();
            let mut found = PlatformTlvs::new(&bytes);
            for (kind, value) in &tlvs {
                prop_assert_eq!(found.take_next(), Some((*kind, &value[..])));
            }
            prop_assert!(found.is_empty() && found.take_next().is_none());
        }

        #[test]
        fn no_bytes_make_it_read_beyond_them(bytes: Vec<u8>) {
            let mut found = PlatformTlvs::new(&bytes);
            while let Some((_, value)) = found.take_next() {
                prop_assert!(value.len() <= bytes.len());
            }
        }
    }
}
