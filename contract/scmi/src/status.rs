//! The status word with which every reply begins.

use core::fmt;

use thiserror::Error;

/// Why the platform did not do what it was asked (DEN0056, table "Status codes"); 0, success, is none of these.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Error)]
pub struct Status(i32);

macro_rules! statuses {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        impl Status {
            $(#[doc = concat!(stringify!($code), ": ", $meaning, ".")]
            pub const $name: Self = Self($code);)*

            /// Every code that has a name.
            pub const ALL: &'static [Self] = &[$(Self($code),)*];

            /// The name of the specification, where there is one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($code => Some(stringify!($name)),)* _ => None }
            }

            /// What the code says, in a few words.
            pub const fn meaning(self) -> &'static str {
                match self.0 { $($code => $meaning,)* _ => "no meaning is published for this code" }
            }
        }
    };
}

statuses! {
    NOT_SUPPORTED = -1, "the platform does not implement this";
    INVALID_PARAMETERS = -2, "a parameter is outside its range";
    DENIED = -3, "this agent may not do this";
    NOT_FOUND = -4, "nothing has this number";
    OUT_OF_RANGE = -5, "the value cannot be reached";
    BUSY = -6, "the platform is busy with another request";
    COMMS_ERROR = -7, "the message did not get through";
    GENERIC_ERROR = -8, "a failure without a more exact code";
    HARDWARE_ERROR = -9, "the hardware did not do what it was told";
    PROTOCOL_ERROR = -10, "the message does not follow the protocol";
    IN_USE = -11, "somebody else uses it";
}

impl Status {
    /// From the word of a reply; `None` means success.
    pub const fn from_word(word: u32) -> Option<Self> {
        match word {
            0 => None,
            word => Some(Self(word as i32)),
        }
    }

    /// The word of a reply.
    pub const fn word(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name().unwrap_or("unnamed status"), self.0, self.meaning())
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Status({})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_status_is_a_sentence_and_survives_its_word() {
        assert_eq!(Status::DENIED.to_string(), "DENIED (-3): this agent may not do this");
        assert_eq!(Status::from_word(0), None);
        for status in Status::ALL {
            assert_eq!(Status::from_word(status.word()), Some(*status));
        }
        assert_eq!(Status::from_word(0xffff_fffd), Some(Status::DENIED));
    }
}
