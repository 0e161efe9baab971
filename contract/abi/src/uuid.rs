//! UUIDs of the TEE services, in the octet order of RFC 4122 that OP-TEE's device enumeration uses.

use core::error::Error;
use core::fmt;
use core::str::FromStr;

/// A UUID as 16 octets, most significant first (`tee_uuid_to_octets` in OP-TEE, `uuid_t` in Linux).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// All octets zero: nobody in particular.
    pub const NIL: Self = Self([0; 16]);
    /// The remoteproc Trusted Application (`ta/remoteproc/include/ta_remoteproc.h`).
    pub const REMOTEPROC_TA: Self = Self(0x80a4c275_0a47_4905_8285_1486a9771a08u128.to_be_bytes());
    /// The remoteproc platform service inside OP-TEE's core (`lib/libutee/include/remoteproc_pta.h`).
    pub const REMOTEPROC_PTA: Self = Self(0x54af4a68_19be_40d7_bbe6_8950350a8744u128.to_be_bytes());
    /// The device-enumeration service (`lib/libutee/include/pta_device.h`).
    pub const DEVICE_ENUMERATION: Self = Self(0x7011a688_ddde_4053_a5a9_7b3c4ddf13b8u128.to_be_bytes());

    /// The SCMI platform service (`lib/libutee/include/pta_scmi_client.h`).
    pub const SCMI_PTA: Self = Self(0xa8cfe406_d4f5_4a2e_9f8d_a25dc754c099u128.to_be_bytes());
    /// The random number service (`lib/libutee/include/pta_rng.h`).
    pub const HWRNG_PTA: Self = Self(0xab7a617c_b8e7_4d8f_8301_d09b61036b64u128.to_be_bytes());

    /// From its 16 octets, most significant first.
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// Its 16 octets, most significant first.
    pub const fn octets(&self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, octet) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseUuidError {
    /// Byte offset of the first character that does not fit.
    pub at: usize,
}

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a UUID has 32 hexadecimal digits in groups of 8-4-4-4-12; at character {} this has something else",
            self.at
        )
    }
}

impl Error for ParseUuidError {}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut octets = [0u8; 16];
        let mut digits = 0usize;
        for (at, c) in text.bytes().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if c != b'-' {
                    return Err(ParseUuidError { at });
                }
                continue;
            }
            let value = (c as char).to_digit(16).ok_or(ParseUuidError { at })? as u8;
            let octet = octets.get_mut(digits / 2).ok_or(ParseUuidError { at })?;
            *octet = *octet << 4 | value;
            digits += 1;
        }
        if digits == 32 { Ok(Self(octets)) } else { Err(ParseUuidError { at: text.len() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn prints_and_parses_the_published_identifier() {
        let text = "80a4c275-0a47-4905-8285-1486a9771a08";
        assert_eq!(Uuid::REMOTEPROC_TA.to_string(), text);
        assert_eq!(text.parse(), Ok(Uuid::REMOTEPROC_TA));
        assert_eq!(Uuid::REMOTEPROC_TA.octets()[0], 0x80);
    }

    #[test]
    fn says_where_text_stops_being_a_uuid() {
        assert_eq!("80a4c275".parse::<Uuid>(), Err(ParseUuidError { at: 8 }));
        assert_eq!("80a4c275+0a47".parse::<Uuid>(), Err(ParseUuidError { at: 8 }));
        assert_eq!("80a4c275-0a47-4905-8285-1486a9771a08f".parse::<Uuid>(), Err(ParseUuidError { at: 36 }));
        assert_eq!("80a4c275-0a47-4905-8285-1486a9771g08".parse::<Uuid>(), Err(ParseUuidError { at: 33 }));
    }

    proptest::proptest! {
        #[test]
        fn every_uuid_survives_its_text(octets: [u8; 16]) {
            let uuid = Uuid::from_octets(octets);
            proptest::prop_assert_eq!(uuid.to_string().parse(), Ok(uuid));
        }
    }
}
