//! The ioctls themselves: each takes a structure of `uapi` and gives what the kernel wrote into it.

use std::ffi::c_void;
use std::os::fd::{AsFd, FromRawFd as _, OwnedFd, RawFd};

use rustix::io::{Errno, Result};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};

use super::uapi::{
    self, Argument, Cancel, CloseSession, Invoke, OpenSession, SharedAllocation, SharedRegistration, Version,
};

/// One ioctl whose argument is a pointer to a `T`.
struct Call<'a, T> {
    number: Opcode,
    argument: &'a mut T,
}

// SAFETY: the pointer is that of a live, exclusively borrowed `T`; the callers below pair each number with the structure
// that its size field names, so the kernel reads and writes inside it. Nothing is read through the pointer here.
unsafe impl<T> Ioctl for Call<'_, T> {
    type Output = IoctlOutput;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.number
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self.argument).cast()
    }

    unsafe fn output_from_ptr(output: IoctlOutput, _: *mut c_void) -> Result<IoctlOutput> {
        Ok(output)
    }
}

fn call<T>(device: impl AsFd, number: Opcode, argument: &mut T) -> Result<IoctlOutput> {
    // SAFETY: see `Call`; every number here is one of Linux's TEE devices, and another device answers ENOTTY.
    unsafe { ioctl(device, Call { number, argument }) }
}

/// An ioctl whose structure holds the address of `argument`.
fn call_with<T>(device: impl AsFd, number: Opcode, argument: &mut T) -> Result<()> {
    let length = size_of::<T>() as u64;
    // Exposed, so that the kernel's writes through this number are writes through the pointer.
    let address = std::ptr::from_mut(argument).expose_provenance() as u64;
    call(device, number, &mut Argument { address, length }).map(drop)
}

/// Which TEE it is.
pub fn version(device: impl AsFd) -> Result<Version> {
    let mut version = Version::default();
    call(device, uapi::VERSION, &mut version)?;
    Ok(version)
}

/// Opens a session; the TEE's own result is in the structure.
pub fn open_session(device: impl AsFd, argument: &mut OpenSession) -> Result<()> {
    call_with(device, uapi::OPEN_SESSION, argument)
}

/// Calls a command; the TEE's own result is in the structure.
pub fn invoke(device: impl AsFd, argument: &mut Invoke) -> Result<()> {
    call_with(device, uapi::INVOKE, argument)
}

/// Asks the TEE to give up a call.
pub fn cancel(device: impl AsFd, mut argument: Cancel) -> Result<()> {
    call(device, uapi::CANCEL, &mut argument).map(drop)
}

/// Closes a session.
pub fn close_session(device: impl AsFd, session: u32) -> Result<()> {
    call(device, uapi::CLOSE_SESSION, &mut CloseSession { session }).map(drop)
}

/// Lets the kernel allocate memory that the TEE can reach.
pub fn allocate(device: impl AsFd, size: u64) -> Result<(SharedAllocation, OwnedFd)> {
    let mut allocation = SharedAllocation { size, ..SharedAllocation::default() };
    let descriptor = call(device, uapi::SHM_ALLOC, &mut allocation)?;
    Ok((allocation, own(descriptor)?))
}

/// Lets the TEE reach memory of this process.
///
/// # Safety
/// The range must be a mapping of this process that no Rust reference points into and that stays mapped, or is never used
/// again, while the descriptor is open.
pub unsafe fn register(
    device: impl AsFd,
    address: u64,
    length: u64,
) -> Result<(SharedRegistration, OwnedFd)> {
    let mut registration = SharedRegistration { address, length, ..SharedRegistration::default() };
    let descriptor = call(device, uapi::SHM_REGISTER, &mut registration)?;
    Ok((registration, own(descriptor)?))
}

fn own(descriptor: IoctlOutput) -> Result<OwnedFd> {
    let descriptor: RawFd = descriptor;
    if descriptor < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the kernel has just made this descriptor for us (`tee_shm_get_fd`), and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
