//! The service on platform services other than ours: upstream's, which knows the nine published commands only, and one
//! whose parts fail.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rproc_abi::platform::{Answer, Command, KeyInfo, Request};
use rproc_abi::refusal::Reason;
use rproc_abi::service::{self, TableLocation};
use rproc_abi::{
    Client, Completion, OutOfRange, Params, ProcessorId, PtaMemory, Refusal, SharedMemory, TeeResult,
};
use rproc_elf::testing::{ElfBuilder, resource_table};
use rproc_image::{BoundResourceTable, ContainerBuilder, Target};
use rproc_keys::{PrivateKey, development_key};
use rproc_service::{Access, Crypto, PlatformClient, Policy, Service, Silent};
use sha2::{Digest, Sha256};

const M4: ProcessorId = ProcessorId::CORTEX_M4;
const CODE: u32 = 0x1000_0000;
const TABLE: u32 = 0x1004_8000;
/// The other side of this platform sees the processor's memory elsewhere.
const SHIFT: u64 = 0x2000_0000;

/// What a platform is and does.
struct State {
    memory: BTreeMap<u64, Vec<u8>>,
    running: bool,
    released: usize,
    /// Result codes instead of success, by command.
    failing: BTreeMap<u32, TeeResult>,
    /// How it answers who opens it.
    door: Result<(), TeeResult>,
    /// Whether it knows the security counter; upstream's does not.
    counter: bool,
}

#[derive(Clone)]
struct Pta(Rc<RefCell<State>>);

impl Pta {
    fn new() -> Self {
        let (memory, failing) = (BTreeMap::new(), BTreeMap::new());
        let state = State { memory, running: false, released: 0, failing, door: Ok(()), counter: false };
        Self(Rc::new(state.into()))
    }
}

impl PlatformClient for Pta {
    fn open(&mut self, _: ProcessorId) -> Result<(), TeeResult> {
        self.0.borrow().door
    }

    fn invoke<M: SharedMemory>(&mut self, number: u32, params: Params<PtaMemory<'_, M>>) -> Completion {
        let mut state = self.0.borrow_mut();
        if let Some(result) = state.failing.get(&number) {
            return Completion::failed(*result);
        }
        let request = Request::from_params(number, params).unwrap();
        if request.processor != M4 {
            return Completion::failed(TeeResult::NOT_SUPPORTED);
        }
        let answer = match request.command {
            Command::Capabilities => Answer::Capabilities { formats: 1, protections: 1 },
            Command::LoadSegment { data, address, digest } => {
                let mut bytes = vec![0; data.size()];
                data.read(0, &mut bytes).unwrap();
                if digest.array::<32>().unwrap() != Sha256::digest(&bytes)[..] {
                    return Completion::failed(TeeResult::SECURITY);
                }
                state.memory.insert(address, bytes);
                Answer::Done
            }
            Command::SetMemory { .. } => Answer::Done,
            Command::Start => {
                state.running = true;
                Answer::Done
            }
            // Upstream's stops what runs and releases what does not.
            Command::Stop if !state.running => return Completion::failed(TeeResult::BAD_STATE),
            Command::Release if state.running => return Completion::failed(TeeResult::BAD_STATE),
            Command::Stop => {
                state.running = false;
                Answer::Done
            }
            Command::Translate { address, .. } => Answer::Physical(address + SHIFT),
            Command::VerifyDigest { key, digest, signature } => {
                let mut head = [0; 8];
                key.read(0, &mut head).unwrap();
                assert_eq!(head[..4], KeyInfo::ECDSA_SHA256.to_le_bytes(), "key information as upstream's");
                let digest = digest.array::<32>().unwrap();
                match key_pair().public_key().verify(&digest, &signature.array::<64>().unwrap()) {
                    Ok(()) => Answer::Done,
                    Err(_) => return Completion::failed(TeeResult::SIGNATURE_INVALID),
                }
            }
            Command::Release => {
                state.memory.clear();
                state.released += 1;
                Answer::Done
            }
            Command::SecurityCounter if state.counter => Answer::Counter(0),
            Command::RaiseSecurityCounter { .. } if state.counter => Answer::Done,
            _ => return Completion::failed(TeeResult::NOT_IMPLEMENTED),
        };
        Completion::with(answer.outputs(number))
    }
}

struct Host;

impl Crypto for Host {
    type Sha256 = Sha256;
}

/// Shared memory; a part of it is a copy, which is the same for what is only read.
struct Image(Rc<RefCell<Vec<u8>>>);

impl Image {
    fn new(bytes: &[u8]) -> Self {
        Self(Rc::new(bytes.to_vec().into()))
    }
}

impl SharedMemory for Image {
    fn size(&self) -> usize {
        self.0.borrow().len()
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfRange> {
        let error = OutOfRange { offset, len: into.len(), size: self.size() };
        into.copy_from_slice(self.0.borrow().get(offset..offset + into.len()).ok_or(error)?);
        Ok(())
    }

    fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfRange> {
        let error = OutOfRange { offset, len: from.len(), size: self.size() };
        let mut bytes = self.0.borrow_mut();
        bytes.get_mut(offset..offset + from.len()).ok_or(error)?.copy_from_slice(from);
        Ok(())
    }

    fn part(&self, offset: usize, len: usize) -> Result<Self, OutOfRange> {
        let error = OutOfRange { offset, len, size: self.size() };
        self.0.borrow().get(offset..offset + len).map(Self::new).ok_or(error)
    }
}

fn key_pair() -> PrivateKey {
    development_key().unwrap()
}

fn firmware() -> Vec<u8> {
    ElfBuilder::elf32()
        .load(CODE.into(), &[0x5A; 3000])
        .resource_table(TABLE.into(), &resource_table::sample())
        .build()
}

fn sign(bind: bool) -> Vec<u8> {
    let elf = firmware();
    let mut builder = ContainerBuilder::new();
    builder.image(&elf).unwrap();
    if bind {
        let table = BoundResourceTable::At { address: TABLE, size: resource_table::sample().len() as u32 };
        builder.resource_table(table).unwrap();
        builder.target(Target::new(M4.0, "stm32mp157").unwrap()).security_counter(7).bind_elf_metadata();
    }
    builder.sign::<Sha256, _>(&mut key_pair()).unwrap().to_vec()
}

fn service(policy: Policy) -> (Service<Pta, Host, Silent>, Pta) {
    let pta = Pta::new();
    (service_over(&pta, policy), pta)
}

fn service_over(pta: &Pta, policy: Policy) -> Service<Pta, Host, Silent> {
    Service::new(pta.clone(), Access::kernel_only(), policy, Silent)
}

fn call(service: &mut Service<Pta, Host, Silent>, request: service::Request<Image>) -> Completion {
    let (command, params) = request.into_params();
    service.invoke(command, params)
}

fn load(service: &mut Service<Pta, Host, Silent>, image: &[u8]) -> TeeResult {
    call(service, service::Request::LoadFirmware { processor: M4, image: Image::new(image) }).result
}

fn start(service: &mut Service<Pta, Host, Silent>) -> TeeResult {
    call(service, service::Request::StartFirmware { processor: M4 }).result
}

fn table(service: &mut Service<Pta, Host, Silent>) -> Option<TableLocation> {
    TableLocation::from_outputs(&call(service, service::Request::GetResourceTable { processor: M4 }).outputs)
}

#[test]
fn upstreams_platform_service_loads_plain_and_bound_images() {
    for bind in [false, true] {
        let (mut service, pta) = service(Policy::Compatible);
        service.open_session(Client::KERNEL, service::open_params::<Image>(M4)).unwrap();
        assert_eq!(load(&mut service, &sign(bind)), TeeResult::SUCCESS, "bound: {bind}");
        assert_eq!(pta.0.borrow().memory[&CODE.into()], [0x5A; 3000]);
        // It cannot be asked what is in memory, so that only an image that says where its table is has one.
        let size = resource_table::sample().len() as u64;
        let bound = TableLocation { address: u64::from(TABLE) + SHIFT, size };
        assert_eq!(table(&mut service), Some(if bind { bound } else { TableLocation::default() }));
        assert_eq!(start(&mut service), TeeResult::SUCCESS);
        assert!(pta.0.borrow().running);
        let stop = service::Request::StopFirmware { processor: M4 };
        assert_eq!(call(&mut service, stop).result, TeeResult::SUCCESS);
        let release = service::Request::ReleaseFirmware { processor: M4 };
        assert_eq!(call(&mut service, release).result, TeeResult::SUCCESS);
        assert!(pta.0.borrow().memory.is_empty());
    }
}

#[test]
fn upstreams_platform_service_refuses_with_its_own_codes() {
    let (mut service, pta) = service(Policy::Compatible);
    let good = sign(false);
    let mut changed = good.clone();
    let code = changed.windows(64).position(|bytes| bytes == [0x5A; 64]).unwrap();
    changed[code] = 0;
    assert_eq!(load(&mut service, &changed), TeeResult::SECURITY);
    assert!(pta.0.borrow().memory.is_empty());
    let mut forged = good.clone();
    let images = forged.len() - firmware().len().next_multiple_of(8);
    forged[images - 1] ^= 1;
    assert_eq!(load(&mut service, &forged), TeeResult::SIGNATURE_INVALID);
    let outside = pta.clone();
    outside.0.borrow_mut().failing.insert(7, TeeResult::ACCESS_DENIED);
    assert_eq!(load(&mut service, &good), TeeResult::ACCESS_DENIED);
    outside.0.borrow_mut().failing.clear();
    assert_eq!(load(&mut service, &good), TeeResult::SUCCESS);
}

#[test]
fn the_strict_policy_wants_a_platform_that_says_which_soc_it_is() {
    let (mut service, pta) = service(Policy::Strict);
    assert_eq!(load(&mut service, &sign(true)), Reason::WrongSoc.result());
    assert!(pta.0.borrow().memory.is_empty());
}

#[test]
fn a_counter_that_cannot_be_raised_stops_what_was_started() {
    let (mut service, pta) = service(Policy::Compatible);
    pta.0.borrow_mut().counter = true;
    pta.0.borrow_mut().failing.insert(0x8000_0005, TeeResult::STORAGE_NO_SPACE);
    assert_eq!(load(&mut service, &sign(true)), TeeResult::SUCCESS);
    assert_eq!(start(&mut service), TeeResult::GENERIC);
    assert!(!pta.0.borrow().running && pta.0.borrow().memory.is_empty());
    assert_eq!(start(&mut service), TeeResult::BAD_STATE);
    // And one that cannot be stopped then is still known to run.
    assert_eq!(load(&mut service, &sign(true)), TeeResult::SUCCESS);
    pta.0.borrow_mut().failing.insert(6, TeeResult::SECURITY);
    assert!(!start(&mut service).is_success());
    assert_eq!(load(&mut service, &sign(true)), TeeResult::BAD_STATE);
    pta.0.borrow_mut().failing.clear();
    let stop = service::Request::StopFirmware { processor: M4 };
    assert_eq!(call(&mut service, stop).result, TeeResult::SUCCESS);
    assert!(!pta.0.borrow().running);
}

#[test]
fn a_start_that_fails_wipes() {
    let (mut service, pta) = service(Policy::Compatible);
    pta.0.borrow_mut().failing.insert(5, TeeResult::SECURITY);
    assert_eq!(load(&mut service, &sign(false)), TeeResult::SUCCESS);
    assert_eq!(start(&mut service), TeeResult::SECURITY);
    assert!(pta.0.borrow().memory.is_empty());
    assert_eq!(start(&mut service), TeeResult::BAD_STATE, "nothing is loaded any more");
    pta.0.borrow_mut().failing.clear();
    assert_eq!(load(&mut service, &sign(false)), TeeResult::SUCCESS);
    assert_eq!(start(&mut service), TeeResult::SUCCESS);
}

#[test]
fn a_memory_that_cannot_be_wiped_or_read_is_not_loaded_to() {
    let (mut service, pta) = service(Policy::Compatible);
    pta.0.borrow_mut().failing.insert(9, TeeResult::SECURITY);
    assert_eq!(load(&mut service, &sign(false)), TeeResult::SECURITY);
    assert!(pta.0.borrow().memory.is_empty());
    pta.0.borrow_mut().failing.clear();
    // A platform that knows how to read memory out and fails is not one that does not know.
    pta.0.borrow_mut().failing.insert(0x8000_0001, TeeResult::SECURITY);
    assert_eq!(load(&mut service, &sign(true)), TeeResult::SECURITY);
    assert_eq!(load(&mut service, &sign(false)), TeeResult::SECURITY);
    assert!(pta.0.borrow().memory.is_empty() && pta.0.borrow().released > 0);
}

#[test]
fn a_refusal_can_be_asked_for_by_whom_it_concerns() {
    let (mut service, _) = service(Policy::Strict);
    assert!(!load(&mut service, &sign(false)).is_success());
    let mut ask = |processor, size| {
        let room = Image::new(&vec![0; size]);
        let buffer = Image(room.0.clone());
        let completion = call(&mut service, service::Request::GetRefusal { processor, buffer });
        let refusal = Refusal::decode(&room.0.borrow());
        (completion, refusal)
    };
    let (completion, refusal) = ask(M4, Refusal::ENCODED_SIZE);
    assert_eq!((completion.result, refusal.unwrap().reason), (TeeResult::SUCCESS, Reason::NotBound));
    let (completion, _) = ask(M4, Refusal::ENCODED_SIZE - 1);
    assert_eq!(completion.result, TeeResult::SHORT_BUFFER);
    assert_eq!(service::buffer_size(&completion.outputs), Some(Refusal::ENCODED_SIZE));
    assert_eq!(ask(ProcessorId(9), 200).0.result, TeeResult::ITEM_NOT_FOUND);
}

#[test]
fn a_platform_service_that_cannot_be_opened_is_named() {
    let (mut service, pta) = service(Policy::Compatible);
    for (answer, reason) in [
        (TeeResult::ITEM_NOT_FOUND, Reason::PlatformMissing),
        (TeeResult::ACCESS_DENIED, Reason::NotService),
        (TeeResult::NOT_SUPPORTED, Reason::UnknownProcessor),
        (TeeResult::OUT_OF_MEMORY, Reason::PlatformFailed),
    ] {
        pta.0.borrow_mut().door = Err(answer);
        let refused = service.open_session(Client::KERNEL, service::open_params::<Image>(M4));
        assert_eq!(refused, Err(reason.result()));
        assert_eq!(reason_of_the_last(&mut service), Some(reason));
    }
    pta.0.borrow_mut().door = Ok(());
    assert_eq!(service.open_session(Client::KERNEL, service::open_params::<Image>(M4)), Ok(()));
}

fn reason_of_the_last(service: &mut Service<Pta, Host, Silent>) -> Option<Reason> {
    let room = Image::new(&[0; Refusal::ENCODED_SIZE]);
    let buffer = Image(room.0.clone());
    call(service, service::Request::GetRefusal { processor: M4, buffer });
    let bytes = room.0.borrow();
    Refusal::decode(&bytes).map(|refusal| refusal.reason)
}

#[test]
fn a_service_that_was_restarted_neither_forgets_nor_loads_over_what_runs() {
    for release in [true, false] {
        let (mut service, pta) = service(Policy::Compatible);
        assert_eq!(load(&mut service, &sign(false)), TeeResult::SUCCESS);
        assert_eq!(start(&mut service), TeeResult::SUCCESS);
        let mut service = service_over(&pta, Policy::Compatible);
        for _ in 0..2 {
            assert_eq!(load(&mut service, &sign(false)), TeeResult::BAD_STATE);
            assert_eq!(reason_of_the_last(&mut service), Some(Reason::StartedBefore));
        }
        assert_eq!(start(&mut service), TeeResult::BAD_STATE);
        assert!(pta.0.borrow().running && !pta.0.borrow().memory.is_empty());
        let way_out = match release {
            true => service::Request::ReleaseFirmware { processor: M4 },
            false => service::Request::StopFirmware { processor: M4 },
        };
        assert_eq!(call(&mut service, way_out).result, TeeResult::SUCCESS);
        assert!(!pta.0.borrow().running);
        assert_eq!(pta.0.borrow().memory.is_empty(), release);
        assert_eq!(load(&mut service, &sign(false)), TeeResult::SUCCESS);
        assert_eq!(start(&mut service), TeeResult::SUCCESS);
    }
    assert!(Reason::StartedBefore.next_step().contains("release it first"));
}

#[test]
fn memory_is_released_before_a_load_where_something_may_be_in_it() {
    let (mut service, pta) = service(Policy::Compatible);
    assert_eq!(load(&mut service, &sign(false)), TeeResult::SUCCESS);
    let before = pta.0.borrow().released;
    assert!(before > 0, "nobody knows what an earlier instance left");
    let released = || pta.0.borrow().released - before;
    let release = service::Request::ReleaseFirmware { processor: M4 };
    assert_eq!(call(&mut service, release).result, TeeResult::SUCCESS);
    assert_eq!(load(&mut service, &sign(false)), TeeResult::SUCCESS);
    assert_eq!(released(), 1, "what was released is not released again");
    assert_eq!(start(&mut service), TeeResult::SUCCESS);
    let stop = service::Request::StopFirmware { processor: M4 };
    assert_eq!(call(&mut service, stop).result, TeeResult::SUCCESS);
    assert_eq!(load(&mut service, &sign(false)), TeeResult::SUCCESS);
    assert_eq!(released(), 2, "what a run left ends");

    // A load that fails and cannot wipe: the next one must begin with what this one could not do.
    let release = service::Request::ReleaseFirmware { processor: M4 };
    assert_eq!(call(&mut service, release).result, TeeResult::SUCCESS);
    pta.0.borrow_mut().failing.extend([(7, TeeResult::ACCESS_DENIED), (9, TeeResult::GENERIC)]);
    assert_eq!(load(&mut service, &sign(false)), TeeResult::ACCESS_DENIED);
    pta.0.borrow_mut().failing.clear();
    assert_eq!(load(&mut service, &sign(false)), TeeResult::SUCCESS);
    assert_eq!(released(), 4);
}
