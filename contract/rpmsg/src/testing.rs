//! Shared memory for tests and fuzzing: one range, every access outside it or misaligned is refused and counted.

use crate::memory::{Fault, Memory};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::Range;

/// A range of bytes, all 0 at first.
#[derive(Debug, Clone)]
pub struct TestMemory {
    base: u64,
    bytes: Vec<u8>,
    faults: Cell<usize>,
}

impl TestMemory {
    /// Memory at `range`; empty if that does not fit into this machine's memory.
    pub fn new(range: Range<u64>) -> Self {
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
        Self { base: range.start, bytes: vec![0; length], faults: Cell::new(0) }
    }
    /// All its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// All its bytes, for the side that lies.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
    /// Accesses that were refused so far.
    pub fn faults(&self) -> usize {
        self.faults.get()
    }

    fn place(&self, address: u64, len: usize, align: u64) -> Result<Range<usize>, Fault> {
        let found = address.checked_sub(self.base).and_then(|offset| {
            let start = usize::try_from(offset).ok()?;
            let end = start.checked_add(len)?;
            (end <= self.bytes.len() && address.is_multiple_of(align)).then_some(start..end)
        });
        found.ok_or_else(|| {
            self.faults.set(self.faults.get().saturating_add(1));
            Fault { address, len: len as u64 }
        })
    }
    fn load<const N: usize>(&self, address: u64) -> Result<[u8; N], Fault> {
        let mut value = [0; N];
        let place = self.place(address, N, N as u64)?;
        value.copy_from_slice(&self.bytes[place]);
        Ok(value)
    }
    fn store(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let place = self.place(address, bytes.len(), bytes.len() as u64)?;
        self.bytes[place].copy_from_slice(bytes);
        Ok(())
    }
}

impl Memory for TestMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let place = self.place(address, buffer.len(), 1)?;
        buffer.copy_from_slice(&self.bytes[place]);
        Ok(())
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let place = self.place(address, bytes.len(), 1)?;
        self.bytes[place].copy_from_slice(bytes);
        Ok(())
    }
    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        self.load(address).map(u16::from_le_bytes)
    }
    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        self.load(address).map(u32::from_le_bytes)
    }
    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        self.store(address, &value.to_le_bytes())
    }
    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        self.store(address, &value.to_le_bytes())
    }
}
