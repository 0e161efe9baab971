//! What the client has told of its memory, and the RAM of the board that is made of it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use super::message::Span;
use crate::description::{Bank, Description};
use crate::ram::Ram;

/// More maps than this are refused: each holds a file descriptor. QEMU's `virt` machine has about ten.
const MOST: usize = 256;
/// RAM begins and ends at a multiple of this.
const PAGE: u64 = 4096;

/// A map that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// It is empty, or ends beyond the last address.
    #[error("a map of {size:#x} bytes at {address:#x} is not possible")]
    Range {
        /// First address.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// There is another one there.
    #[error("the map of {size:#x} bytes at {address:#x} overlaps one that is there")]
    Overlap {
        /// First address.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// There are too many.
    #[error("there are {MOST} maps already")]
    TooMany,
}

/// Memory that cannot be a bank of the board.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Nothing is there.
    #[error(
        "the machine has no memory at {base:#x}, where the board's DDR is: QEMU's `virt` machine has it with -m 2048 or more"
    )]
    Nothing {
        /// First address of the bank.
        base: u64,
    },
    /// It has no file descriptor, or cannot be written.
    #[error(
        "the machine's memory at {base:#x} is its own: start QEMU with -object memory-backend-memfd,id=mem,size=2048M,share=on \
         -machine memory-backend=mem -m 2048"
    )]
    Private {
        /// First address of the bank.
        base: u64,
    },
    /// It ends too early.
    #[error(
        "the machine has {found:#x} bytes of memory from {base:#x} on, the board's firmware may use {wanted:#x}: give QEMU \
         more with -m and the size of its memory backend"
    )]
    Small {
        /// First address of the bank.
        base: u64,
        /// Bytes there are.
        found: u64,
        /// Bytes that the firmware's part of the bank has.
        wanted: u64,
    },
    /// The host cannot map it.
    #[error("the machine's memory at {base:#x} cannot be mapped: {source}")]
    Host {
        /// First address of the bank.
        base: u64,
        /// Why.
        source: io::Error,
    },
}

#[derive(Debug)]
struct Map {
    span: Span,
    file: Option<File>,
}

impl Map {
    /// The address after the last, which [`GuestMemory::map`] has proved to exist.
    fn end(&self) -> u64 {
        self.span.address.saturating_add(self.span.size)
    }
}

/// The client's memory.
#[derive(Debug, Default)]
pub struct GuestMemory {
    maps: Vec<Map>,
}

impl GuestMemory {
    /// Takes a map.
    ///
    /// # Errors
    /// [`MapError`]; nothing has changed then.
    pub fn map(&mut self, span: Span, file: Option<OwnedFd>) -> Result<(), MapError> {
        let Span { address, size, offset, .. } = span;
        let end = address.checked_add(size).filter(|end| *end > address);
        let Some(end) = end.filter(|_| offset.checked_add(size).is_some()) else {
            return Err(MapError::Range { address, size });
        };
        if self.maps.iter().any(|map| map.span.address < end && address < map.end()) {
            return Err(MapError::Overlap { address, size });
        }
        if self.maps.len() >= MOST {
            return Err(MapError::TooMany);
        }
        self.maps.push(Map { span, file: file.map(File::from) });
        Ok(())
    }

    /// Forgets the maps that lie inside a range. Returns whether one of them had the address.
    pub fn unmap(&mut self, address: u64, size: u64, watched: u64) -> bool {
        let end = address.saturating_add(size);
        let before = self.has(watched);
        self.maps.retain(|map| map.span.address < address || map.end() > end);
        before && !self.has(watched)
    }

    fn has(&self, address: u64) -> bool {
        self.at(address).is_some()
    }

    fn at(&self, address: u64) -> Option<&Map> {
        self.maps.iter().find(|map| (map.span.address..map.end()).contains(&address))
    }

    /// The RAM of a bank: the client's memory at the same addresses, as far as both go.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn bank(&self, description: &Description, bank: &Bank) -> Result<Ram, MemoryError> {
        let base = bank.base();
        let map = self.at(base).ok_or(MemoryError::Nothing { base })?;
        let file = map.file.as_ref().filter(|_| map.span.writable).ok_or(MemoryError::Private { base })?;
        let inside = base - map.span.address;
        let found = (map.span.size - inside).min(bank.size);
        let found = found - found % PAGE;
        let wanted = firmware_end(description, base, bank.size).saturating_sub(base);
        if found < wanted {
            return Err(MemoryError::Small { base, found, wanted });
        }
        let host = |source| MemoryError::Host { base, source };
        Ram::over(file.try_clone().map_err(host)?, map.span.offset + inside, found).map_err(host)
    }
}

/// Where the memory in a bank ends that boot firmware leaves to another compartment than the Cortex-A35's.
fn firmware_end(description: &Description, base: u64, size: u64) -> u64 {
    const OTHERS: u8 = 0b1100;
    let inside = description.policy.iter().filter(|region| (base..base + size).contains(&region.base));
    let theirs = inside.filter(|region| region.compartments.is_none_or(|all| all & OTHERS != 0));
    theirs.map(|region| region.base + region.size).max().unwrap_or(base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards;

    const DDR: u64 = 0x8000_0000;

    fn span(address: u64, size: u64) -> Span {
        Span { address, size, offset: 0, writable: true }
    }

    fn ddr() -> &'static Bank {
        boards::stm32mp257f_ev1().banks.last().unwrap()
    }

    fn file(size: u64) -> Option<OwnedFd> {
        Some(Ram::new("test", size).unwrap().file().try_clone().unwrap().into())
    }

    #[test]
    fn the_bank_is_the_machines_memory_at_the_same_address() {
        let mut memory = GuestMemory::default();
        let backend = Ram::new("test", 0x8000_0000).unwrap();
        backend.write(0x4000_0000 + 64, b"here").unwrap();
        memory.map(span(0x4000_0000, 0x8000_0000), Some(backend.file().try_clone().unwrap().into())).unwrap();
        let ram = memory.bank(boards::stm32mp257f_ev1(), ddr()).unwrap();
        let mut seen = [0; 4];
        ram.read(64, &mut seen).unwrap();
        assert_eq!((&seen, ram.size(), ram.start()), (b"here", 0x4000_0000, 0x4000_0000));
    }

    #[test]
    fn less_memory_is_a_smaller_bank_until_firmware_would_miss_it() {
        let mut memory = GuestMemory::default();
        memory.map(span(DDR, 0x0400_0001), file(0x0400_0001)).unwrap();
        assert_eq!(memory.bank(boards::stm32mp257f_ev1(), ddr()).unwrap().size(), 0x0400_0000);
        assert!(memory.unmap(0, u64::MAX, DDR));
        memory.map(span(DDR, 0x01FB_F000), file(0x01FB_F000)).unwrap();
        let error = memory.bank(boards::stm32mp257f_ev1(), ddr()).unwrap_err();
        assert!(matches!(error, MemoryError::Small { wanted: 0x01FC_0000, .. }), "{error}");
    }

    #[test]
    fn memory_that_cannot_be_shared_is_refused_with_what_to_do() {
        let mut memory = GuestMemory::default();
        assert!(matches!(
            memory.bank(boards::stm32mp257f_ev1(), ddr()),
            Err(MemoryError::Nothing { base: DDR })
        ));
        memory.map(span(DDR, 0x4000_0000), None).unwrap();
        let error = memory.bank(boards::stm32mp257f_ev1(), ddr()).unwrap_err();
        assert!(error.to_string().contains("memory-backend-memfd"), "{error}");
        memory.unmap(0, u64::MAX, DDR);
        memory.map(Span { writable: false, ..span(DDR, 0x4000_0000) }, file(0x4000_0000)).unwrap();
        assert!(matches!(memory.bank(boards::stm32mp257f_ev1(), ddr()), Err(MemoryError::Private { .. })));
        memory.unmap(0, u64::MAX, DDR);
        memory.map(span(DDR, 0x4000_0000), file(4096)).unwrap();
        assert!(matches!(memory.bank(boards::stm32mp257f_ev1(), ddr()), Err(MemoryError::Host { .. })));
    }

    #[test]
    fn maps_that_cannot_be_are_refused() {
        let mut memory = GuestMemory::default();
        let range = |address, size| MapError::Range { address, size };
        assert_eq!(memory.map(span(1, 0), None), Err(range(1, 0)));
        assert_eq!(memory.map(span(u64::MAX, 2), None), Err(range(u64::MAX, 2)));
        let offset = Span { offset: u64::MAX, ..span(0, 2) };
        assert_eq!(memory.map(offset, None), Err(range(0, 2)));
        memory.map(span(0x1000, 0x1000), None).unwrap();
        assert!(matches!(memory.map(span(0x1fff, 1), None), Err(MapError::Overlap { .. })));
        for n in 1..MOST as u64 {
            memory.map(span(0x10_0000 * n, 16), None).unwrap();
        }
        assert_eq!(memory.map(span(0, 16), None), Err(MapError::TooMany));
    }
}
