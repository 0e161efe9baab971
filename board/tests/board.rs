//! The board as a whole: boot and hold, the mailbox both ways, virtual time, determinism, sharing.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use rproc_board::{Board, Happening, Initiator, Wake, boards};
use support::*;

const IPCC1: u64 = 0x4049_0000;
const PWR: u64 = 0x4421_0000;

#[test]
fn the_m33_waits_to_be_released_and_stops_when_told() {
    let mut board = board();
    load(&board, guest::COUNT);
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle);
    assert_eq!(board.now(), Duration::from_millis(1));
    assert_eq!((result(&board, 0), board.instructions()), (0, 0));
    let secure = board.port(Initiator::A35Secure);
    assert_eq!(secure.read32(PWR + 0x204).unwrap() >> 2, 0);
    start(&board);
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Deadline);
    assert!(board.is_running());
    assert_eq!(secure.read32(PWR + 0x204).unwrap() >> 2, 1);
    let counted = result(&board, 0);
    assert!(counted > 0);
    stop(&board);
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle);
    assert_eq!(result(&board, 0), counted);
    assert_eq!(secure.read32(PWR + 0x204).unwrap() >> 2, 0);
    let happenings: Vec<Happening> = board.drain_events().into_iter().map(|event| event.what).collect();
    let released = Happening::Released { core: M33, vector_table: CODE as u32, secure: false };
    assert_eq!(happenings, [released, Happening::Held { core: M33 }]);
}

#[test]
fn the_hold_is_latched_at_the_release() {
    let mut board = board();
    load(&board, guest::COUNT);
    start(&board);
    board.port(Initiator::A35Secure).write32(RCC + 0x434, 0).unwrap();
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Deadline);
    assert!(result(&board, 0) > 0);
}

#[test]
fn a_stop_and_start_between_two_runs_restarts() {
    let mut board = board();
    load(&board, guest::COUNT);
    start(&board);
    board.run_for(Duration::from_millis(2));
    let long = result(&board, 0);
    stop(&board);
    start(&board);
    board.run_for(Duration::from_millis(1));
    assert!(result(&board, 0) < long);
}

#[test]
fn a_message_through_the_mailbox_and_back() {
    for (description, exception) in
        [(rproc_board::boards::stm32mp257f_ev1(), 16 + 171), (boards::stm32mp215f_dk(), 16 + 152)]
    {
        let mut board = Board::new(description).unwrap();
        load(&board, guest::MAILBOX);
        open_mailbox(&board);
        start(&board);
        assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle, "waits for the first message");
        let linux = board.port(Initiator::A35NonSecure);
        for message in 1..=5 {
            linux.write32(IPCC1 + 0x08, 1 << 16).unwrap();
            let before = board.now();
            let wake = board.run_for(Duration::from_millis(1));
            assert_eq!(wake, Wake::Interrupt(BTreeSet::from([171])), "{}", description.name);
            assert!(board.now() - before < Duration::from_micros(10));
            assert_eq!((result(&board, 0), result(&board, 1)), (message, exception));
            assert_eq!(linux.read32(IPCC1 + 0x0C).unwrap(), 0, "acknowledged");
            assert_eq!(linux.read32(IPCC1 + 0x1C).unwrap(), 0b10, "channel 2 set");
            assert!(matches!(board.run_for(Duration::from_millis(1)), Wake::Interrupt(_)), "not served yet");
            linux.write32(IPCC1 + 0x08, 0b10).unwrap();
            assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle);
        }
    }
}

#[test]
fn a_disabled_interrupt_does_not_stop_the_board() {
    let mut board = board();
    load(&board, guest::MAILBOX);
    open_mailbox(&board);
    start(&board);
    board.run_for(Duration::from_millis(1));
    board.set_interrupt_enabled(171, false);
    board.port(Initiator::A35NonSecure).write32(IPCC1 + 0x08, 1 << 16).unwrap();
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle);
    assert!(board.pending_interrupts().contains(&171));
    board.set_interrupt_enabled(171, true);
    assert!(matches!(board.run_for(Duration::from_millis(1)), Wake::Interrupt(_)));
}

#[test]
fn trustzone_chooses_the_secure_vectors_and_opens_secure_memory() {
    let mut board = board();
    load(&board, guest::COUNT);
    let secure = board.port(Initiator::A35Secure);
    secure.write32(CA35SYSCFG + 0x20A0, 1).unwrap();
    secure.write32(CA35SYSCFG + 0x20A4, CODE as u32).unwrap();
    secure.write32(RCC + 0x434, 1).unwrap();
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Deadline);
    let released = Happening::Released { core: M33, vector_table: CODE as u32, secure: true };
    assert_eq!(board.drain_events()[0].what, released);
    assert!(result(&board, 0) > 0);
}

#[test]
fn polling_a_register_is_idling_until_someone_writes_it() {
    let mut board = board();
    load(&board, guest::POLL);
    start(&board);
    assert_eq!(board.run_for(Duration::from_secs(10)), Wake::Idle);
    assert!(board.instructions() < 1000);
    board.port(Initiator::A35NonSecure).write32(IPCC1 + 0x08, 1 << 16).unwrap();
    assert_eq!(board.run_for(Duration::from_secs(10)), Wake::Idle);
    assert_eq!(result(&board, 0), 0x600D);
}

#[test]
fn an_hour_without_firmware_takes_no_time() {
    let mut board = board();
    assert_eq!(board.run_until(Duration::from_secs(3600)), Wake::Idle);
    assert_eq!(board.now(), Duration::from_secs(3600));
    assert_eq!(board.run_until(Duration::from_secs(3599)), Wake::Idle, "a deadline in the past");
    assert_eq!(board.now(), Duration::from_secs(3600));
}

#[test]
fn the_same_inputs_give_the_same_timeline() {
    let history = || {
        let mut board = board();
        load(&board, guest::MAILBOX);
        open_mailbox(&board);
        start(&board);
        let linux = board.port(Initiator::A35NonSecure);
        let mut trace = Vec::new();
        for round in 0..50u64 {
            let wake = board.run_for(Duration::from_nanos(700 + 13 * round));
            trace.push((
                format!("{wake:?}"),
                board.now(),
                board.instructions(),
                board.core(1).unwrap().registers(),
            ));
            linux.write32(IPCC1 + 0x08, 1 << 16 | 0b10).unwrap();
            let _ = linux.read32(0x8200_0000);
        }
        (trace, board.drain_events())
    };
    assert_eq!(history(), history());
}

#[test]
fn slicing_time_changes_nothing() {
    let run = |slice: Duration| {
        let mut board = board();
        load(&board, guest::DELAY);
        start(&board);
        while board.now() < Duration::from_millis(20) {
            board.run_until((board.now() + slice).min(Duration::from_millis(20)));
        }
        result(&board, 0)
    };
    assert_eq!(run(Duration::from_millis(20)), run(Duration::from_micros(3)));
}

#[test]
fn a_thread_never_sees_a_torn_word_of_the_core() {
    let mut board = board();
    load(&board, guest::FLIP);
    start(&board);
    let port = board.port(Initiator::A35NonSecure);
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let reader = std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while stopped.try_recv().is_err() {
            seen.insert(port.read32(RESULTS).unwrap());
        }
        seen
    });
    board.run_for(Duration::from_millis(10));
    stop.send(()).unwrap();
    let seen = reader.join().unwrap();
    assert!(seen.is_subset(&BTreeSet::from([0, !0])), "{seen:x?}");
}

#[test]
fn another_mapping_of_the_memory_sees_what_the_core_wrote() {
    use std::os::unix::fs::FileExt;
    let mut board = board();
    load(&board, guest::COUNT);
    start(&board);
    board.run_for(Duration::from_millis(1));
    let ddr = board.bus().banks().last().unwrap();
    let mut word = [0; 4];
    ddr.ram.file().read_exact_at(&mut word, RESULTS - ddr.base).unwrap();
    assert_eq!(u32::from_le_bytes(word), result(&board, 0));
    assert_ne!(word, [0; 4]);
}

#[test]
fn what_firmware_prints_is_logged_with_its_time() {
    let mut board = board();
    load(&board, guest::FLIP);
    start(&board);
    board.run_for(Duration::from_micros(10));
    let events = board.drain_events();
    let line = Happening::UartLine { uart: 0x400E_0000, line: "hi".into() };
    let event = events.iter().find(|event| event.what == line).unwrap();
    assert!(event.at > Duration::ZERO && event.at < Duration::from_micros(1), "{event}");
}

#[test]
fn fuses_outlive_the_board() {
    let board = board();
    board.port(Initiator::A35Secure).write32(0x4400_0000 + 4 * 7, 0b101).unwrap();
    let next = Board::with_otp(rproc_board::boards::stm32mp257f_ev1(), &board.bus().otp()).unwrap();
    next.port(Initiator::A35Secure).write32(0x4400_0000 + 4 * 7, 0b010).unwrap();
    assert_eq!(next.port(Initiator::A35Secure).read32(0x4400_0000 + 4 * 7).unwrap(), 0b111);
}
