//! Memory of the normal world that the secure world may read: part of the board's DDR, never a copy.

use std::collections::BTreeMap;

use rproc_abi::{OutOfRange, SharedMemory};
use rproc_tee::SharedBuffer;

use crate::bus::Port;
use crate::description::Description;

/// Buffers begin on a page, as Linux registers them.
const PAGE: u64 = 4096;

/// Which parts of Linux's memory are shared now.
#[derive(Debug)]
pub struct SharedHeap {
    /// First address of the DDR that Linux uses for shared buffers; inside its own memory, so its to write at any time.
    start: u64,
    /// Bytes of it.
    size: u64,
    /// By id: first address and size.
    buffers: BTreeMap<u32, (u64, usize)>,
    next: u32,
}

impl SharedHeap {
    /// Nothing of the board's DDR is shared. Buffers go to its second quarter, which is Linux's on every board.
    pub fn of(board: &Description) -> Self {
        let (start, size) = board.banks.last().map_or((0, 0), |ddr| (ddr.base(), ddr.size / 4));
        Self { start: start + size, size, buffers: BTreeMap::new(), next: 0 }
    }

    /// Takes the first gap that is large enough; `None` when there is none.
    pub fn allocate(&mut self, size: usize) -> Option<SharedBuffer> {
        let wanted = (size as u64).max(1).checked_next_multiple_of(PAGE)?;
        let mut taken: Vec<(u64, u64)> = self
            .buffers
            .values()
            .map(|(address, size)| (*address, (*size as u64).max(1).next_multiple_of(PAGE)))
            .collect();
        taken.sort_unstable();
        let mut address = self.start;
        for (start, len) in taken {
            if start - address >= wanted {
                break;
            }
            address = start + len;
        }
        if address.checked_add(wanted)? > self.start + self.size {
            return None;
        }
        self.next = self.next.wrapping_add(1);
        self.buffers.insert(self.next, (address, size));
        Some(SharedBuffer { id: self.next, size })
    }

    /// Gives a buffer back.
    pub fn free(&mut self, id: u32) {
        self.buffers.remove(&id);
    }

    /// Address and size of a buffer.
    pub fn find(&self, id: u32) -> Option<(u64, usize)> {
        self.buffers.get(&id).copied()
    }
}

/// A range of Linux's memory as the secure world sees it.
#[derive(Clone, Debug)]
pub struct NormalMemory {
    secure: Port,
    address: u64,
    size: usize,
}

impl NormalMemory {
    /// The range, reached through the secure Cortex-A's port.
    pub fn new(secure: Port, address: u64, size: usize) -> Self {
        Self { secure, address, size }
    }

    fn check(&self, offset: usize, len: usize) -> Result<u64, OutOfRange> {
        match offset.checked_add(len) {
            Some(end) if end <= self.size => Ok(self.address + offset as u64),
            _ => Err(OutOfRange { offset, len, size: self.size }),
        }
    }
}

impl SharedMemory for NormalMemory {
    fn size(&self) -> usize {
        self.size
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfRange> {
        let address = self.check(offset, into.len())?;
        let error = OutOfRange { offset, len: into.len(), size: self.size };
        self.secure.read(address, into).map_err(|_| error)
    }

    fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfRange> {
        let address = self.check(offset, from.len())?;
        let error = OutOfRange { offset, len: from.len(), size: self.size };
        self.secure.write(address, from).map_err(|_| error)
    }

    fn part(&self, offset: usize, len: usize) -> Result<Self, OutOfRange> {
        let address = self.check(offset, len)?;
        Ok(Self { secure: self.secure.clone(), address, size: len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards;

    #[test]
    fn buffers_never_overlap_and_gaps_are_used_again() {
        let mut heap = SharedHeap::of(boards::stm32mp257f_ev1());
        let sizes = [0, 1, 5000, 4096, 100_000];
        let buffers: Vec<_> = sizes.iter().map(|size| heap.allocate(*size).unwrap()).collect();
        let mut ranges: Vec<_> = buffers.iter().map(|buffer| heap.find(buffer.id).unwrap()).collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 as u64 <= pair[1].0));
        let (gap, _) = heap.find(buffers[2].id).unwrap();
        heap.free(buffers[2].id);
        let again = heap.allocate(8000).unwrap();
        assert_eq!(heap.find(again.id).unwrap().0, gap);
        assert!(heap.allocate(0x1000_0000 + 1).is_none());
        assert!(heap.allocate(usize::MAX).is_none());
    }
}
