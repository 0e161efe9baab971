//! The Trusted Application's entry points: who may open it, and which command is allowed in which state.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;

use rproc_abi::refusal::Reason;
use rproc_abi::service::{Request, buffer_outputs, opened_for};
use rproc_abi::{Client, Completion, Params, ProcessorId, Refusal, SharedMemory, TeeResult};
use rproc_image::Sha256;

use crate::access::Access;
use crate::coredump::{self, Dump};
use crate::loader::{self, LoadedFirmware};
use crate::observer::{Event, Observer, Unbound};
use crate::platform::{Platform, PlatformClient};
use crate::policy::Policy;
use crate::resource_table;
use crate::said::Connection;

/// The cryptography that the service itself needs; signatures are the platform's business, which has the keys.
pub trait Crypto {
    /// SHA-256.
    type Sha256: Sha256;
}

/// In which state a processor is (the table in `docs/protocol.md`).
enum State {
    /// This service has not touched it yet. Off, unless an earlier instance of the service ended while it ran.
    Untouched,
    /// Nothing is loaded.
    Off(Remains),
    /// Authenticated and in place.
    Loaded(LoadedFirmware),
    /// Running.
    Started(LoadedFirmware),
}

/// What the memory of a processor that is off holds.
enum Remains {
    /// Nothing: the platform released it, and nothing was placed since.
    Nothing,
    /// What the last run left, kept for a dump until the next load or release.
    Run,
    /// What a load or start left that failed; the platform may not have been able to wipe it.
    Failure,
}

/// The remoteproc service: one instance for every processor and every session.
pub struct Service<P, C, O> {
    platform: Connection<P>,
    access: Access,
    policy: Policy,
    observer: O,
    states: BTreeMap<ProcessorId, State>,
    /// Why the last refused command of each processor was refused; of processors that the platform does not have, only the
    /// last one's.
    refusals: BTreeMap<ProcessorId, Refusal>,
    stranger: Option<(ProcessorId, Refusal)>,
    crypto: core::marker::PhantomData<C>,
}

impl<P: PlatformClient, C: Crypto, O: Observer> Service<P, C, O> {
    /// A service with every processor off.
    pub const fn new(platform: P, access: Access, policy: Policy, observer: O) -> Self {
        Self {
            platform: Connection::new(platform),
            access,
            policy,
            observer,
            states: BTreeMap::new(),
            refusals: BTreeMap::new(),
            stranger: None,
            crypto: core::marker::PhantomData,
        }
    }

    /// Somebody wants a session. Only whom [`Access`] names gets one, and only for a processor that exists.
    pub fn open_session<M>(&mut self, client: Client, params: Params<M>) -> Result<(), TeeResult> {
        let processor = opened_for(params).map_err(TeeResult::from)?;
        let mut platform = Platform::new(&mut self.platform, processor);
        let allowed = self.access.check(&client).and_then(|()| platform.open());
        allowed.and_then(|()| platform.check_processor()).map_err(|refusal| self.note(processor, refusal))
    }

    /// Answers one command.
    pub fn invoke<M: SharedMemory>(&mut self, command: u32, params: Params<M>) -> Completion {
        let request = match Request::from_params(command, params) {
            Ok(request) => request,
            Err(bad) => return Completion::failed(bad.into()),
        };
        let processor = request.processor();
        let answer = match request {
            Request::GetRefusal { buffer, .. } => return self.last_refusal(processor, &buffer),
            Request::LoadFirmware { image, .. } => self.load(processor, &image),
            Request::StartFirmware { .. } => self.start(processor),
            Request::StopFirmware { .. } => self.stop(processor),
            Request::GetResourceTable { .. } => self.resource_table(processor),
            Request::GetCoredump { buffer, .. } => self.coredump(processor, &buffer),
            Request::ReleaseFirmware { .. } => self.release(processor),
        };
        answer.unwrap_or_else(|refusal| Completion::failed(self.note(processor, refusal)))
    }

    fn note(&mut self, processor: ProcessorId, refusal: Refusal) -> TeeResult {
        if self.states.contains_key(&processor) {
            self.refusals.insert(processor, refusal);
        } else {
            self.stranger = Some((processor, refusal));
        }
        self.observer.event(Event::Refused { processor, refusal });
        refusal.result()
    }

    fn last_refusal<M: SharedMemory>(&self, processor: ProcessorId, buffer: &M) -> Completion {
        let stranger = self.stranger.as_ref().filter(|(refused, _)| *refused == processor);
        match self.refusals.get(&processor).or(stranger.map(|(_, refusal)| refusal)) {
            Some(refusal) => {
                let result = match buffer.write(0, &refusal.encode()) {
                    Ok(()) => TeeResult::SUCCESS,
                    Err(_) => TeeResult::SHORT_BUFFER,
                };
                Completion { result, outputs: buffer_outputs(Refusal::ENCODED_SIZE) }
            }
            None => Completion::failed(TeeResult::ITEM_NOT_FOUND),
        }
    }

    /// The platform and the state of a processor that the platform has; ids that it has not leave no trace.
    fn known(&mut self, processor: ProcessorId) -> Result<(Platform<'_, P>, &mut State, &mut O), Refusal> {
        let mut platform = Platform::new(&mut self.platform, processor);
        let state = match self.states.entry(processor) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(first_state(&mut platform, &mut self.observer)?),
        };
        Ok((platform, state, &mut self.observer))
    }

    fn load<M: SharedMemory>(&mut self, processor: ProcessorId, image: &M) -> Result<Completion, Refusal> {
        let policy = self.policy;
        let (mut platform, state, observer) = self.known(processor)?;
        match state {
            State::Started(_) => return Err(Refusal::new(Reason::AlreadyStarted)),
            State::Loaded(_) => return Ok(Completion::DONE),
            State::Untouched => platform.check_held()?,
            State::Off(_) => {}
        }
        let empty = matches!(state, State::Off(Remains::Nothing));
        // What an earlier run left, for a dump, ends here; a load that fails leaves nothing to dump either.
        *state = State::Off(Remains::Failure);
        if !empty {
            platform.release()?;
        }
        *state = State::Loaded(loader::load::<M, C::Sha256, P>(image, policy, &mut platform, observer)?);
        Ok(Completion::DONE)
    }

    fn start(&mut self, processor: ProcessorId) -> Result<Completion, Refusal> {
        let (mut platform, state, observer) = self.known(processor)?;
        match core::mem::replace(state, State::Off(Remains::Failure)) {
            idle @ (State::Untouched | State::Off(_)) => {
                *state = idle;
                return Err(Refusal::new(Reason::NotLoaded));
            }
            State::Started(firmware) => *state = State::Started(firmware),
            State::Loaded(firmware) => {
                if let Err(refusal) = platform.start() {
                    // What cannot be started is not kept; the first reason counts, and a platform that cannot wipe keeps
                    // the memory closed.
                    let _ = platform.release();
                    return Err(refusal);
                }
                let LoadedFirmware { security_counter, unbound, .. } = firmware;
                let raised = raise(&mut platform, security_counter);
                *state = State::Started(firmware);
                if let Err(refusal) = raised {
                    // It would run while an older image could still follow it.
                    platform.stop()?;
                    *state = State::Off(Remains::Failure);
                    let _ = platform.release();
                    return Err(refusal);
                }
                observer.event(Event::Started { processor, security_counter, unbound });
            }
        }
        Ok(Completion::DONE)
    }

    fn stop(&mut self, processor: ProcessorId) -> Result<Completion, Refusal> {
        let (mut platform, state, observer) = self.known(processor)?;
        match state {
            // What an earlier instance started must not be called off while it runs.
            State::Untouched => platform.hold()?,
            State::Off(_) => {}
            State::Loaded(_) => return Err(Refusal::new(Reason::NotStarted)),
            State::Started(_) => {
                platform.stop()?;
                *state = State::Off(Remains::Run);
                observer.event(Event::Stopped { processor });
            }
        }
        Ok(Completion::DONE)
    }

    fn resource_table(&mut self, processor: ProcessorId) -> Result<Completion, Refusal> {
        let (mut platform, state, _) = self.known(processor)?;
        match state {
            // What runs without this instance's doing can be attached to, though nobody knows its table here.
            State::Untouched => {
                platform.check_not_running()?;
                Err(Refusal::new(Reason::NotLoaded))
            }
            State::Off(_) => Err(Refusal::new(Reason::NotLoaded)),
            State::Loaded(firmware) | State::Started(firmware) => {
                Ok(Completion::with(firmware.resource_table.unwrap_or_default().outputs()))
            }
        }
    }

    fn coredump<M: SharedMemory>(
        &mut self,
        processor: ProcessorId,
        buffer: &M,
    ) -> Result<Completion, Refusal> {
        let (mut platform, state, _) = self.known(processor)?;
        match state {
            State::Untouched | State::Off(Remains::Nothing | Remains::Failure) => {
                return Err(Refusal::new(Reason::NotLoaded));
            }
            // The memory is the processor's alone while it runs.
            State::Started(_) => return Err(Refusal::new(Reason::AlreadyStarted)),
            State::Off(Remains::Run) | State::Loaded(_) => {}
        }
        Ok(match coredump::write(buffer, &mut platform)? {
            Dump::Written(size) => Completion::with(buffer_outputs(size)),
            Dump::Needs(size) => {
                Completion { result: TeeResult::SHORT_BUFFER, outputs: buffer_outputs(size) }
            }
        })
    }

    fn release(&mut self, processor: ProcessorId) -> Result<Completion, Refusal> {
        let (mut platform, state, observer) = self.known(processor)?;
        match state {
            State::Started(_) => return Err(Refusal::new(Reason::AlreadyStarted)),
            State::Untouched => platform.hold()?,
            State::Off(_) | State::Loaded(_) => {}
        }
        platform.release()?;
        *state = State::Off(Remains::Nothing);
        observer.event(Event::Released { processor });
        Ok(Completion::DONE)
    }
}

/// The state of a processor that this service has not been asked about before.
fn first_state<P: PlatformClient>(
    platform: &mut Platform<'_, P>,
    observer: &mut impl Observer,
) -> Result<State, Refusal> {
    let Some((address, room)) = platform.inherited()? else { return Ok(State::Untouched) };
    let processor = platform.processor;
    match resource_table::of_inherited(address, room, platform) {
        Ok(resource_table) => {
            observer.event(Event::Inherited { processor, resource_table });
            let unbound = Unbound::default();
            Ok(State::Started(LoadedFirmware { resource_table, security_counter: 0, unbound }))
        }
        Err(refusal) => {
            platform.stop()?;
            platform.release()?;
            observer.event(Event::TakenOver { processor, refusal });
            Ok(State::Off(Remains::Nothing))
        }
    }
}

/// Remembers the counter of what runs; a platform without counters has none to raise.
fn raise<P: PlatformClient>(platform: &mut Platform<'_, P>, counter: u32) -> Result<(), Refusal> {
    match platform.security_counter()? {
        Some(lowest) if lowest < counter => platform.raise_security_counter(counter),
        _ => Ok(()),
    }
}
