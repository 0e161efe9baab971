//! Memory that the other world can still write.

use core::error::Error;
use core::fmt;

/// An access past the end of a shared buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// First byte of the access, from the start of the buffer.
    pub offset: usize,
    /// Bytes of the access.
    pub len: usize,
    /// Bytes in the buffer.
    pub size: usize,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, len, size } = self;
        write!(f, "an access of {len} bytes at offset {offset:#x} leaves the shared buffer of {size} bytes")
    }
}

impl Error for OutOfRange {}

/// A range of memory shared with the normal world: an offset and a length, never a reference.
///
/// The other side may write at any moment, so the only way to look at it is to copy. Secure code reads every
/// byte at most once: what it has checked is the copy, and a second look may show something else.
pub trait SharedMemory: Sized {
    /// Bytes in the range.
    fn size(&self) -> usize;

    /// Copies `into.len()` bytes from `offset`; fails whole, with `into` unspecified, when they are not all inside.
    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfRange>;

    /// Copies `from` to `offset`; fails whole when it is not all inside.
    fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfRange>;

    /// Where the range begins in the address space of the program that holds it, for a port that hands it on to another
    /// service by address; `None` where it has no such address. A number, not a way to read.
    fn address(&self) -> Option<usize> {
        None
    }

    /// The part from `offset` of `len` bytes.
    fn part(&self, offset: usize, len: usize) -> Result<Self, OutOfRange>;
}
