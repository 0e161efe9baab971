//! Memory of the normal world, mapped into the TA for the time of one call.

use core::marker::PhantomData;

use optee_utee::raw;
use rproc_abi::{OutOfRange, SharedMemory};

/// A range of a memory reference of the call `'a`. The normal world may write it at any time, so there is no reference to
/// it, only copies.
pub struct NormalMemory<'a> {
    start: *mut u8,
    size: usize,
    call: PhantomData<&'a ()>,
}

impl<'a> NormalMemory<'a> {
    /// The range that a memory reference names; a null reference, which a client may pass with any size, is empty.
    ///
    /// # Safety
    ///
    /// `memref` is a parameter of the call that lasts for `'a`, as OP-TEE gave it to an entry point of this TA: OP-TEE has
    /// mapped all of its `size` bytes, readable, and writable if it is an output.
    pub unsafe fn new(memref: raw::Memref) -> Self {
        let start: *mut u8 = memref.buffer.cast();
        let size = if start.is_null() { 0 } else { memref.size };
        Self { start, size, call: PhantomData }
    }

    fn check(&self, offset: usize, len: usize) -> Result<*mut u8, OutOfRange> {
        match offset.checked_add(len) {
            Some(end) if end <= self.size => Ok(self.start.wrapping_add(offset)),
            _ => Err(OutOfRange { offset, len, size: self.size }),
        }
    }
}

impl SharedMemory for NormalMemory<'_> {
    fn size(&self) -> usize {
        self.size
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfRange> {
        let from = self.check(offset, into.len())?;
        if !into.is_empty() {
            // SAFETY: `from` has `into.len()` mapped bytes by `new` and `check`, and `into` is the TA's own memory, so
            // they do not overlap. The copy is made by foreign code, which the compiler can neither repeat nor leave
            // out, so a writer in the normal world changes which bytes are copied and nothing else.
            unsafe { raw::TEE_MemMove(into.as_mut_ptr().cast(), from.cast(), into.len()) };
        }
        Ok(())
    }

    fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfRange> {
        let to = self.check(offset, from.len())?;
        if !from.is_empty() {
            // SAFETY: as in `read`, in the other direction; the service writes to outputs only.
            unsafe { raw::TEE_MemMove(to.cast(), from.as_ptr().cast(), from.len()) };
        }
        Ok(())
    }

    fn address(&self) -> Option<usize> {
        (self.size > 0).then(|| self.start.expose_provenance())
    }

    fn part(&self, offset: usize, len: usize) -> Result<Self, OutOfRange> {
        let start = self.check(offset, len)?;
        Ok(Self { start, size: len, call: PhantomData })
    }
}
