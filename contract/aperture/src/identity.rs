//! The first bytes of a BAR of registers, by which a driver knows what it has found.

/// Bytes of the [`Identity`] at offset 0.
pub const IDENTITY_SIZE: usize = 36;

const MAGIC: [u8; 4] = *b"RPRC";
const VERSION: u32 = 1;
const NAME: usize = 28;

/// What the device says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    name: [u8; NAME],
    len: usize,
}

/// The bytes are not an identity that this driver understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOurs {
    /// They do not begin with `RPRC`.
    Magic([u8; 4]),
    /// The layout of the BARs is another version than 1.
    Version(u32),
    /// The name is not zero-terminated lower-case ASCII.
    Name,
}

impl Identity {
    /// The identity of a SoC by its name as image targets have it; `None` unless the name is 1 to 27 bytes of lower-case
    /// ASCII letters and digits.
    pub fn new(soc: &str) -> Option<Self> {
        let mut name = [0; NAME];
        name.get_mut(..soc.len())?.copy_from_slice(soc.as_bytes());
        let proper = !soc.is_empty()
            && soc.len() < NAME
            && soc.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        proper.then_some(Self { name, len: soc.len() })
    }

    /// The SoC's name.
    pub fn soc(&self) -> &str {
        self.name.get(..self.len).and_then(|name| core::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// As it stands in the BAR: magic, version, name; numbers little-endian.
    pub fn encode(&self) -> [u8; IDENTITY_SIZE] {
        let mut bytes = [0; IDENTITY_SIZE];
        let (magic, rest) = bytes.split_at_mut(4);
        let (version, name) = rest.split_at_mut(4);
        magic.copy_from_slice(&MAGIC);
        version.copy_from_slice(&VERSION.to_le_bytes());
        name.copy_from_slice(&self.name);
        bytes
    }

    /// Reads what [`Identity::encode`] wrote.
    ///
    /// # Errors
    /// [`NotOurs`], with what was found.
    pub fn decode(bytes: &[u8; IDENTITY_SIZE]) -> Result<Self, NotOurs> {
        let [a, b, c, d, e, f, g, h, name @ ..] = *bytes;
        if [a, b, c, d] != MAGIC {
            return Err(NotOurs::Magic([a, b, c, d]));
        }
        let version = u32::from_le_bytes([e, f, g, h]);
        if version != VERSION {
            return Err(NotOurs::Version(version));
        }
        let len = name.iter().position(|byte| *byte == 0).ok_or(NotOurs::Name)?;
        let text = name.get(..len).and_then(|name| core::str::from_utf8(name).ok()).ok_or(NotOurs::Name)?;
        let identity = Self::new(text).ok_or(NotOurs::Name)?;
        if identity.name == name { Ok(identity) } else { Err(NotOurs::Name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_the_bar() {
        let identity = Identity::new("stm32mp257").unwrap();
        assert_eq!(identity.soc(), "stm32mp257");
        assert_eq!(Identity::decode(&identity.encode()), Ok(identity));
    }

    #[test]
    fn other_bytes_are_refused_with_what_they_are() {
        let good = Identity::new("stm32mp215").unwrap().encode();
        assert_eq!(Identity::decode(&[0xff; IDENTITY_SIZE]), Err(NotOurs::Magic([0xff; 4])));
        let mut other = good;
        other[4] = 2;
        assert_eq!(Identity::decode(&other), Err(NotOurs::Version(2)));
        let mut other = good;
        other[8..].fill(b'a');
        assert_eq!(Identity::decode(&other), Err(NotOurs::Name));
        assert!(Identity::new("").is_none());
        assert!(Identity::new("STM32").is_none());
        assert!(Identity::new("a2345678901234567890123456789").is_none());
    }
}
