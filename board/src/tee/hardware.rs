//! The secure Cortex-A35's hands on the board, as the platform service wants them.

use rproc_abi::{PtaMemory, SharedMemory};
use rproc_image::Sha256;
use rproc_platform::{AccessError, Hardware, PlaceError, place_in_windows};

use crate::bus::Port;

/// A port of the secure world.
#[derive(Debug)]
pub struct SecurePort {
    port: Port,
    /// For copying: large enough that a pass over the bus costs little, small enough for a cache.
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

    fn place<D: Sha256, M: SharedMemory>(
        &mut self,
        address: u64,
        from: &PtaMemory<'_, M>,
    ) -> Result<[u8; 32], PlaceError> {
        let mut window = std::mem::take(&mut self.window);
        let placed = place_in_windows::<Self, D, M>(self, address, from, &mut window);
        self.window = window;
        placed
    }
}
