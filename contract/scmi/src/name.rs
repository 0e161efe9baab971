//! Names of 16 bytes, the last of which is always 0.

use core::fmt;

/// A name as the protocols carry it: at most 15 printable ASCII characters, filled up with zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Name([u8; Self::SIZE]);

impl Name {
    /// Bytes on the wire.
    pub const SIZE: usize = 16;

    /// The first 15 characters of a text; what is not printable ASCII becomes `?`.
    pub fn new(text: &str) -> Self {
        Self::clean(text.as_bytes())
    }

    /// From the wire, where anything may come: it ends at the first zero, at the latest after 15 characters.
    pub fn from_wire(bytes: &[u8; Self::SIZE]) -> Self {
        Self::clean(bytes)
    }

    fn clean(bytes: &[u8]) -> Self {
        let mut name = [0; Self::SIZE];
        let shown = bytes.iter().take(Self::SIZE - 1).take_while(|byte| **byte != 0);
        for (to, byte) in name.iter_mut().zip(shown) {
            *to = if byte.is_ascii_graphic() || *byte == b' ' { *byte } else { b'?' };
        }
        Self(name)
    }

    /// As it goes on the wire.
    pub const fn wire(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_cleaned_and_ended() {
        assert_eq!(Name::new("ck_bus_ipcc1").as_str(), "ck_bus_ipcc1");
        assert_eq!(Name::new("a name of nineteen.").as_str(), "a name of ninet");
        assert_eq!(Name::from_wire(&[0xff; 16]).as_str(), "???????????????");
        assert_eq!(Name::from_wire(b"ab\0cdefghijklmno").as_str(), "ab");
        assert_eq!(Name::new("").as_str(), "");
    }

    proptest::proptest! {
        #[test]
        fn a_cleaned_name_stays_what_it_is(bytes: [u8; 16]) {
            let name = Name::from_wire(&bytes);
            proptest::prop_assert_eq!(Name::from_wire(name.wire()), name);
            proptest::prop_assert_eq!(Name::new(name.as_str()), name);
        }
    }
}
