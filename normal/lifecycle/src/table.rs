//! The resource table in the processor's memory, and the copy of it that outlives a crash.

use rproc_abi::service::TableLocation;
use rproc_elf::resource_table::layout::{HEADER_SIZE, vdev};
use rproc_rpmsg::memory::{Fault, Memory};

use crate::error::Error;
use crate::resources::Vdev;

/// The largest resource table that is read, in bytes.
pub const MAXIMUM_TABLE: u64 = 64 * 1024;

/// What a virtio driver has said before it says DRIVER_OK: that it knows the device, and how to drive it
/// (virtio 1.x, 2.1: ACKNOWLEDGE 1, DRIVER 2), and then DRIVER_OK itself (4).
const DRIVER_OK: u8 = 1 | 2 | 4;
/// Device status after a reset.
const RESET: u8 = 0;

/// A table with all places filled in (cached), and where the firmware reads it (location).
#[derive(Debug, Clone)]
pub(crate) struct Table {
    location: TableLocation,
    cached: Vec<u8>,
    /// The table as it was found, to leave behind on detach.
    clean: Vec<u8>,
}

impl Table {
    /// Copies the table out of the processor's memory, once.
    pub(crate) fn fetch<E: std::error::Error>(
        location: TableLocation,
        memory: &impl Memory,
    ) -> Result<Table, Error<E>> {
        let TableLocation { address, size } = location;
        let possible = (HEADER_SIZE as u64..=MAXIMUM_TABLE).contains(&size);
        let length = usize::try_from(size).ok().filter(|_| possible);
        let mut cached = vec![0; length.ok_or(Error::TableSize { address, size })?];
        memory.read(address, &mut cached).map_err(|fault| unreachable(address, fault))?;
        let clean = cached.clone();
        Ok(Table { location, cached, clean })
    }

    pub(crate) fn location(&self) -> TableLocation {
        self.location
    }

    pub(crate) fn cached_mut(&mut self) -> &mut [u8] {
        &mut self.cached
    }

    /// Takes the place of the table after the firmware was loaded anew.
    pub(crate) fn move_to<E: std::error::Error>(
        &mut self,
        location: Option<TableLocation>,
    ) -> Result<(), Error<E>> {
        let found = location.map_or(0, |location| location.size);
        let expected = self.cached.len();
        self.location =
            location.filter(|_| found == expected as u64).ok_or(Error::TableChanged { expected, found })?;
        Ok(())
    }

    /// Writes the table with all places into the processor's memory, before it starts.
    pub(crate) fn publish<E: std::error::Error>(&self, memory: &mut impl Memory) -> Result<(), Error<E>> {
        self.store(memory, &self.cached)
    }

    /// Writes the table as it was found into the processor's memory, for whoever attaches next.
    pub(crate) fn restore<E: std::error::Error>(&self, memory: &mut impl Memory) -> Result<(), Error<E>> {
        self.store(memory, &self.clean)
    }

    fn store<E: std::error::Error>(&self, memory: &mut impl Memory, bytes: &[u8]) -> Result<(), Error<E>> {
        let address = self.location.address;
        memory.write(address, bytes).map_err(|fault| unreachable(address, fault))
    }

    /// Writes the features that this side accepted.
    pub(crate) fn set_features(
        &self,
        memory: &mut impl Memory,
        vdev: &Vdev,
        features: u32,
    ) -> Result<(), Fault> {
        memory.write(self.field(vdev, vdev::GUEST_FEATURES), &features.to_le_bytes())
    }

    /// Says DRIVER_OK, after everything that was written before.
    pub(crate) fn set_driver_ok(&self, memory: &mut impl Memory, vdev: &Vdev) -> Result<(), Fault> {
        self.set_status(memory, vdev, DRIVER_OK)
    }

    /// Takes DRIVER_OK back (virtio device reset).
    pub(crate) fn reset_status(&self, memory: &mut impl Memory, vdev: &Vdev) -> Result<(), Fault> {
        self.set_status(memory, vdev, RESET)
    }

    /// The status is one byte; its word also holds the number of vrings and reserved bytes, which nobody changes. As a
    /// word it can be stored with release ordering, which firmware that polls it from another core relies on.
    fn set_status(&self, memory: &mut impl Memory, vdev: &Vdev, status: u8) -> Result<(), Fault> {
        let address = self.field(vdev, vdev::STATUS);
        let [vrings, ..] = (vdev.vrings.len() as u32).to_le_bytes();
        if address.is_multiple_of(4) {
            memory.store_u32(address, u32::from_le_bytes([status, vrings, 0, 0]))
        } else {
            memory.write(address, &[status])
        }
    }

    /// Address of a field; the entry was decoded from the table, so that the field lies inside.
    fn field(&self, vdev: &Vdev, field: usize) -> u64 {
        self.location.address.saturating_add(u64::from(vdev.offset)).saturating_add(field as u64)
    }
}

fn unreachable<E: std::error::Error>(address: u64, fault: Fault) -> Error<E> {
    Error::Memory { what: "the resource table", address, fault }
}
