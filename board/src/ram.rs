//! File-backed RAM that other threads and other processes may share: every word is accessed atomically.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// A run of bytes was asked for that is not wholly inside the RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes at offset {offset:#x} are not inside a RAM of {size:#x} bytes")]
pub struct OutOfRange {
    /// First byte asked for.
    pub offset: u64,
    /// Bytes asked for.
    pub length: u64,
    /// Bytes there are.
    pub size: u64,
}

/// A shareable RAM over a file, as a rule a sparse one of zeros. Naturally aligned 2- and 4-byte units inside a transfer move in one piece, so no
/// other thread or process ever sees a torn word.
#[derive(Debug)]
pub struct Ram {
    map: MmapRaw,
    file: File,
    /// Where in the file the first byte is.
    start: u64,
    size: u64,
}

/// RAM begins at a multiple of this in its file: a host page, which keeps every aligned access aligned in the host.
const HOST_PAGE: u64 = 4096;

impl Ram {
    /// RAM of `size` bytes, all zero. Pages cost nothing until they are written.
    ///
    /// # Errors
    /// The host cannot create, size or map the backing file.
    pub fn new(name: &str, size: u64) -> io::Result<Self> {
        let file = backing_file(name)?;
        file.set_len(size)?;
        Self::over(file, 0, size)
    }

    /// RAM over `size` bytes of a file that someone else may have made, beginning `start` bytes into it. Its bytes stay as
    /// they are. Who shares the file must not shrink it while this lives: the host kills a process that touches what
    /// is gone.
    ///
    /// # Errors
    /// `start` is no multiple of 4096, the file ends before `start + size`, or the host cannot map it.
    pub fn over(file: File, start: u64, size: u64) -> io::Result<Self> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        if !start.is_multiple_of(HOST_PAGE) {
            return Err(invalid(format!("{start:#x} is no multiple of {HOST_PAGE:#x}")));
        }
        let there = file.metadata()?.len();
        if start.checked_add(size).is_none_or(|end| end > there) {
            return Err(invalid(format!(
                "{size} bytes from {start:#x} are wanted of a file of {there} bytes"
            )));
        }
        let length = usize::try_from(size).map_err(|_| invalid(format!("{size} bytes cannot be mapped")))?;
        let map = MmapOptions::new().offset(start).len(length).map_raw(&file)?;
        if map.len() != length || !map.as_ptr().addr().is_multiple_of(8) {
            return Err(io::Error::other("the backing file was not mapped whole"));
        }
        Ok(Ram { map, file, start, size })
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The file behind the RAM. Another process may map it shared.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where in the file the RAM's first byte is.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Copies bytes out.
    ///
    /// # Errors
    /// [`OutOfRange`] when the run is not wholly inside.
    #[inline]
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfRange> {
        let start = self.check(offset, into.len())?;
        // What an emulated core asks for: an instruction's half, or a word.
        match into {
            [_, _] if start.is_multiple_of(2) => into.copy_from_slice(&self.load16(start).to_le_bytes()),
            [_, _, _, _] if start.is_multiple_of(4) => {
                into.copy_from_slice(&self.load32(start).to_le_bytes())
            }
            _ => self.read_run(start, into),
        }
        Ok(())
    }

    fn read_run(&self, start: usize, into: &mut [u8]) {
        let mut at = bulk_start(start, into.len());
        let (head, bulk) = into.split_at_mut_checked(at).unwrap_or_default();
        self.read_units(start, head);
        let (words, tail) = bulk.as_chunks_mut::<8>();
        for word in words {
            *word = self.load64(start + at).to_le_bytes();
            at += 8;
        }
        self.read_units(start + at, tail);
    }

    fn read_units(&self, start: usize, into: &mut [u8]) {
        let mut at = 0;
        while at < into.len() {
            let unit = unit_at(start + at, into.len() - at);
            let Some(target) = into.get_mut(at..at + unit) else { break };
            match unit {
                4 => target.copy_from_slice(&self.load32(start + at).to_le_bytes()),
                2 => target.copy_from_slice(&self.load16(start + at).to_le_bytes()),
                _ => target.copy_from_slice(&[self.load8(start + at)]),
            }
            at += unit;
        }
    }

    /// Copies bytes in.
    ///
    /// # Errors
    /// [`OutOfRange`] when the run is not wholly inside; nothing has been written then.
    pub fn write(&self, offset: u64, from: &[u8]) -> Result<(), OutOfRange> {
        let start = self.check(offset, from.len())?;
        let mut at = bulk_start(start, from.len());
        let (head, bulk) = from.split_at_checked(at).unwrap_or_default();
        self.write_units(start, head);
        let (words, tail) = bulk.as_chunks::<8>();
        for word in words {
            self.store64(start + at, u64::from_le_bytes(*word));
            at += 8;
        }
        self.write_units(start + at, tail);
        Ok(())
    }

    fn write_units(&self, start: usize, from: &[u8]) {
        let mut at = 0;
        while at < from.len() {
            let unit = unit_at(start + at, from.len() - at);
            match from.get(at..at + unit) {
                Some(&[a, b, c, d]) => self.store32(start + at, u32::from_le_bytes([a, b, c, d])),
                Some(&[a, b]) => self.store16(start + at, u16::from_le_bytes([a, b])),
                Some(&[a]) => self.store8(start + at, a),
                _ => break,
            }
            at += unit;
        }
    }

    /// Copies bytes in, and says whether that changed any.
    ///
    /// # Errors
    /// [`OutOfRange`] when the run is not wholly inside; nothing has been written then.
    #[inline]
    pub fn replace(&self, offset: u64, from: &[u8]) -> Result<bool, OutOfRange> {
        let start = self.check(offset, from.len())?;
        let mut changed = false;
        let mut at = 0;
        while at < from.len() {
            let unit = unit_at(start + at, from.len() - at);
            match from.get(at..at + unit) {
                Some(&[a, b, c, d]) => {
                    let word = u32::from_le_bytes([a, b, c, d]);
                    changed |= self.load32(start + at) != word;
                    self.store32(start + at, word);
                }
                Some(&[a, b]) => {
                    let half = u16::from_le_bytes([a, b]);
                    changed |= self.load16(start + at) != half;
                    self.store16(start + at, half);
                }
                Some(&[a]) => {
                    changed |= self.load8(start + at) != a;
                    self.store8(start + at, a);
                }
                _ => break,
            }
            at += unit;
        }
        Ok(changed)
    }

    /// Sets `length` bytes to `value`.
    ///
    /// # Errors
    /// [`OutOfRange`] when the run is not wholly inside; nothing has been written then.
    pub fn fill(&self, offset: u64, length: u64, value: u8) -> Result<(), OutOfRange> {
        let out_of_range = OutOfRange { offset, length, size: self.size };
        let length = usize::try_from(length).map_err(|_| out_of_range)?;
        let start = self.check(offset, length)?;
        if value == 0 && length >= SPARSE_FROM {
            // What was never written is zero already, and looking for the rest costs next to nothing.
            let mut at = start;
            while let Some(used) = next_used(&self.file, self.start, at..start + length) {
                self.store_all(used.clone(), 0);
                at = used.end;
            }
        } else {
            self.store_all(start..start + length, value);
        }
        Ok(())
    }

    fn store_all(&self, range: Range<usize>, value: u8) {
        let word = u64::from_le_bytes([value; 8]);
        let mut at = range.start;
        while at < range.end {
            let left = range.end - at;
            if at.is_multiple_of(8) && left >= 8 {
                self.store64(at, word);
                at += 8;
                continue;
            }
            let unit = unit_at(at, left);
            match unit {
                4 => self.store32(at, word as u32),
                2 => self.store16(at, word as u16),
                _ => self.store8(at, value),
            }
            at += unit;
        }
    }

    #[inline]
    fn check(&self, offset: u64, length: usize) -> Result<usize, OutOfRange> {
        let error = OutOfRange { offset, length: length as u64, size: self.size };
        match offset.checked_add(length as u64) {
            Some(end) if end <= self.size => usize::try_from(offset).map_err(|_| error),
            _ => Err(error),
        }
    }

    // The private accessors below take an offset that `check` has proved inside the mapping and `unit_at` has proved aligned.

    fn load8(&self, at: usize) -> u8 {
        // SAFETY: `check` proved the byte inside the mapping, which lives as long as `self`; all accesses are atomic.
        unsafe { AtomicU8::from_ptr(self.map.as_mut_ptr().add(at)) }.load(Ordering::Acquire)
    }

    fn load16(&self, at: usize) -> u16 {
        // SAFETY: as in `load8`, for two bytes; `unit_at` proved the offset even and a mapping begins at a page.
        unsafe { AtomicU16::from_ptr(self.map.as_mut_ptr().add(at).cast()) }.load(Ordering::Acquire)
    }

    fn load32(&self, at: usize) -> u32 {
        // SAFETY: as in `load8`, for four bytes; `unit_at` proved the offset a multiple of four.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(at).cast()) }.load(Ordering::Acquire)
    }

    fn load64(&self, at: usize) -> u64 {
        // SAFETY: as in `load8`, for eight bytes; `bulk_start` proved the offset a multiple of eight.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(at).cast()) }.load(Ordering::Acquire)
    }

    fn store64(&self, at: usize, value: u64) {
        // SAFETY: as in `load64`.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(at).cast()) }.store(value, Ordering::Release);
    }

    fn store8(&self, at: usize, value: u8) {
        // SAFETY: as in `load8`.
        unsafe { AtomicU8::from_ptr(self.map.as_mut_ptr().add(at)) }.store(value, Ordering::Release);
    }

    fn store16(&self, at: usize, value: u16) {
        // SAFETY: as in `load16`.
        unsafe { AtomicU16::from_ptr(self.map.as_mut_ptr().add(at).cast()) }.store(value, Ordering::Release);
    }

    fn store32(&self, at: usize, value: u32) {
        // SAFETY: as in `load32`.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(at).cast()) }.store(value, Ordering::Release);
    }
}

/// Below this many bytes, writing zeros is cheaper than asking where there is anything else.
const SPARSE_FROM: usize = 64 * 1024;

/// The first run of bytes in the range that the file has memory for; a host that cannot tell says all of it. The range
/// counts from `origin` in the file.
#[cfg(target_os = "linux")]
fn next_used(file: &File, origin: u64, range: Range<usize>) -> Option<Range<usize>> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;
    if range.is_empty() {
        return None;
    }
    let inside = |at: u64| at.saturating_sub(origin) as usize;
    let start = match seek(file, SeekFrom::Data(origin + range.start as u64)) {
        Ok(start) => inside(start),
        Err(Errno::NXIO) => return None,
        Err(_) => return Some(range),
    };
    let end = seek(file, SeekFrom::Hole(origin + start as u64)).map_or(range.end, inside);
    (start < range.end).then(|| start..end.min(range.end))
}

#[cfg(not(target_os = "linux"))]
fn next_used(_file: &File, _origin: u64, range: Range<usize>) -> Option<Range<usize>> {
    (!range.is_empty()).then_some(range)
}

/// The widest naturally aligned unit (4, 2 or 1 bytes) that starts at `at` and fits in `left` bytes.
fn unit_at(at: usize, left: usize) -> usize {
    if at.is_multiple_of(4) && left >= 4 {
        4
    } else if at.is_multiple_of(2) && left >= 2 {
        2
    } else {
        1
    }
}

/// How many bytes go unit by unit before the rest can go eight bytes at a time; all of them when there are few.
fn bulk_start(start: usize, length: usize) -> usize {
    if length < 16 { length } else { start.next_multiple_of(8) - start }
}

#[cfg(target_os = "linux")]
fn backing_file(name: &str) -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(File::from(memfd_create(name, MemfdFlags::CLOEXEC)?))
}

#[cfg(not(target_os = "linux"))]
fn backing_file(_name: &str) -> io::Result<File> {
    tempfile::tempfile()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn refuses_runs_that_leave_the_ram() {
        let ram = Ram::new("test", 4096).unwrap();
        assert!(ram.read(4095, &mut [0; 2]).is_err());
        assert!(ram.write(u64::MAX, &[0]).is_err());
        assert!(ram.fill(0, 4097, 1).is_err());
        assert!(ram.fill(1, u64::MAX, 1).is_err());
        assert!(ram.read(4096, &mut []).is_ok());
    }

    #[test]
    fn a_second_mapping_of_the_file_sees_the_bytes() {
        let ram = Ram::new("test", 8192).unwrap();
        ram.write(5000, b"shared").unwrap();
        let other = MmapRaw::map_raw(ram.file()).unwrap();
        let mut seen = [0; 6];
        // SAFETY: 5000..5006 is inside the 8192 mapped bytes, and no one writes while this copies.
        unsafe { std::ptr::copy_nonoverlapping(other.as_ptr().add(5000), seen.as_mut_ptr(), 6) };
        assert_eq!(&seen, b"shared");
    }

    #[test]
    fn a_part_of_a_file_is_a_ram_of_its_own() {
        let whole = Ram::new("test", 1 << 20).unwrap();
        whole.fill(0, 1 << 20, 0x5A).unwrap();
        let part = Ram::over(whole.file().try_clone().unwrap(), 0x4_0000, 0x4_0000).unwrap();
        part.fill(0x1000, 0x2_0000, 0).unwrap();
        let mut bytes = vec![0; 1 << 20];
        whole.read(0, &mut bytes).unwrap();
        let zeros: Vec<usize> = (0..1 << 20).filter(|at| bytes[*at] == 0).collect();
        assert_eq!((zeros[0], zeros.len(), zeros[zeros.len() - 1]), (0x4_1000, 0x2_0000, 0x6_0fff));
    }

    #[test]
    fn a_file_that_is_too_short_or_begins_askew_is_refused() {
        let file = || Ram::new("test", 8192).unwrap().file().try_clone().unwrap();
        for (start, size) in [(0, 8193), (4096, 4097), (1, 10), (!0xfff, 4096)] {
            assert_eq!(Ram::over(file(), start, size).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(Ram::over(file(), 4096, 4096).unwrap().size(), 4096);
    }

    #[test]
    fn another_thread_never_sees_half_a_word() {
        let ram = Arc::new(Ram::new("test", 4096).unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (ram, stop) = (ram.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    ram.write(8, &0xFFFF_FFFFu32.to_le_bytes()).unwrap();
                    ram.write(8, &0u32.to_le_bytes()).unwrap();
                }
            }
        });
        for _ in 0..200_000 {
            let mut word = [0; 4];
            ram.read(8, &mut word).unwrap();
            assert!(word == [0; 4] || word == [0xFF; 4], "torn: {word:x?}");
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    }

    #[test]
    fn wiping_much_is_exact_to_the_byte_and_seen_by_other_mappings() {
        const SIZE: u64 = 512 * 1024;
        for (offset, length) in [(0, SIZE), (1, SIZE - 1), (4096, 65536), (4095, 65538), (7, 200_001)] {
            let ram = Ram::new("test", SIZE).unwrap();
            ram.write(0, &vec![0xA5; SIZE as usize]).unwrap();
            let other = MmapRaw::map_raw(ram.file()).unwrap();
            ram.fill(offset, length, 0).unwrap();
            let mut expected = vec![0xA5; SIZE as usize];
            expected[offset as usize..(offset + length) as usize].fill(0);
            let mut seen = vec![0; SIZE as usize];
            ram.read(0, &mut seen).unwrap();
            assert!(seen == expected, "{length:#x} bytes from {offset:#x}");
            // SAFETY: the whole of the mapping, and no one writes while this copies.
            unsafe { std::ptr::copy_nonoverlapping(other.as_ptr(), seen.as_mut_ptr(), SIZE as usize) };
            assert!(seen == expected, "{length:#x} bytes from {offset:#x}, in the other mapping");
            ram.write(offset, &[0x5A; 64]).unwrap();
            ram.read(offset, &mut seen[..64]).unwrap();
            assert_eq!(seen[..64], [0x5A; 64], "the memory can be used again");
        }
    }

    proptest! {
        #[test]
        fn behaves_as_a_byte_array(ops in proptest::collection::vec((0u64..250, proptest::collection::vec(any::<u8>(), 0..20), 0u8..3), 1..30)) {
            let ram = Ram::new("test", 256).unwrap();
            let mut model = vec![0u8; 256];
            for (offset, bytes, how) in ops {
                let end = offset as usize + bytes.len();
                let fill = how == 0;
                let ok = match how {
                    0 => ram.fill(offset, bytes.len() as u64, 0xA5).is_ok(),
                    1 => ram.write(offset, &bytes).is_ok(),
                    _ => {
                        let changed = ram.replace(offset, &bytes);
                        if let Ok(changed) = changed {
                            prop_assert_eq!(changed, model[offset as usize..end] != bytes[..]);
                            prop_assert_eq!(ram.replace(offset, &bytes), Ok(false));
                        }
                        changed.is_ok()
                    }
                };
                prop_assert_eq!(ok, end <= 256);
                if ok {
                    for (k, byte) in bytes.iter().enumerate() {
                        model[offset as usize + k] = if fill { 0xA5 } else { *byte };
                    }
                }
                let mut all = vec![0; 256];
                ram.read(0, &mut all).unwrap();
                prop_assert_eq!(&all, &model);
                let mut odd = vec![0; 253];
                ram.read(3, &mut odd).unwrap();
                prop_assert_eq!(&odd[..], &model[3..]);
            }
        }
    }
}
