//! Linux itself as the loader of a processor that it owns: a plain ELF file, memory of its own, resets that it may touch.
//!
//! Follows `remoteproc_elf_loader.c` and `stm32_rproc.c` of Linux, with three differences: nothing is written before
//! everything was checked, what was written is wiped at release, and a resource table is completed at both places when the
//! firmware reads it elsewhere than it was loaded to.

mod control;
mod error;
mod image;
#[cfg(test)]
mod m4;
mod stm32;
#[cfg(test)]
mod tests;

use std::ops::Range;

use rproc_elf::header::{Class, MACHINE_ARM};
use rproc_elf::resource_table::probe;
use rproc_rpmsg::memory::Memory;

use crate::coredump::{CoreHead, CoreSegment, core_file};
use crate::description::{Description, MemoryRegion};
use crate::loader::{Loader, TableLocation};

pub use control::{CoreStatus, FoundTable, ResetControl};
pub use error::LinuxLoadError;
use image::Image;
pub use stm32::{
    RccHold, RccPulse, ReadBack, Registers, ResetLine, SecureMonitor, SmcHold, Stm32mp15, Stm32mp25,
};

/// Bytes that firmware keeps free for a table whose size nobody told (Linux `stm32_rproc.c`, `RSC_TBL_SIZE`).
pub const UNTOLD_TABLE_SIZE: u64 = 1024;

/// How a processor is told where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootAddress {
    /// Not at all: it begins at the vectors at its address 0 (Cortex-M4 of the STM32MP15), or at another fixed one.
    Fixed,
    /// The load address of section `.isr_vectors` goes into a register (Cortex-M33 of the STM32MP25).
    Vectors {
        /// What it must be a multiple of, in bytes.
        alignment: u64,
    },
}

/// The loader of one Linux-owned processor. `M` is the memory as Linux reaches it, `C` the processor's resets and state.
pub struct LinuxLoader<M, C> {
    description: Description,
    boot: BootAddress,
    memory: M,
    control: C,
    loaded: Option<Loaded>,
    /// Physical addresses that hold something of a firmware file.
    written: Vec<Range<u64>>,
    /// The processor was let go, and not put into reset since.
    running: bool,
}

/// What is remembered of a loaded file.
struct Loaded {
    head: CoreHead,
    boot_address: Option<u64>,
    table: Option<LoadedTable>,
}

struct LoadedTable {
    /// Where the firmware reads it.
    location: TableLocation,
    /// Device and physical address of its bytes, where that is elsewhere.
    loaded: Option<(u64, u64)>,
}

impl<M: Memory, C: ResetControl + CoreStatus> LinuxLoader<M, C> {
    /// The loader of the processor that `description` is of: its regions and address windows decide what can be loaded.
    pub fn new(description: Description, boot: BootAddress, memory: M, control: C) -> Self {
        Self { description, boot, memory, control, loaded: None, written: Vec::new(), running: false }
    }

    /// The resets and the state.
    pub fn control(&self) -> &C {
        &self.control
    }

    fn place(&mut self, image: &Image<'_>) -> Result<(), LinuxLoadError> {
        for part in &image.parts {
            self.written.push(part.address..part.address.saturating_add(part.memory_size));
            write(&mut self.memory, part.address, part.bytes)?;
            let end = part.address.saturating_add(part.bytes.len() as u64);
            zero(&mut self.memory, end, part.memory_size.saturating_sub(part.bytes.len() as u64))?;
        }
        Ok(())
    }

    /// Firmware whose start code copies the table from where it was loaded must find it completed there, too.
    fn complete_loaded_table(&mut self) -> Result<(), LinuxLoadError> {
        let table = self.loaded.as_ref().and_then(|loaded| loaded.table.as_ref());
        let Some(LoadedTable { location, loaded: Some((_, address)) }) = table else { return Ok(()) };
        let (from, to) = (location.address, *address);
        let mut bytes = vec![0; usize::try_from(location.size).unwrap_or(0)];
        self.memory
            .read(from, &mut bytes)
            .map_err(|fault| LinuxLoadError::Memory { address: from, fault })?;
        write(&mut self.memory, to, &bytes)
    }

    /// What a table whose size nobody told takes: its own words, where they make sense. Linux takes the whole
    /// [`UNTOLD_TABLE_SIZE`], and overwrites what firmware keeps behind a shorter table when it detaches.
    fn untold_size(&self, device_address: u64) -> u64 {
        let mut bytes = [0; UNTOLD_TABLE_SIZE as usize];
        let address = self.description.physical_address(device_address, UNTOLD_TABLE_SIZE);
        let reachable = address
            .filter(|address| self.description.region_around(*address, UNTOLD_TABLE_SIZE).is_some())
            .is_some_and(|address| self.memory.read(address, &mut bytes).is_ok());
        let size = if reachable { probe(&bytes) } else { None };
        size.map_or(UNTOLD_TABLE_SIZE, |size| size as u64)
    }

    fn hold_and_reset(&mut self) -> Result<(), LinuxLoadError> {
        let failed = |what| move |source| LinuxLoadError::Reset { what, source };
        self.control.assert_hold().map_err(failed("hold the processor"))?;
        self.control.assert_reset().map_err(failed("reset the processor"))?;
        self.running = false;
        self.control.mark_off().map_err(failed("note that the processor is off"))
    }
}

impl<M: Memory, C: ResetControl + CoreStatus> Loader for LinuxLoader<M, C> {
    type Error = LinuxLoadError;

    fn is_running(&mut self) -> Result<bool, LinuxLoadError> {
        self.control.is_running().map_err(LinuxLoadError::Status)
    }

    fn load(&mut self, firmware: &[u8]) -> Result<(), LinuxLoadError> {
        let image = Image::check(firmware, &self.description, self.boot)?;
        self.loaded = None;
        self.place(&image)?;
        self.loaded = Some(Loaded {
            head: image.head,
            boot_address: image.boot_address,
            table: image.table.map(|table| LoadedTable { location: table.location, loaded: table.loaded }),
        });
        Ok(())
    }

    /// Where the firmware reads its table; of firmware that somebody else loaded, where the state registers say.
    fn resource_table(&mut self) -> Result<Option<TableLocation>, LinuxLoadError> {
        if let Some(loaded) = &self.loaded {
            return Ok(loaded.table.as_ref().map(|table| table.location));
        }
        let Some(found) = self.control.resource_table().map_err(LinuxLoadError::Status)? else {
            return Ok(None);
        };
        let size = match found.size {
            Some(size) => size,
            None => self.untold_size(found.device_address),
        };
        let address = self.description.physical_address(found.device_address, size);
        match address.filter(|address| self.description.region_around(*address, size).is_some()) {
            Some(address) => Ok(Some(TableLocation { address, size })),
            None => Err(LinuxLoadError::TableUnreachable { device_address: found.device_address, size }),
        }
    }

    fn table_loaded_at(&self) -> Option<u64> {
        let table = self.loaded.as_ref().and_then(|loaded| loaded.table.as_ref())?;
        table.loaded.map(|(device_address, _)| device_address)
    }

    /// A crash must not restart it: the hold is latched, and takes effect at the next reset.
    fn attach(&mut self) -> Result<(), LinuxLoadError> {
        let hold = self.control.assert_hold();
        hold.map_err(|source| LinuxLoadError::Reset { what: "hold the processor at its next reset", source })
    }

    /// From now on a reset restarts it.
    fn detach(&mut self) -> Result<(), LinuxLoadError> {
        let release = self.control.release_hold();
        release
            .map_err(|source| LinuxLoadError::Reset { what: "let the processor restart by itself", source })
    }

    fn start(&mut self) -> Result<(), LinuxLoadError> {
        let loaded = self.loaded.as_ref().ok_or(LinuxLoadError::NothingLoaded)?;
        if let Some(address) = loaded.boot_address {
            let set = self.control.set_boot_address(address);
            set.map_err(|source| LinuxLoadError::Reset { what: "set the boot address", source })?;
        }
        self.complete_loaded_table()?;
        self.running = true;
        // Released, then held again: the processor starts at the edge, and a later reset of its own leaves it held.
        let started = self.control.release_hold().and_then(|()| self.control.assert_hold());
        if let Err(source) = started {
            // The first error counts; `release` tries again before it touches the memory.
            let _ = self.hold_and_reset();
            return Err(LinuxLoadError::Reset { what: "start the processor", source });
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), LinuxLoadError> {
        self.hold_and_reset()
    }

    fn release(&mut self) -> Result<(), LinuxLoadError> {
        if self.running {
            self.hold_and_reset()?;
        }
        self.loaded = None;
        while let Some(range) = self.written.last().cloned() {
            zero(&mut self.memory, range.start, range.end.saturating_sub(range.start))?;
            self.written.pop();
        }
        Ok(())
    }

    /// All memory regions but RPMsg's buffers, as Linux's driver registers them.
    fn coredump(&mut self) -> Result<Vec<u8>, LinuxLoadError> {
        // Firmware that somebody else loaded left no headers; all of these processors are 32-bit Arm.
        let unknown = CoreHead { class: Class::Elf32, machine: MACHINE_ARM, entry: 0 };
        let head = self.loaded.as_ref().map_or(unknown, |loaded| loaded.head);
        let description = &self.description;
        let regions = description.regions.iter().filter(|region| !is_buffer(region));
        let segments: Vec<CoreSegment> = regions
            .filter_map(|region| {
                let device_address = description.device_address(region.address, region.size)?;
                Some(CoreSegment { device_address, size: region.size })
            })
            .collect();
        let memory = &self.memory;
        let read = |device_address, buffer: &mut [u8]| {
            let address = description.physical_address(device_address, buffer.len() as u64);
            address.is_some_and(|address| memory.read(address, buffer).is_ok())
        };
        Ok(core_file(head, &segments, read)?)
    }
}

/// Whether a region holds RPMsg's buffers, which Linux's driver neither loads to nor dumps.
fn is_buffer(region: &MemoryRegion) -> bool {
    region.name.starts_with("vdev") && region.name.ends_with("buffer")
}

fn write(memory: &mut impl Memory, address: u64, bytes: &[u8]) -> Result<(), LinuxLoadError> {
    if bytes.is_empty() {
        return Ok(());
    }
    memory.write(address, bytes).map_err(|fault| LinuxLoadError::Memory { address, fault })
}

fn zero(memory: &mut impl Memory, address: u64, size: u64) -> Result<(), LinuxLoadError> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut done = 0;
    while done < size {
        let length = (size - done).min(ZEROS.len() as u64);
        let zeros = ZEROS.get(..length as usize).unwrap_or_default();
        write(memory, address.saturating_add(done), zeros)?;
        done += length;
    }
    Ok(())
}
