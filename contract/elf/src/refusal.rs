//! The errors of this crate as refusals, for a service that must say over the wire why it refused a file.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};

use crate::error::{Error, Part};

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let refusal = Self::new(reason(&error));
        match error {
            Error::Truncated { needed, found, .. } => {
                refusal.expected(Fact::Size(needed as u64)).found(Fact::Size(found as u64))
            }
            Error::NotElf { found } => {
                refusal.expected("7f 45 4c 46").found(Fact::Address(u64::from(u32::from_be_bytes(found))))
            }
            Error::OutsideFile { start, end, file_len, .. } => refusal
                .expected(Fact::Range { start: 0, size: file_len })
                .found(Fact::Range { start, size: end.saturating_sub(start) }),
            Error::Overflow { start, size, .. } => refusal.found(Fact::Range { start, size }),
            Error::FileSizeExceedsMemorySize { file_size, memory_size, .. } => {
                refusal.expected(Fact::Size(memory_size)).found(Fact::Size(file_size))
            }
            _ => refusal,
        }
    }
}

fn reason(error: &Error) -> Reason {
    match error {
        Error::FileSizeExceedsMemorySize { .. }
        | Error::Overflow { part: Part::Segment | Part::SegmentMemory, .. } => Reason::SegmentSize,
        Error::OutsideFile { part: Part::Segment, .. } => Reason::SegmentOutsideFile,
        _ => Reason::BadElf,
    }
}
