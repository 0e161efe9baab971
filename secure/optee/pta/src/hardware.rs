//! Registers and memory as the platform service wants them.

use rproc_abi::{PtaMemory, SharedMemory};
use rproc_image::Sha256;
use rproc_platform::{AccessError, Hardware, PlaceError};

use crate::mapping::{Area, GRANULE, Mapping};
use crate::registers::Registers;

/// The SoC, from inside the core.
pub struct CoreHardware {
    registers: Registers,
}

/// Bytes that are copied and then hashed: few enough to be in the first-level cache still.
const PART: usize = if cfg!(feature = "reference-place") { usize::MAX } else { 16 * 1024 };

/// Bytes of a segment that are mapped at once.
const PLACE_WINDOW: u64 = if cfg!(feature = "reference-place") { u64::MAX } else { GRANULE };

impl CoreHardware {
    /// With these registers.
    pub const fn new(registers: Registers) -> Self {
        Self { registers }
    }

    /// Calls `act` with each window of a range, mapped, and the window's offset in the range.
    fn windows<E: From<AccessError>>(
        &self,
        address: u64,
        size: u64,
        act: impl FnMut(&mut Mapping, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        self.windows_of(GRANULE, address, size, act)
    }

    /// The same with windows of another size.
    fn windows_of<E: From<AccessError>>(
        &self,
        window: u64,
        address: u64,
        size: u64,
        mut act: impl FnMut(&mut Mapping, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let refused = AccessError { address, size };
        let physical = self.registers.memory(address, size).ok_or(refused)?;
        let mut done = 0;
        while done < size {
            let here = physical + done;
            // A window ends where the core's granule ends: it would map a second one for the rest.
            let len = (size - done).min(window - here % window);
            let mut mapped = Mapping::new(Area::Memory, here, len as usize).ok_or(refused)?;
            act(&mut mapped, done as usize)?;
            done += len;
        }
        Ok(())
    }
}

impl Hardware for CoreHardware {
    fn read32(&mut self, address: u64) -> Result<u32, AccessError> {
        self.registers.read32(address).ok_or(AccessError { address, size: 4 })
    }

    fn write32(&mut self, address: u64, value: u32) -> Result<(), AccessError> {
        self.registers.write32(address, value).ok_or(AccessError { address, size: 4 })
    }

    fn read_memory(&mut self, address: u64, into: &mut [u8]) -> Result<(), AccessError> {
        self.windows(address, into.len() as u64, |window, done| {
            window.refresh();
            let part = into.get_mut(done..done + window.len()).unwrap_or_default();
            window.read(part);
            Ok(())
        })
    }

    fn write_memory(&mut self, address: u64, from: &[u8]) -> Result<(), AccessError> {
        self.windows(address, from.len() as u64, |window, done| {
            window.write(from.get(done..done + window.len()).unwrap_or_default());
            window.clean();
            Ok(())
        })
    }

    fn fill_memory(&mut self, address: u64, size: u64, byte: u8) -> Result<(), AccessError> {
        self.windows(address, size, |window, _| {
            window.fill(byte);
            window.clean();
            Ok(())
        })
    }

    /// Copies from the TA straight to the processor's memory and hashes there, without a buffer between.
    fn place<D: Sha256, M: SharedMemory>(
        &mut self,
        address: u64,
        from: &PtaMemory<'_, M>,
    ) -> Result<[u8; 32], PlaceError> {
        let mut hash = D::default();
        self.windows_of(PLACE_WINDOW, address, from.size() as u64, |window, mut done| {
            // SAFETY: the platform service has closed this memory to everyone but the secure Cortex-A, where one caller
            // at a time is in this library, and holds the processor. QEMU has no firewall: there a hostile normal world
            // could change a byte under the reference, which a byte's type allows for, and the digest would differ.
            let contents = unsafe { window.contents() };
            for part in contents.chunks_mut(PART) {
                from.read(done, part)?;
                hash.update(part);
                done += part.len();
            }
            window.clean();
            Ok::<_, PlaceError>(())
        })?;
        Ok(hash.finish())
    }

    /// Copies from the processor's memory straight to the TA, without a buffer between.
    fn fetch<M: SharedMemory>(
        &mut self,
        address: u64,
        into: &mut PtaMemory<'_, M>,
    ) -> Result<(), PlaceError> {
        self.windows(address, into.size() as u64, |window, done| {
            window.refresh();
            // SAFETY: as in `place`: closed to everyone else, and one caller at a time is here.
            let contents = unsafe { window.contents() };
            Ok(into.write(done, contents)?)
        })
    }
}
