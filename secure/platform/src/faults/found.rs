//! Processors that run when the platform service begins, with registers that fail while it looks and takes over.

use rproc_abi::platform::Command;
use rproc_abi::{PtaMemory, TeeResult};

use super::life::{ALL, Case, Life, M4, Step};
use crate::testing::{Fault, Point};
use crate::{BeforeTee, STATE_RUNS, Word};

const TABLE: Word = Word { address: 0x5c00_a144, mask: u32::MAX };
const STATE: Word = Word { address: 0x5c00_a148, mask: u32::MAX };

const MAY_RUN: BeforeTee = BeforeTee { may_run: true, resource_table: Some(TABLE), state: Some(STATE) };

/// A platform service that begins while firmware runs which an earlier one has started.
fn running(case: Case) -> Life {
    let mut first = Life::new(case);
    first.look(MAY_RUN);
    let mut steps = std::vec![Step::Load(case.code), Step::Load(case.table), Step::Start];
    if case.says_where {
        steps.insert(0, Step::BootAddress);
    }
    steps.into_iter().try_for_each(|step| first.act(step)).unwrap();
    assert_eq!(first.fake().register(STATE.address), STATE_RUNS);
    let mut life = first.restart();
    life.fake().preset(TABLE.address, case.table as u32);
    life
}

fn read(life: &mut Life, address: u64) -> TeeResult {
    let buffer = PtaMemory::PrivateMut(&mut [0; 16]);
    life.invoke(Command::ReadMemory { address, buffer })
}

#[test]
fn what_goes_on_notices_nothing_and_shows_what_it_shares() {
    for case in ALL {
        let mut life = running(case);
        let before = life.fake().memory(case.id);
        life.look(MAY_RUN);
        assert_eq!(life.fake().writes, [], "{}", case.name);
        assert!(life.running() && life.fake().reaches_all(case.id), "{}", case.name);
        assert_eq!(life.fake().memory(case.id), before);
        let (address, room) = life.inherited().unwrap();
        assert!(address == case.table && room >= 16, "{address:#x} {room:#x}");
        assert!(read(&mut life, case.table).is_success());
        assert_eq!(read(&mut life, case.code), TeeResult::BAD_STATE);
        life.act(Step::Stop).unwrap();
        assert_eq!((life.inherited(), life.running()), (None, false));
        assert_eq!(life.fake().register(STATE.address), 0);
        life.act(Step::Dump).unwrap();
        life.act(Step::Release).unwrap();
        assert!(life.fake().is_zero());
        life.live().unwrap();
    }
}

#[test]
fn a_second_look_changes_nothing() {
    for case in ALL {
        let mut life = running(case);
        life.look(MAY_RUN);
        life.look(BeforeTee::default());
        assert!(life.running() && life.inherited().is_some(), "{}", case.name);
    }
}

#[test]
fn without_a_word_in_the_tree_it_is_stopped_and_wiped() {
    for case in ALL {
        let mut life = running(case);
        life.look(BeforeTee { may_run: false, ..MAY_RUN });
        assert!(!life.running() && life.fake().is_zero(), "{}", case.name);
        assert!(!life.any_open() && life.inherited().is_none(), "{}", case.name);
        life.live().unwrap();
    }
}

/// One look in which an access fails.
fn look_with(case: Case, told: BeforeTee, at: Point, fault: Fault) -> bool {
    let what = std::format!("{}, {told:?}, {at:?}, {fault:?}", case.name);
    let mut life = running(case);
    (life.fake().reads, life.fake().fault) = (0, Some((at, fault)));
    life.look(told);
    let bitten = life.fake().bitten;
    if life.fake().failed().is_none() {
        return false;
    }
    let kept = life.inherited().is_some();
    assert!(!(bitten && kept), "{what}: it goes on though a register failed");
    // One that may not go on and cannot be held is without its memory.
    let code = if case.id == M4.id { 0x3800_0000 } else { case.code };
    if !kept && life.running() {
        assert!(!life.fake().reaches(case.id, code) || life.fake().is_zero(), "{what}");
    }
    assert!(!life.any_open(), "{what}");
    life.fake().repair();
    life.act(Step::Stop).unwrap();
    life.act(Step::Release).unwrap();
    assert!(life.fake().is_zero() && !life.running(), "{what}");
    true
}

#[test]
fn any_register_may_fail_while_it_looks() {
    for case in ALL {
        for told in [MAY_RUN, BeforeTee { may_run: false, ..MAY_RUN }] {
            let reads = (0..).take_while(|at| look_with(case, told, Point::Read(*at), Fault::Unreadable));
            assert!(reads.count() > 4, "{}", case.name);
        }
        let told = BeforeTee { may_run: false, ..MAY_RUN };
        for fault in [Fault::Lost, Fault::Stuck, Fault::Refused] {
            let writes = (0..).take_while(|at| look_with(case, told, Point::Write(*at), fault));
            assert!(writes.count() > 2, "{}", case.name);
        }
    }
}
