//! How the platform service reaches registers and memory: on the virtual board, in OP-TEE's core, on silicon.

use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::{OutOfRange, PtaMemory, Refusal, SharedMemory};
use rproc_image::Sha256;
use thiserror::Error;

/// An access that the bus refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the bus refused an access of {size} bytes at {address:#x}")]
pub struct AccessError {
    /// Physical address of the first byte.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// A buffer that could not be copied to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// The bus refused the memory.
    #[error(transparent)]
    Memory(#[from] AccessError),
    /// The buffer is smaller than it said.
    #[error(transparent)]
    Buffer(#[from] OutOfRange),
}

/// Physical memory and registers as the secure Cortex-A reaches them.
pub trait Hardware {
    /// Reads a 32-bit register.
    fn read32(&mut self, address: u64) -> Result<u32, AccessError>;

    /// Writes a 32-bit register.
    fn write32(&mut self, address: u64, value: u32) -> Result<(), AccessError>;

    /// Copies out of memory.
    fn read_memory(&mut self, address: u64, into: &mut [u8]) -> Result<(), AccessError>;

    /// Copies into memory.
    fn write_memory(&mut self, address: u64, from: &[u8]) -> Result<(), AccessError>;

    /// Fills memory with one value.
    fn fill_memory(&mut self, address: u64, size: u64, byte: u8) -> Result<(), AccessError>;

    /// Copies a buffer to memory, reading each of its bytes once, and gives the SHA-256 of what the memory then holds.
    ///
    /// The memory must be closed to whoever may write the buffer: what is hashed is what will run, not what was read.
    fn place<D: Sha256, M: SharedMemory>(
        &mut self,
        address: u64,
        from: &PtaMemory<'_, M>,
    ) -> Result<[u8; 32], PlaceError> {
        // OP-TEE's core has 8 KiB of stack a thread.
        place_in_windows::<Self, D, M>(self, address, from, &mut [0; 1024])
    }

    /// Copies memory to a buffer, as many bytes as the buffer has.
    fn fetch<M: SharedMemory>(
        &mut self,
        address: u64,
        into: &mut PtaMemory<'_, M>,
    ) -> Result<(), PlaceError> {
        let mut window = [0; 1024];
        let mut done = 0;
        while done < into.size() {
            let len = (into.size() - done).min(window.len());
            let part = window.get_mut(..len).unwrap_or_default();
            self.read_memory(address + done as u64, part)?;
            into.write(done, part)?;
            done += len;
        }
        Ok(())
    }
}

/// [`Hardware::place`] with a window of the caller's: a port with room for a larger one is faster.
pub fn place_in_windows<H: Hardware + ?Sized, D: Sha256, M: SharedMemory>(
    hardware: &mut H,
    address: u64,
    from: &PtaMemory<'_, M>,
    window: &mut [u8],
) -> Result<[u8; 32], PlaceError> {
    let mut hash = D::default();
    let mut done = 0;
    while done < from.size() {
        let len = (from.size() - done).min(window.len());
        if len == 0 {
            // A window without room copies nothing, and no segment has the digest of nothing.
            break;
        }
        let part = window.get_mut(..len).unwrap_or_default();
        let here = address + done as u64;
        from.read(done, part)?;
        hardware.write_memory(here, part)?;
        hardware.read_memory(here, part)?;
        hash.update(part);
        done += len;
    }
    Ok(hash.finish())
}

/// Makes the bits of `mask` in a register those of `value`, and refuses to go on when they do not read back.
///
/// A register that has them already is left alone when two reads say so: one that is read wrong once would stay as it was.
pub fn write_checked<H: Hardware>(
    hardware: &mut H,
    address: u64,
    mask: u32,
    value: u32,
) -> Result<(), Refusal> {
    write_keeping(hardware, address, mask, value, !mask)
}

/// As [`write_checked`], for a register whose other bits are locks: they are written zero, which unlocks nothing, so that one
/// that is read wrong locks nothing.
pub(crate) fn write_alone<H: Hardware>(
    hardware: &mut H,
    address: u64,
    mask: u32,
    value: u32,
) -> Result<(), Refusal> {
    write_keeping(hardware, address, mask, value, 0)
}

fn write_keeping<H: Hardware>(
    hardware: &mut H,
    address: u64,
    mask: u32,
    value: u32,
    keep: u32,
) -> Result<(), Refusal> {
    let old = hardware.read32(address).map_err(register_refusal)?;
    if old & mask == value & mask && hardware.read32(address).map_err(register_refusal)? == old {
        return Ok(());
    }
    // Bits of somebody else's that were read wrong would be written so.
    let old = if old & keep == 0 { old } else { settled(hardware, address, old)? };
    hardware.write32(address, old & keep | value & mask).map_err(register_refusal)?;
    let now = hardware.read32(address).map_err(register_refusal)?;
    if now & mask == value & mask {
        Ok(())
    } else {
        Err(Refusal::new(Reason::RegisterReadBack)
            .expected(Fact::Address(u64::from(value & mask)))
            .found(Fact::Address(u64::from(now & mask)))
            .at(Place::Register { address }))
    }
}

/// Reads a register, at most `patience` times, until its bits of `mask` are `value`; else the write to `written` had no
/// effect.
pub(crate) fn wait_for<H: Hardware>(
    hardware: &mut H,
    register: u64,
    mask: u32,
    value: u32,
    written: u64,
    patience: u32,
) -> Result<(), Refusal> {
    let mut found = 0;
    for _ in 0..patience {
        found = hardware.read32(register).map_err(register_refusal)? & mask;
        if found == value {
            return Ok(());
        }
    }
    Err(Refusal::new(Reason::RegisterReadBack)
        .expected(Fact::Address(u64::from(value)))
        .found(Fact::Address(u64::from(found)))
        .at(Place::Register { address: written }))
}

/// Reads a register so often that it has said the same twice: one that is read wrong once is not believed.
pub(crate) fn read_twice<H: Hardware>(hardware: &mut H, address: u64) -> Result<u32, Refusal> {
    let first = hardware.read32(address).map_err(register_refusal)?;
    settled(hardware, address, first)
}

/// What two of at most three reads say, of which the first is made.
fn settled<H: Hardware>(hardware: &mut H, address: u64, first: u32) -> Result<u32, Refusal> {
    let second = hardware.read32(address).map_err(register_refusal)?;
    if first == second {
        return Ok(first);
    }
    let third = hardware.read32(address).map_err(register_refusal)?;
    if third == first || third == second {
        return Ok(third);
    }
    Err(Refusal::new(Reason::RegisterReadBack)
        .expected(Fact::Address(u64::from(first)))
        .found(Fact::Address(u64::from(second)))
        .at(Place::Register { address }))
}

/// The refusal for a register that the bus would not let us reach.
pub(crate) fn register_refusal(error: AccessError) -> Refusal {
    Refusal::new(Reason::RegisterAccess).at(Place::Register { address: error.address })
}

/// The refusal for memory that the bus would not let us reach.
pub(crate) fn memory_refusal(error: AccessError) -> Refusal {
    Refusal::new(Reason::MemoryAccess).found(Fact::Range { start: error.address, size: error.size })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One register, one read of which is wrong.
    struct OneWrongRead {
        value: u32,
        reads: usize,
        wrong: usize,
    }

    impl Hardware for OneWrongRead {
        fn read32(&mut self, _: u64) -> Result<u32, AccessError> {
            self.reads += 1;
            Ok(if self.reads - 1 == self.wrong { !self.value } else { self.value })
        }

        fn write32(&mut self, _: u64, value: u32) -> Result<(), AccessError> {
            self.value = value;
            Ok(())
        }

        fn read_memory(&mut self, address: u64, _: &mut [u8]) -> Result<(), AccessError> {
            Err(AccessError { address, size: 0 })
        }

        fn write_memory(&mut self, address: u64, _: &[u8]) -> Result<(), AccessError> {
            Err(AccessError { address, size: 0 })
        }

        fn fill_memory(&mut self, address: u64, size: u64, _: u8) -> Result<(), AccessError> {
            Err(AccessError { address, size })
        }
    }

    #[test]
    fn what_is_read_wrong_once_is_not_believed() {
        for wrong in 0..3 {
            let mut hardware = OneWrongRead { value: 1, reads: 0, wrong };
            assert_eq!(read_twice(&mut hardware, 0x40), Ok(1), "read {wrong} wrong");
        }
    }

    #[test]
    fn a_register_that_is_read_wrong_once_is_written_or_refused() {
        for (before, wanted) in [(0, 1), (1, 0), (1, 1), (0, 0)] {
            for wrong in 0..8 {
                let mut hardware = OneWrongRead { value: before, reads: 0, wrong };
                if write_checked(&mut hardware, 0, 1, wanted).is_ok() {
                    assert_eq!(hardware.value & 1, wanted, "{before} to {wanted}, read {wrong} wrong");
                }
                let mut hardware = OneWrongRead { value: 0x20 | before, reads: 0, wrong };
                let _ = write_checked(&mut hardware, 0, 1, wanted);
                let others = hardware.value & !1;
                assert_eq!(others, 0x20, "{before} to {wanted}, read {wrong} wrong: other bits");
                let mut hardware = OneWrongRead { value: before, reads: 0, wrong };
                let _ = write_alone(&mut hardware, 0, 1, wanted);
                assert_eq!(hardware.value & !1, 0, "{before} to {wanted}, read {wrong} wrong: a lock is set");
            }
        }
    }
}
