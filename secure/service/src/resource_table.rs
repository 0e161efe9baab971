//! Where the resource table of a loaded firmware is: as the image binds it, or as its authenticated content shows it.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::service::TableLocation;
use rproc_elf::resource_table::{ResourceTable, probe};
use rproc_image::{Authenticated, BoundResourceTable, TlvKind};

use crate::limits;
use crate::plan::{LoadPlan, PlannedSegment};
use crate::platform::{Platform, PlatformClient};
use crate::room::zeroed;

/// A table that was found, and how.
#[derive(Clone, Copy)]
pub(crate) struct FoundTable {
    pub(crate) location: Option<TableLocation>,
    /// Found by looking, not given by the image.
    pub(crate) derived: bool,
}

/// Finds the table. Everything is in the processor's memory by now, and its digests were right.
pub(crate) fn find<P: PlatformClient>(
    image: &Authenticated<'_>,
    plan: &LoadPlan,
    platform: &mut Platform<'_, P>,
) -> Result<FoundTable, Refusal> {
    let at = Place::Tlv { kind: TlvKind::RESOURCE_TABLE.0 };
    match image.resource_table() {
        Some(BoundResourceTable::Absent) => Ok(FoundTable { location: None, derived: false }),
        Some(BoundResourceTable::At { address, size }) => {
            let (address, size) = (u64::from(address), u64::from(size));
            let range = Fact::Range { start: address, size };
            if size > limits::RESOURCE_TABLE {
                return Err(Refusal::new(Reason::BadResourceTable)
                    .expected(Fact::Size(limits::RESOURCE_TABLE))
                    .found(range)
                    .at(at));
            }
            if !plan.segments().iter().any(|segment| segment.holds(address, size)) {
                return Err(Refusal::new(Reason::BadResourceTable)
                    .expected(Fact::words("inside one loaded segment"))
                    .found(range)
                    .at(at));
            }
            let mut table = zeroed(size as usize)?;
            // Where the platform does not read memory out, the signature still says where the table is.
            if read(platform, address, &mut table)? {
                check(&table).ok_or(Refusal::new(Reason::BadResourceTable).found(range).at(at))?;
            }
            Ok(FoundTable { location: Some(locate(platform, address, size)?), derived: false })
        }
        None => {
            let mut found = None;
            for segment in plan.segments() {
                search(segment, platform, &mut found)?;
            }
            let location = match found {
                Some((address, size)) => Some(locate(platform, address, size)?),
                None => None,
            };
            Ok(FoundTable { location, derived: true })
        }
    }
}

/// The table of firmware that this service has not loaded, at a device address with so many bytes for it; none at 0.
///
/// Nobody vouches for it: where it is and what it holds is the normal world's to change, who is told of nothing but that.
pub(crate) fn of_inherited<P: PlatformClient>(
    address: u64,
    room: u64,
    platform: &mut Platform<'_, P>,
) -> Result<Option<TableLocation>, Refusal> {
    if room == 0 {
        return Ok(None);
    }
    let mut bytes = zeroed(room.min(limits::RESOURCE_TABLE) as usize)?;
    platform.read_memory(address, &mut bytes)?;
    match probe(&bytes) {
        Some(size) => locate(platform, address, size as u64).map(Some),
        None => Err(Refusal::new(Reason::BadResourceTable)
            .expected(Fact::words("a table of version 1"))
            .found(Fact::Address(address))),
    }
}

/// Copies device memory out; false where the platform does not know how, as upstream's.
fn read<P: PlatformClient>(
    platform: &mut Platform<'_, P>,
    address: u64,
    into: &mut [u8],
) -> Result<bool, Refusal> {
    match platform.read_memory(address, into) {
        Ok(()) => Ok(true),
        Err(refusal) if refusal.reason == Reason::BadRequest => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

fn check(bytes: &[u8]) -> Option<()> {
    let table = ResourceTable::parse(bytes).ok()?;
    table.entries().all(|entry| entry.is_ok()).then_some(())
}

fn locate<P: PlatformClient>(
    platform: &mut Platform<'_, P>,
    address: u64,
    size: u64,
) -> Result<TableLocation, Refusal> {
    Ok(TableLocation { address: platform.translate(address, size)?, size })
}

/// Looks for a resource table at every word of a segment's file bytes; a second one, anywhere, is one too many.
fn search<P: PlatformClient>(
    segment: &PlannedSegment,
    platform: &mut Platform<'_, P>,
    found: &mut Option<(u64, u64)>,
) -> Result<(), Refusal> {
    // Each window is a call to the platform; a larger one would crowd a small heap.
    const WINDOW: usize = 2 * limits::RESOURCE_TABLE as usize;
    let mut window = zeroed(WINDOW)?;
    let mut start = 0;
    while start < segment.file_size {
        let rest = segment.file_size - start;
        let len = rest.min(WINDOW as u64) as usize;
        let is_last = len as u64 == rest;
        let bytes = window.get_mut(..len).unwrap_or_default();
        if !read(platform, segment.address + start, bytes)? {
            // No table is better than one that nobody vouches for.
            return Ok(());
        }
        let mut looked_through = len;
        for at in (0..len).step_by(4) {
            let candidate = bytes.get(at..).unwrap_or_default();
            // Version 1 in the first word: all but a few words fail here.
            if candidate.first_chunk() != Some(&1u32.to_le_bytes()) {
                continue;
            }
            if !is_last && len - at < limits::RESOURCE_TABLE as usize {
                // What may be a table and go on beyond the window: the next one begins with it.
                looked_through = at;
                break;
            }
            let Some(size) = probe(candidate) else { continue };
            let place = (segment.address + start + at as u64, size as u64);
            if let Some(first) = found.replace(place) {
                return Err(Refusal::new(Reason::AmbiguousResourceTable)
                    .expected(Fact::Range { start: first.0, size: first.1 })
                    .found(Fact::Range { start: place.0, size: place.1 })
                    .at(segment.place()));
            }
        }
        start += looked_through as u64;
    }
    Ok(())
}
