//! Memory of the calling TA, its own or what it passes on from the normal world.

use core::ffi::c_void;

use rproc_abi::{OutOfRange, SharedMemory};

use crate::optee::{TEE_SUCCESS, copy_from_user, copy_to_user};

/// A range of the calling TA's address space, which the TA and the normal world may write at any moment. It is never
/// dereferenced here: the core's copy functions check that the TA may access each page, and work where the core itself
/// may not (`CFG_PAN`).
pub struct UserMemory {
    start: *mut c_void,
    size: usize,
}

impl UserMemory {
    /// # Safety
    /// The range is a memory reference of the call that is being answered, and is not used after it.
    pub unsafe fn new(start: *mut c_void, size: usize) -> Self {
        Self { start, size }
    }

    fn check(&self, offset: usize, len: usize) -> Result<*mut c_void, OutOfRange> {
        match offset.checked_add(len) {
            Some(end) if end <= self.size => Ok(self.start.wrapping_byte_add(offset)),
            _ => Err(OutOfRange { offset, len, size: self.size }),
        }
    }
}

impl SharedMemory for UserMemory {
    fn size(&self) -> usize {
        self.size
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfRange> {
        let from = self.check(offset, into.len())?;
        if into.is_empty() {
            return Ok(());
        }
        // SAFETY: `into` has room for its length; the other range is the core's to check, and it does.
        let result = unsafe { copy_from_user(into.as_mut_ptr().cast(), from, into.len()) };
        done(result, OutOfRange { offset, len: into.len(), size: self.size })
    }

    fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfRange> {
        let to = self.check(offset, from.len())?;
        if from.is_empty() {
            return Ok(());
        }
        // SAFETY: `from` has its length to read; the other range is the core's to check, and it does.
        let result = unsafe { copy_to_user(to, from.as_ptr().cast(), from.len()) };
        done(result, OutOfRange { offset, len: from.len(), size: self.size })
    }

    fn part(&self, offset: usize, len: usize) -> Result<Self, OutOfRange> {
        Ok(Self { start: self.check(offset, len)?, size: len })
    }
}

fn done(result: u32, error: OutOfRange) -> Result<(), OutOfRange> {
    if result == TEE_SUCCESS { Ok(()) } else { Err(error) }
}
