//! Finds a place for everything that a resource table asks for, and writes the places into the table.
//!
//! Follows `rproc_handle_resources` of Linux's `drivers/remoteproc/remoteproc_core.c`, with one difference: Linux
//! allocates memory where no region has the wanted name. Here every place comes from the device tree, since a
//! firewalled processor reaches no other memory.

use std::ops::Range;

use rproc_elf::resource_table::{
    self, ADDRESS_ANY, EntryKind, Memory, PatchError, ResourceTable, ResourceTableMut,
};
use rproc_rpmsg::host::{buffers_each_way, region_size};
use rproc_rpmsg::vring::{Layout, LayoutError};

use crate::description::{Description, MemoryRegion};
use crate::machine::Mailbox;

/// The virtio device id of RPMsg (`VIRTIO_ID_RPMSG`).
pub const RPMSG_DEVICE: u32 = 7;
/// The most entries of a table that are handled. Real tables have fewer than ten.
pub const MAXIMUM_ENTRIES: u32 = 64;
/// The largest trace buffer that is read, in bytes.
pub const MAXIMUM_TRACE: u32 = 1024 * 1024;

/// Why the wishes of a resource table cannot be met. Entries are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// The table itself is damaged.
    #[error(transparent)]
    Table(#[from] resource_table::Error),
    /// An answer cannot be written.
    #[error("an answer cannot be written into the resource table: {0}")]
    Patch(#[from] PatchError),
    /// More entries than any firmware needs.
    #[error("the resource table has {found} entries, at most {MAXIMUM_ENTRIES} are handled")]
    TooManyEntries {
        /// Entries found.
        found: u32,
    },
    /// A carveout that no memory region can hold.
    #[error(
        "carveout `{name}` (entry {entry}, device address {device_address:#x}, {size:#x} bytes) has no place: no memory \
         region of the processor has its name, or holds its addresses; add one to `memory-region`, or correct the linker script"
    )]
    CarveoutUnplaced {
        /// Its entry.
        entry: u32,
        /// Its name.
        name: String,
        /// The device address it wants; 0xffffffff for any.
        device_address: u32,
        /// Its size in bytes.
        size: u32,
    },
    /// Two carveouts want the same region.
    #[error(
        "carveout `{name}` (entry {entry}) wants memory region `{name}`, which entry {other} has already"
    )]
    CarveoutTwice {
        /// The second entry.
        entry: u32,
        /// The name of both.
        name: String,
        /// The first entry.
        other: u32,
    },
    /// Something is larger than the region of its name, or lies elsewhere.
    #[error(
        "`{name}` (entry {entry}) wants {size:#x} bytes at device address {device_address:#x}, but memory region `{name}` has \
         {region_size:#x} bytes at device address {region_address:#x}"
    )]
    RegionMismatch {
        /// The entry.
        entry: u32,
        /// Name of the region.
        name: String,
        /// The device address wanted; 0xffffffff for any.
        device_address: u32,
        /// Bytes wanted.
        size: u64,
        /// Where the region starts, as the processor sees it.
        region_address: u32,
        /// Bytes of the region.
        region_size: u64,
    },
    /// A region that the processor cannot address.
    #[error(
        "memory region `{name}` at {address:#x} ({size:#x} bytes) is in no address window of the processor, or beyond its \
         32 bits"
    )]
    Unreachable {
        /// Name of the region.
        name: String,
        /// Physical address.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// A region with a name that Linux fixes is missing.
    #[error(
        "the virtio device in entry {entry} needs a memory region named `{name}` of {size:#x} bytes; add it to \
         `memory-region`"
    )]
    RegionMissing {
        /// The entry.
        entry: u32,
        /// The name it must have.
        name: String,
        /// Bytes it must have at least.
        size: u64,
    },
    /// Device memory is mapped by an IOMMU, and there is none.
    #[error(
        "device memory `{name}` (entry {entry}) needs an IOMMU in front of the processor, and there is none"
    )]
    DeviceMemory {
        /// The entry.
        entry: u32,
        /// Its name.
        name: String,
    },
    /// A vring whose shape is impossible.
    #[error("vring {vring} of the virtio device in entry {entry}: {reason}")]
    VringLayout {
        /// The entry.
        entry: u32,
        /// The vring, from 0.
        vring: usize,
        /// What is impossible.
        reason: LayoutError,
    },
    /// RPMsg with a number of vrings other than two.
    #[error("the RPMsg device in entry {entry} has {found} vrings, RPMsg takes 2")]
    RpmsgVrings {
        /// The entry.
        entry: u32,
        /// Vrings found.
        found: usize,
    },
}

/// A carveout and the memory that it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carveout {
    /// Its name in the table.
    pub name: String,
    /// The memory region that holds it.
    pub region: String,
    /// Where the processor sees it.
    pub device_address: u32,
    /// Physical address.
    pub address: u64,
    /// Size in bytes.
    pub size: u32,
}

/// A trace buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Its name in the table.
    pub name: String,
    /// Where the processor sees it.
    pub device_address: u32,
    /// Physical address; nothing when it is in no memory region, so that this side cannot read it.
    pub address: Option<u64>,
    /// Size in bytes.
    pub size: u32,
}

/// One placed vring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vring {
    /// The memory region that holds it.
    pub region: String,
    /// Where its parts lie, in physical addresses.
    pub layout: Layout,
    /// Where the processor sees it.
    pub device_address: u32,
    /// Alignment of the used ring in bytes.
    pub align: u32,
    /// The number by which both sides name it.
    pub notify_id: u32,
}

/// The buffers of an RPMsg device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buffers {
    /// The memory region that holds them.
    pub region: String,
    /// Its physical addresses.
    pub range: Range<u64>,
    /// Buffers each way.
    pub each_way: u16,
}

/// A virtio device with its vrings placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vdev {
    /// Its entry in the table.
    pub entry: u32,
    /// Offset of the entry in the table, in bytes.
    pub offset: u32,
    /// Virtio device id.
    pub id: u32,
    /// Features that the firmware offers.
    pub offered_features: u32,
    /// Its vrings, at most two.
    pub vrings: Vec<Vring>,
    /// Its buffers, for RPMsg.
    pub buffers: Option<Buffers>,
}

impl Vdev {
    /// Whether this side can drive it as RPMsg device: two mailboxes carry the notify ids 0 and 1 and no others.
    ///
    /// # Errors
    /// Why it cannot, as a sentence.
    pub fn drivable(&self, description: &Description) -> Result<(&Vring, &Vring, &Buffers), String> {
        let ([first, second], Some(buffers)) = (self.vrings.as_slice(), &self.buffers) else {
            return Err(format!("no driver for virtio device id {}", self.id));
        };
        if (first.notify_id, second.notify_id) != (0, 1) {
            return Err("the mailboxes vq0 and vq1 serve the first virtio device only".to_owned());
        }
        for mailbox in [Mailbox::Queue0, Mailbox::Queue1] {
            if !description.has_mailbox(mailbox) {
                return Err(format!("mailbox `{mailbox}` is missing in `mbox-names`"));
            }
        }
        Ok((first, second, buffers))
    }
}

/// Everything that a table asked for, placed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// Carveouts in the order of the table.
    pub carveouts: Vec<Carveout>,
    /// Trace buffers in the order of the table.
    pub traces: Vec<Trace>,
    /// Virtio devices in the order of the table.
    pub vdevs: Vec<Vdev>,
    /// Entries of types that are not handled, with their type words. Linux skips them too.
    pub skipped: Vec<(u32, u32)>,
}

impl Resources {
    /// Places everything that `table` asks for, and writes device addresses, physical addresses and notify ids into it.
    ///
    /// # Errors
    /// The first wish that cannot be met; the table may then hold some of the answers.
    pub fn place(table: &mut [u8], description: &Description) -> Result<Resources, ResourceError> {
        let parsed = ResourceTable::parse(table)?;
        if parsed.len() > MAXIMUM_ENTRIES {
            return Err(ResourceError::TooManyEntries { found: parsed.len() });
        }
        let entries = parsed.entries().collect::<Result<Vec<_>, _>>()?;
        let mut placing = Placing {
            description,
            table: ResourceTableMut::parse(table)?,
            named: Vec::new(),
            next_notify_id: 0,
            resources: Resources::default(),
        };
        for entry in entries {
            match entry.kind {
                EntryKind::Carveout(memory) => placing.carveout(entry.index, &memory)?,
                EntryKind::DeviceMemory(memory) => {
                    let name = memory.name.to_string();
                    return Err(ResourceError::DeviceMemory { entry: entry.index, name });
                }
                EntryKind::Trace(trace) => placing.trace(&trace),
                EntryKind::Vdev(vdev) => placing.vdev(entry.index, entry.offset, &vdev)?,
                EntryKind::Vendor { kind } | EntryKind::Unknown { kind } => {
                    placing.resources.skipped.push((entry.index, kind));
                }
            }
        }
        Ok(placing.resources)
    }
}

struct Placing<'a> {
    description: &'a Description,
    table: ResourceTableMut<'a>,
    /// Regions taken by name, and the entry that took each.
    named: Vec<(String, u32)>,
    next_notify_id: u32,
    resources: Resources,
}

impl<'a> Placing<'a> {
    fn carveout(&mut self, entry: u32, memory: &Memory) -> Result<(), ResourceError> {
        let name = memory.name.to_string();
        let size = u64::from(memory.len);
        let (region, address, device_address) = match self.description.region(&name) {
            Some(region) => {
                if let Some((_, other)) = self.named.iter().find(|(taken, _)| *taken == name) {
                    return Err(ResourceError::CarveoutTwice { entry, name, other: *other });
                }
                self.named.push((name.clone(), entry));
                let (address, device_address) = self.within(entry, region, memory.da, size)?;
                (region, address, device_address)
            }
            None => {
                let address = (memory.da != ADDRESS_ANY)
                    .then(|| self.description.physical_address(memory.da.into(), size))
                    .flatten();
                let found = address.and_then(|address| {
                    let region = self.description.region_around(address, size)?;
                    Some((region, address, memory.da))
                });
                found.ok_or_else(|| ResourceError::CarveoutUnplaced {
                    entry,
                    name: name.clone(),
                    device_address: memory.da,
                    size: memory.len,
                })?
            }
        };
        self.table.set_memory(entry, device_address, physical(region, address)?)?;
        let region = region.name.clone();
        let size = memory.len;
        self.resources.carveouts.push(Carveout { name, region, device_address, address, size });
        Ok(())
    }

    /// Linux reads a trace buffer wherever it can, and shows nothing where it cannot.
    fn trace(&mut self, trace: &resource_table::Trace) {
        let size = trace.len.min(MAXIMUM_TRACE);
        let address = self.description.physical_address(trace.da.into(), size.into());
        let address =
            address.filter(|address| self.description.region_around(*address, size.into()).is_some());
        let name = trace.name.to_string();
        self.resources.traces.push(Trace { name, device_address: trace.da, address, size });
    }

    fn vdev(&mut self, entry: u32, offset: u32, vdev: &resource_table::Vdev) -> Result<(), ResourceError> {
        let index = self.resources.vdevs.len();
        let mut vrings = Vec::new();
        for (number, wanted) in vdev.vrings.iter().enumerate() {
            vrings.push(self.vring(entry, &format!("vdev{index}vring{number}"), number, wanted)?);
        }
        let mut buffers = None;
        if vdev.id == RPMSG_DEVICE {
            let [to_host, to_remote] = vrings.as_slice() else {
                return Err(ResourceError::RpmsgVrings { entry, found: vrings.len() });
            };
            let each_way = buffers_each_way(&to_host.layout, &to_remote.layout);
            buffers = Some(self.buffers(entry, &format!("vdev{index}buffer"), each_way)?);
        }
        let (id, offered_features) = (vdev.id, vdev.device_features);
        self.resources.vdevs.push(Vdev { entry, offset, id, offered_features, vrings, buffers });
        Ok(())
    }

    fn vring(
        &mut self,
        entry: u32,
        name: &str,
        vring: usize,
        wanted: &resource_table::Vring,
    ) -> Result<Vring, ResourceError> {
        let bad = |reason| ResourceError::VringLayout { entry, vring, reason };
        // The size does not depend on the place, but for one that is not aligned.
        let size = length(&Layout::new(0, wanted.num, wanted.align).map_err(bad)?.range());
        let region = self.required(entry, name, size)?;
        let (address, device_address) = self.within(entry, region, wanted.da, size)?;
        let layout = Layout::new(address, wanted.num, wanted.align).map_err(bad)?;
        if layout.range().end > region.range().end {
            let room = region.range().end.saturating_sub(address);
            return Err(self.mismatch(entry, region, wanted.da, length(&layout.range()).max(room + 1)));
        }
        let notify_id = self.next_notify_id;
        self.next_notify_id += 1;
        self.table.set_vring_da(entry, vring, device_address)?;
        self.table.set_vring_pa(entry, vring, physical(region, address)?)?;
        self.table.set_vring_notifyid(entry, vring, notify_id)?;
        Ok(Vring { region: name.to_owned(), layout, device_address, align: wanted.align, notify_id })
    }

    fn buffers(&self, entry: u32, name: &str, each_way: u16) -> Result<Buffers, ResourceError> {
        let size = region_size(each_way);
        let region = self.required(entry, name, size)?;
        // Descriptors carry device addresses; the rings are filled with physical ones.
        let (_, device_address) = self.within(entry, region, ADDRESS_ANY, size)?;
        if u64::from(device_address) != region.address {
            return Err(unreachable(region));
        }
        Ok(Buffers { region: name.to_owned(), range: region.range(), each_way })
    }

    fn required(&self, entry: u32, name: &str, size: u64) -> Result<&'a MemoryRegion, ResourceError> {
        let missing = || ResourceError::RegionMissing { entry, name: name.to_owned(), size };
        self.description.region(name).ok_or_else(missing)
    }

    /// The place in `region` of something of `size` bytes that wants a device address, or any: physical and device address.
    fn within(
        &self,
        entry: u32,
        region: &MemoryRegion,
        wanted: u32,
        size: u64,
    ) -> Result<(u64, u32), ResourceError> {
        let start = self.region_device_address(region)?;
        let device_address = if wanted == ADDRESS_ANY { start } else { wanted };
        let offset = device_address.checked_sub(start).map(u64::from);
        let fits = |offset: &u64| offset.checked_add(size).is_some_and(|end| end <= region.size);
        let offset = offset.filter(fits).ok_or_else(|| self.mismatch(entry, region, wanted, size))?;
        Ok((region.address.checked_add(offset).ok_or_else(|| unreachable(region))?, device_address))
    }

    fn mismatch(&self, entry: u32, region: &MemoryRegion, wanted: u32, size: u64) -> ResourceError {
        ResourceError::RegionMismatch {
            entry,
            name: region.name.clone(),
            device_address: wanted,
            size,
            region_address: self.region_device_address(region).unwrap_or(ADDRESS_ANY),
            region_size: region.size,
        }
    }

    fn region_device_address(&self, region: &MemoryRegion) -> Result<u32, ResourceError> {
        let start = self.description.device_address(region.address, region.size);
        let last = start.and_then(|start| start.checked_add(region.size.saturating_sub(1)));
        let fits = last.is_some_and(|last| last < u64::from(ADDRESS_ANY));
        let start = start.filter(|_| fits).and_then(|start| u32::try_from(start).ok());
        start.ok_or_else(|| unreachable(region))
    }
}

fn unreachable(region: &MemoryRegion) -> ResourceError {
    ResourceError::Unreachable { name: region.name.clone(), address: region.address, size: region.size }
}

/// A physical address in the 32 bits that the table has for it.
fn physical(region: &MemoryRegion, address: u64) -> Result<u32, ResourceError> {
    u32::try_from(address).map_err(|_| unreachable(region))
}

fn length(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{description, region};
    use proptest::prelude::*;
    use rproc_elf::testing::resource_table::TableBuilder;

    fn place(table: &TableBuilder, description: &Description) -> Result<Resources, ResourceError> {
        Resources::place(&mut table.build(), description)
    }

    fn rpmsg() -> TableBuilder {
        TableBuilder::new().vdev(7, 1, &[(ADDRESS_ANY, 16, 16, 9), (ADDRESS_ANY, 16, 16, 9)])
    }

    #[test]
    fn vrings_go_to_the_regions_of_their_names_and_into_the_table() {
        let mut table = rpmsg().trace("log", 0x8120_1000, 2048).build();
        let resources = Resources::place(&mut table, &description()).unwrap();
        let vdev = &resources.vdevs[0];
        assert_eq!(vdev.vrings[0].layout.range().start, 0x812f_8000);
        assert_eq!(vdev.buffers.as_ref().unwrap().each_way, 16);
        assert_eq!(resources.traces[0].address, Some(0x8120_1000));
        let entry = ResourceTable::parse(&table).unwrap().entry(0).unwrap().unwrap();
        let EntryKind::Vdev(written) = entry.kind else { panic!("{entry:?}") };
        let places: Vec<_> = written.vrings.iter().map(|ring| (ring.da, ring.pa, ring.notifyid)).collect();
        assert_eq!(places, [(0x812f_8000, 0x812f_8000, 0), (0x812f_9000, 0x812f_9000, 1)]);
        assert_eq!((written.status, written.guest_features), (0, 0), "those are written after start");
    }

    #[test]
    fn missing_and_small_regions_are_named() {
        let mut small = description();
        small.regions.retain(|region| region.name != "vdev0vring1");
        assert!(matches!(
            place(&rpmsg(), &small),
            Err(ResourceError::RegionMissing { entry: 0, name, size: 0x1b6 }) if name == "vdev0vring1"
        ));
        small.regions.push(region("vdev0vring1", 0x812f_9000, 0x1b5));
        assert!(matches!(place(&rpmsg(), &small), Err(ResourceError::RegionMismatch { size: 0x1b6, .. })));
        small = description();
        small.regions.retain(|region| region.name != "vdev0buffer");
        small.regions.push(region("vdev0buffer", 0x812f_a000, 0x3fff));
        let error = place(&rpmsg(), &small).unwrap_err();
        assert!(matches!(error, ResourceError::RegionMismatch { size: 0x4000, region_size: 0x3fff, .. }));
        assert!(error.to_string().contains("`vdev0buffer`"), "{error}");
    }

    #[test]
    fn a_vring_at_an_address_of_its_own_must_lie_in_its_region() {
        let at = |da| TableBuilder::new().vdev(7, 1, &[(da, 16, 16, 0), (ADDRESS_ANY, 16, 16, 1)]);
        assert_eq!(
            place(&at(0x812f_8100), &description()).unwrap().vdevs[0].vrings[0].layout.range().start,
            0x812f_8100
        );
        for outside in [0x812f_7ff0, 0x812f_8f00, 0] {
            assert!(
                matches!(place(&at(outside), &description()), Err(ResourceError::RegionMismatch { .. })),
                "{outside:#x}"
            );
        }
    }

    #[test]
    fn carveouts_match_by_name_then_by_address() {
        let table = TableBuilder::new().carveout("ipc-shmem", ADDRESS_ANY, ADDRESS_ANY, 0x1000, 0).carveout(
            "by-address",
            0x8121_0000,
            0,
            0x100,
            0,
        );
        let carveouts = place(&table, &description()).unwrap().carveouts;
        assert_eq!((carveouts[0].address, carveouts[0].region.as_str()), (0x8120_0000, "ipc-shmem"));
        assert_eq!((carveouts[1].address, carveouts[1].region.as_str()), (0x8121_0000, "ipc-shmem"));
        let twice = table.carveout("ipc-shmem", ADDRESS_ANY, 0, 16, 0);
        assert!(matches!(
            place(&twice, &description()),
            Err(ResourceError::CarveoutTwice { entry: 2, other: 0, .. })
        ));
        for (da, len) in [(ADDRESS_ANY, 16), (0x9000_0000, 16), (0x812f_7fff, 2)] {
            let table = TableBuilder::new().carveout("elsewhere", da, 0, len, 0);
            assert!(matches!(place(&table, &description()), Err(ResourceError::CarveoutUnplaced { .. })));
        }
    }

    #[test]
    fn impossible_wishes_are_refused() {
        let refused = |table: TableBuilder| place(&table, &description()).unwrap_err();
        let devmem = TableBuilder::new().device_memory("regs", 0x4000_0000, 0x4000_0000, 0x1000, 0);
        assert!(matches!(refused(devmem), ResourceError::DeviceMemory { entry: 0, .. }));
        let odd = TableBuilder::new().vdev(7, 1, &[(ADDRESS_ANY, 16, 15, 0), (ADDRESS_ANY, 16, 16, 0)]);
        assert!(matches!(refused(odd), ResourceError::VringLayout { vring: 0, .. }));
        let one = TableBuilder::new().vdev(7, 1, &[(ADDRESS_ANY, 16, 16, 0)]);
        assert!(matches!(refused(one), ResourceError::RpmsgVrings { found: 1, .. }));
        let many = (0..=MAXIMUM_ENTRIES).fold(TableBuilder::new(), |table, _| table.vendor(128, &[]));
        assert_eq!(refused(many), ResourceError::TooManyEntries { found: MAXIMUM_ENTRIES + 1 });
    }

    #[test]
    fn unknown_entries_are_skipped() {
        let resources =
            place(&TableBuilder::new().vendor(200, &[1]).vendor(77, &[]), &description()).unwrap();
        assert_eq!(resources.skipped, [(0, 200), (1, 77)]);
    }

    #[test]
    fn a_trace_buffer_outside_the_regions_has_no_physical_address() {
        let resources = place(&TableBuilder::new().trace("log", 0x80a0_0000, 2048), &description()).unwrap();
        assert_eq!(resources.traces[0].address, None);
    }

    proptest! {
        /// Whatever the firmware writes, everything placed lies in the regions.
        #[test]
        fn everything_placed_lies_in_a_region(changes in proptest::collection::vec((0usize..1000, any::<u8>()), 0..12)) {
            let mut table = rpmsg()
                .carveout("ipc-shmem", ADDRESS_ANY, 0, 0x1000, 0)
                .trace("log", 0x8120_1000, 2048)
                .build();
            let length = table.len();
            for (at, value) in changes {
                table[at % length] = value;
            }
            let description = description();
            let Ok(resources) = Resources::place(&mut table, &description) else { return Ok(()) };
            for carveout in &resources.carveouts {
                prop_assert!(description.region_around(carveout.address, carveout.size.into()).is_some());
            }
            for trace in &resources.traces {
                if let Some(address) = trace.address {
                    prop_assert!(description.region_around(address, trace.size.into()).is_some());
                }
            }
            for ring in resources.vdevs.iter().flat_map(|vdev| &vdev.vrings) {
                let range = ring.layout.range();
                prop_assert!(description.region_around(range.start, range.end - range.start).is_some());
            }
        }
    }
}
