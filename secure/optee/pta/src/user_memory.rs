//! Memory of the calling TA, its own or what it passes on from the normal world.

use core::ffi::c_void;

use rproc_abi::{OutOfRange, SharedMemory};

use crate::optee::{TEE_SUCCESS, copy_to_user};

/// A range of the calling TA's address space, which the TA and the normal world may write at any moment. There is no reference
/// to it: the core checks that the TA may access each page, and bytes are copied, by the core's own functions where it may not access
/// them otherwise (`CFG_PAN=y`).
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
        done(copy(from, into), OutOfRange { offset, len: into.len(), size: self.size })
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

/// Copies from the calling TA's address space, if the TA may read there.
#[cfg(all(user_memory_accessible, not(feature = "reference-place")))]
fn copy(from: *const c_void, into: &mut [u8]) -> u32 {
    use crate::optee::{TEE_MEMORY_ACCESS_ANY_OWNER, TEE_MEMORY_ACCESS_READ, check_user_access};
    // SAFETY: the core looks at its tables of the calling TA's memory, and at nothing else.
    let result =
        unsafe { check_user_access(TEE_MEMORY_ACCESS_READ | TEE_MEMORY_ACCESS_ANY_OWNER, from, into.len()) };
    if result == TEE_SUCCESS {
        // SAFETY: the core found all of the source mapped for the TA, whose memory this core may access by itself
        // (`CFG_PAN=n`), as it is mapped: as ordinary memory. Another's write to it meanwhile changes what is copied. The
        // destination is borrowed alone and lies in the core's or the processor's memory, not in the TA's.
        unsafe { crate::copy::unaligned(into.as_mut_ptr(), from.cast(), into.len()) };
    }
    result
}

/// Has the core copy from the calling TA's address space, if the TA may read there.
#[cfg(not(all(user_memory_accessible, not(feature = "reference-place"))))]
fn copy(from: *const c_void, into: &mut [u8]) -> u32 {
    // SAFETY: `into` has room for its length; the other range is the core's to check, and it does.
    unsafe { crate::optee::copy_from_user(into.as_mut_ptr().cast(), from, into.len()) }
}

fn done(result: u32, error: OutOfRange) -> Result<(), OutOfRange> {
    if result == TEE_SUCCESS { Ok(()) } else { Err(error) }
}
