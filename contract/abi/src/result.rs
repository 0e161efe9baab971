//! The result codes of a TEE call, each with its name and what it means here.

use core::fmt;

/// A result code as GlobalPlatform's TEE Internal Core API defines it (`TEE_Result`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TeeResult(pub u32);

/// Where a result code comes from (`TEE_ORIGIN_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The client library or kernel driver, 1.
    Api,
    /// The way into the TEE, 2.
    Comms,
    /// The TEE itself, 3.
    Tee,
    /// The Trusted Application, 4.
    TrustedApp,
}

impl Origin {
    /// The number on the wire.
    pub const fn code(self) -> u32 {
        match self {
            Self::Api => 1,
            Self::Comms => 2,
            Self::Tee => 3,
            Self::TrustedApp => 4,
        }
    }

    /// From the number on the wire.
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Api),
            2 => Some(Self::Comms),
            3 => Some(Self::Tee),
            4 => Some(Self::TrustedApp),
            _ => None,
        }
    }
}

macro_rules! results {
    ($($name:ident = $code:literal, $text:literal, $meaning:literal;)*) => {
        impl TeeResult {
            $(#[doc = concat!("`", $text, "`, ", stringify!($code), ": ", $meaning, ".")]
            pub const $name: Self = Self($code);)*

            /// The name that the specifications and OP-TEE's headers use, where there is one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($code => Some($text),)* _ => None }
            }

            /// What the code says, in a few words.
            pub const fn meaning(self) -> &'static str {
                match self.0 { $($code => $meaning,)* _ => "no meaning is published for this code" }
            }

            /// Every code that has a name.
            pub const ALL: &'static [Self] = &[$(Self($code),)*];
        }
    };
}

// Codes: TEE Internal Core API 1.3.1 table 3-8, OP-TEE lib/libutee/include/tee_api_defines{,_extensions}.h and pta_rng.h.
results! {
    SUCCESS = 0x0000_0000, "TEE_SUCCESS", "done";
    HEALTH_TEST_FAIL = 0x0000_0001, "TEE_ERROR_HEALTH_TEST_FAIL", "the source of random bytes fails its own test";
    CORRUPT_OBJECT = 0xf010_0001, "TEE_ERROR_CORRUPT_OBJECT", "a stored object is damaged";
    CORRUPT_OBJECT_2 = 0xf010_0002, "TEE_ERROR_CORRUPT_OBJECT_2", "a stored object is damaged";
    STORAGE_NOT_AVAILABLE = 0xf010_0003, "TEE_ERROR_STORAGE_NOT_AVAILABLE", "secure storage cannot be reached now";
    STORAGE_NOT_AVAILABLE_2 = 0xf010_0004, "TEE_ERROR_STORAGE_NOT_AVAILABLE_2", "secure storage cannot be reached now";
    UNSUPPORTED_VERSION = 0xf010_0005, "TEE_ERROR_UNSUPPORTED_VERSION", "the version is not supported";
    CIPHERTEXT_INVALID = 0xf010_0006, "TEE_ERROR_CIPHERTEXT_INVALID", "the ciphertext is not valid";
    GENERIC = 0xffff_0000, "TEE_ERROR_GENERIC", "a failure without a more exact code";
    ACCESS_DENIED = 0xffff_0001, "TEE_ERROR_ACCESS_DENIED", "the caller may not do this";
    CANCEL = 0xffff_0002, "TEE_ERROR_CANCEL", "the call was cancelled";
    ACCESS_CONFLICT = 0xffff_0003, "TEE_ERROR_ACCESS_CONFLICT", "another user has the object";
    EXCESS_DATA = 0xffff_0004, "TEE_ERROR_EXCESS_DATA", "there is more data than the request allows";
    BAD_FORMAT = 0xffff_0005, "TEE_ERROR_BAD_FORMAT", "the data has the wrong format";
    BAD_PARAMETERS = 0xffff_0006, "TEE_ERROR_BAD_PARAMETERS", "a parameter or the image's layout is wrong";
    BAD_STATE = 0xffff_0007, "TEE_ERROR_BAD_STATE", "the processor's state does not allow this command";
    ITEM_NOT_FOUND = 0xffff_0008, "TEE_ERROR_ITEM_NOT_FOUND", "what was asked for does not exist";
    NOT_IMPLEMENTED = 0xffff_0009, "TEE_ERROR_NOT_IMPLEMENTED", "the command is not implemented";
    NOT_SUPPORTED = 0xffff_000a, "TEE_ERROR_NOT_SUPPORTED", "the processor or feature is not supported here";
    NO_DATA = 0xffff_000b, "TEE_ERROR_NO_DATA", "expected data is missing";
    OUT_OF_MEMORY = 0xffff_000c, "TEE_ERROR_OUT_OF_MEMORY", "the TEE has no memory left for this";
    BUSY = 0xffff_000d, "TEE_ERROR_BUSY", "the service is in use and takes no further session";
    COMMUNICATION = 0xffff_000e, "TEE_ERROR_COMMUNICATION", "the TEE could not be reached";
    SECURITY = 0xffff_000f, "TEE_ERROR_SECURITY", "a security check failed";
    SHORT_BUFFER = 0xffff_0010, "TEE_ERROR_SHORT_BUFFER", "the output buffer is too small";
    EXTERNAL_CANCEL = 0xffff_0011, "TEE_ERROR_EXTERNAL_CANCEL", "the call was cancelled from outside";
    TIMEOUT = 0xffff_3001, "TEE_ERROR_TIMEOUT", "the time allowed ran out";
    OVERFLOW = 0xffff_300f, "TEE_ERROR_OVERFLOW", "a number became too large";
    TARGET_DEAD = 0xffff_3024, "TEE_ERROR_TARGET_DEAD", "the Trusted Application has panicked";
    STORAGE_NO_SPACE = 0xffff_3041, "TEE_ERROR_STORAGE_NO_SPACE", "secure storage is full";
    MAC_INVALID = 0xffff_3071, "TEE_ERROR_MAC_INVALID", "an authentication code does not match";
    SIGNATURE_INVALID = 0xffff_3072, "TEE_ERROR_SIGNATURE_INVALID", "the signature does not match";
    TIME_NOT_SET = 0xffff_5000, "TEE_ERROR_TIME_NOT_SET", "the clock was never set";
    TIME_NEEDS_RESET = 0xffff_5001, "TEE_ERROR_TIME_NEEDS_RESET", "the clock must be set again";
    DEFER_DRIVER_INIT = 0x8000_0000, "TEE_ERROR_DEFER_DRIVER_INIT", "a driver waits for another";
    NODE_DISABLED = 0x8000_0001, "TEE_ERROR_NODE_DISABLED", "the device-tree node is disabled";
}

impl TeeResult {
    /// Whether the code says success.
    pub const fn is_success(self) -> bool {
        self.0 == Self::SUCCESS.0
    }
}

impl fmt::Display for TeeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:#010x}): {}", self.name().unwrap_or("unnamed result"), self.0, self.meaning())
    }
}

impl fmt::Debug for TeeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "TeeResult({:#010x})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_origin_survives_its_number() {
        for origin in [Origin::Api, Origin::Comms, Origin::Tee, Origin::TrustedApp] {
            assert_eq!(Origin::from_code(origin.code()), Some(origin));
        }
        assert_eq!((Origin::from_code(0), Origin::from_code(5)), (None, None));
    }

    #[test]
    fn every_code_and_name_is_there_once() {
        for (i, a) in TeeResult::ALL.iter().enumerate() {
            for b in &TeeResult::ALL[i + 1..] {
                assert_ne!(a.0, b.0);
                assert_ne!(a.name(), b.name());
            }
        }
    }
}
