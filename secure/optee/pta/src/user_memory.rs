//! Memory of the calling TA, its own or what it passes on from the normal world.

use core::ffi::c_void;

use rproc_abi::{OutOfRange, SharedMemory};

use crate::copy;
use crate::exclusive::Exclusive;
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
        let refused = OutOfRange { offset, len: into.len(), size: self.size };
        let skew = from.addr() % WORD;
        if cfg!(feature = "reference-place") || into.as_ptr().addr() % WORD == skew {
            return read(from, into, refused);
        }
        // By way of a window that is aligned as the source is, and from there whatever the destination's alignment.
        let copied = WINDOW.with(|window| {
            let mut from = from;
            for part in into.chunks_mut(WINDOW_SIZE - WORD) {
                let window = window.0.get_mut(skew..skew + part.len()).unwrap_or_default();
                read(from, window, refused)?;
                copy::unaligned(part, window);
                from = from.wrapping_byte_add(part.len());
            }
            Ok(())
        });
        // Nobody else can have it: one caller at a time is in the platform service.
        copied.unwrap_or(Err(refused))
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

/// What the core copies at once where both ends are aligned alike.
const WORD: usize = 8;
/// Bytes of the window: the core checks the range against its page tables anew for each copy, which costs as much as copying 1 KiB.
const WINDOW_SIZE: usize = 4096;

/// Bytes on the way from a source to a destination of another alignment.
#[repr(align(8))]
struct Window([u8; WINDOW_SIZE]);

static WINDOW: Exclusive<Window> = Exclusive::new(Window([0; WINDOW_SIZE]));

/// Has the core copy from the calling TA's address space.
fn read(from: *mut c_void, into: &mut [u8], refused: OutOfRange) -> Result<(), OutOfRange> {
    // SAFETY: `into` has room for its length; the other range is the core's to check, and it does.
    let result = unsafe { copy_from_user(into.as_mut_ptr().cast(), from, into.len()) };
    done(result, refused)
}

fn done(result: u32, error: OutOfRange) -> Result<(), OutOfRange> {
    if result == TEE_SUCCESS { Ok(()) } else { Err(error) }
}
