//! What is special to the Cortex-M0+ of an STM32MP25: one register for clocks and reset, two subregions a bank.

use super::life::{Life, M0, Step};
use crate::Hardware;

const C3CFGR: u64 = 0x4420_0490;
const RST: u32 = 1;
const EN: u32 = 2;
/// LPEN and AMEN, which are somebody else's.
const LOW_POWER: u32 = 0xc;
const SUBREGION_B_OF_LPSRAM1: u64 = 0x4208_0908;
/// Enabled for the Cortex-A35, secure or not.
const OPEN: u32 = 0x11;

#[test]
fn clocks_come_before_the_reset_ends_and_go_after_it_begins() {
    let mut life = Life::new(M0);
    life.fake().preset(C3CFGR, RST | LOW_POWER);
    life.act(Step::Load(M0.code)).unwrap();
    assert_eq!(life.fake().register(C3CFGR), RST | LOW_POWER);
    life.act(Step::Start).unwrap();
    // LPTIM3, LPUART1 and GPIOZ, as the seed names them.
    assert_eq!(life.fake().register(C3CFGR), 0x0111_0000 | EN | LOW_POWER);
    life.act(Step::Stop).unwrap();
    assert_eq!(life.fake().register(C3CFGR), RST | LOW_POWER);
}

#[test]
fn a_processor_that_somebody_let_go_is_held_before_it_gets_its_memory() {
    let mut life = Life::new(M0);
    life.act(Step::Load(M0.code)).unwrap();
    life.fake().write32(C3CFGR, EN).unwrap();
    assert!(life.running() && !life.fake().reaches(M0.id, M0.code), "it runs into closed memory");
    let before = life.fake().writes.len();
    life.act(Step::Start).unwrap();
    assert_eq!(life.fake().writes[before], C3CFGR);
    assert!(life.running() && life.fake().reaches(M0.id, M0.code));
}

#[test]
fn a_second_subregion_opens_nothing() {
    // One that the boot chain left, and one that comes later.
    let mut life = Life::new(M0);
    life.fake().preset(SUBREGION_B_OF_LPSRAM1, OPEN);
    life.act(Step::Load(M0.code)).unwrap();
    life.fake().preset(SUBREGION_B_OF_LPSRAM1, OPEN);
    life.act(Step::Start).unwrap();
    assert!(!life.any_open());
}
