//! A window into physical memory or a device's registers: the only unsafe code of this program.
#![allow(unsafe_code, reason = "mapping memory that is no Rust object, and reading and writing it")]

use std::ffi::c_void;
use std::fs::File;
use std::ptr::NonNull;

use anyhow::{Context as _, Result, ensure};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Registers and memory that Linux does not own are mapped as device memory, which takes only aligned accesses.
const WORD: usize = 4;

/// A mapping of a file that stands for physical memory; accesses are whole, aligned, 32-bit and volatile.
pub struct Window {
    start: NonNull<c_void>,
    length: usize,
}

impl Window {
    /// Maps `length` bytes from `offset`, a multiple of the page size.
    pub fn map(file: &File, offset: u64, length: usize, write: bool) -> Result<Self> {
        let protection = if write { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        // SAFETY: the kernel chooses the address, so no existing mapping is replaced. What is mapped is memory of the
        // remote processor or registers, which no Rust object lies in.
        let start = unsafe { mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, file, offset) }
            .with_context(|| format!("cannot map {length:#x} bytes at {offset:#x}"))?;
        Ok(Self { start: NonNull::new(start).context("mapped at zero")?, length })
    }

    /// Reads a word.
    pub fn read(&self, offset: usize) -> Result<u32> {
        let at = self.word(offset)?;
        // SAFETY: `word` found it aligned and inside the mapping; volatile, because the other side changes it.
        Ok(unsafe { at.read_volatile() })
    }

    /// Writes a word; the window must have been mapped for it.
    pub fn write(&self, offset: usize, word: u32) -> Result<()> {
        let at = self.word(offset)?;
        // SAFETY: as in `read`; no Rust reference leads to this memory.
        unsafe { at.write_volatile(word) };
        Ok(())
    }

    /// Reads bytes from any offset.
    pub fn bytes(&self, offset: usize, length: usize) -> Result<Vec<u8>> {
        let first = offset / WORD * WORD;
        let end = offset.checked_add(length).context("a range that wraps")?;
        let mut bytes = Vec::with_capacity(end - first + WORD);
        for at in (first..end).step_by(WORD) {
            bytes.extend_from_slice(&self.read(at)?.to_le_bytes());
        }
        bytes.drain(..offset - first);
        bytes.truncate(length);
        Ok(bytes)
    }

    fn word(&self, offset: usize) -> Result<NonNull<u32>> {
        let inside =
            offset.is_multiple_of(WORD) && offset.checked_add(WORD).is_some_and(|end| end <= self.length);
        ensure!(inside, "{offset:#x} is no word of a window of {:#x} bytes", self.length);
        // SAFETY: found to be inside the mapping.
        Ok(unsafe { self.start.byte_add(offset) }.cast())
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, and nothing refers to it.
        let _ = unsafe { munmap(self.start.as_ptr(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_inside_is_read_by_whole_words() {
        let path = std::env::temp_dir().join(format!("rproc-guest-window-{}", std::process::id()));
        let content: Vec<u8> = (0..4096u32).map(|at| at as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let window = Window::map(&file, 0, 4096, true).unwrap();
        for (offset, length) in [(0, 0), (0, 4), (1, 1), (3, 2), (5, 100), (4090, 6)] {
            assert_eq!(window.bytes(offset, length).unwrap(), &content[offset..offset + length]);
        }
        window.write(8, 0x0403_0201).unwrap();
        assert_eq!((window.read(8).unwrap(), window.bytes(9, 2).unwrap()), (0x0403_0201, vec![2, 3]));
        assert!(window.read(4096).is_err() && window.read(2).is_err() && window.bytes(4090, 7).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
