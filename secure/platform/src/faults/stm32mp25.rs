//! What is special to an STM32MP25: one register for the Cortex-M0+, two subregions a bank, SRAM at two addresses.

use std::boxed::Box;

use rproc_abi::refusal::{Fact, Reason};

use super::life::{Life, M0, M33, Step};
use super::memory::{STM32MP257F_EV1_M0, STM32MP257F_EV1_M33};
use crate::stm32mp25::Stm32mp25;
use crate::{Hardware, Region};

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

#[test]
fn a_region_is_whole_banks() {
    const CODE: Region = STM32MP257F_EV1_M0[0];
    static TWO_BANKS: [Region; 2] = [Region { size: 0x4000, ..CODE }, STM32MP257F_EV1_M0[2]];
    let mut life = Life::with(M0, |_| Box::new(Stm32mp25::new("stm32mp257", &[], &TWO_BANKS)));
    life.live().unwrap();
    assert!(life.running() && life.fake().reaches_all(M0.id));

    static HALF: [Region; 1] = [Region { size: 0x1000, ..CODE }];
    static ONE_AND_A_HALF: [Region; 1] = [Region { size: 0x3000, ..CODE }];
    static BEFORE: [Region; 1] = [Region { physical: 0x200b_e000, size: 0x4000, ..CODE }];
    for regions in [&HALF, &ONE_AND_A_HALF, &BEFORE] {
        let mut life = Life::with(M0, |_| Box::new(Stm32mp25::new("stm32mp257", &[], regions)));
        let refusal = life.act(Step::Load(M0.code)).unwrap_err();
        let found = Fact::Range { start: regions[0].physical, size: regions[0].size };
        assert_eq!((refusal.reason, refusal.found), (Reason::FirewallOpen, found));
    }
}

#[test]
fn memory_at_a_second_address_costs_no_register_a_second_look() {
    const ALL: [Region; 6] = STM32MP257F_EV1_M33;
    static REGIONS: [Region; 7] =
        [ALL[0], ALL[1], ALL[2], ALL[3], ALL[4], ALL[5], Region { device: 0x2004_1000, ..ALL[3] }];
    let reads = |mut life: Life| {
        life.live().unwrap();
        life.act(Step::Stop).unwrap();
        life.act(Step::Release).unwrap();
        life.fake().reads
    };
    let aliased = Life::with(M33, |_| Box::new(Stm32mp25::new("stm32mp257", &REGIONS, &[])));
    assert_eq!(reads(aliased), reads(Life::new(M33)));
}
