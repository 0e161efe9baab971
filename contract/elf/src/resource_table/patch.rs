//! Writing the host's answers into a resource table, in place.

use super::{Entry, EntryKind, Error, ResourceTable, layout};
use core::fmt;

/// What an operation wants to find at an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A carveout or device memory.
    Memory,
    /// A trace buffer.
    Trace,
    /// A virtio device.
    Vdev,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "carveout or device memory",
            Self::Trace => "trace buffer",
            Self::Vdev => "virtio device",
        })
    }
}

/// Why a field of a resource table cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// There is no entry of this index.
    #[error("the resource table has {count} entries, so there is no entry {index}")]
    NoSuchEntry {
        /// The index asked for, from 0.
        index: u32,
        /// Number of entries.
        count: u32,
    },
    /// The entry is damaged.
    #[error(transparent)]
    Entry(#[from] Error),
    /// The entry is of another type.
    #[error("entry {index} of the resource table has type {found}, but a {wanted} was expected")]
    WrongKind {
        /// The index asked for, from 0.
        index: u32,
        /// What was expected.
        wanted: Wanted,
        /// The entry's type word.
        found: u32,
    },
    /// The virtio device has no vring of this index.
    #[error(
        "the virtio device in entry {index} of the resource table has {count} vrings, so there is no vring {vring}"
    )]
    NoSuchVring {
        /// The entry, from 0.
        index: u32,
        /// The vring asked for, from 0.
        vring: usize,
        /// Number of vrings.
        count: usize,
    },
}

/// A resource table that can be written to. Entries and vrings are addressed by index, from 0; every write is checked
/// against the entry's type, so that no write can change the table's structure.
#[derive(Debug)]
pub struct ResourceTableMut<'a> {
    bytes: &'a mut [u8],
}

impl<'a> ResourceTableMut<'a> {
    /// Reads a table as [`ResourceTable::parse`] does.
    ///
    /// # Errors
    /// Those of [`ResourceTable::parse`].
    pub fn parse(bytes: &'a mut [u8]) -> Result<Self, Error> {
        ResourceTable::parse(bytes)?;
        Ok(Self { bytes })
    }

    /// The table as it stands now.
    ///
    /// # Errors
    /// None in practice: no write changes what [`ResourceTable::parse`] checks.
    pub fn as_table(&self) -> Result<ResourceTable<'_>, Error> {
        ResourceTable::parse(self.bytes)
    }

    /// The entry at `index`.
    ///
    /// # Errors
    /// [`PatchError::NoSuchEntry`], [`PatchError::Entry`].
    pub fn entry(&self, index: u32) -> Result<Entry, PatchError> {
        let table = self.as_table()?;
        let entry = table.entry(index).ok_or(PatchError::NoSuchEntry { index, count: table.len() })?;
        Ok(entry?)
    }

    /// Writes device and physical address of a carveout or of device memory.
    ///
    /// # Errors
    /// Any [`PatchError`] but [`PatchError::NoSuchVring`]; nothing is written then.
    pub fn set_memory(&mut self, index: u32, da: u32, pa: u32) -> Result<(), PatchError> {
        let entry = self.entry_of(index, Wanted::Memory)?;
        self.write(&entry, layout::memory::DA, &da.to_le_bytes())?;
        self.write(&entry, layout::memory::PA, &pa.to_le_bytes())
    }

    /// Writes the device address of a trace buffer.
    ///
    /// # Errors
    /// Any [`PatchError`] but [`PatchError::NoSuchVring`]; nothing is written then.
    pub fn set_trace_da(&mut self, index: u32, da: u32) -> Result<(), PatchError> {
        let entry = self.entry_of(index, Wanted::Trace)?;
        self.write(&entry, layout::trace::DA, &da.to_le_bytes())
    }

    /// Writes the number by which the host names configuration changes of a virtio device.
    ///
    /// # Errors
    /// Any [`PatchError`] but [`PatchError::NoSuchVring`]; nothing is written then.
    pub fn set_vdev_notifyid(&mut self, index: u32, notifyid: u32) -> Result<(), PatchError> {
        let entry = self.entry_of(index, Wanted::Vdev)?;
        self.write(&entry, layout::vdev::NOTIFYID, &notifyid.to_le_bytes())
    }

    /// Writes the features that the host accepted.
    ///
    /// # Errors
    /// Any [`PatchError`] but [`PatchError::NoSuchVring`]; nothing is written then.
    pub fn set_guest_features(&mut self, index: u32, features: u32) -> Result<(), PatchError> {
        let entry = self.entry_of(index, Wanted::Vdev)?;
        self.write(&entry, layout::vdev::GUEST_FEATURES, &features.to_le_bytes())
    }

    /// Writes the virtio device status; the firmware waits for its bit 2 (DRIVER_OK, value 4).
    ///
    /// # Errors
    /// Any [`PatchError`] but [`PatchError::NoSuchVring`]; nothing is written then.
    pub fn set_status(&mut self, index: u32, status: u8) -> Result<(), PatchError> {
        let entry = self.entry_of(index, Wanted::Vdev)?;
        self.write(&entry, layout::vdev::STATUS, &[status])
    }

    /// Writes the device address of a vring.
    ///
    /// # Errors
    /// Any [`PatchError`]; nothing is written then.
    pub fn set_vring_da(&mut self, index: u32, vring: usize, da: u32) -> Result<(), PatchError> {
        self.write_vring(index, vring, layout::vring::DA, da)
    }

    /// Writes the number by which both sides name a vring.
    ///
    /// # Errors
    /// Any [`PatchError`]; nothing is written then.
    pub fn set_vring_notifyid(&mut self, index: u32, vring: usize, notifyid: u32) -> Result<(), PatchError> {
        self.write_vring(index, vring, layout::vring::NOTIFYID, notifyid)
    }

    /// Writes the physical address of a vring.
    ///
    /// # Errors
    /// Any [`PatchError`]; nothing is written then.
    pub fn set_vring_pa(&mut self, index: u32, vring: usize, pa: u32) -> Result<(), PatchError> {
        self.write_vring(index, vring, layout::vring::PA, pa)
    }

    fn entry_of(&self, index: u32, wanted: Wanted) -> Result<Entry, PatchError> {
        let entry = self.entry(index)?;
        let fits = match entry.kind {
            EntryKind::Carveout(_) | EntryKind::DeviceMemory(_) => wanted == Wanted::Memory,
            EntryKind::Trace(_) => wanted == Wanted::Trace,
            EntryKind::Vdev(_) => wanted == Wanted::Vdev,
            EntryKind::Vendor { .. } | EntryKind::Unknown { .. } => false,
        };
        if !fits {
            return Err(PatchError::WrongKind { index, wanted, found: entry.kind.code() });
        }
        Ok(entry)
    }

    fn write_vring(&mut self, index: u32, vring: usize, field: usize, value: u32) -> Result<(), PatchError> {
        let entry = self.entry_of(index, Wanted::Vdev)?;
        let count = match &entry.kind {
            EntryKind::Vdev(vdev) => vdev.vrings.len(),
            _ => 0,
        };
        if vring >= count {
            return Err(PatchError::NoSuchVring { index, vring, count });
        }
        let at = layout::vdev::VRINGS + vring * layout::vring::SIZE + field;
        self.write(&entry, at, &value.to_le_bytes())
    }

    /// Writes a field of an entry that was decoded just now, so that the bytes are known to be there.
    fn write(&mut self, entry: &Entry, field: usize, value: &[u8]) -> Result<(), PatchError> {
        let found = self.bytes.len() as u64;
        let needed = (field + value.len()) as u64;
        usize::try_from(entry.offset)
            .ok()
            .and_then(|at| self.bytes.get_mut(at..)?.get_mut(field..)?.get_mut(..value.len()))
            .map(|target| target.copy_from_slice(value))
            .ok_or(PatchError::Entry(Error::EntryTruncated {
                index: entry.index,
                offset: entry.offset,
                needed,
                found: found.saturating_sub(entry.offset.into()),
            }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::resource_table::TableBuilder;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn table() -> Vec<u8> {
        TableBuilder::new()
            .carveout("c", 1, 2, 3, 4)
            .trace("t", 5, 6)
            .vdev(7, 1, &[(8, 16, 16, 0), (9, 16, 16, 1)])
            .vendor(200, &[0; 64])
            .build()
    }

    #[test]
    fn writes_what_was_asked_and_nothing_else() {
        let mut bytes = table();
        let before = bytes.clone();
        let mut patch = ResourceTableMut::parse(&mut bytes).unwrap();
        patch.set_memory(0, 0x11, 0x12).unwrap();
        patch.set_trace_da(1, 0x13).unwrap();
        patch.set_vdev_notifyid(2, 0x14).unwrap();
        patch.set_guest_features(2, 0x15).unwrap();
        patch.set_status(2, 0x16).unwrap();
        for vring in 0..2u32 {
            patch.set_vring_da(2, vring as usize, 0x20 + vring).unwrap();
            patch.set_vring_notifyid(2, vring as usize, 0x30 + vring).unwrap();
            patch.set_vring_pa(2, vring as usize, 0x40 + vring).unwrap();
        }
        let entries: Vec<_> = patch.as_table().unwrap().entries().map(Result::unwrap).collect();
        let EntryKind::Carveout(memory) = entries[0].kind else { panic!() };
        assert_eq!((memory.da, memory.pa, memory.len, memory.flags), (0x11, 0x12, 3, 4));
        let EntryKind::Trace(trace) = entries[1].kind else { panic!() };
        assert_eq!((trace.da, trace.len), (0x13, 6));
        let EntryKind::Vdev(vdev) = entries[2].kind else { panic!() };
        assert_eq!((vdev.id, vdev.notifyid, vdev.device_features), (7, 0x14, 1));
        assert_eq!((vdev.guest_features, vdev.config_len, vdev.status), (0x15, 0, 0x16));
        for (i, ring) in (0..).zip(vdev.vrings.iter()) {
            assert_eq!((ring.da, ring.notifyid, ring.pa), (0x20 + i, 0x30 + i, 0x40 + i));
            assert_eq!((ring.align, ring.num), (16, 16));
        }
        let changed = bytes.iter().zip(&before).filter(|(a, b)| a != b).count();
        assert_eq!(changed, 2 + 1 + 3 + 6, "one byte a field");
    }

    #[test]
    fn refuses_wrong_indices_and_kinds() {
        let mut bytes = table();
        let before = bytes.clone();
        let mut patch = ResourceTableMut::parse(&mut bytes).unwrap();
        assert_eq!(patch.set_memory(4, 0, 0), Err(PatchError::NoSuchEntry { index: 4, count: 4 }));
        assert_eq!(
            patch.set_memory(2, 0, 0),
            Err(PatchError::WrongKind { index: 2, wanted: Wanted::Memory, found: 3 })
        );
        assert_eq!(
            patch.set_status(3, 4),
            Err(PatchError::WrongKind { index: 3, wanted: Wanted::Vdev, found: 200 })
        );
        assert_eq!(
            patch.set_vring_da(2, 2, 0),
            Err(PatchError::NoSuchVring { index: 2, vring: 2, count: 2 })
        );
        assert_eq!(bytes, before);
    }

    proptest! {
        #[test]
        fn no_write_ever_breaks_the_table(mut bytes in Just(table()), at in 0usize..250, value: u8, index in 0u32..5, field: u32) {
            let len = bytes.len();
            bytes[at % len] = value;
            let Ok(mut patch) = ResourceTableMut::parse(&mut bytes) else { return Ok(()) };
            let before = patch.as_table().unwrap().offsets().collect::<Vec<_>>();
            let _ = patch.set_memory(index, field, field);
            let _ = patch.set_trace_da(index, field);
            let _ = patch.set_vdev_notifyid(index, field);
            let _ = patch.set_guest_features(index, field);
            let _ = patch.set_vring_da(index, 1, field);
            prop_assert_eq!(patch.as_table().unwrap().offsets().collect::<Vec<_>>(), before);
        }
    }
}
