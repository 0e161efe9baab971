//! Every register that a driver uses, failing in every way at every access: a refusal that names it, and never a processor
//! that runs with open memory.

mod found;
mod life;
mod memory;
mod order;
mod stm32mp15;
mod stm32mp25;

use std::vec::Vec;

use rproc_abi::refusal::{Place, Reason};

use crate::testing::{Fault, Point};
use life::{ALL, Case, Life, M0, M4, M33, Step};

/// A whole life without faults: the registers written, in order, and the number of reads.
fn accesses(case: Case) -> (Vec<u64>, usize) {
    let mut life = Life::new(case);
    life.live().unwrap();
    assert!(life.running(), "{}", case.name);
    assert!(life.fake().reaches_all(case.id), "{} runs without its memory", case.name);
    (life.fake().writes.clone(), life.fake().reads)
}

/// One life in which an access fails.
fn life_with(case: Case, at: Point, fault: Fault) {
    let mut life = Life::new(case);
    life.fake().fault = Some((at, fault));
    let outcome = life.live();
    let (failed, bitten) = (life.fake().failed(), life.fake().bitten);
    let what = std::format!("{}, {at:?} of {failed:x?}, {fault:?}", case.name);
    let Err((step, refusal)) = outcome else {
        assert!(!bitten, "{what}: went unnoticed");
        return;
    };
    assert!(bitten);
    assert!(matches!(refusal.reason, Reason::RegisterReadBack | Reason::RegisterAccess), "{what}: {refusal}");
    let address = failed.unwrap();
    assert_eq!(refusal.place, Place::Register { address }, "{what}: {refusal}");

    // What failed to load cannot be started, and while the register fails nothing gets better by trying again.
    if matches!(step, Step::Load(_) | Step::Zero(_)) {
        assert!(life.act(Step::Start).is_err(), "{what}");
        assert!(!life.running(), "{what}");
    }
    // What cannot be held any more is without its memory.
    if step == Step::Start && life.running() {
        let code = if case.id == M4.id { 0x3800_0000 } else { case.code };
        assert!(!life.fake().reaches(case.id, code), "{what}");
    }
    let again = [Step::Load(case.code), Step::Start, Step::Stop, Step::Release];
    for step in again.into_iter().chain(again) {
        let _ = life.act(step);
    }
    // With the register repaired, all is well again, and nothing of the firmware is left.
    life.fake().repair();
    life.act(Step::Stop).unwrap();
    life.act(Step::Release).unwrap();
    assert!(life.fake().is_zero() && !life.running(), "{what}");
    let (Point::Write(at) | Point::Read(at)) = at;
    if at.is_multiple_of(31) {
        life.live().unwrap();
        assert!(life.running(), "{what}");
    }
}

const FAULTS: [Fault; 4] = [Fault::Lost, Fault::Stuck, Fault::Refused, Fault::Unreadable];

#[test]
fn any_register_may_fail_at_any_write() {
    for case in ALL {
        let (writes, _) = accesses(case);
        for (at, address) in writes.iter().enumerate() {
            // The many pages behind RISAB3 to RISAB5, one after the other, take turns in how they fail.
            let paged = (0x4211_0000..0x4214_0000).contains(address);
            let faults = if paged { &FAULTS[at % 4..=at % 4] } else { &FAULTS[..] };
            for fault in faults {
                life_with(case, Point::Write(at), *fault);
            }
        }
    }
}

#[test]
fn any_register_may_fail_at_any_read() {
    for case in ALL {
        let (_, reads) = accesses(case);
        // The Cortex-M33's pages again: so many that only some have their turn.
        let step = if case.id == M33.id { 7 } else { 1 };
        for at in (0..reads).step_by(step) {
            life_with(case, Point::Read(at), Fault::Unreadable);
        }
    }
}

#[test]
fn every_kind_of_register_is_written() {
    for (case, registers) in [
        (M33, &[0x4420_0434, 0x4420_040c, 0x4420_0428, 0x4880_2088, 0x4880_20a0, 0x4880_20a8][..]),
        (M0, &[0x4420_0490, 0x4208_0900, 0x4208_0910, 0x4208_0920, 0x4208_0924, 0x4208_0928, 0x4208_092c]),
        (M4, &[0x5000_0000, 0x5000_010c, 0x5000_0404, 0x5000_0c00, 0x5c00_7024]),
    ] {
        let (writes, _) = accesses(case);
        for register in registers {
            assert!(writes.contains(register), "{} does not write {register:#x}", case.name);
        }
    }
    let (writes, _) = accesses(M33);
    for guard in [0x420d_0000, 0x4211_0000, 0x4212_0000, 0x4213_0000] {
        assert!(writes.iter().any(|address| address & !0xfff == guard), "{guard:#x}");
    }
}
