//! The one place where addresses become accesses: 32-bit registers, and the memory shared with the host.

use core::ops::Range;
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};
use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use rproc_rpmsg::memory::{Fault, Memory};

/// A 32-bit register, or a word of memory that is used like one.
#[derive(Clone, Copy)]
pub struct Register(u32);

impl Register {
    /// The register at `address`.
    ///
    /// # Safety
    /// `address` is a multiple of 4, and reading or writing there has no effect on memory that Rust knows of.
    pub const unsafe fn at(address: u32) -> Self {
        Self(address)
    }
    /// The register's value.
    pub fn read(self) -> u32 {
        // SAFETY: `at` was promised an aligned address outside Rust's memory.
        unsafe { with_exposed_provenance::<u32>(self.0 as usize).read_volatile() }
    }
    /// Writes the register.
    pub fn write(self, value: u32) {
        // SAFETY: `at` was promised an aligned address outside Rust's memory.
        unsafe { with_exposed_provenance_mut::<u32>(self.0 as usize).write_volatile(value) }
    }
    /// Reads the register and writes it back with the bits of `clear` 0 and those of `set` 1.
    pub fn modify(self, clear: u32, set: u32) {
        self.write(self.read() & !clear | set);
    }
}

/// The memory in which the host lays vrings and buffers, reached by device address; nothing else can be reached.
pub struct SharedMemory(Range<u32>);

impl SharedMemory {
    /// The shared memory in `range`, which begins at a multiple of 16.
    ///
    /// # Safety
    /// All of `range` is memory, and none of it holds code, stack or variables of this firmware.
    pub const unsafe fn new(range: Range<u32>) -> Self {
        assert!(range.start.is_multiple_of(16));
        Self(range)
    }

    /// The addresses that can be reached.
    pub fn range(&self) -> Range<u64> {
        u64::from(self.0.start)..u64::from(self.0.end)
    }

    /// Where `len` bytes lie that begin at a multiple of `align`, a power of two up to 16.
    #[inline(always)]
    fn place(&self, address: u64, len: usize, align: u32) -> Result<usize, Fault> {
        let fault = Fault { address, len: len as u64 };
        let low = u32::try_from(address).map_err(|_| fault)?;
        let room = u32::try_from(len).ok().and_then(|len| (self.0.end - self.0.start).checked_sub(len));
        // One comparison for both: rotated, what makes an offset no multiple comes on top, where it is larger than any.
        let shift = align.trailing_zeros();
        let offset = low.wrapping_sub(self.0.start).rotate_right(shift);
        if room.is_some_and(|room| offset <= room >> shift) { Ok(low as usize) } else { Err(fault) }
    }
}

impl Memory for SharedMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let from = self.place(address, buffer.len(), 1)?;
        let (words, bytes) =
            if from.is_multiple_of(4) { buffer.as_chunks_mut() } else { (&mut [][..], buffer) };
        let (mut word, end) = (with_exposed_provenance::<u32>(from), words.len());
        for to in words {
            // SAFETY: `place` found all bytes inside memory that `new` was promised to be shared, not Rust's; they begin at a word.
            *to = unsafe { word.read_volatile() }.to_le_bytes();
            word = word.wrapping_add(1);
        }
        let from = with_exposed_provenance::<u8>(from + 4 * end);
        for (offset, byte) in bytes.iter_mut().enumerate() {
            // SAFETY: as above, for the bytes behind the words.
            *byte = unsafe { from.wrapping_add(offset).read_volatile() };
        }
        Ok(())
    }
    #[inline(always)]
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let to = self.place(address, bytes.len(), 1)?;
        let (words, bytes) = if to.is_multiple_of(4) { bytes.as_chunks() } else { (&[][..], bytes) };
        let (mut word, end) = (with_exposed_provenance_mut::<u32>(to), words.len());
        for from in words {
            // SAFETY: `place` found all bytes inside memory that `new` was promised to be shared, not Rust's; they begin at a word.
            unsafe { word.write_volatile(u32::from_le_bytes(*from)) };
            word = word.wrapping_add(1);
        }
        let to = with_exposed_provenance_mut::<u8>(to + 4 * end);
        for (offset, byte) in bytes.iter().enumerate() {
            // SAFETY: as above, for the bytes behind the words.
            unsafe { to.wrapping_add(offset).write_volatile(*byte) };
        }
        Ok(())
    }
    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        let pointer = with_exposed_provenance_mut(self.place(address, 2, 2)?);
        // SAFETY: `place` found two aligned bytes inside shared memory, which lives for ever.
        Ok(unsafe { AtomicU16::from_ptr(pointer) }.load(Ordering::Acquire))
    }
    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        let pointer = with_exposed_provenance_mut(self.place(address, 4, 4)?);
        // SAFETY: `place` found four aligned bytes inside shared memory, which lives for ever.
        Ok(unsafe { AtomicU32::from_ptr(pointer) }.load(Ordering::Acquire))
    }
    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        let pointer = with_exposed_provenance_mut(self.place(address, 2, 2)?);
        // SAFETY: `place` found two aligned bytes inside shared memory, which lives for ever.
        unsafe { AtomicU16::from_ptr(pointer) }.store(value, Ordering::Release);
        Ok(())
    }
    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        let pointer = with_exposed_provenance_mut(self.place(address, 4, 4)?);
        // SAFETY: `place` found four aligned bytes inside shared memory, which lives for ever.
        unsafe { AtomicU32::from_ptr(pointer) }.store(value, Ordering::Release);
        Ok(())
    }
    fn load_words<const N: usize>(&self, address: u64) -> Result<[u32; N], Fault> {
        let words = with_exposed_provenance::<u32>(self.place(address, 4 * N, 4)?);
        // SAFETY: `place` found so many aligned words inside shared memory, which is not Rust's.
        Ok(core::array::from_fn(|index| unsafe { words.wrapping_add(index).read_volatile() }))
    }
    fn store_words<const N: usize>(&mut self, address: u64, words: [u32; N]) -> Result<(), Fault> {
        let mut place = with_exposed_provenance_mut::<u32>(self.place(address, 4 * N, 4)?);
        for word in words {
            // SAFETY: `place` found so many aligned words inside shared memory, which is not Rust's.
            unsafe { place.write_volatile(word) };
            place = place.wrapping_add(1);
        }
        Ok(())
    }
}
