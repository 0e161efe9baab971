//! ETZPC and RISAL on whole boards: memory that is one processor's alone, while it runs.

#[path = "support/samples.rs"]
mod samples;

use std::time::Duration;

use rproc_board::{Board, Cause, Initiator, Wake};
use samples::{Chip, place, trace};

/// The modes of ETZPC's numbers 80 to 95: SRAM1 to SRAM4, RETRAM.
const DECPROT5: u64 = 0x5C00_7024;
const RETRAM_MODE: u32 = 8;
const MCU_ISOLATION: u32 = 2;
/// RISAL of LPSRAM1: the configuration of its subregion A.
const RISAL_LPSRAM1: u64 = 0x4208_0900;

fn refused_by(board: &Board, by: Initiator, address: u64) -> Option<(&'static str, Option<u8>)> {
    match board.port(by).read32(address) {
        Ok(_) => None,
        Err(error) => match error.cause {
            Cause::Firewall { guard, region } => Some((guard, region)),
            other => panic!("{other:?}"),
        },
    }
}

#[test]
fn an_isolated_m4_runs_where_nobody_else_can_look() {
    let mut board = Board::new(Chip::M4.board()).unwrap();
    place(&board, Chip::M4, "starve-m4");
    let secure = board.port(Initiator::A35Secure);
    assert_eq!(refused_by(&board, Initiator::A35NonSecure, 0x3800_0000), None);
    let open = secure.read32(DECPROT5).unwrap();
    secure.write32(DECPROT5, open & !(3 << RETRAM_MODE) | MCU_ISOLATION << RETRAM_MODE).unwrap();
    Chip::M4.start(&board);
    assert_eq!(board.run_for(Duration::from_millis(100)), Wake::Deadline);
    assert!(trace(&board, Chip::M4).starts_with("starve: the watchdog runs"));
    for by in [Initiator::A35NonSecure, Initiator::A35Secure] {
        assert_eq!(refused_by(&board, by, 0x3800_0004), Some(("ETZPC", Some(84))), "{by}");
    }
    assert_eq!(refused_by(&board, Initiator::A35NonSecure, 0x1000_0000), None, "SRAM1 is still open");
}

#[test]
fn linux_may_not_configure_etzpc() {
    let board = Board::new(Chip::M4.board()).unwrap();
    let linux = board.port(Initiator::A35NonSecure);
    let error = linux.write32(DECPROT5, 0).unwrap_err();
    assert!(matches!(error.cause, Cause::Firewall { guard: "ETZPC", .. }), "{error:?}");
    assert_eq!(linux.read32(DECPROT5).unwrap(), board.port(Initiator::A35Secure).read32(DECPROT5).unwrap());
}

#[test]
fn linux_may_be_kept_from_the_watchdog_of_the_m4() {
    const WWDG1: u64 = 0x4000_A000;
    let board = Board::new(Chip::M4.board()).unwrap();
    // The board's secure tree gives it to the M4. Number 26: the second mode register, bits 21:20.
    assert_eq!(board.port(Initiator::A35Secure).read32(0x5C00_7014).unwrap() >> 20 & 3, MCU_ISOLATION);
    board.port(Initiator::A35Secure).write32(0x5C00_7014, !0).unwrap();
    assert_eq!(refused_by(&board, Initiator::A35NonSecure, WWDG1), None);
    board.port(Initiator::A35Secure).write32(0x5C00_7014, !(3 << 20) | MCU_ISOLATION << 20).unwrap();
    assert_eq!(refused_by(&board, Initiator::A35NonSecure, WWDG1), Some(("ETZPC", None)));
    assert_eq!(refused_by(&board, Initiator::M4, WWDG1), None);
}

#[test]
fn low_power_sram_may_be_the_m0_s_alone() {
    let mut board = Board::new(Chip::M0.board()).unwrap();
    place(&board, Chip::M0, "blink-m0");
    let for_the_m0 = 3 << 4 | 1;
    let linux = board.port(Initiator::A35NonSecure);
    assert!(linux.write32(RISAL_LPSRAM1, 0).is_err(), "Linux may not configure it");
    board.port(Initiator::A35Secure).write32(RISAL_LPSRAM1, for_the_m0).unwrap();
    Chip::M0.start(&board);
    assert_eq!(board.run_for(Duration::from_millis(150)), Wake::Deadline);
    assert!(trace(&board, Chip::M0).ends_with("blink: 1\n"));
    for by in [Initiator::A35NonSecure, Initiator::M33] {
        assert_eq!(refused_by(&board, by, 0x200C_0000), Some(("RISAL1", None)), "{by}");
    }
    assert_eq!(refused_by(&board, Initiator::A35NonSecure, 0x200C_2000), None, "LPSRAM2 is still open");
}
