//! The host port of the secure world: a small TEE that runs the remoteproc TA, its platform service and the SoC's own services
//! as OP-TEE would.

mod chip;
mod counters;
mod hardware;
mod keys;
mod log;
mod memory;
mod monitor;
mod regions;
mod services;
mod soc;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rproc_abi::enumeration::Scope;
use rproc_abi::refusal::Reason;
use rproc_abi::{
    Client, Completion, Login, Origin, Output, Outputs, Param, Params, ProcessorId, PtaMemory, SharedMemory,
    TeeResult, Uuid,
};
use rproc_hwrng::HwrngService;
use rproc_platform::PlatformService;
use rproc_service::{Access, Crypto, PlatformClient, Policy, Service};
use rproc_tee::{MemRef, SessionId, SharedBuffer, TeeClient, TeeError};

use crate::bus::{Bus, Initiator, Port};

pub use counters::Counters;
pub use hardware::SecurePort;
pub use keys::TrustedKeys;
pub use log::{SecureEntry, SecureEvent, SecureLog};
pub use memory::{NormalMemory, SharedHeap};
pub use regions::regions_of;
pub use services::{Presence, Services};

pub(crate) use chip::Chip;
use monitor::Monitor;
use services::{Hosted, Table};
use soc::HostEntropy;

/// What a TEE is built with.
pub struct TeeConfig {
    /// The keys that the platform trusts.
    pub keys: TrustedKeys,
    /// What an image must bind.
    pub policy: Policy,
    /// Which services it hosts.
    pub services: Services,
    /// The security counters, which outlive a power cycle.
    pub counters: Counters,
}

type Platform = PlatformService<SecurePort, Chip, TrustedKeys, Counters, SecureLog>;

/// The way from the TA to the platform service, which OP-TEE's core opens to that TA alone.
struct HostPlatform(Platform);

impl PlatformClient for HostPlatform {
    fn open(&mut self, _: ProcessorId) -> Result<(), TeeResult> {
        Ok(())
    }

    fn invoke<M: SharedMemory>(&mut self, number: u32, params: Params<PtaMemory<'_, M>>) -> Completion {
        self.0.invoke::<sha2::Sha256, M>(number, params)
    }
}

struct HostCrypto;

impl Crypto for HostCrypto {
    type Sha256 = sha2::Sha256;
}

type Remoteproc = Service<HostPlatform, HostCrypto, SecureLog>;

impl Hosted for Remoteproc {
    fn open_session(&mut self, client: Client, params: Params<NormalMemory>) -> Result<(), TeeResult> {
        Service::open_session(self, client, params)
    }

    fn invoke(&mut self, command: u32, params: Params<NormalMemory>) -> Completion {
        Service::invoke(self, command, params)
    }
}

/// Which service a session is with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Enumeration,
    /// By its place in the table.
    Hosted(usize),
}

struct Inner {
    services: Table,
    sessions: BTreeMap<u32, Target>,
    next_session: u32,
    heap: SharedHeap,
    monitor: Monitor,
}

/// The TEE of a virtual board. What it does to the board, it does through the bus as the secure Cortex-A35.
pub struct HostTee {
    inner: Mutex<Inner>,
    log: SecureLog,
    bus: Arc<Bus>,
}

/// As many sessions as the TEE has room for.
const SESSIONS_LIMIT: usize = 64;

/// Gives the processors that are not the TEE's own to the normal world, and says which ones stay here: its own, and one
/// that could not be given away.
fn keep(platform: &mut Platform, owned: &[ProcessorId]) -> Vec<ProcessorId> {
    let stays = |id: &ProcessorId| {
        owned.contains(id)
            || platform.give_away(*id).is_err_and(|refusal| refusal.reason != Reason::UnknownProcessor)
    };
    Services::PROCESSORS.into_iter().filter(stays).collect()
}

impl HostTee {
    /// Boots a TEE on a board.
    pub fn new(bus: Arc<Bus>, config: TeeConfig) -> Self {
        let log = SecureLog::new(bus.clone());
        let secure = || SecurePort::new(Port::new(bus.clone(), Initiator::A35Secure));
        let soc = Chip::new(bus.description());
        let mut platform = PlatformService::new(secure(), soc, config.keys, config.counters, log.clone());
        let kept = keep(&mut platform, &config.services.owned);
        for coprocessor in &bus.description().coprocessors {
            platform.look(ProcessorId(coprocessor.id), coprocessor.before_tee);
        }
        let remoteproc =
            Service::new(HostPlatform(platform), Access::kernel_only(), config.policy, log.clone());
        let scmi = soc::scmi(bus.description().family, secure(), &kept, log.clone());
        let monitor = Monitor::new(bus.description(), secure(), &kept);
        let mut services = Table::default();
        services.add(Uuid::REMOTEPROC_TA, config.services.remoteproc, remoteproc);
        services.add(Uuid::SCMI_PTA, config.services.scmi, scmi);
        services.add(Uuid::HWRNG_PTA, config.services.hwrng, HwrngService::new(HostEntropy));
        let heap = SharedHeap::of(bus.description());
        let inner = Inner { services, sessions: BTreeMap::new(), next_session: 1, heap, monitor };
        Self { inner: Mutex::new(inner), log, bus }
    }

    /// tee-supplicant runs now.
    pub fn start_supplicant(&self) {
        self.lock().services.start_supplicant();
    }

    /// A call of the secure monitor (SMC) by the normal world's kernel; its first result.
    pub fn monitor_call(&self, function: u32, arguments: [u32; 3]) -> u32 {
        self.lock().monitor.call(function, arguments)
    }

    /// Takes what the secure world has logged, oldest first.
    pub fn drain_log(&self) -> Vec<(std::time::Duration, SecureEvent)> {
        self.log.drain().into_iter().map(|entry| (entry.at, entry.event)).collect()
    }

    /// The same with the processor of each event.
    pub fn drain_entries(&self) -> Vec<SecureEntry> {
        self.log.drain()
    }

    /// Where a shared buffer lies, physical address and bytes: what a hostile normal world knows anyway.
    pub fn buffer_address(&self, buffer: SharedBuffer) -> Option<(u64, usize)> {
        self.lock().heap.find(buffer.id)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic while the lock was held is a bug that its own thread reports; the state itself is plain data.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The normal world's port, for what its own kernel does to a shared buffer.
    fn normal(&self) -> Port {
        Port::new(self.bus.clone(), Initiator::A35NonSecure)
    }

    fn place(&self, buffer: SharedBuffer, offset: usize, len: usize) -> Result<u64, TeeError> {
        let (address, size) = self.lock().heap.find(buffer.id).ok_or(api(TeeResult::ITEM_NOT_FOUND))?;
        match offset.checked_add(len) {
            Some(end) if end <= size => Ok(address + offset as u64),
            _ => Err(api(TeeResult::BAD_PARAMETERS)),
        }
    }
}

impl Inner {
    /// Takes memory references across the world boundary: each must lie inside memory that is registered as shared.
    fn cross(&self, bus: &Arc<Bus>, params: Params<MemRef>) -> Result<Params<NormalMemory>, TeeError> {
        let [a, b, c, d] = params.map(|param| -> Result<Param<NormalMemory>, TeeError> {
            param.map(|memref| {
                let (address, size) =
                    self.heap.find(memref.buffer.id).ok_or(comms(TeeResult::BAD_PARAMETERS))?;
                match memref.offset.checked_add(memref.size) {
                    Some(end) if end <= size => Ok(NormalMemory::new(
                        Port::new(bus.clone(), Initiator::A35Secure),
                        address + memref.offset as u64,
                        memref.size,
                    )),
                    _ => Err(comms(TeeResult::BAD_PARAMETERS)),
                }
            })
        });
        Ok([a?, b?, c?, d?])
    }

    fn enumerate(&self, command: u32, params: Params<NormalMemory>) -> Completion {
        let (scope, list) = match Scope::from_params(command, params) {
            Ok(request) => request,
            Err(bad) => return Completion::failed(bad.into()),
        };
        let uuids = self.services.listed(scope);
        let result = match list.write(0, &uuids) {
            Ok(()) => TeeResult::SUCCESS,
            Err(_) => TeeResult::SHORT_BUFFER,
        };
        Completion { result, outputs: Scope::outputs(uuids.len()) }
    }
}

const NO_OUTPUTS: Outputs = [Output::None; 4];

fn error(result: TeeResult, origin: Origin) -> TeeError {
    TeeError { result, origin, outputs: NO_OUTPUTS }
}

fn api(result: TeeResult) -> TeeError {
    error(result, Origin::Api)
}

fn comms(result: TeeResult) -> TeeError {
    error(result, Origin::Comms)
}

fn tee(result: TeeResult) -> TeeError {
    error(result, Origin::Tee)
}

impl TeeClient for HostTee {
    fn open_session(
        &self,
        service: Uuid,
        login: Login,
        params: Params<MemRef>,
    ) -> Result<SessionId, TeeError> {
        let mut inner = self.lock();
        let params = inner.cross(&self.bus, params)?;
        let target = match service {
            Uuid::DEVICE_ENUMERATION => Target::Enumeration,
            // The platform service asks who calls; no session of the normal world is the TA.
            Uuid::REMOTEPROC_PTA => return Err(tee(TeeResult::ACCESS_DENIED)),
            other => Target::Hosted(inner.services.find(other).ok_or(tee(TeeResult::ITEM_NOT_FOUND))?),
        };
        if inner.sessions.len() >= SESSIONS_LIMIT {
            return Err(tee(TeeResult::OUT_OF_MEMORY));
        }
        if let Target::Hosted(place) = target {
            let hosted = inner.services.get(place).ok_or(tee(TeeResult::ITEM_NOT_FOUND))?;
            // Only group and application logins have more to them, and those this TEE lets nobody use.
            let client = Client { login, uuid: Uuid::NIL };
            hosted.open_session(client, params).map_err(|result| error(result, Origin::TrustedApp))?;
        }
        let id = inner.next_session;
        inner.next_session = inner.next_session.wrapping_add(1).max(1);
        inner.sessions.insert(id, target);
        Ok(SessionId(id))
    }

    fn invoke(&self, session: SessionId, command: u32, params: Params<MemRef>) -> Result<Outputs, TeeError> {
        let mut inner = self.lock();
        let target = *inner.sessions.get(&session.0).ok_or(tee(TeeResult::BAD_PARAMETERS))?;
        let params = inner.cross(&self.bus, params)?;
        let completion = match target {
            Target::Enumeration => inner.enumerate(command, params),
            Target::Hosted(place) => match inner.services.get(place) {
                Some(hosted) => hosted.invoke(command, params),
                None => Completion::failed(TeeResult::TARGET_DEAD),
            },
        };
        if completion.result.is_success() {
            Ok(completion.outputs)
        } else {
            Err(TeeError {
                result: completion.result,
                origin: Origin::TrustedApp,
                outputs: completion.outputs,
            })
        }
    }

    fn close_session(&self, session: SessionId) {
        self.lock().sessions.remove(&session.0);
    }

    fn share(&self, size: usize) -> Result<SharedBuffer, TeeError> {
        let buffer = self.lock().heap.allocate(size).ok_or(api(TeeResult::OUT_OF_MEMORY))?;
        let address = self.place(buffer, 0, size)?;
        self.normal().fill(address, size as u64, 0).map_err(|_| api(TeeResult::GENERIC))?;
        Ok(buffer)
    }

    fn unshare(&self, buffer: SharedBuffer) {
        self.lock().heap.free(buffer.id);
    }

    fn write_shared(&self, buffer: SharedBuffer, offset: usize, from: &[u8]) -> Result<(), TeeError> {
        let address = self.place(buffer, offset, from.len())?;
        self.normal().write(address, from).map_err(|_| api(TeeResult::GENERIC))
    }

    fn read_shared(&self, buffer: SharedBuffer, offset: usize, into: &mut [u8]) -> Result<(), TeeError> {
        let address = self.place(buffer, offset, into.len())?;
        self.normal().read(address, into).map_err(|_| api(TeeResult::GENERIC))
    }
}
