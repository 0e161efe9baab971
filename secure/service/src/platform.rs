//! The service's view of the platform service: typed calls, over whatever way a port has to reach it.

use alloc::vec::Vec;

use rproc_abi::platform::{Answer, Command, KeyInfo, Request};
use rproc_abi::refusal::{Fact, Reason};
use rproc_abi::{Completion, OutOfRange, Params, ProcessorId, PtaMemory, Refusal, SharedMemory, TeeResult};

use crate::room::{push, zeroed};
use crate::said::{Connection, KnownRegion, Said};

/// A way to call the platform service.
pub trait PlatformClient {
    /// Makes the platform service reachable, naming the processor that is used first; nothing where it already is.
    /// Fails with the result code of whoever stands in the way.
    fn open(&mut self, processor: ProcessorId) -> Result<(), TeeResult>;

    /// Calls a command. Memory of the normal world is passed on as it is, unread.
    fn invoke<M: SharedMemory>(&mut self, number: u32, params: Params<PtaMemory<'_, M>>) -> Completion;
}

/// Shared memory that cannot exist, for calls that pass none on.
pub(crate) enum Nothing {}

impl SharedMemory for Nothing {
    fn size(&self) -> usize {
        match *self {}
    }

    fn read(&self, _: usize, _: &mut [u8]) -> Result<(), OutOfRange> {
        match *self {}
    }

    fn write(&self, _: usize, _: &[u8]) -> Result<(), OutOfRange> {
        match *self {}
    }

    fn part(&self, _: usize, _: usize) -> Result<Self, OutOfRange> {
        match *self {}
    }
}

/// The platform service, for one processor.
pub(crate) struct Platform<'p, P> {
    client: &'p mut P,
    said: &'p mut Said,
    pub(crate) processor: ProcessorId,
}

impl<'p, P: PlatformClient> Platform<'p, P> {
    pub(crate) fn new(connection: &'p mut Connection<P>, processor: ProcessorId) -> Self {
        let Connection { client, said } = connection;
        Self { client, said, processor }
    }

    fn call<M: SharedMemory>(&mut self, command: Command<PtaMemory<'_, M>>) -> Result<Answer, Refusal> {
        let (number, params) = Request { processor: self.processor, command }.into_params();
        let completion = self.client.invoke(number, params);
        if !completion.result.is_success() {
            return Err(self.reason(completion.result));
        }
        Answer::from_outputs(number, &completion.outputs).ok_or(Refusal::new(Reason::PlatformFailed))
    }

    /// Why the platform refused: its own words where it has them, else what its result code says.
    fn reason(&mut self, result: TeeResult) -> Refusal {
        let mut bytes = [0; Refusal::ENCODED_SIZE];
        let command =
            Command::<PtaMemory<'_, Nothing>>::GetRefusal { buffer: PtaMemory::PrivateMut(&mut bytes) };
        let (number, params) = Request { processor: self.processor, command }.into_params();
        if self.client.invoke(number, params).result.is_success()
            && let Some(refusal) = Refusal::decode(&bytes)
            && refusal.result() == result
        {
            return refusal;
        }
        let reason = match result {
            TeeResult::SIGNATURE_INVALID => Reason::SignatureInvalid,
            TeeResult::SECURITY => Reason::SegmentDigest,
            TeeResult::ACCESS_DENIED => Reason::AddressOutsideRegions,
            TeeResult::NOT_SUPPORTED => Reason::UnknownProcessor,
            TeeResult::BAD_STATE => Reason::WrongState,
            TeeResult::BAD_PARAMETERS | TeeResult::NOT_IMPLEMENTED => Reason::BadRequest,
            _ => Reason::PlatformFailed,
        };
        Refusal::new(reason)
    }

    fn plain(&mut self, command: Command<PtaMemory<'_, Nothing>>) -> Result<Answer, Refusal> {
        self.call(command)
    }

    /// Opens the platform service, once for all processors.
    pub(crate) fn open(&mut self) -> Result<(), Refusal> {
        self.client.open(self.processor).map_err(|result| match result {
            TeeResult::ITEM_NOT_FOUND => Refusal::new(Reason::PlatformMissing),
            TeeResult::ACCESS_DENIED => Refusal::new(Reason::NotService),
            TeeResult::NOT_SUPPORTED => Refusal::new(Reason::UnknownProcessor),
            other => Refusal::new(Reason::PlatformFailed).found(Fact::Address(u64::from(other.0))),
        })
    }

    /// Refuses a processor that runs although this service has not started it: an earlier instance has.
    pub(crate) fn check_held(&mut self) -> Result<(), Refusal> {
        // Memory of a processor that runs is not read out, and that is said before the address is looked at.
        let answer = match self.read_memory(0, &mut [0]) {
            // Upstream's service does not read memory, but it does not release what runs.
            Err(refusal) if refusal.reason == Reason::BadRequest => self.release(),
            answer => answer,
        };
        started_before(answer)
    }

    /// As [`Platform::check_held`], and touches nothing; upstream's platform service cannot tell, and passes.
    pub(crate) fn check_not_running(&mut self) -> Result<(), Refusal> {
        started_before(self.read_memory(0, &mut [0]))
    }

    /// Stops a processor that may run or not.
    pub(crate) fn hold(&mut self) -> Result<(), Refusal> {
        match self.stop() {
            // Upstream's service calls it a wrong state when there is nothing to stop.
            Err(refusal) if refusal.reason == Reason::WrongState => Ok(()),
            stopped => stopped,
        }
    }

    /// Refuses a processor that the platform does not have.
    pub(crate) fn check_processor(&mut self) -> Result<(), Refusal> {
        self.plain(Command::Capabilities).map(drop)
    }

    /// Where the resource table is of a processor that runs since before the platform service began, device address and bytes
    /// to the end of what is shared; nothing of any other processor. Refuses one that the platform does not have.
    pub(crate) fn inherited(&mut self) -> Result<Option<(u64, u64)>, Refusal> {
        let command = Command::<PtaMemory<'_, Nothing>>::Inherited;
        let (number, params) = Request { processor: self.processor, command }.into_params();
        let completion = self.client.invoke(number, params);
        match completion.result {
            TeeResult::ITEM_NOT_FOUND => Ok(None),
            result if result.is_success() => match Answer::from_outputs(number, &completion.outputs) {
                Some(Answer::Inherited { address, room }) => Ok(Some((address, room))),
                _ => Err(Refusal::new(Reason::PlatformFailed)),
            },
            result => match self.reason(result) {
                // Upstream's keeps nothing running, and does not know the question.
                refusal if refusal.reason == Reason::BadRequest => self.check_processor().map(|()| None),
                refusal => Err(refusal),
            },
        }
    }

    /// Copies a part of the container to device memory and keeps it only if its digest is right.
    pub(crate) fn load_segment<M: SharedMemory>(
        &mut self,
        data: M,
        address: u64,
        digest: &[u8; 32],
    ) -> Result<(), Refusal> {
        let digest = PtaMemory::Private(digest);
        self.call(Command::LoadSegment { data: PtaMemory::Shared(data), address, digest }).map(drop)
    }

    pub(crate) fn zero(&mut self, address: u64, size: u64) -> Result<(), Refusal> {
        self.plain(Command::SetMemory { address, size, byte: 0 }).map(drop)
    }

    pub(crate) fn start(&mut self) -> Result<(), Refusal> {
        self.plain(Command::Start).map(drop)
    }

    pub(crate) fn stop(&mut self) -> Result<(), Refusal> {
        self.plain(Command::Stop).map(drop)
    }

    pub(crate) fn release(&mut self) -> Result<(), Refusal> {
        self.plain(Command::Release).map(drop)
    }

    pub(crate) fn translate(&mut self, address: u64, size: u64) -> Result<u64, Refusal> {
        if let Some(physical) = self.said.physical(self.processor, address, size) {
            return Ok(physical);
        }
        let physical = self.ask_to_translate(address, size)?;
        self.learn_regions()?;
        Ok(physical)
    }

    /// Asks for the regions and where they are, once; none of a platform that does not tell them, as upstream's.
    fn learn_regions(&mut self) -> Result<(), Refusal> {
        if self.said.regions_known(self.processor) {
            return Ok(());
        }
        let mut regions = Vec::new();
        loop {
            match self.region(regions.len() as u32) {
                Ok(Some((address, size))) => {
                    let physical = self.ask_to_translate(address, size)?;
                    push(&mut regions, KnownRegion { address, size, physical })?;
                }
                Ok(None) => break,
                Err(refusal) if refusal.reason == Reason::BadRequest => break,
                Err(refusal) => return Err(refusal),
            }
        }
        self.said.learn_regions(self.processor, regions)
    }

    fn ask_to_translate(&mut self, address: u64, size: u64) -> Result<u64, Refusal> {
        match self.plain(Command::Translate { address, size })? {
            Answer::Physical(physical) => Ok(physical),
            _ => Err(Refusal::new(Reason::PlatformFailed)),
        }
    }

    pub(crate) fn verify_digest(
        &mut self,
        key: KeyInfo<'_>,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let mut bytes = zeroed(8 + key.info.len())?;
        let (head, info) = bytes.split_at_mut(8);
        head.copy_from_slice(&key.head());
        info.copy_from_slice(key.info);
        self.plain(Command::VerifyDigest {
            key: PtaMemory::Private(&bytes),
            digest: PtaMemory::Private(digest),
            signature: PtaMemory::Private(signature),
        })
        .map(drop)
    }

    /// Copies device memory out.
    pub(crate) fn read_memory(&mut self, address: u64, into: &mut [u8]) -> Result<(), Refusal> {
        self.plain(Command::ReadMemory { address, buffer: PtaMemory::PrivateMut(into) }).map(drop)
    }

    /// Passes a platform TLV on; a platform that takes none is none the worse.
    pub(crate) fn platform_tlv(&mut self, kind: u32, value: &[u8]) -> Result<(), Refusal> {
        optional(self.plain(Command::PlatformTlv { kind, value: PtaMemory::Private(value) })).map(drop)
    }

    /// The SoC's name, asked for once; `None` where the platform does not tell.
    pub(crate) fn soc_name(&mut self) -> Result<Option<&str>, Refusal> {
        if self.said.soc_name.is_none() {
            let mut room = [0; 32];
            let buffer = PtaMemory::PrivateMut(&mut room[..]);
            let Some(answer) = optional(self.plain(Command::SocName { buffer }))? else { return Ok(None) };
            let Answer::Size(size) = answer else { return Err(Refusal::new(Reason::PlatformFailed)) };
            self.said.soc_name = Some((room, size));
        }
        let name = self.said.soc_name.as_ref().and_then(|(room, size)| room.get(..*size));
        Ok(name.and_then(|name| core::str::from_utf8(name).ok()))
    }

    /// Copies parts of the container to device memory and keeps them only if their digests are right; false where the
    /// platform takes one segment at a time, as upstream's.
    pub(crate) fn load_segments<M: SharedMemory>(
        &mut self,
        container: M,
        placements: &[u8],
        tlvs: &[u8],
    ) -> Result<bool, Refusal> {
        let command = Command::LoadSegments {
            container: PtaMemory::Shared(container),
            placements: PtaMemory::Private(placements),
            tlvs: PtaMemory::Private(tlvs),
        };
        Ok(optional(self.call(command))?.is_some())
    }

    /// The lowest counter that an image may have; `None` where the platform keeps none.
    pub(crate) fn security_counter(&mut self) -> Result<Option<u32>, Refusal> {
        if let Some(counter) = self.said.counter(self.processor) {
            return Ok(Some(counter));
        }
        let counter = match optional(self.plain(Command::SecurityCounter))? {
            None => return Ok(None),
            Some(Answer::Counter(counter)) => counter,
            Some(_) => return Err(Refusal::new(Reason::PlatformFailed)),
        };
        self.said.learn_counter(self.processor, counter)?;
        Ok(Some(counter))
    }

    pub(crate) fn raise_security_counter(&mut self, value: u32) -> Result<(), Refusal> {
        // Whether it was raised before a failure is the platform's to say.
        self.said.forget_counter(self.processor);
        self.plain(Command::RaiseSecurityCounter { value })?;
        self.said.learn_counter(self.processor, value)
    }

    /// The n-th range of device memory, address and size; `None` past the last.
    pub(crate) fn region(&mut self, index: u32) -> Result<Option<(u64, u64)>, Refusal> {
        let command = Command::<PtaMemory<'_, Nothing>>::Region { index };
        let (number, params) = Request { processor: self.processor, command }.into_params();
        let completion = self.client.invoke(number, params);
        match completion.result {
            TeeResult::ITEM_NOT_FOUND => Ok(None),
            result if result.is_success() => match Answer::from_outputs(number, &completion.outputs) {
                Some(Answer::Region { address, size }) => Ok(Some((address, size))),
                _ => Err(Refusal::new(Reason::PlatformFailed)),
            },
            result => Err(self.reason(result)),
        }
    }
}

/// A command that upstream's platform service does not know is not a failure, only nothing.
fn optional(answer: Result<Answer, Refusal>) -> Result<Option<Answer>, Refusal> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(refusal) if refusal.reason == Reason::BadRequest => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// What an answer that only a held processor allows says about an untouched one.
fn started_before(answer: Result<(), Refusal>) -> Result<(), Refusal> {
    match answer {
        Err(Refusal { reason: Reason::AlreadyStarted | Reason::WrongState, .. }) => {
            Err(Refusal::new(Reason::StartedBefore))
        }
        _ => Ok(()),
    }
}
