//! Why the secure world refused something: one small value that crosses the world boundary and becomes a sentence.

mod fact;
mod reason;

use core::fmt;

pub use fact::{Fact, Place, Words};
pub use reason::Reason;

use crate::TeeResult;

/// A refusal with everything a person needs: the reason, what was expected, what was found, and where.
///
/// It has a fixed size on the wire, so that a TA can keep the last one without a heap. What it tells is known to
/// the caller already (the image, the keys' public halves, addresses of the board), so telling it gives nothing away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which rule was broken.
    pub reason: Reason,
    /// What the rule wants.
    pub expected: Fact,
    /// What is there.
    pub found: Fact,
    /// Where it is.
    pub place: Place,
}

impl Refusal {
    /// Bytes of the encoded form.
    pub const ENCODED_SIZE: usize = 2 + 2 * Fact::ENCODED_SIZE + Place::ENCODED_SIZE;

    /// A refusal that has nothing to add to its reason.
    pub const fn new(reason: Reason) -> Self {
        Self { reason, expected: Fact::None, found: Fact::None, place: Place::None }
    }

    /// With what the rule wants.
    pub fn expected(self, expected: impl Into<Fact>) -> Self {
        Self { expected: expected.into(), ..self }
    }

    /// With what is there.
    pub fn found(self, found: impl Into<Fact>) -> Self {
        Self { found: found.into(), ..self }
    }

    /// With where it is.
    pub const fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// The result code that goes with it on the wire.
    pub const fn result(&self) -> TeeResult {
        self.reason.result()
    }

    /// As bytes, little-endian.
    pub fn encode(&self) -> [u8; Self::ENCODED_SIZE] {
        let mut bytes = [0; Self::ENCODED_SIZE];
        let (reason, rest) = bytes.split_at_mut(2);
        reason.copy_from_slice(&self.reason.code().to_le_bytes());
        let (expected, rest) = rest.split_at_mut(Fact::ENCODED_SIZE);
        expected.copy_from_slice(&self.expected.encode());
        let (found, place) = rest.split_at_mut(Fact::ENCODED_SIZE);
        found.copy_from_slice(&self.found.encode());
        place.copy_from_slice(&self.place.encode());
        bytes
    }

    /// From bytes; `None` when they are no refusal that this version knows.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (reason, rest) = bytes.split_first_chunk()?;
        let (expected, rest) = rest.split_first_chunk()?;
        let (found, rest) = rest.split_first_chunk()?;
        let (place, _) = rest.split_first_chunk()?;
        Some(Self {
            reason: Reason::from_code(u16::from_le_bytes(*reason))?,
            expected: Fact::decode(expected)?,
            found: Fact::decode(found)?,
            place: Place::decode(place)?,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.sentence())?;
        if self.place != Place::None {
            write!(f, ", {}", self.place)?;
        }
        match (self.expected, self.found) {
            (Fact::None, Fact::None) => Ok(()),
            (expected, Fact::None) => write!(f, ": expected {expected}"),
            (Fact::None, found) => write!(f, ": found {found}"),
            (expected, found) => write!(f, ": expected {expected}, found {found}"),
        }
    }
}

impl core::error::Error for Refusal {}

impl From<Refusal> for TeeResult {
    fn from(refusal: Refusal) -> Self {
        refusal.result()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    fn any_fact() -> impl Strategy<Value = Fact> {
        prop_oneof![
            Just(Fact::None),
            any::<u64>().prop_map(Fact::Number),
            any::<u64>().prop_map(Fact::Address),
            any::<u64>().prop_map(Fact::Size),
            any::<(u64, u64)>().prop_map(|(start, size)| Fact::Range { start, size }),
            any::<[u8; 32]>().prop_map(Fact::Digest),
            "[ -~]{0,40}".prop_map(|text| Fact::words(&text)),
        ]
    }

    fn any_place() -> impl Strategy<Value = Place> {
        prop_oneof![
            Just(Place::None),
            any::<u64>().prop_map(Place::Offset),
            any::<(u32, u32)>().prop_map(|(image, index)| Place::Segment { image, index }),
            any::<u32>().prop_map(|image| Place::Image { image }),
            any::<u32>().prop_map(|kind| Place::Tlv { kind }),
            any::<u64>().prop_map(|address| Place::Register { address }),
        ]
    }

    proptest! {
        #[test]
        fn every_refusal_survives_the_wire(
            reason in prop::sample::select(Reason::ALL),
            expected in any_fact(),
            found in any_fact(),
            place in any_place(),
        ) {
            let refusal = Refusal { reason, expected, found, place };
            prop_assert_eq!(Refusal::decode(&refusal.encode()), Some(refusal));
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes: std::vec::Vec<u8>) {
            if let Some(refusal) = Refusal::decode(&bytes) {
                prop_assert!(!refusal.to_string().is_empty());
            }
        }
    }

    #[test]
    fn reads_as_a_sentence() {
        let refusal = Refusal::new(Reason::SegmentOutsideRegions)
            .expected(Fact::Range { start: 0x8010_0000, size: 0x80_0000 })
            .found(Fact::Range { start: 0x9000_0000, size: 16 })
            .at(Place::Segment { image: 0, index: 2 });
        assert_eq!(
            refusal.to_string(),
            "a segment lies outside the memory that this processor's firmware may use, in segment 2 of image 0: \
             expected 0x80100000..0x80900000 (8 MiB), found 0x90000000..0x90000010 (16 bytes)"
        );
    }
}
