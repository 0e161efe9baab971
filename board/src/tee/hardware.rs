//! The secure Cortex-A35's hands on the board, as the platform service wants them.

use rproc_image::Sha256;
use rproc_platform::{AccessError, Hardware};

use crate::bus::Port;

/// A port of the secure world.
#[derive(Debug)]
pub struct SecurePort {
    port: Port,
    /// For hashing: large enough that a pass over the bus costs little, small enough for a cache.
    window: Vec<u8>,
}

const WINDOW: usize = 32 * 1024;

impl SecurePort {
    /// Wraps a port, which should be the secure Cortex-A35's.
    pub fn new(port: Port) -> Self {
        Self { port, window: vec![0; WINDOW] }
    }
}

fn refused(error: crate::bus::AccessError) -> AccessError {
    AccessError { address: error.address, size: error.length }
}

impl Hardware for SecurePort {
    fn read32(&mut self, address: u64) -> Result<u32, AccessError> {
        self.port.read32(address).map_err(refused)
    }

    fn write32(&mut self, address: u64, value: u32) -> Result<(), AccessError> {
        self.port.write32(address, value).map_err(refused)
    }

    fn read_memory(&mut self, address: u64, into: &mut [u8]) -> Result<(), AccessError> {
        self.port.read(address, into).map_err(refused)
    }

    fn write_memory(&mut self, address: u64, from: &[u8]) -> Result<(), AccessError> {
        self.port.write(address, from).map_err(refused)
    }

    fn fill_memory(&mut self, address: u64, size: u64, byte: u8) -> Result<(), AccessError> {
        self.port.fill(address, size, byte).map_err(refused)
    }

    fn hash_memory<H: Sha256>(&mut self, address: u64, size: u64) -> Result<[u8; 32], AccessError> {
        let mut hash = H::default();
        let mut done = 0;
        while done < size {
            let len = (size - done).min(WINDOW as u64);
            let part = self.window.get_mut(..len as usize).unwrap_or_default();
            self.port.read(address + done, part).map_err(refused)?;
            hash.update(part);
            done += len;
        }
        Ok(hash.finish())
    }
}
