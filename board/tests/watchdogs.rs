//! Firmware that stops feeding its watchdog: it is reset, and the A side hears of it.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

#[path = "support/samples.rs"]
mod samples;

use std::collections::BTreeSet;
use std::time::Duration;

use rproc_board::{Board, Happening, Initiator, Wake};
use samples::{Chip, place, trace};

const RCC_CAUSES: u64 = 0x4420_0424;
/// The pending register of each watchdog's EXTI line, and the line's bit.
const fn pending(chip: Chip) -> (u64, u32) {
    match chip {
        Chip::M4 => (0x5000_D04C, 1 << 4),
        Chip::M33 => (0x4623_002C, 1 << 17),
        Chip::M0 => (0x4623_002C, 1 << 19),
    }
}

const fn spi(chip: Chip) -> u16 {
    match chip {
        Chip::M4 => 143,
        Chip::M33 => 4,
        Chip::M0 => 7,
    }
}

const fn watchdog(chip: Chip) -> &'static str {
    match chip {
        Chip::M4 => "WWDG1",
        Chip::M33 => "IWDG3",
        Chip::M0 => "IWDG5",
    }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A board on which `starve` runs, which feeds for half a second and is bitten 100 ms later.
fn starving(chip: Chip) -> Board {
    let board = Board::new(chip.board()).unwrap();
    place(&board, chip, &format!("starve-{}", chip.suffix()));
    chip.start(&board);
    board
}

fn bitten(board: &mut Board, chip: Chip, from: Duration) {
    let wake = board.run_until(from + ms(2000));
    assert_eq!(wake, Wake::Interrupt(BTreeSet::from([spi(chip)])), "{chip:?} {}", trace(board, chip));
    let at = board.now() - from;
    assert!((ms(590)..ms(615)).contains(&at), "{chip:?} was bitten after {at:?}");
}

fn resets(board: &mut Board) -> Vec<&'static str> {
    let events = board.drain_events().into_iter();
    events
        .filter_map(|event| match event.what {
            Happening::WatchdogReset { watchdog, .. } => Some(watchdog),
            _ => None,
        })
        .collect()
}

#[test]
fn a_core_that_stops_feeding_its_watchdog_is_reset_and_linux_hears_of_it() {
    for chip in Chip::ALL {
        let mut board = starving(chip);
        bitten(&mut board, chip, ms(0));
        assert_eq!(resets(&mut board), [watchdog(chip)]);
        assert!(trace(&board, chip).ends_with("starve: the watchdog is no longer fed\n"), "{chip:?}");
        // The M0+ has no hold: it runs again at once.
        assert_eq!(board.core(chip.id()).unwrap().is_running(), chip == Chip::M0, "{chip:?}");
    }
}

#[test]
fn the_interrupt_stays_until_its_pending_bit_is_cleared() {
    for chip in Chip::ALL {
        let mut board = starving(chip);
        bitten(&mut board, chip, ms(0));
        let (register, bit) = pending(chip);
        let linux = board.port(Initiator::A35NonSecure);
        assert_eq!(linux.read32(register).unwrap(), bit, "{chip:?}");
        assert_eq!(board.run_for(ms(1)), Wake::Interrupt(BTreeSet::from([spi(chip)])), "{chip:?}");
        linux.write32(register, bit).unwrap();
        assert_eq!(board.pending_interrupts(), BTreeSet::new(), "{chip:?}");
    }
}

#[test]
fn a_driver_that_restarts_the_core_needs_no_more_and_can_be_told_again() {
    for chip in Chip::ALL {
        let mut board = starving(chip);
        bitten(&mut board, chip, ms(0));
        for _ in 0..3 {
            chip.stop(&board);
            assert_eq!(board.pending_interrupts(), BTreeSet::new(), "{chip:?}");
            let start = board.now();
            place(&board, chip, &format!("starve-{}", chip.suffix()));
            chip.start(&board);
            bitten(&mut board, chip, start);
        }
    }
}

#[test]
fn a_core_that_is_stopped_is_not_bitten() {
    for chip in Chip::ALL {
        let mut board = starving(chip);
        assert_eq!(board.run_for(ms(300)), Wake::Deadline, "{chip:?} is fed");
        chip.stop(&board);
        assert_eq!(board.run_for(ms(2000)), Wake::Idle, "{chip:?}");
        assert_eq!(resets(&mut board), [""; 0], "{chip:?}");
    }
}

#[test]
fn rcc_says_which_watchdog_it_was_and_a_core_that_is_not_held_starts_again() {
    let mut board = starving(Chip::M33);
    let secure = board.port(Initiator::A35Secure);
    secure.write32(0x4420_0434, 1).unwrap();
    secure.write32(0x4420_0428, !0).unwrap();
    bitten(&mut board, Chip::M33, ms(0));
    assert_eq!(secure.read32(RCC_CAUSES).unwrap(), 1 << 26);
    assert!(board.core(1).unwrap().is_running());
}

#[test]
fn one_watchdog_leaves_the_other_core_alone() {
    let mut board = starving(Chip::M33);
    place(&board, Chip::M0, "blink-m0");
    Chip::M0.start(&board);
    bitten(&mut board, Chip::M33, ms(0));
    assert_eq!(resets(&mut board), ["IWDG3"]);
    assert!(board.core(2).unwrap().is_running());
    assert!(trace(&board, Chip::M0).ends_with("blink: 5\n"), "{}", trace(&board, Chip::M0));
}
