//! How a role reaches the memory it shares with the other side.

use thiserror::Error;

/// An access that the memory could not serve, because nothing is there or because it is forbidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("shared memory cannot be reached at {address:#x} ({len} bytes)")]
pub struct Fault {
    /// First byte of the access, in the address space of the side that made it.
    pub address: u64,
    /// Length of the access in bytes.
    pub len: u64,
}

/// Memory that another processor reads and writes at the same time.
///
/// Addresses are those of the side that owns the value: device addresses on the firmware, physical addresses on the host.
/// Integers are little-endian, as both ends of every supported SoC are. The two-byte and four-byte accesses must be single
/// accesses (never torn); this crate asks for them only at naturally aligned addresses. What a read returns is untrusted,
/// and reading twice may give two answers: this crate fetches each field once.
pub trait Memory {
    /// Copies `buffer.len()` bytes from `address` on.
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault>;
    /// Copies `bytes` to `address` on.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault>;
    /// Loads two bytes with acquire ordering: no later access of this side happens before it.
    fn load_u16(&self, address: u64) -> Result<u16, Fault>;
    /// Loads four bytes with acquire ordering.
    fn load_u32(&self, address: u64) -> Result<u32, Fault>;
    /// Stores two bytes with release ordering: every earlier access of this side happens before it.
    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault>;
    /// Stores four bytes with release ordering.
    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault>;

    /// Loads `N` neighbouring words, each once and in one access; their order among each other is free. Memory that checks once for
    /// all of them is faster than this.
    fn load_words<const N: usize>(&self, address: u64) -> Result<[u32; N], Fault>
    where
        Self: Sized,
    {
        let mut words = [0; N];
        for (word, place) in words.iter_mut().zip((address..).step_by(4)) {
            *word = self.load_u32(place)?;
        }
        Ok(words)
    }
    /// Stores `N` neighbouring words, each in one access; their order among each other is free.
    fn store_words<const N: usize>(&mut self, address: u64, words: [u32; N]) -> Result<(), Fault>
    where
        Self: Sized,
    {
        words
            .into_iter()
            .zip((address..).step_by(4))
            .try_for_each(|(word, place)| self.store_u32(place, word))
    }
}

impl<M: Memory + ?Sized> Memory for &mut M {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        (**self).read(address, buffer)
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        (**self).write(address, bytes)
    }
    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        (**self).load_u16(address)
    }
    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        (**self).load_u32(address)
    }
    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        (**self).store_u16(address, value)
    }
    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        (**self).store_u32(address, value)
    }
}
