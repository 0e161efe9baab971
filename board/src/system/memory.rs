//! Memory and registers as Linux reaches them on a virtual board.

use rproc_lifecycle::{ProviderError, Registers};
use rproc_rpmsg::memory::{Fault, Memory};

use crate::bus::Port;

/// The normal world's memory, by physical addresses.
#[derive(Debug, Clone)]
pub struct LinuxMemory(Port);

impl LinuxMemory {
    /// Through this port, which should be the normal world's.
    pub const fn new(port: Port) -> Self {
        Self(port)
    }

    /// The port.
    pub const fn port(&self) -> &Port {
        &self.0
    }

    fn number<const N: usize>(&self, address: u64) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        Memory::read(self, address, &mut bytes).map(|()| bytes)
    }
}

impl Memory for LinuxMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let len = buffer.len() as u64;
        self.0.read(address, buffer).map_err(|_| Fault { address, len })
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let len = bytes.len() as u64;
        self.0.write(address, bytes).map_err(|_| Fault { address, len })
    }

    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        self.number(address).map(u16::from_le_bytes)
    }

    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        self.number(address).map(u32::from_le_bytes)
    }

    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        Memory::write(self, address, &value.to_le_bytes())
    }

    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        Memory::write(self, address, &value.to_le_bytes())
    }
}

impl Registers for LinuxMemory {
    fn read32(&mut self, address: u64) -> Result<u32, ProviderError> {
        Ok(self.0.read32(address)?)
    }

    fn write32(&mut self, address: u64, value: u32) -> Result<(), ProviderError> {
        Ok(self.0.write32(address, value)?)
    }
}
