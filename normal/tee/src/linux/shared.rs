//! Memory that this process and the TEE share.
//!
//! The TEE may read and write it at any moment, so no Rust reference ever points into it: bytes go in and out by copy,
//! through the raw pointer of the mapping.

use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;

use rproc_abi::OutOfRange;
use rustix::io::{Errno, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::call;

/// The most that `TEE_IOC_SHM_ALLOC` gives: the kernel takes it in one piece from its page allocator, which ends at 4 MiB
/// and warns above it (`tee_dyn_shm_alloc_helper`).
const ALLOCATION_LIMIT: usize = 4 << 20;
/// A multiple of every page size of Linux on arm64 and x86-64.
const GRANULE: usize = 64 << 10;

/// A piece of shared memory, given back when it is dropped.
#[derive(Debug)]
pub struct SharedPages {
    /// The kernel's number for it, which is what memory references carry.
    id: u32,
    /// Bytes that were asked for.
    size: usize,
    mapping: Mapping,
    /// Closing it ends the sharing.
    _descriptor: OwnedFd,
}

impl SharedPages {
    /// Makes `size` zeroed bytes of shared memory. Above 4 MiB the TEE's driver must be able to take memory of this
    /// process, which `registration` says.
    ///
    /// # Errors
    /// `ENOMEM` when there is not so much, or not in this way; what the kernel says.
    pub fn new(device: impl AsFd, size: usize, registration: bool) -> Result<Self> {
        if size <= ALLOCATION_LIMIT {
            Self::allocated(device, size)
        } else if registration {
            Self::registered(device, size)
        } else {
            Err(Errno::NOMEM)
        }
    }

    /// Memory of the kernel, zeroed by it, mapped here.
    fn allocated(device: impl AsFd, size: usize) -> Result<Self> {
        // There is no empty allocation; a memory reference to it may still have no bytes.
        let (allocation, descriptor) = call::allocate(device, size.max(1) as u64)?;
        let length = usize::try_from(allocation.size).map_err(|_| Errno::OVERFLOW)?;
        let mapping = Mapping::shared(&descriptor, length)?;
        Ok(Self { id: number(allocation.id)?, size: size.min(length), mapping, _descriptor: descriptor })
    }

    /// Memory of this process, made known to the TEE.
    fn registered(device: impl AsFd, size: usize) -> Result<Self> {
        let length = size.checked_next_multiple_of(GRANULE).ok_or(Errno::NOMEM)?;
        let mapping = Mapping::anonymous(length)?;
        // SAFETY: a fresh mapping that only `SharedPages` reaches, by raw pointer. The kernel pins its pages, so that
        // unmapping before the descriptor is closed takes nothing from under the TEE.
        let (registration, descriptor) = unsafe { call::register(device, mapping.address(), length as u64)? };
        Ok(Self { id: number(registration.id)?, size, mapping, _descriptor: descriptor })
    }

    /// The kernel's number for it.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Copies bytes in.
    ///
    /// # Errors
    /// [`OutOfRange`]; nothing was copied.
    pub fn write(&mut self, offset: usize, from: &[u8]) -> std::result::Result<(), OutOfRange> {
        let at = self.place(offset, from.len())?;
        // SAFETY: `place` found all bytes inside the mapping, which lives as long as `self`. `from` is not in it: nothing
        // refers to it. `&mut self` keeps other threads' copies away; what the TEE does meanwhile mixes bytes, no more.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), at.as_ptr(), from.len()) };
        Ok(())
    }

    /// Copies bytes out.
    ///
    /// # Errors
    /// [`OutOfRange`]; nothing was copied.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> std::result::Result<(), OutOfRange> {
        let at = self.place(offset, into.len())?;
        // SAFETY: as in `write`; `&self` keeps other threads' writes away.
        unsafe { std::ptr::copy_nonoverlapping(at.as_ptr(), into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    /// Where a range begins, when all of it is inside.
    fn place(&self, offset: usize, len: usize) -> std::result::Result<NonNull<u8>, OutOfRange> {
        match offset.checked_add(len) {
            // SAFETY: `offset` is at most `size`, and the mapping has at least so many bytes.
            Some(end) if end <= self.size => Ok(unsafe { self.mapping.start.add(offset) }),
            _ => Err(OutOfRange { offset, len, size: self.size }),
        }
    }
}

fn number(id: i32) -> Result<u32> {
    u32::try_from(id).map_err(|_| Errno::BADF)
}

/// A mapping of this process, unmapped when it is dropped.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and `Mapping` is the only one that knows its address.
unsafe impl Send for Mapping {}
// SAFETY: `&Mapping` gives the address away and nothing else; who copies through it is the business of `SharedPages`.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn anonymous(length: usize) -> Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address, so no existing mapping is replaced.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), length, protection, MapFlags::PRIVATE)? };
        Self::of(start, length)
    }

    fn shared(descriptor: &OwnedFd, length: usize) -> Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as above.
        let start =
            unsafe { mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, descriptor, 0)? };
        Self::of(start, length)
    }

    fn of(start: *mut std::ffi::c_void, length: usize) -> Result<Self> {
        Ok(Self { start: NonNull::new(start.cast()).ok_or(Errno::NOMEM)?, length })
    }

    fn address(&self) -> u64 {
        self.start.as_ptr().expose_provenance() as u64
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `of`'s callers, and nothing refers to it. A failure leaves it mapped, which harms
        // nobody.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shared with nobody: what copying does, without a TEE.
    fn pages(size: usize) -> SharedPages {
        let mapping = Mapping::anonymous(GRANULE).unwrap();
        let descriptor = std::fs::File::open("/dev/null").unwrap().into();
        SharedPages { id: 7, size, mapping, _descriptor: descriptor }
    }

    #[test]
    fn bytes_go_in_and_out_and_start_as_zero() {
        let mut pages = pages(100);
        pages.write(10, b"firmware").unwrap();
        let mut all = [0xff; 100];
        pages.read(0, &mut all).unwrap();
        assert_eq!((&all[..10], &all[10..18], &all[18..]), (&[0; 10][..], &b"firmware"[..], &[0; 82][..]));
    }

    #[test]
    fn nothing_outside_is_reached_though_the_mapping_is_larger() {
        let mut pages = pages(100);
        for (offset, len) in [(0, 101), (100, 1), (101, 0), (usize::MAX, 1), (1, 100)] {
            let expected = OutOfRange { offset, len, size: 100 };
            assert_eq!(pages.write(offset, &vec![1; len]), Err(expected));
            assert_eq!(pages.read(offset, &mut vec![1; len]), Err(expected));
        }
        pages.write(100, &[]).unwrap();
        pages.read(100, &mut []).unwrap();
    }

    #[test]
    fn large_memory_needs_a_driver_that_takes_ours() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(SharedPages::new(&null, ALLOCATION_LIMIT + 1, false).unwrap_err(), Errno::NOMEM);
        assert_eq!(SharedPages::new(&null, ALLOCATION_LIMIT + 1, true).unwrap_err(), Errno::NOTTY);
        assert_eq!(SharedPages::new(&null, 1, true).unwrap_err(), Errno::NOTTY);
    }
}
