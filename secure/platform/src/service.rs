//! The platform service itself: its commands, and the order in which it lets them happen.

mod found;

use rproc_abi::platform::{Answer, Command, FORMAT_ELF, KeyInfo, PROTECTION_HASH_TABLE, Request};
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::{
    BadRequest, Completion, OutOfRange, Params, Placement, PlatformTlvs, ProcessorId, PtaMemory, Refusal,
    SharedMemory, TeeResult,
};
use rproc_image::{Sha256, TlvKind};

use crate::condition::{Condition, Conditions};
use crate::hardware::memory_refusal;
use crate::{
    Event, Hardware, KeyStore, Observer, PlaceError, Region, RegionKind, RemoteProcessor, SecurityCounters,
    Soc, translate,
};

/// Bytes of memory that no guard divides.
const PAGE: usize = 4096;
/// The most bytes of key information (PKEYINFO) that are copied to be looked at.
const KEY_INFO_LIMIT: usize = 256;
/// The most bytes of platform TLVs that are copied to be looked at.
const TLVS_LIMIT: usize = 64;

/// The platform service of one SoC.
pub struct PlatformService<H, S, K, C, O> {
    hardware: H,
    soc: S,
    keys: K,
    counters: C,
    observer: O,
    conditions: Conditions,
    refusal: Option<Refusal>,
}

impl<H, S, K, C, O> PlatformService<H, S, K, C, O>
where
    H: Hardware,
    S: Soc<H>,
    K: KeyStore,
    C: SecurityCounters,
    O: Observer,
{
    /// A service for a SoC whose processors are all held and whose memory is the normal world's.
    pub fn new(hardware: H, soc: S, keys: K, counters: C, observer: O) -> Self {
        Self { hardware, soc, keys, counters, observer, conditions: Conditions::new(), refusal: None }
    }

    /// Answers one call of the remoteproc TA, with `D` for SHA-256.
    pub fn invoke<D: Sha256, M: SharedMemory>(
        &mut self,
        number: u32,
        params: Params<PtaMemory<'_, M>>,
    ) -> Completion {
        let request = match Request::from_params(number, params) {
            Ok(request) => request,
            Err(bad) => return self.refused(ProcessorId(u32::MAX), bad_request(bad)),
        };
        let processor = request.processor;
        // Asking for the last refusal must not replace it.
        if let Command::GetRefusal { mut buffer } = request.command {
            let Some(refusal) = self.refusal else { return Completion::failed(TeeResult::ITEM_NOT_FOUND) };
            return match put(&mut buffer, &refusal.encode()) {
                Ok(answer) => Completion::with(answer.outputs(number)),
                Err(short) => short.completion(number),
            };
        }
        self.refusal = None;
        match self.execute::<D, M>(processor, request.command) {
            Ok(answer) => Completion::with(answer.outputs(number)),
            Err(Failure::Short(short)) => short.completion(number),
            Err(Failure::Refused(refusal)) => self.refused(processor, refusal),
        }
    }

    fn refused(&mut self, processor: ProcessorId, refusal: Refusal) -> Completion {
        self.refusal = Some(refusal);
        self.observer.event(Event::Refused { processor, refusal });
        Completion::failed(refusal.result())
    }

    fn execute<D: Sha256, M: SharedMemory>(
        &mut self,
        id: ProcessorId,
        command: Command<PtaMemory<'_, M>>,
    ) -> Result<Answer, Failure> {
        driver(&mut self.soc, id)?;
        if self.condition(id) == Condition::GivenAway {
            return Err(Refusal::new(Reason::OwnedByLinux).into());
        }
        Ok(match command {
            Command::Capabilities => {
                Answer::Capabilities { formats: FORMAT_ELF, protections: PROTECTION_HASH_TABLE }
            }
            Command::LoadImage { .. } => {
                return Err(Refusal::new(Reason::UnsupportedImage)
                    .expected("ELF in a signed container")
                    .into());
            }
            Command::LoadSegment { data, address, digest } => {
                let digest = digest.array::<32>().map_err(shared_refusal)?;
                self.load_segment::<D, M>(id, &data, address, &digest)?;
                Answer::Done
            }
            Command::SetMemory { address, size, byte } => {
                self.set_memory(id, address, size, byte)?;
                Answer::Done
            }
            Command::Start => {
                self.start(id)?;
                Answer::Done
            }
            Command::Stop => {
                self.stop(id)?;
                Answer::Done
            }
            Command::Translate { address, size } => {
                Answer::Physical(locate(driver(&mut self.soc, id)?, address, size)?.1)
            }
            Command::VerifyDigest { key, digest, signature } => {
                self.verify(&key, &digest, &signature)?;
                Answer::Done
            }
            Command::Release => {
                self.release(id)?;
                Answer::Done
            }
            Command::ReadMemory { address, mut buffer } => {
                self.read_memory(id, address, &mut buffer)?;
                Answer::Size(buffer.size())
            }
            Command::PlatformTlv { kind, value } => {
                self.expect_held(id)?;
                let mut room = [0; TLVS_LIMIT];
                self.platform_tlv(id, kind, copied(&value, &mut room)?)?;
                Answer::Done
            }
            Command::SocName { mut buffer } => put(&mut buffer, self.soc.name().as_bytes())?,
            Command::SecurityCounter => Answer::Counter(self.counters.get(id)?),
            Command::RaiseSecurityCounter { value } => {
                self.counters.raise(id, value)?;
                Answer::Done
            }
            Command::Region { index } => {
                let mut regions = distinct(driver(&mut self.soc, id)?);
                match usize::try_from(index).ok().and_then(|index| regions.nth(index)) {
                    Some(region) => Answer::Region { address: region.device, size: region.size },
                    None => return Err(Failure::Short(Short::NoItem)),
                }
            }
            Command::LoadSegments { container, placements, tlvs } => {
                self.platform_tlvs(id, &tlvs)?;
                self.load_segments::<D, M>(id, &container, &placements)?;
                Answer::Done
            }
            Command::Inherited => match self.conditions.found(id) {
                Some(table) => {
                    let (address, room) = table.map_or((0, 0), |table| (table.address, table.room));
                    Answer::Inherited { address, room }
                }
                None => return Err(Failure::Short(Short::NoItem)),
            },
            // Answered before.
            Command::GetRefusal { .. } => Answer::Done,
        })
    }

    fn condition(&self, id: ProcessorId) -> Condition {
        self.conditions.get(id)
    }

    fn set_condition(&mut self, id: ProcessorId, condition: Condition) {
        self.conditions.set(id, condition);
    }

    /// Gives a processor to the normal world until the next boot: its memory, and the registers that reset and start it.
    /// From then on every command for it is refused. A processor that boot firmware has started goes on running.
    ///
    /// For a port to call when it boots, for the processors that both device trees enable.
    ///
    /// # Errors
    /// [`Reason::WrongState`] for a processor that the TEE has already used, and what the driver refuses; then the
    /// processor is not given away, and this can be tried again.
    pub fn give_away(&mut self, id: ProcessorId) -> Result<(), Refusal> {
        driver(&mut self.soc, id)?;
        match self.condition(id) {
            Condition::GivenAway => return Ok(()),
            Condition::Open | Condition::Wiped => {}
            // After a failure the memory may hold anything.
            Condition::Broken => drop(self.wipe(id)?),
            Condition::Closed | Condition::Running | Condition::Stopped => {
                return Err(Refusal::new(Reason::WrongState).expected("a processor not used by the TEE"));
            }
        }
        self.set_condition(id, Condition::Broken);
        driver(&mut self.soc, id)?.hand_over(&mut self.hardware)?;
        self.set_condition(id, Condition::GivenAway);
        self.observer.event(Event::FirewallOpened { processor: id });
        Ok(())
    }

    /// Whether a processor was given to the normal world, which may then ask other services of the TEE to reset it.
    pub fn given_away(&self, id: ProcessorId) -> bool {
        self.condition(id) == Condition::GivenAway
    }

    fn expect(&self, id: ProcessorId, allowed: &[Condition]) -> Result<(), Refusal> {
        let condition = self.condition(id);
        if allowed.contains(&condition) {
            return Ok(());
        }
        Err(match condition {
            Condition::Running => Refusal::new(Reason::AlreadyStarted),
            _ => Refusal::new(Reason::NotLoaded),
        })
    }

    /// Refuses what must not happen to a processor that runs.
    fn expect_held(&self, id: ProcessorId) -> Result<(), Refusal> {
        let held =
            [Condition::Open, Condition::Wiped, Condition::Closed, Condition::Stopped, Condition::Broken];
        self.expect(id, &held)
    }

    /// Before the first byte: the processor held, its memory closed, and zero.
    fn close(&mut self, id: ProcessorId) -> Result<(), Refusal> {
        self.expect_held(id)?;
        match self.condition(id) {
            Condition::Closed => return Ok(()),
            // What the normal world has written to a shared region since then, it could as well write later.
            Condition::Wiped => {}
            _ => {
                self.wipe(id)?;
                let regions = driver(&mut self.soc, id)?.regions();
                self.observer.event(Event::FirewallClosed { processor: id, regions });
            }
        }
        self.set_condition(id, Condition::Closed);
        Ok(())
    }

    /// Holds the processor, closes its memory, and zeroes it; gives how many bytes that were.
    fn wipe(&mut self, id: ProcessorId) -> Result<u64, Refusal> {
        // Wiped is only what was wiped to the end: after a failure half way, the next try begins again.
        self.set_condition(id, Condition::Broken);
        let driver = driver(&mut self.soc, id)?;
        driver.hold(&mut self.hardware)?;
        if let Err(refusal) = driver.close(&mut self.hardware) {
            // As in [`reclaim`].
            let _ = wipe(driver, &mut self.hardware);
            return Err(refusal);
        }
        let size = wipe(driver, &mut self.hardware)?;
        for region in shared_regions(driver) {
            driver.share(&mut self.hardware, &region)?;
        }
        self.leave_word(id, false)?;
        self.set_condition(id, Condition::Wiped);
        Ok(size)
    }

    /// Runs `act` on the physical address of a range, with the region it lies in closed meanwhile.
    fn with_range(
        &mut self,
        id: ProcessorId,
        address: u64,
        size: u64,
        act: impl FnOnce(&mut H, u64) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.close(id)?;
        let driver = driver(&mut self.soc, id)?;
        let (region, physical) = locate(driver, address, size)?;
        match region.kind {
            RegionKind::Firmware => act(&mut self.hardware, physical),
            RegionKind::Shared => {
                driver.unshare(&mut self.hardware, &region)?;
                act(&mut self.hardware, physical)?;
                driver.share(&mut self.hardware, &region)
            }
        }
    }

    fn load_segment<D: Sha256, M: SharedMemory>(
        &mut self,
        id: ProcessorId,
        data: &PtaMemory<'_, M>,
        address: u64,
        expected: &[u8; 32],
    ) -> Result<(), Refusal> {
        let size = data.size() as u64;
        let loaded = self.with_range(id, address, size, |hardware, physical| {
            let found = hardware.place::<D, M>(physical, data).map_err(place_refusal)?;
            if found == *expected {
                return Ok(());
            }
            hardware.fill_memory(physical, size, 0).map_err(memory_refusal)?;
            Err(Refusal::new(Reason::SegmentDigest)
                .expected(Fact::Digest(*expected))
                .found(Fact::Digest(found)))
        });
        if loaded.is_err() && self.condition(id) == Condition::Closed {
            // What is in place is not what was asked for, so it must not be started.
            self.set_condition(id, Condition::Broken);
        }
        loaded?;
        let driver = driver(&mut self.soc, id)?;
        let Some(vectors) = driver.fixed_vectors() else { return Ok(()) };
        // The initial stack pointer and the reset vector, at least, through whichever of their addresses.
        let (first, placed) = (locate(driver, vectors, 8)?.1, locate(driver, address, size)?.1);
        if placed <= first && first + 8 <= placed + size {
            self.conditions.load_vectors(id);
        }
        Ok(())
    }

    fn platform_tlvs<M: SharedMemory>(
        &mut self,
        id: ProcessorId,
        tlvs: &PtaMemory<'_, M>,
    ) -> Result<(), Refusal> {
        self.expect_held(id)?;
        let mut room = [0; TLVS_LIMIT];
        let mut tlvs = PlatformTlvs::new(copied(tlvs, &mut room)?);
        while !tlvs.is_empty() {
            let (kind, value) = tlvs.take_next().ok_or(Refusal::new(Reason::BadTlv))?;
            self.platform_tlv(id, kind, value)?;
        }
        Ok(())
    }

    fn platform_tlv(&mut self, id: ProcessorId, kind: u32, value: &[u8]) -> Result<(), Refusal> {
        if kind == TlvKind::RESOURCE_TABLE.0 {
            self.learn_table(id, value)?;
        }
        driver(&mut self.soc, id)?.platform_tlv(kind, value)
    }

    /// Places one segment after the other; a refusal without a place of its own gets the segment's.
    fn load_segments<D: Sha256, M: SharedMemory>(
        &mut self,
        id: ProcessorId,
        container: &PtaMemory<'_, M>,
        placements: &PtaMemory<'_, M>,
    ) -> Result<(), Refusal> {
        let (size, each) = (placements.size(), Placement::ENCODED_SIZE);
        let PtaMemory::Shared(container) = container else {
            return Err(Refusal::new(Reason::BadRequest).expected("memory of the normal world"));
        };
        if !size.is_multiple_of(each) {
            return Err(shared_refusal(OutOfRange { offset: size / each * each, len: each, size }));
        }
        for at in (0..size).step_by(each) {
            let mut bytes = [0; Placement::ENCODED_SIZE];
            placements.read(at, &mut bytes).map_err(shared_refusal)?;
            let placement = Placement::decode(&bytes);
            self.place::<D, M>(id, container, &placement).map_err(|refusal| match refusal.place {
                Place::None => refusal.at(Place::Segment { image: placement.image, index: placement.index }),
                _ => refusal,
            })?;
        }
        Ok(())
    }

    fn place<D: Sha256, M: SharedMemory>(
        &mut self,
        id: ProcessorId,
        container: &M,
        placement: &Placement,
    ) -> Result<(), Refusal> {
        let Placement { offset, address, file_size, memory_size, digest, .. } = *placement;
        let outside = || {
            let range =
                OutOfRange { offset: offset as usize, len: file_size as usize, size: container.size() };
            shared_refusal(range)
        };
        let (Ok(offset), Ok(len)) = (usize::try_from(offset), usize::try_from(file_size)) else {
            return Err(outside());
        };
        if len > 0 {
            let data = container.part(offset, len).map_err(shared_refusal)?;
            self.load_segment::<D, M>(id, &PtaMemory::Shared(data), address, &digest)?;
        }
        match memory_size.checked_sub(file_size) {
            None | Some(0) => Ok(()),
            Some(rest) => {
                let start = address.checked_add(file_size).ok_or_else(|| {
                    Refusal::new(Reason::AddressOutsideRegions)
                        .found(Fact::Range { start: address, size: memory_size })
                })?;
                self.set_memory(id, start, rest, 0)
            }
        }
    }

    fn set_memory(&mut self, id: ProcessorId, address: u64, size: u64, byte: u8) -> Result<(), Refusal> {
        self.with_range(id, address, size, |hardware, physical| {
            hardware.fill_memory(physical, size, byte).map_err(memory_refusal)
        })
    }

    fn read_memory<M: SharedMemory>(
        &mut self,
        id: ProcessorId,
        address: u64,
        buffer: &mut PtaMemory<'_, M>,
    ) -> Result<(), Refusal> {
        let runs = self.condition(id) == Condition::Running;
        let found = locate(driver(&mut self.soc, id)?, address, buffer.size() as u64);
        // Of a processor that runs, only what it shares with the normal world too.
        let open = runs && found.is_ok_and(|(region, _)| region.kind == RegionKind::Shared);
        if !open {
            self.expect(id, &[Condition::Closed, Condition::Stopped])?;
        }
        let (_, physical) = found?;
        self.hardware.fetch(physical, buffer).map_err(place_refusal)
    }

    fn start(&mut self, id: ProcessorId) -> Result<(), Refusal> {
        self.expect(id, &[Condition::Closed])?;
        let driver = driver(&mut self.soc, id)?;
        if let Some(vectors) = driver.fixed_vectors()
            && !self.conditions.vectors_loaded(id)
        {
            return Err(Refusal::new(Reason::VectorsNotLoaded).expected(Fact::Address(vectors)));
        }
        let boot_address = driver.boot_address()?;
        self.leave_word(id, true)?;
        let driver = self::driver(&mut self.soc, id)?;
        if let Err(refusal) = driver.release(&mut self.hardware) {
            // Half released is not released. One that cannot be held any more does not come far without its memory.
            let held = driver.hold(&mut self.hardware);
            let reclaimed = reclaim(driver, &mut self.hardware);
            let told = self.leave_word(id, false);
            if held.and(reclaimed).and(told).is_err() {
                self.set_condition(id, Condition::Broken);
            }
            return Err(refusal);
        }
        self.set_condition(id, Condition::Running);
        self.observer.event(Event::Released { processor: id, boot_address });
        Ok(())
    }

    fn stop(&mut self, id: ProcessorId) -> Result<(), Refusal> {
        if self.condition(id) != Condition::Running {
            return Ok(());
        }
        let driver = driver(&mut self.soc, id)?;
        driver.hold(&mut self.hardware)?;
        let reclaimed = reclaim(driver, &mut self.hardware);
        if let Err(refusal) = reclaimed.and_then(|()| self.leave_word(id, false)) {
            self.set_condition(id, Condition::Broken);
            return Err(refusal);
        }
        self.set_condition(id, Condition::Stopped);
        self.observer.event(Event::Held { processor: id });
        Ok(())
    }

    /// The memory stays closed: what the TEE has used once, nobody else gets before the next boot.
    fn release(&mut self, id: ProcessorId) -> Result<(), Refusal> {
        self.stop(id)?;
        driver(&mut self.soc, id)?.forget();
        self.conditions.set_image_table(id, 0);
        if matches!(self.condition(id), Condition::Open | Condition::Wiped) {
            return Ok(());
        }
        let size = self.wipe(id)?;
        self.observer.event(Event::Wiped { processor: id, size });
        Ok(())
    }

    fn verify<M: SharedMemory>(
        &mut self,
        key: &PtaMemory<'_, M>,
        digest: &PtaMemory<'_, M>,
        signature: &PtaMemory<'_, M>,
    ) -> Result<(), Refusal> {
        let mut room = [0; 8 + KEY_INFO_LIMIT];
        let size = key.size();
        let key = copy(key, &mut room).map_err(|_| {
            Refusal::new(Reason::BadTlv)
                .expected(Fact::Size(KEY_INFO_LIMIT as u64))
                .found(Fact::Size(size.saturating_sub(8) as u64))
                .at(Place::Tlv { kind: TlvKind::PKEY_INFO.0 })
        })?;
        let key = KeyInfo::parse(key).ok_or(Refusal::new(Reason::BadRequest).expected("key information"))?;
        let digest = digest.array::<32>().map_err(shared_refusal)?;
        let mut room = [0; 512];
        let size = signature.size();
        let signature = copy(signature, &mut room).map_err(|_| {
            Refusal::new(Reason::SignatureSize).expected(Fact::Size(512)).found(Fact::Size(size as u64))
        })?;
        self.keys.verify(key, &digest, signature)
    }

    /// The registers and memory below, for a port's own needs and for tests.
    pub fn hardware(&mut self) -> &mut H {
        &mut self.hardware
    }
}

fn driver<H: Hardware, S: Soc<H>>(
    soc: &mut S,
    id: ProcessorId,
) -> Result<&mut dyn RemoteProcessor<H>, Refusal> {
    soc.processor(id).ok_or(Refusal::new(Reason::UnknownProcessor).found(Fact::Number(u64::from(id.0))))
}

/// The region in which a device range wholly lies, and its canonical physical address.
fn locate<H: Hardware>(
    driver: &dyn RemoteProcessor<H>,
    address: u64,
    size: u64,
) -> Result<(Region, u64), Refusal> {
    let (region, physical) = translate(driver.regions(), address, size)?;
    Ok((*region, driver.canonical(physical)))
}

fn shared_regions<H: Hardware>(driver: &dyn RemoteProcessor<H>) -> impl Iterator<Item = Region> + use<H> {
    let mut shared = [None; 4];
    let found = driver.regions().iter().filter(|region| region.kind == RegionKind::Shared);
    for (slot, region) in shared.iter_mut().zip(found) {
        *slot = Some(*region);
    }
    shared.into_iter().flatten()
}

/// The driver's regions, each byte of memory once.
fn distinct<H: Hardware>(driver: &dyn RemoteProcessor<H>) -> impl Iterator<Item = &Region> {
    crate::region::distinct(driver.regions(), |physical| driver.canonical(physical))
}

/// Takes a processor's memory back; what is not known to be closed then is at least not there to be read.
fn reclaim<H: Hardware>(driver: &mut dyn RemoteProcessor<H>, hardware: &mut H) -> Result<(), Refusal> {
    let reclaimed = driver.reclaim(hardware);
    if reclaimed.is_err() {
        // The first refusal counts.
        let _ = wipe(driver, hardware);
    }
    reclaimed
}

/// Zeroes all regions, and says how many bytes that were. One that cannot be reached keeps none of the others from it.
fn wipe<H: Hardware>(driver: &dyn RemoteProcessor<H>, hardware: &mut H) -> Result<u64, Refusal> {
    let mut total = Ok(0);
    for region in distinct(driver) {
        let start = driver.canonical(region.physical);
        let filled = hardware.fill_memory(start, region.size, 0).map_err(memory_refusal);
        if filled.is_err() {
            // Of what lies behind several guards, each page that can be reached.
            for page in (0..region.size).step_by(PAGE) {
                let _ = hardware.fill_memory(start + page, (region.size - page).min(PAGE as u64), 0);
            }
        }
        total = total.and_then(|total| filled.map(|()| total + region.size));
    }
    total
}

fn copy<'a, M: SharedMemory>(memory: &PtaMemory<'_, M>, room: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
    let size = room.len();
    let part = room
        .get_mut(..memory.size())
        .ok_or_else(|| shared_refusal(OutOfRange { offset: 0, len: memory.size(), size }))?;
    memory.read(0, part).map_err(shared_refusal)?;
    Ok(part)
}

/// Answers that are no refusal of what was asked, only of how.
enum Short {
    /// The buffer is too small: this many bytes are needed.
    Buffer(usize),
    /// There is no item with this index.
    NoItem,
}

impl Short {
    fn completion(self, number: u32) -> Completion {
        match self {
            Self::Buffer(needed) => {
                Completion { result: TeeResult::SHORT_BUFFER, outputs: Answer::Size(needed).outputs(number) }
            }
            Self::NoItem => Completion::failed(TeeResult::ITEM_NOT_FOUND),
        }
    }
}

enum Failure {
    Short(Short),
    Refused(Refusal),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Short> for Failure {
    fn from(short: Short) -> Self {
        Self::Short(short)
    }
}

fn put<M: SharedMemory>(buffer: &mut PtaMemory<'_, M>, bytes: &[u8]) -> Result<Answer, Short> {
    match buffer.write(0, bytes) {
        Ok(()) => Ok(Answer::Size(bytes.len())),
        Err(_) => Err(Short::Buffer(bytes.len())),
    }
}

fn place_refusal(error: PlaceError) -> Refusal {
    match error {
        PlaceError::Memory(error) => memory_refusal(error),
        PlaceError::Buffer(error) => shared_refusal(error),
    }
}

/// A copy of memory that fits.
fn copied<'r, M: SharedMemory>(memory: &PtaMemory<'_, M>, room: &'r mut [u8]) -> Result<&'r [u8], Refusal> {
    let (len, size) = (memory.size(), room.len());
    let room = room.get_mut(..len).ok_or_else(|| shared_refusal(OutOfRange { offset: 0, len, size }))?;
    memory.read(0, room).map_err(shared_refusal)?;
    Ok(room)
}

fn shared_refusal(error: OutOfRange) -> Refusal {
    Refusal::new(Reason::SharedMemory)
        .expected(Fact::Size((error.offset as u64).saturating_add(error.len as u64)))
        .found(Fact::Size(error.size as u64))
}

fn bad_request(bad: BadRequest) -> Refusal {
    match bad {
        BadRequest::UnknownCommand(number) => {
            Refusal::new(Reason::BadRequest).found(Fact::Number(u64::from(number)))
        }
        BadRequest::ParamType { index, .. } => {
            Refusal::new(Reason::BadRequest).found(Fact::Number(index as u64))
        }
        BadRequest::ParamRange { limit, found, .. } => {
            Refusal::new(Reason::BadRequest).expected(Fact::Number(limit)).found(Fact::Number(found))
        }
    }
}
