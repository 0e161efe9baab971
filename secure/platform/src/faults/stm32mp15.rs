//! What is special to an STM32MP15: three ways to the reset, banks that are guarded whole, SRAM at two addresses.

use std::boxed::Box;

use rproc_abi::platform::Command;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::{PtaMemory, TeeResult};

use super::life::{Life, M4, M4_BY_MONITOR, M4_BY_SERVER, Step};
use super::memory::STM32MP157F_DK2_M4;
use crate::stm32mp15::{MonitorBoot, RccBoot, ScmiBoot, Stm32mp15};
use crate::{Region, RegionKind};

const NAME: &str = "stm32mp157";

#[test]
fn a_start_leaves_the_processor_held_for_its_next_reset() {
    for case in [M4, M4_BY_MONITOR, M4_BY_SERVER] {
        let mut life = Life::new(case);
        life.live().unwrap();
        assert!(life.running());
        life.fake().crash(case.id);
        assert!(!life.running(), "{}: a crash must not start it again", case.name);
        assert!(!life.any_open());
        life.act(Step::Stop).unwrap();
        life.act(Step::Dump).unwrap();
    }
}

#[test]
fn a_server_or_a_monitor_may_refuse_any_call() {
    for case in [M4_BY_SERVER, M4_BY_MONITOR] {
        let mut life = Life::new(case);
        life.live().unwrap();
        let calls = life.fake().calls();
        assert!(calls > 8, "{calls}");
        for at in 0..calls {
            let mut life = Life::with(case, |fake| {
                if case.name == M4_BY_SERVER.name {
                    Box::new(Stm32mp15::new(NAME, &STM32MP157F_DK2_M4, ScmiBoot(fake.server(Some(at)))))
                } else {
                    let monitor = MonitorBoot(fake.monitor(Some(at), None));
                    Box::new(Stm32mp15::new(NAME, &STM32MP157F_DK2_M4, monitor))
                }
            });
            let (step, refusal) = life.live().unwrap_err();
            assert_eq!(refusal.reason, Reason::ResetRefused, "{}, call {at}", case.name);
            if !matches!(step, Step::Stop) {
                assert!(!life.running(), "{}, call {at}, {step:?}", case.name);
            }
            life.act(Step::Stop).unwrap();
            life.act(Step::Release).unwrap();
            assert!(life.fake().is_zero() && !life.running(), "{}, call {at}", case.name);
        }
    }
}

#[test]
fn a_monitor_that_only_pretends_is_found_out() {
    let mut found = 0;
    for at in 0..20 {
        let mut life = Life::with(M4_BY_MONITOR, |fake| {
            let monitor = MonitorBoot(fake.monitor(None, Some(at)));
            Box::new(Stm32mp15::new(NAME, &STM32MP157F_DK2_M4, monitor))
        });
        // A hold that was there already needs no monitor.
        let Err((_, refusal)) = life.live() else { continue };
        assert_eq!(refusal.reason, Reason::RegisterReadBack);
        assert_eq!(refusal.place, Place::Register { address: 0x5000_010c });
        found += 1;
    }
    assert!(found >= 4, "{found}");
}

#[test]
fn an_rcc_that_does_not_tell_the_worlds_apart_is_refused() {
    let mut life = Life::new(M4);
    life.fake().preset(0x5000_0000, 0);
    let refusal = life.act(Step::Load(0)).unwrap_err();
    assert_eq!(refusal.reason, Reason::RegisterReadBack);
    assert_eq!((refusal.expected, refusal.found), (Fact::Address(1), Fact::Address(0)));
    assert_eq!(life.fake().register(0x5000_0000), 0, "it is left as it was");
}

#[test]
fn regions_that_share_a_bank_with_firmware_are_refused() {
    const SHARED: Region = STM32MP157F_DK2_M4[3];
    static IN_SRAM2: [Region; 2] = [
        STM32MP157F_DK2_M4[1],
        // Through the other address.
        Region { device: 0x3003_f000, physical: 0x3003_f000, size: 0x1000, ..SHARED },
    ];
    static IN_DDR: [Region; 1] =
        [Region { device: 0xc000_0000, physical: 0xc000_0000, kind: RegionKind::Firmware, ..SHARED }];
    for (regions, found) in [
        (&IN_SRAM2[..], Fact::Range { start: 0x1002_0000, size: 0x2_0000 }),
        (&IN_DDR[..], Fact::Range { start: 0xc000_0000, size: 0x8000 }),
    ] {
        let mut life = Life::with(M4, |_| Box::new(Stm32mp15::new(NAME, regions, RccBoot)));
        let refusal = life.act(Step::Load(regions[0].device)).unwrap_err();
        assert_eq!((refusal.reason, refusal.found), (Reason::FirewallOpen, found));
    }
}

#[test]
fn the_vector_table_may_be_loaded_through_the_second_address_of_retram() {
    const ALL: [Region; 4] = STM32MP157F_DK2_M4;
    static REGIONS: [Region; 5] = [ALL[0], ALL[1], ALL[2], ALL[3], Region { device: 0x3800_0000, ..ALL[0] }];
    let mut life = Life::with(M4, |_| Box::new(Stm32mp15::new(NAME, &REGIONS, RccBoot)));
    life.act(Step::Load(0x3800_0004)).unwrap();
    assert_eq!(life.act(Step::Start).unwrap_err().reason, Reason::VectorsNotLoaded);
    life.act(Step::Load(0x3800_0000)).unwrap();
    life.act(Step::Start).unwrap();
}

#[test]
fn memory_at_two_addresses_is_dumped_once() {
    let mut life = Life::new(M4);
    life.act(Step::Load(0)).unwrap();
    let mut found = std::vec::Vec::new();
    while let Some(region) = life.region(found.len() as u32) {
        found.push(region);
    }
    assert_eq!(found, [(0, 0x1_0000), (0x1000_0000, 0x4_0000), (0x1004_8000, 0x8000)]);
}

#[test]
fn both_addresses_of_the_srams_are_the_same_bytes() {
    let mut life = Life::new(M4);
    let translate = |life: &mut Life, address| {
        let command = Command::<PtaMemory<'_, crate::testing::Bytes>>::Translate { address, size: 8 };
        life.translate(command)
    };
    assert_eq!(translate(&mut life, 0x1001_2340), translate(&mut life, 0x3001_2340));
    assert_eq!(translate(&mut life, 0x10), Some(0x3800_0010));
    // Written through one, read through the other, wiped once.
    life.act(Step::Load(0x3001_0000)).unwrap();
    let mut bytes = [0; 4];
    let buffer = PtaMemory::PrivateMut(&mut bytes);
    assert_eq!(life.invoke(Command::ReadMemory { address: 0x1001_0000, buffer }), TeeResult::SUCCESS);
    assert_eq!(bytes, [0x5A; 4]);
}
