//! Every register that the driver writes, failing in every way at every write: a refusal that names it, and never a
//! processor that runs with open memory.

use std::vec::Vec;

use rproc_abi::platform::{Command, KeyInfo, Request};
use rproc_abi::refusal::{Place, Reason};
use rproc_abi::{OutOfRange, ProcessorId, PtaMemory, Refusal, SharedMemory, TeeResult};
use sha2::{Digest, Sha256};

use super::Stm32mp25;
use super::fake::{Fake, Fault};
use crate::{KeyStore, PlatformService, SecurityCounters, Silent};

const M33: ProcessorId = ProcessorId::CORTEX_M33;
const CODE: u64 = 0x8010_0000;
const SRAM: u64 = 0x0a04_1000;
const TABLE: u64 = 0x8120_0000;

struct AnyKey;

impl KeyStore for AnyKey {
    fn verify(&mut self, _: KeyInfo<'_>, _: &[u8; 32], _: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }
}

struct NoCounters;

impl SecurityCounters for NoCounters {
    fn get(&mut self, _: ProcessorId) -> Result<u32, Refusal> {
        Ok(0)
    }

    fn raise(&mut self, _: ProcessorId, _: u32) -> Result<(), Refusal> {
        Ok(())
    }
}

struct Shared(Vec<u8>);

impl SharedMemory for Shared {
    fn size(&self) -> usize {
        self.0.len()
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfRange> {
        into.copy_from_slice(&self.0[offset..offset + into.len()]);
        Ok(())
    }

    fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfRange> {
        Err(OutOfRange { offset, len: from.len(), size: 0 })
    }

    fn part(&self, offset: usize, len: usize) -> Result<Self, OutOfRange> {
        Ok(Self(self.0[offset..offset + len].to_vec()))
    }
}

type Service = PlatformService<Fake, Stm32mp25, AnyKey, NoCounters, Silent>;

fn service() -> Service {
    PlatformService::new(Fake::new(), Stm32mp25::new("stm32mp257"), AnyKey, NoCounters, Silent)
}

/// What a TA does with the platform service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    BootAddress,
    Load(u64),
    Zero(u64),
    Start,
    Stop,
    Dump,
    Release,
}

/// The whole life of a firmware, twice.
const LIFE: [Step; 13] = [
    Step::BootAddress,
    Step::Load(CODE),
    Step::Load(SRAM),
    Step::Load(TABLE),
    Step::Zero(CODE + 0x1000),
    Step::Start,
    Step::Stop,
    Step::Dump,
    Step::Release,
    Step::BootAddress,
    Step::Zero(SRAM),
    Step::Load(CODE),
    Step::Start,
];

fn invoke(service: &mut Service, command: Command<PtaMemory<'_, Shared>>) -> TeeResult {
    let (number, params) = Request { processor: M33, command }.into_params();
    service.invoke::<Sha256, Shared>(number, params).result
}

fn refusal(service: &mut Service) -> Refusal {
    let mut bytes = [0; Refusal::ENCODED_SIZE];
    let buffer = PtaMemory::PrivateMut(&mut bytes);
    assert_eq!(invoke(service, Command::GetRefusal { buffer }), TeeResult::SUCCESS);
    Refusal::decode(&bytes).unwrap()
}

fn act(service: &mut Service, step: Step) -> Result<(), Refusal> {
    let code = std::vec![0x5A; 300];
    let digest: [u8; 32] = Sha256::digest(&code).into();
    let mut room = [0; 300];
    let result = match step {
        Step::BootAddress => {
            let value = (CODE as u32).to_le_bytes();
            invoke(service, Command::PlatformTlv { kind: 0x1_0001, value: PtaMemory::Private(&value) })
        }
        Step::Load(address) => invoke(
            service,
            Command::LoadSegment {
                data: PtaMemory::Shared(Shared(code)),
                address,
                digest: PtaMemory::Private(&digest),
            },
        ),
        Step::Zero(address) => invoke(service, Command::SetMemory { address, size: 64, byte: 0 }),
        Step::Start => invoke(service, Command::Start),
        Step::Stop => invoke(service, Command::Stop),
        Step::Dump => {
            let buffer = PtaMemory::PrivateMut(&mut room);
            invoke(service, Command::ReadMemory { address: CODE, buffer })
        }
        Step::Release => invoke(service, Command::Release),
    };
    if result.is_success() { Ok(()) } else { Err(refusal(service)) }
}

fn live(service: &mut Service) -> Result<(), (Step, Refusal)> {
    LIFE.into_iter().try_for_each(|step| act(service, step).map_err(|refusal| (step, refusal)))
}

/// The registers that a whole life writes, in order.
fn writes() -> Vec<u64> {
    let mut service = service();
    live(&mut service).unwrap();
    assert!(service.hardware().running());
    service.hardware().writes.clone()
}

/// One life in which the write number `at` fails.
fn life_with(at: usize, fault: Fault) {
    let mut service = service();
    service.hardware().fault = Some((at, fault));
    let outcome = live(&mut service);
    let (failed, bitten) = (service.hardware().failed(), service.hardware().bitten);
    let Err((step, refusal)) = outcome else {
        assert!(!bitten, "write {at} to {failed:x?}: {fault:?} went unnoticed");
        return;
    };
    assert!(bitten);
    assert!(
        matches!(refusal.reason, Reason::RegisterReadBack | Reason::RegisterAccess),
        "write {at}, {fault:?}: {refusal}"
    );
    let address = failed.unwrap();
    assert_eq!(refusal.place, Place::Register { address }, "write {at}, {fault:?}: {refusal}");

    // What failed to load cannot be started, and while the register fails nothing gets better by trying again.
    if matches!(step, Step::Load(_) | Step::Zero(_)) {
        assert!(act(&mut service, Step::Start).is_err());
        assert!(!service.hardware().running());
    }
    let again = [Step::Load(CODE), Step::Start, Step::Stop, Step::Release];
    for step in again.into_iter().chain(again) {
        let _ = act(&mut service, step);
    }
    // With the register repaired, all is well again, and nothing of the firmware is left.
    service.hardware().repair();
    act(&mut service, Step::Stop).unwrap();
    act(&mut service, Step::Release).unwrap();
    assert!(service.hardware().is_zero() && !service.hardware().running());
    if at.is_multiple_of(31) {
        live(&mut service).unwrap();
        assert!(service.hardware().running());
    }
}

#[test]
fn any_register_may_fail_at_any_write() {
    const ALL: [Fault; 4] = [Fault::Lost, Fault::Stuck, Fault::Refused, Fault::Unreadable];
    let on_chip = |address: u64| (0x4211_0000..0x4214_0000).contains(&address);
    let writes = writes();
    assert!(writes.len() > 500, "{}", writes.len());
    for (at, address) in writes.iter().enumerate() {
        // The many pages of on-chip memory, one after the other, take turns in how they fail.
        let faults = if on_chip(*address) { &ALL[at % 4..=at % 4] } else { &ALL[..] };
        for fault in faults {
            life_with(at, *fault);
        }
    }
}

#[test]
fn every_kind_of_register_is_written() {
    let writes = writes();
    let blocks = [0x4420_0434, 0x4420_040c, 0x4420_0428, 0x4880_20a0, 0x4880_20a8];
    assert!(blocks.iter().all(|address| writes.contains(address)));
    for guard in [0x420d_0000, 0x4211_0000, 0x4212_0000, 0x4213_0000] {
        assert!(writes.iter().any(|address| address & !0xfff == guard), "{guard:#x}");
    }
}

#[test]
fn closed_before_the_first_byte_and_open_after_the_wipe() {
    let mut service = service();
    assert!(service.hardware().any_open());
    act(&mut service, Step::BootAddress).unwrap();
    assert!(service.hardware().any_open());
    act(&mut service, Step::Load(CODE)).unwrap();
    assert!(!service.hardware().any_open() && service.hardware().open(TABLE));
    act(&mut service, Step::Start).unwrap();
    act(&mut service, Step::Stop).unwrap();
    assert!(!service.hardware().any_open() && !service.hardware().is_zero());
    act(&mut service, Step::Release).unwrap();
    assert!(service.hardware().any_open() && service.hardware().is_zero());
}

#[test]
fn a_wrong_digest_leaves_nothing_that_could_be_started() {
    let mut service = service();
    act(&mut service, Step::BootAddress).unwrap();
    act(&mut service, Step::Load(CODE)).unwrap();
    let command = Command::LoadSegment {
        data: PtaMemory::Shared(Shared(std::vec![1, 2, 3])),
        address: SRAM,
        digest: PtaMemory::Private(&[0; 32]),
    };
    assert_eq!(invoke(&mut service, command), TeeResult::SECURITY);
    assert_eq!(act(&mut service, Step::Start).unwrap_err().reason, Reason::NotLoaded);
    // The next load begins from nothing.
    act(&mut service, Step::Load(SRAM)).unwrap();
    let mut bytes = [0xff; 8];
    let buffer = PtaMemory::PrivateMut(&mut bytes);
    assert_eq!(invoke(&mut service, Command::ReadMemory { address: CODE, buffer }), TeeResult::SUCCESS);
    assert_eq!(bytes, [0; 8]);
}

#[test]
fn an_order_of_calls_that_no_good_ta_makes() {
    let mut service = service();
    for step in [Step::Start, Step::Dump] {
        assert_eq!(act(&mut service, step).unwrap_err().reason, Reason::NotLoaded, "{step:?} first");
    }
    act(&mut service, Step::Stop).unwrap();
    act(&mut service, Step::Release).unwrap();
    act(&mut service, Step::Load(CODE)).unwrap();
    assert_eq!(act(&mut service, Step::Start).unwrap_err().reason, Reason::MissingBootAddress);
    act(&mut service, Step::BootAddress).unwrap();
    act(&mut service, Step::Start).unwrap();
    // While it runs, its memory and its start are its own.
    for step in [Step::Load(SRAM), Step::Zero(SRAM), Step::Dump, Step::Start, Step::BootAddress] {
        assert_eq!(act(&mut service, step).unwrap_err().reason, Reason::AlreadyStarted, "{step:?}");
        assert!(service.hardware().running());
    }
    act(&mut service, Step::Stop).unwrap();
    assert_eq!(act(&mut service, Step::Start).unwrap_err().reason, Reason::NotLoaded);
    act(&mut service, Step::Release).unwrap();
}
