//! The emulated core on the board: every fault of the emulator with and without its work-around, crashes, idling.

mod support;

use std::time::Duration;

use rproc_board::core::{CrashKind, CrashReport, WorkAround};
use rproc_board::{Board, Happening, Wake};
use support::*;

const DONE: u32 = 0x600D;

fn run(mut board: Board, program: &[u32], milliseconds: u64) -> (Board, Wake) {
    load(&board, program);
    start(&board);
    let wake = board.run_for(Duration::from_millis(milliseconds));
    (board, wake)
}

fn crash(program: &[u32], prepare: impl FnOnce(&Board)) -> CrashReport {
    let mut board = board();
    load(&board, program);
    prepare(&board);
    start(&board);
    match board.run_for(Duration::from_secs(1)) {
        Wake::Crashed(report) => *report,
        other => panic!("{other:?}, pc {:x?}", board.core(1).map(|core| core.registers().pc())),
    }
}

#[test]
fn runs_a_few_instructions() {
    let (board, wake) = run(board(), guest::COUNT, 1);
    assert_eq!(wake, Wake::Deadline);
    assert!(result(&board, 0) > 10_000);
    let overrun = board.now() - Duration::from_millis(1);
    assert!(overrun < Duration::from_nanos(100), "{overrun:?}");
}

#[test]
fn an_interrupt_inside_an_it_block_returns_into_it() {
    let (board, _) = run(board(), guest::IT_BLOCK, 100);
    assert_eq!([result(&board, 3), result(&board, 0), result(&board, 1)], [DONE, 0, 0]);
    assert!(result(&board, 2) > 1000);
    let (board, _) = run(board_without(WorkAround::ItState), guest::IT_BLOCK, 100);
    assert_eq!(result(&board, 3), DONE);
    assert!(result(&board, 0) > 0, "the fault this works around is gone");
}

#[test]
fn a_supervisor_call_inside_an_it_block_returns_into_it() {
    let (board, _) = run(board(), guest::IT_SVC, 1);
    assert_eq!([result(&board, 2), result(&board, 0), result(&board, 1)], [DONE, 0, 1]);
    let (board, _) = run(board_without(WorkAround::ItState), guest::IT_SVC, 1);
    assert_eq!([result(&board, 2), result(&board, 0)], [DONE, 1], "the fault this works around is gone");
}

#[test]
fn a_reset_forgets_interrupts_timer_and_coprocessor() {
    let (mut with, _) = run(board(), guest::WARM, 1);
    assert_eq!([result(&with, 4), result(&with, 0)], [DONE, 2]);
    assert_eq!([result(&with, 1), result(&with, 2), result(&with, 3)], [0, 0, 0]);
    assert!(with.drain_events().iter().any(|event| event.what == Happening::ResetRequested { core: M33 }));
    let (without, _) = run(board_without(WorkAround::ColdReset), guest::WARM, 1);
    assert_eq!(result(&without, 4), DONE);
    assert_ne!(result(&without, 1), 0, "the fault this works around is gone");
}

#[test]
fn wait_for_event_does_not_sleep_for_ever() {
    let (board, wake) = run(board(), guest::WFE, 1);
    assert_eq!([result(&board, 0), result(&board, 1), result(&board, 2)], [1, DONE, 0x601D]);
    assert_eq!(wake, Wake::Idle, "a loop around WFE is idle");
    let (board, _) = run(board_without(WorkAround::WfeYields), guest::WFE, 1);
    assert_eq!(result(&board, 1), 0, "the fault this works around is gone");
}

#[test]
fn a_spinning_delay_costs_next_to_nothing() {
    let (quick, wake) = run(board(), guest::DELAY, 600);
    assert_eq!((result(&quick, 1), wake), (DONE, Wake::Deadline));
    assert!((598..=600).contains(&result(&quick, 0)), "{} ticks", result(&quick, 0));
    assert!(quick.instructions() < 500_000, "{} instructions", quick.instructions());
    let (slow, _) = run(board_without(WorkAround::SkipCircles), guest::DELAY, 5);
    assert!(slow.instructions() > 500_000, "{}: the spinning this works around is gone", slow.instructions());
}

#[test]
fn skipping_changes_no_result() {
    let (quick, _) = run(board(), guest::DELAY, 7);
    let (slow, _) = run(board_without(WorkAround::SkipCircles), guest::DELAY, 7);
    assert_eq!(result(&quick, 0), result(&slow, 0));
}

#[test]
fn a_refused_access_is_told_with_its_address() {
    let report = crash(guest::POKE, |board| set_result(board, 1, 0x8400_0010));
    assert_eq!(report.kind, CrashKind::StuckInFaultHandler(3));
    assert_eq!((report.cfsr & 0x8200, report.bfar), (0x8200, 0x8400_0010));
    let frame = report.frame.unwrap();
    assert_eq!(frame.r[1], 0x8400_0010);
    assert!(report.to_string().contains("the data access to 0x84000010 was refused"), "{report}");
}

#[test]
fn a_fault_that_firmware_handles_is_no_crash() {
    let mut board = board();
    load(&board, guest::HANDLED);
    set_result(&board, 1, 0x8400_0010);
    start(&board);
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle);
    assert_eq!(result(&board, 2), DONE);
}

#[test]
fn a_fault_in_the_fault_handler_is_a_lockup() {
    let report = crash(guest::LOCKUP, |_| {});
    assert_eq!(report.kind, CrashKind::Lockup);
    assert!(report.to_string().starts_with("locked up"), "{report}");
    assert!(report.to_string().contains("undefined"), "{report}");
}

#[test]
fn a_secure_image_is_told_apart() {
    let report = crash(guest::SECURE, |_| {});
    assert!(report.is_secure_image(), "{report}");
    assert!(report.to_string().contains("no TrustZone-M"), "{report}");
}

#[test]
fn no_firmware_at_all_is_a_crash_not_a_hang() {
    let mut board = board();
    start(&board);
    assert!(matches!(board.run_for(Duration::from_secs(1)), Wake::Crashed(_)));
    assert!(!board.is_running());
    assert_eq!(board.run_for(Duration::from_secs(1)), Wake::Idle);
}

#[test]
fn a_crashed_core_starts_again_after_a_reset() {
    let mut board = board();
    load(&board, guest::LOCKUP);
    start(&board);
    assert!(matches!(board.run_for(Duration::from_secs(1)), Wake::Crashed(_)));
    stop(&board);
    load(&board, guest::COUNT);
    start(&board);
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Deadline);
    assert!(result(&board, 0) > 0);
}
