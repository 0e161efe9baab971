//! LOAD_FW: from a range of shared memory to firmware in place, all of it or nothing.

use alloc::vec::Vec;

use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::service::TableLocation;
use rproc_abi::{Placement, PlatformTlvs, Refusal, SharedMemory};
use rproc_image::{Authenticated, Image, Sha256, TlvKind};

use crate::container::{MetadataCopy, shared_refusal};
use crate::elf_metadata::ElfHead;
use crate::observer::{Event, Observer, Unbound};
use crate::plan::{LoadPlan, PlannedSegment};
use crate::platform::{Platform, PlatformClient};
use crate::policy::Policy;
use crate::resource_table;
use crate::room;

/// What a load leaves behind.
pub(crate) struct LoadedFirmware {
    pub(crate) resource_table: Option<TableLocation>,
    /// The image's security counter, to be remembered once it runs.
    pub(crate) security_counter: u32,
    /// What the image leaves open.
    pub(crate) unbound: Unbound,
}

/// Loads the container into a processor's memory that holds nothing. On failure the platform has wiped whatever was written.
pub(crate) fn load<M: SharedMemory, H: Sha256, P: PlatformClient>(
    shared: &M,
    policy: Policy,
    platform: &mut Platform<'_, P>,
    observer: &mut impl Observer,
) -> Result<LoadedFirmware, Refusal> {
    let loaded = authenticate_and_place::<M, H, P>(shared, policy, platform, observer);
    if loaded.is_err() {
        // The first reason counts; a platform that cannot wipe keeps the memory closed.
        let _ = platform.release();
    }
    loaded
}

fn authenticate_and_place<M: SharedMemory, H: Sha256, P: PlatformClient>(
    shared: &M,
    policy: Policy,
    platform: &mut Platform<'_, P>,
    observer: &mut impl Observer,
) -> Result<LoadedFirmware, Refusal> {
    let copy = MetadataCopy::take(shared)?;
    let image = copy.authenticate::<H, P>(platform)?;
    let (security_counter, unbound) = check_binding(&image, policy, platform, observer)?;
    let images = room::collect(image.images())?;
    let heads = take_heads::<M, H>(&image, &images, shared)?;
    let plan = LoadPlan::make(&heads, platform)?;
    check_boot_address(&image, &plan)?;
    let told_tlvs = || {
        let told = [TlvKind::BOOT_ADDRESS, TlvKind::BOOT_SECURE, TlvKind::RESOURCE_TABLE];
        image.platform_tlvs().filter(move |tlv| told.contains(&tlv.kind))
    };
    let mut encoded_tlvs = Vec::new();
    for tlv in told_tlvs() {
        for byte in PlatformTlvs::head(tlv.kind.0, tlv.value.len() as u32).iter().chain(tlv.value) {
            room::push(&mut encoded_tlvs, *byte)?;
        }
    }
    // They are told in the first call, before the first byte.
    let mut untold = Some(&encoded_tlvs[..]);
    for segments in plan.segments().chunks(BATCH) {
        let tlvs = untold.take();
        if !place_together(segments, tlvs.unwrap_or_default(), shared, platform)? {
            for tlv in told_tlvs().filter(|_| tlvs.is_some()) {
                platform.platform_tlv(tlv.kind.0, tlv.value)?;
            }
            for segment in segments {
                place_alone(segment, shared, platform).map_err(|refusal| within(segment, refusal))?;
            }
        }
        for segment in segments {
            observer.event(Event::SegmentLoaded {
                processor: platform.processor,
                image: segment.image,
                index: segment.index,
                address: segment.address,
                file_size: segment.file_size,
                memory_size: segment.memory_size,
            });
        }
    }
    let table = resource_table::find(&image, &plan, platform)?;
    observer.event(Event::Loaded {
        processor: platform.processor,
        resource_table: table.location,
        derived: table.derived,
    });
    Ok(LoadedFirmware { resource_table: table.location, security_counter, unbound })
}

/// Segments of one call to the platform; more would only need more of a small stack.
const BATCH: usize = 8;

/// Places at most [`BATCH`] segments in one call; false where the platform does not know how, as upstream's.
fn place_together<M: SharedMemory, P: PlatformClient>(
    segments: &[PlannedSegment],
    tlvs: &[u8],
    shared: &M,
    platform: &mut Platform<'_, P>,
) -> Result<bool, Refusal> {
    let mut placements = [0; BATCH * Placement::ENCODED_SIZE];
    let mut used = 0;
    for (room, segment) in placements.chunks_exact_mut(Placement::ENCODED_SIZE).zip(segments) {
        room.copy_from_slice(&segment.placement().encode());
        used += Placement::ENCODED_SIZE;
    }
    let container = shared.part(0, shared.size()).map_err(shared_refusal)?;
    platform.load_segments(container, placements.get(..used).unwrap_or_default(), tlvs)
}

fn place_alone<M: SharedMemory, P: PlatformClient>(
    segment: &PlannedSegment,
    shared: &M,
    platform: &mut Platform<'_, P>,
) -> Result<(), Refusal> {
    if segment.file_size > 0 {
        let data =
            shared.part(segment.offset as usize, segment.file_size as usize).map_err(shared_refusal)?;
        platform.load_segment(data, segment.address, &segment.digest)?;
    }
    match segment.memory_size.saturating_sub(segment.file_size) {
        0 => Ok(()),
        rest => platform.zero(segment.address + segment.file_size, rest),
    }
}

/// A refusal that does not say where it is, a register for one, is about this segment.
fn within(segment: &PlannedSegment, refusal: Refusal) -> Refusal {
    match refusal.place {
        Place::None => refusal.at(segment.place()),
        _ => refusal,
    }
}

/// Holds the image against this processor, this SoC, its counter and the policy.
fn check_binding<P: PlatformClient>(
    image: &Authenticated<'_>,
    policy: Policy,
    platform: &mut Platform<'_, P>,
    observer: &mut impl Observer,
) -> Result<(u32, Unbound), Refusal> {
    let target = image.target();
    let counter = image.security_counter();
    let unbound = Unbound {
        target: target.is_none(),
        security_counter: counter.is_none(),
        elf_metadata: image.elf_metadata_digest(0).is_none(),
        resource_table: image.resource_table().is_none(),
    };
    observer.event(Event::Authenticated {
        processor: platform.processor,
        algorithm: image.signature_algorithm(),
        key: image.tlvs().get_array(TlvKind::KEY_FINGERPRINT).map_err(Refusal::from)?,
        soc: target.map(|target| target.soc()),
        security_counter: counter,
        unbound,
    });
    if policy == Policy::Strict {
        for (missing, kind) in [
            (unbound.target, TlvKind::TARGET),
            (unbound.security_counter, TlvKind::SECURITY_COUNTER),
            (unbound.elf_metadata, TlvKind::ELF_METADATA_DIGEST),
            (unbound.resource_table, TlvKind::RESOURCE_TABLE),
        ] {
            if missing {
                return Err(Refusal::new(Reason::NotBound)
                    .expected(Fact::words(kind.name().unwrap_or_default()))
                    .at(Place::Tlv { kind: kind.0 }));
            }
        }
    }
    if let Some(target) = target {
        let at = Place::Tlv { kind: TlvKind::TARGET.0 };
        if target.processor != platform.processor.0 {
            let name = |id: u32| match rproc_abi::ProcessorId(id).name() {
                Some(name) => Fact::words(name),
                None => Fact::Number(u64::from(id)),
            };
            return Err(Refusal::new(Reason::WrongProcessor)
                .expected(name(platform.processor.0))
                .found(name(target.processor))
                .at(at));
        }
        match platform.soc_name()? {
            Some(soc) if soc == target.soc() => {}
            Some(soc) => {
                return Err(Refusal::new(Reason::WrongSoc).expected(soc).found(target.soc()).at(at));
            }
            // A platform that does not tell: nothing can be held against it.
            None if policy == Policy::Compatible => {}
            None => return Err(Refusal::new(Reason::WrongSoc).found(target.soc()).at(at)),
        }
    }
    let counter = counter.unwrap_or(0);
    let lowest = platform.security_counter()?.unwrap_or(0);
    if counter < lowest {
        return Err(Refusal::new(Reason::Rollback)
            .expected(Fact::Number(u64::from(lowest)))
            .found(Fact::Number(u64::from(counter)))
            .at(Place::Tlv { kind: TlvKind::SECURITY_COUNTER.0 }));
    }
    Ok((counter, unbound))
}

fn take_heads<'a, M: SharedMemory, H: Sha256>(
    image: &Authenticated<'a>,
    images: &[Image],
    shared: &M,
) -> Result<Vec<(Image, ElfHead<'a>)>, Refusal> {
    let mut table = image.hash_table();
    let mut heads = Vec::new();
    for elf in images {
        let bound = image.elf_metadata_digest(elf.index);
        room::push(&mut heads, (*elf, ElfHead::take::<M, H>(shared, elf, &mut table, bound)?))?;
    }
    if !table.is_empty() {
        // Entries that no image claims were signed to be loaded and would not be.
        return Err(Refusal::new(Reason::SegmentTableChanged)
            .expected(Fact::Number(0))
            .found(Fact::Number(table.len() as u64)));
    }
    Ok(heads)
}

/// The vector table must be among what was loaded: anything else is zero or not ours.
fn check_boot_address(image: &Authenticated<'_>, plan: &LoadPlan) -> Result<(), Refusal> {
    let Some(address) = image.boot_address() else { return Ok(()) };
    // The initial stack pointer and the reset vector, at least.
    if plan.segments().iter().any(|segment| segment.holds(u64::from(address), 8)) {
        return Ok(());
    }
    Err(Refusal::new(Reason::BootAddressOutside)
        .expected(Fact::words("inside one loaded segment"))
        .found(Fact::Address(u64::from(address)))
        .at(Place::Tlv { kind: TlvKind::BOOT_ADDRESS.0 }))
}
