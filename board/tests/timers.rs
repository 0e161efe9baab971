//! Timers of the M33: what firmware that waits for one by itself, or is interrupted by it, sees in virtual time.

mod support;

use std::time::Duration;

use rproc_board::Wake;
use support::*;

/// TIM6 of an STM32MP25 is interrupt 128 of the M33, and counts on half its clock.
#[test]
fn a_time_base_is_waited_for_by_reading_and_by_interrupt() {
    let mut board = board();
    load(&board, guest::TIM);
    start(&board);
    board.run_until(Duration::from_micros(99));
    assert_eq!((result(&board, 0), result(&board, 1)), (50, 0));
    board.run_until(Duration::from_micros(102));
    assert_eq!(result(&board, 1), 1, "reading the flag is not idling beyond its moment");
    assert_eq!(board.run_until(Duration::from_micros(1150)), Wake::Deadline);
    assert_eq!((result(&board, 2), result(&board, 3)), (16 + 128, 10));
    stop(&board);
    board.run_until(Duration::from_secs(1));
    assert_eq!(result(&board, 3), 10, "a processor that is held has no interrupts");
}
