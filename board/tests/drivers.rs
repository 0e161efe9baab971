//! The platform service's drivers of the Cortex-M4 and the Cortex-M0+ on the board's registers.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

#[path = "support/assembly.rs"]
#[allow(dead_code, reason = "other tests use the other programs")]
mod assembly;

use std::time::Duration;

use rproc_abi::ProcessorId;
use rproc_board::tee::{SecurePort, regions_of};
use rproc_board::{Board, Cause, Initiator, Wake, boards};
use rproc_platform::stm32mp15::{CortexM4, RccBoot};
use rproc_platform::stm32mp25::{CortexM0Plus, M0_CLOCKS};
use rproc_platform::{Hardware, RemoteProcessor};

const MILLISECOND: Duration = Duration::from_millis(1);

fn secure(board: &Board) -> SecurePort {
    SecurePort::new(board.port(Initiator::A35Secure))
}

#[test]
fn the_m0_plus_runs_in_memory_that_is_its_own() {
    const CODE: u32 = 0x200C_0000;
    const SHARED: u32 = 0x200C_4000;
    let mut board = Board::new(boards::stm32mp257f_ev1()).unwrap();
    let mut hardware = secure(&board);
    let linux = board.port(Initiator::A35NonSecure);
    let regions = regions_of(boards::stm32mp257f_ev1().coprocessor(ProcessorId::CORTEX_M0_PLUS.0));
    let mut m0 = CortexM0Plus::new(regions, M0_CLOCKS);
    m0.close(&mut hardware).unwrap();
    // Both ends, which lie under different guards where a region spans two banks.
    for address in regions.iter().flat_map(|region| [region.physical, region.physical + region.size - 4]) {
        let refused = linux.read32(address).unwrap_err();
        assert!(
            matches!(refused.cause, Cause::Firewall { guard, .. } if guard.starts_with("RISAL")),
            "{refused}"
        );
    }
    hardware.write_memory(CODE.into(), &assembly::count(CODE, SHARED).image()).unwrap();
    m0.share(&mut hardware, regions.iter().find(|region| region.physical == SHARED.into()).unwrap()).unwrap();
    m0.release(&mut hardware).unwrap();
    assert_eq!(board.run_for(MILLISECOND), Wake::Deadline);
    let counted = linux.read32(SHARED.into()).unwrap();
    assert!(counted > 1000, "{counted}");
    assert!(linux.read32(CODE.into()).is_err() && hardware.read32(CODE.into()).is_err(), "its own");
    m0.hold(&mut hardware).unwrap();
    assert_eq!(board.run_for(MILLISECOND), Wake::Idle);
    m0.reclaim(&mut hardware).unwrap();
    assert!(linux.read32(CODE.into()).is_err() && hardware.read32(CODE.into()).is_ok());
    assert_eq!(linux.read32(SHARED.into()).unwrap(), counted);
}

#[test]
fn the_m4_is_started_and_held_and_linux_may_only_when_it_is_given_away() {
    const MP_GCR: u64 = 0x5000_010C;
    const RETRAM: u64 = 0x3800_0000;
    const SHARED: u32 = 0x1004_8000;
    let mut board = Board::new(boards::stm32mp157f_dk2()).unwrap();
    let mut hardware = secure(&board);
    let linux = board.port(Initiator::A35NonSecure);
    let regions = regions_of(boards::stm32mp157f_dk2().coprocessor(ProcessorId::CORTEX_M4.0));
    let mut m4 = CortexM4::new(regions, RccBoot);
    m4.close(&mut hardware).unwrap();
    hardware.write_memory(RETRAM, &assembly::count(0, SHARED).image()).unwrap();
    let region = regions.iter().find(|region| region.name == "ipc_shm").unwrap();
    m4.share(&mut hardware, region).unwrap();
    m4.release(&mut hardware).unwrap();
    assert_eq!(board.run_for(MILLISECOND), Wake::Deadline);
    let counted = linux.read32(SHARED.into()).unwrap();
    assert!(counted > 10_000, "{counted}");
    let refused = linux.write32(MP_GCR, 1).unwrap_err();
    assert_eq!(refused.cause, Cause::Firewall { guard: "RCC", region: None });
    m4.hold(&mut hardware).unwrap();
    assert_eq!(board.run_for(MILLISECOND), Wake::Idle);
    assert!(linux.read32(SHARED.into()).unwrap() - counted < 10, "held");
    RemoteProcessor::<SecurePort>::hand_over(&mut m4, &mut hardware).unwrap();
    linux.write32(MP_GCR, 1).unwrap();
    assert_eq!(board.run_for(MILLISECOND), Wake::Deadline);
}
