//! The resource table: what firmware asks of the processor that loads it, and where the answers are written.
//!
//! The layout is that of Linux `include/linux/remoteproc.h` (`struct resource_table` and `struct fw_rsc_*`): packed,
//! little-endian, no alignment. The checks are those of `drivers/remoteproc/remoteproc_core.c`, so that what is
//! accepted here is what Linux accepts.

mod entry;
pub mod layout;
mod patch;
mod probe;

pub use entry::{Entry, EntryKind, Memory, Name, Trace, Vdev, Vring, Vrings};
pub use patch::{PatchError, ResourceTableMut};
pub use probe::{MAX_PROBED_ENTRIES, probe};

pub(crate) use entry::write_lossy;

/// The value of an address field that leaves the choice to the host (`FW_RSC_ADDR_ANY`).
pub const ADDRESS_ANY: u32 = 0xffff_ffff;

/// What is wrong with a resource table. Offsets are bytes from the start of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The table ends before its header and array of offsets do.
    #[error(
        "the resource table has {found} bytes, but its header and offsets need {needed}: the table is cut short"
    )]
    Truncated {
        /// Bytes needed.
        needed: u64,
        /// Bytes there.
        found: u64,
    },
    /// The version is not 1.
    #[error(
        "the resource table has version {found}, but only version 1 exists: these bytes may not be a resource table"
    )]
    Version {
        /// The version found.
        found: u32,
    },
    /// One of the two reserved words of the header is not 0.
    #[error(
        "the reserved words of the resource table are {found:x?}, but must be 0: these bytes may not be a resource table"
    )]
    Reserved {
        /// The words found.
        found: [u32; 2],
    },
    /// The offset of an entry leaves no room for the entry's type.
    #[error("entry {index} of the resource table is at offset {offset:#x}, but the table ends at {len:#x}")]
    OffsetOutside {
        /// Index of the entry, from 0.
        index: u32,
        /// Its offset.
        offset: u32,
        /// Length of the table.
        len: u64,
    },
    /// The offset of an entry points into the table's own header, where a written answer would damage the table.
    #[error(
        "entry {index} of the resource table is at offset {offset:#x}, inside the table's header, which takes {header:#x} bytes"
    )]
    OffsetInHeader {
        /// Index of the entry, from 0.
        index: u32,
        /// Its offset.
        offset: u32,
        /// Size of the header with the array of offsets.
        header: u64,
    },
    /// An entry runs past the end of the table.
    #[error(
        "entry {index} of the resource table at offset {offset:#x} needs {needed} bytes, but only {found} are left"
    )]
    EntryTruncated {
        /// Index of the entry, from 0.
        index: u32,
        /// Its offset.
        offset: u32,
        /// Bytes that it needs, its type included.
        needed: u64,
        /// Bytes from its offset to the end of the table.
        found: u64,
    },
    /// A reserved field of an entry is not 0.
    #[error(
        "entry {index} of the resource table has {found:#x} in its reserved field, but Linux refuses all but 0"
    )]
    EntryReserved {
        /// Index of the entry, from 0.
        index: u32,
        /// The value found.
        found: u32,
    },
    /// A virtio device with more than two vrings.
    #[error(
        "the virtio device in entry {index} of the resource table has {found} vrings, but Linux accepts 2 at most"
    )]
    TooManyVrings {
        /// Index of the entry, from 0.
        index: u32,
        /// `num_of_vrings`.
        found: u8,
    },
    /// A vring with no buffers or no alignment.
    #[error(
        "vring {vring} of entry {index} of the resource table has {num} buffers and alignment {align}, but neither may be 0"
    )]
    BadVring {
        /// Index of the entry, from 0.
        index: u32,
        /// Index of the vring, from 0.
        vring: u8,
        /// `num`.
        num: u32,
        /// `align`.
        align: u32,
    },
}

/// A resource table with a checked header, whose offsets all lie inside it. Its entries are checked as they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceTable<'a> {
    bytes: &'a [u8],
    count: u32,
}

impl<'a> ResourceTable<'a> {
    /// Reads a table from `bytes`, which are its whole space (what follows the last entry is ignored).
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Version`], [`Error::Reserved`], [`Error::OffsetInHeader`],
    /// [`Error::OffsetOutside`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let found = bytes.len() as u64;
        let truncated = Error::Truncated { needed: layout::HEADER_SIZE as u64, found };
        let mut words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        let mut word = || words.next().ok_or(truncated);
        let (version, count, reserved) = (word()?, word()?, [word()?, word()?]);
        if version != layout::VERSION {
            return Err(Error::Version { found: version });
        }
        if reserved != [0, 0] {
            return Err(Error::Reserved { found: reserved });
        }
        let needed = layout::HEADER_SIZE as u64 + u64::from(count) * 4;
        if needed > found {
            return Err(Error::Truncated { needed, found });
        }
        let table = Self { bytes, count };
        for (index, offset) in table.offsets() {
            if u64::from(offset) < needed {
                return Err(Error::OffsetInHeader { index, offset, header: needed });
            }
            if u64::from(offset) + 4 > found {
                return Err(Error::OffsetOutside { index, offset, len: found });
            }
        }
        Ok(table)
    }

    /// Number of entries.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes that the table was read from.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The entries in the order of their offsets' array; a damaged one yields an error and the next follows.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, Error>> + 'a {
        let bytes = self.bytes;
        self.offsets().map(move |(index, offset)| Entry::read(bytes, index, offset))
    }

    /// The entry at `index`, or `None` when there are not so many.
    pub fn entry(&self, index: u32) -> Option<Result<Entry, Error>> {
        let (index, offset) = self.offsets().nth(usize::try_from(index).ok()?)?;
        Some(Entry::read(self.bytes, index, offset))
    }

    /// Index and offset of every entry.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = (u32, u32)> + 'a {
        let table = self.bytes.get(layout::HEADER_SIZE..).unwrap_or_default();
        (0..self.count).zip(table.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::resource_table::{TableBuilder, sample};
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn reads_every_kind_of_entry() {
        let bytes = TableBuilder::new()
            .carveout("vdev0buffer", 0x1000, 0x2000, 0x4000, 7)
            .device_memory("regs", 0x4000_0000, 0x4000_0000, 0x1000, 0)
            .trace("cm33_log", 0x8120_1000, 2048)
            .vdev(7, 1, &[(ADDRESS_ANY, 16, 16, 0), (ADDRESS_ANY, 16, 16, 1)])
            .vendor(128, &[1, 2, 3, 4])
            .vendor(9, &[])
            .build();
        let table = ResourceTable::parse(&bytes).unwrap();
        let entries: Vec<_> = table.entries().map(Result::unwrap).collect();
        assert_eq!(entries.len(), 6);
        assert_eq!(entries[0].offset, 16 + 4 * 6);
        let memory =
            |name: &str, da, pa, len, flags| Memory { da, pa, len, flags, name: Name::new(name).unwrap() };
        assert_eq!(entries[0].kind, EntryKind::Carveout(memory("vdev0buffer", 0x1000, 0x2000, 0x4000, 7)));
        assert_eq!(
            entries[1].kind,
            EntryKind::DeviceMemory(memory("regs", 0x4000_0000, 0x4000_0000, 0x1000, 0))
        );
        let EntryKind::Trace(trace) = entries[2].kind else { panic!("{:?}", entries[2]) };
        assert_eq!((trace.da, trace.len, trace.name.to_string().as_str()), (0x8120_1000, 2048, "cm33_log"));
        let EntryKind::Vdev(vdev) = entries[3].kind else { panic!("{:?}", entries[3]) };
        assert_eq!((vdev.id, vdev.device_features, vdev.guest_features, vdev.status), (7, 1, 0, 0));
        assert_eq!(
            vdev.vrings[..],
            [
                Vring { da: ADDRESS_ANY, align: 16, num: 16, notifyid: 0, pa: 0 },
                Vring { da: ADDRESS_ANY, align: 16, num: 16, notifyid: 1, pa: 0 }
            ]
        );
        assert_eq!(entries[4].kind, EntryKind::Vendor { kind: 128 });
        assert_eq!(entries[5].kind, EntryKind::Unknown { kind: 9 });
        assert_eq!(table.entry(3), Some(Ok(entries[3])));
        assert_eq!(table.entry(6), None);
    }

    #[test]
    fn refuses_a_bad_header() {
        let good = sample();
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            ResourceTable::parse(&bytes).map(|_| ())
        };
        assert_eq!(with(0, 2), Err(Error::Version { found: 2 }));
        assert_eq!(with(12, 5), Err(Error::Reserved { found: [0, 5] }));
        assert!(matches!(with(7, 0xff), Err(Error::Truncated { .. })));
        assert!(matches!(with(18, 1), Err(Error::OffsetOutside { index: 0, .. })));
        assert_eq!(with(16, 23), Err(Error::OffsetInHeader { index: 0, offset: 23, header: 24 }));
        assert_eq!(ResourceTable::parse(&good[..15]), Err(Error::Truncated { needed: 16, found: 15 }));
        assert_eq!(ResourceTable::parse(&good[..19]), Err(Error::Truncated { needed: 24, found: 19 }));
    }

    #[test]
    fn refuses_bad_entries() {
        let bytes = TableBuilder::new().vdev(7, 1, &[(0, 16, 16, 0), (0, 16, 16, 1)]).build();
        let first = |bytes: &[u8]| ResourceTable::parse(bytes).unwrap().entry(0).unwrap();
        assert!(first(&bytes).is_ok());
        let with = |at: usize, value: u8| {
            let mut bytes = bytes.clone();
            bytes[20 + at] = value;
            first(&bytes).unwrap_err()
        };
        assert_eq!(with(layout::vdev::VRING_COUNT, 3), Error::TooManyVrings { index: 0, found: 3 });
        assert_eq!(with(layout::vdev::RESERVED, 1), Error::EntryReserved { index: 0, found: 1 });
        assert_eq!(
            with(layout::vdev::VRINGS + layout::vring::SIZE + layout::vring::NUM, 0),
            Error::BadVring { index: 0, vring: 1, num: 0, align: 16 }
        );
        assert_eq!(
            with(layout::vdev::CONFIG_LEN, 1),
            Error::EntryTruncated { index: 0, offset: 20, needed: 69, found: 68 }
        );
        assert_eq!(
            first(&bytes[..bytes.len() - 1]),
            Err(Error::EntryTruncated { index: 0, offset: 20, needed: 68, found: 67 })
        );
    }

    fn read_all(bytes: &[u8]) {
        let _ = probe(bytes);
        let Ok(table) = ResourceTable::parse(bytes) else { return };
        assert!(table.entries().count() as u64 == u64::from(table.len()));
        for index in [0, 1, 63, u32::MAX] {
            let _ = table.entry(index);
        }
    }

    proptest! {
        #[test]
        fn no_panic_on_a_mutated_table(changes in proptest::collection::vec((0usize..1000, any::<u8>()), 1..8)) {
            let mut bytes = sample();
            let len = bytes.len();
            for (at, value) in changes {
                bytes[at % len] = value;
            }
            read_all(&bytes);
        }

        #[test]
        fn no_panic_on_random_bytes(tail in proptest::collection::vec(any::<u8>(), 0..200), num in 0u8..8) {
            read_all(&tail);
            let mut bytes = Vec::from([1, 0, 0, 0, num, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            for i in 0..num {
                bytes.extend([16 + 4 * num + 20 * i, 0, 0, 0]);
            }
            bytes.extend(tail.iter().map(|b| b % 4));
            read_all(&bytes);
        }
    }
}
