//! How a command can end other than well, and the exit codes.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | wrong usage, or a file could not be read or written ([`Failure::Trouble`]) |
//! | 2 | the image is refused, or the service refuses a command ([`Failure::Refused`]) |
//! | 3 | the firmware failed (`rproc run`) |

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_image::TlvKind;
use rproc_image::error::Part;
use serde::Serialize;

/// Exit code of wrong usage and of I/O errors, those that `clap` finds among them.
pub const TROUBLE: u8 = 1;
/// Exit code of a refused image.
pub const REFUSED: u8 = 2;
/// Exit code of firmware that failed.
pub const FAILED: u8 = 3;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// The command line, a file or the system stands in the way.
    Trouble {
        /// What happened, with its causes.
        error: anyhow::Error,
        /// What to do about it, if that is known.
        help: Option<String>,
    },
    /// The image is not one that the secure world would load, or the service refuses what it was asked.
    Refused(Refused),
}

impl Failure {
    /// Trouble with a message and with what to do about it.
    pub fn help(error: impl std::fmt::Display, help: impl Into<String>) -> Self {
        Self::Trouble { error: anyhow::anyhow!("{error}"), help: Some(help.into()) }
    }

    /// Trouble with what it happened at before its message; a refusal tells that by itself.
    pub fn context(self, happened: impl std::fmt::Display + Send + Sync + 'static) -> Self {
        match self {
            Self::Trouble { error, help } => Self::Trouble { error: error.context(happened), help },
            refused => refused,
        }
    }

    /// As an error without its own exit code, for a command that goes on to tell how it ended.
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Self::Trouble { error, .. } => error,
            Self::Refused(refused) => anyhow::anyhow!("{refused:?}"),
        }
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Trouble { .. } => TROUBLE,
            Self::Refused(_) => REFUSED,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Trouble { error, help: None }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.into())
    }
}

/// A refusal as people and scripts read it; its fields are the JSON fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The stable name of the broken rule ([`rproc_abi::refusal::Reason::name`]).
    pub reason: &'static str,
    /// What is wrong.
    pub sentence: String,
    /// What the rule wants.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
    /// Where it is.
    #[serde(rename = "where")]
    pub place: Option<String>,
    /// What to do about it.
    pub next_step: String,
}

impl Refused {
    /// A file without a byte, by its name, where something was expected.
    pub fn empty(file: impl std::fmt::Display, expected: &str) -> Self {
        Self {
            expected: Some(expected.to_owned()),
            found: Some("no bytes at all".to_owned()),
            next_step: "write it again: what wrote it may have failed, or its disk was full".to_owned(),
            ..Self::from(Refusal::new(Reason::SizeMismatch)).saying(format!("{file} is empty"))
        }
    }

    /// Says the same in a sentence that knows more.
    pub fn saying(self, sentence: impl std::fmt::Display) -> Self {
        Self { sentence: sentence.to_string(), ..self }
    }

    /// Names another place.
    pub fn at(self, place: impl Into<String>) -> Self {
        Self { place: Some(place.into()), ..self }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let fact = |fact: Fact| (fact != Fact::None).then(|| fact.to_string());
        let expected = fact(refusal.expected);
        Self {
            reason: refusal.reason.name(),
            sentence: refusal.reason.sentence().to_owned(),
            expected: match refusal.reason {
                // The wire has no word before a range, and this one is where the segment should not be.
                Reason::SegmentOverlap | Reason::SegmentTwice => {
                    expected.map(|taken| format!("nothing in {taken}"))
                }
                _ => expected,
            },
            found: fact(refusal.found),
            place: match refusal.place {
                Place::None => None,
                Place::Tlv { kind } => Some(format!("in TLV {}", TlvKind(kind))),
                place => Some(place.to_string()),
            },
            next_step: refusal.reason.next_step().to_owned(),
        }
    }
}

impl From<rproc_image::Error> for Refused {
    fn from(error: rproc_image::Error) -> Self {
        let refused = Self::from(Refusal::from(error));
        match error {
            rproc_image::Error::NotSigned => Self {
                next_step:
                    "sign it with `rproc sign`, and give what that writes; `rproc inspect` shows an ELF file"
                        .to_owned(),
                ..refused.saying(error)
            },
            rproc_image::Error::PartLength { part: Part::Header, found: 0, .. } => {
                Self::empty("the file", "a signed image")
            }
            rproc_image::Error::PartLength { part: Part::Header, .. } => {
                refused.saying("the file is too short for a signed image, which starts with a header")
            }
            error => refused.saying(error),
        }
    }
}

impl From<rproc_elf::Error> for Refused {
    fn from(error: rproc_elf::Error) -> Self {
        Self::from(Refusal::from(error)).saying(error)
    }
}

impl From<rproc_image::Error> for Failure {
    fn from(error: rproc_image::Error) -> Self {
        Self::Refused(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_facts_and_names_the_tlv() {
        let refused = Refused::from(
            Refusal::new(Reason::SegmentDigest)
                .expected(Fact::Size(4096))
                .at(Place::Tlv { kind: TlvKind::HASH_TABLE.0 }),
        );
        assert_eq!(refused.reason, "segment-digest");
        assert_eq!((refused.expected.as_deref(), refused.found), (Some("4 KiB"), None));
        assert_eq!(refused.place.as_deref(), Some("in TLV HASHTABLE (0x10)"));
    }

    #[test]
    fn typed_errors_keep_their_own_sentence() {
        let refused = Refused::from(rproc_image::Error::FileLength { expected: 10, found: 9 });
        assert_eq!(refused.reason, "size-mismatch");
        assert!(refused.sentence.contains("the file has 9"), "{}", refused.sentence);
    }

    #[test]
    fn exit_codes_are_the_documented_ones() {
        assert_eq!(Failure::from(anyhow::anyhow!("x")).exit_code(), 1);
        assert_eq!(Failure::from(Refusal::new(Reason::NotSigned)).exit_code(), 2);
    }
}
