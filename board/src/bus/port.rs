//! A bus together with who is asking: what drivers are given.

use std::sync::Arc;

use super::{AccessError, Bus, Initiator};

/// One initiator's view of the bus. Cheap to clone; usable from any thread while the core runs.
#[derive(Debug, Clone)]
pub struct Port {
    bus: Arc<Bus>,
    initiator: Initiator,
}

impl Port {
    /// A port for `initiator`.
    pub fn new(bus: Arc<Bus>, initiator: Initiator) -> Self {
        Port { bus, initiator }
    }

    /// Who asks through this port.
    pub fn initiator(&self) -> Initiator {
        self.initiator
    }

    /// The bus behind it.
    pub fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// See [`Bus::read`].
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn read(&self, address: u64, into: &mut [u8]) -> Result<(), AccessError> {
        #[cfg(feature = "faults")]
        if let Some(faults) = self.bus.faults() {
            return faults.read(&self.bus, self.initiator, address, into);
        }
        self.bus.read(self.initiator, address, into)
    }

    /// See [`Bus::write`].
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn write(&self, address: u64, from: &[u8]) -> Result<(), AccessError> {
        #[cfg(feature = "faults")]
        if let Some(faults) = self.bus.faults() {
            return faults.write(&self.bus, self.initiator, address, from);
        }
        self.bus.write(self.initiator, address, from)
    }

    /// See [`Bus::fill`].
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn fill(&self, address: u64, length: u64, value: u8) -> Result<(), AccessError> {
        #[cfg(feature = "faults")]
        if let Some(faults) = self.bus.faults() {
            return faults.fill(&self.bus, self.initiator, address, length, value);
        }
        self.bus.fill(self.initiator, address, length, value)
    }

    /// See [`Bus::read32`].
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn read32(&self, address: u64) -> Result<u32, AccessError> {
        let mut word = [0; 4];
        self.read(address, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    /// See [`Bus::write32`].
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn write32(&self, address: u64, value: u32) -> Result<(), AccessError> {
        self.write(address, &value.to_le_bytes())
    }
}
