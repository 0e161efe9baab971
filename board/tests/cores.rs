//! Several coprocessors on one board, and what makes each kind what it is.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

#[path = "support/assembly.rs"]
mod assembly;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use assembly::Program;
use proptest::prelude::*;
use rproc_board::core::CrashKind;
use rproc_board::{Board, Cause, CoreKind, CoreName, Event, Happening, Initiator, Wake, boards};
use support::*;

const M0: CoreName = CoreName { id: 2, kind: CoreKind::CortexM0Plus };
/// LPSRAM1, where the M0+ boots, and LPSRAM3.
const M0_CODE: u32 = 0x200C_0000;
const M0_RESULT: u32 = 0x200C_4000;
const IPCC1: u64 = 0x4049_0000;
const IPCC2: u64 = 0x4625_0000;
const C3CFGR: u64 = RCC + 0x490;
const UNALIGNED: u32 = 1 << 24;
const UNDEFINED: u32 = 1 << 16;

fn place(board: &Board, program: &Program) {
    board.port(Initiator::A35Secure).write(program.base.into(), &program.image()).unwrap();
}

fn read(board: &Board, address: u32) -> u32 {
    board.port(Initiator::A35Secure).read32(address.into()).unwrap()
}

fn start_m0(board: &Board) {
    board.port(Initiator::A35Secure).write32(C3CFGR, 0b10).unwrap();
}

fn stop_m0(board: &Board) {
    board.port(Initiator::A35Secure).write32(C3CFGR, 0b01).unwrap();
}

/// A board on which the M0+ counts, and what it has counted.
fn counting() -> Board {
    let board = board();
    place(&board, &assembly::count(M0_CODE, M0_RESULT));
    start_m0(&board);
    board
}

#[test]
fn two_cores_run_at_once_each_at_its_own_speed() {
    let mut board = counting();
    load(&board, guest::COUNT);
    start(&board);
    assert_eq!(board.run_for(Duration::from_millis(2)), Wake::Deadline);
    let (m33, m0) = (result(&board, 0), read(&board, M0_RESULT));
    assert!((24..=26).contains(&(m33 / m0)), "{m33} at 400 MHz, {m0} at 16 MHz");
    let instructions: Vec<u64> = board.cores().map(|core| core.instructions()).collect();
    assert_eq!(instructions.iter().sum::<u64>(), board.instructions());
    assert!(instructions.iter().all(|count| *count > 1000), "{instructions:?}");
    let overrun = board.now() - Duration::from_millis(2);
    assert!(overrun < Duration::from_micros(1), "{overrun:?}");
    let told: Vec<Happening> = board.drain_events().into_iter().map(|event| event.what).collect();
    let released = |core, vector_table| Happening::Released { core, vector_table, secure: false };
    assert_eq!(told, [released(M33, CODE as u32), released(M0, M0_CODE)]);
}

/// The instructions of each core in 2 ms.
fn instructions_of(board: &mut Board) -> Vec<u64> {
    board.run_for(Duration::from_millis(2));
    board.cores().map(|core| core.instructions()).collect()
}

/// No chip here has three coprocessors. This one has its Cortex-M0+ twice, under one reset and with one program.
#[test]
fn a_third_core_takes_nothing_from_the_others_and_outlives_them() {
    let ev1 = boards::stm32mp257f_ev1();
    let mut three = ev1.clone();
    three.coprocessors.extend(ev1.coprocessor(M0.id).cloned());
    let run = |description, m33: bool, m0: bool| {
        let board = Board::new(description).unwrap();
        place(&board, &assembly::count(M0_CODE, M0_RESULT));
        load(&board, guest::COUNT);
        if m33 {
            start(&board);
        }
        if m0 {
            start_m0(&board);
        }
        board
    };
    let alone =
        [instructions_of(&mut run(ev1, true, false))[0], instructions_of(&mut run(ev1, false, true))[1]];
    let mut board = run(&three, true, true);
    let together = instructions_of(&mut board);
    assert_eq!(together.len(), 3);
    for (count, alone) in together.iter().zip([alone[0], alone[1], alone[1]]) {
        assert!(count.abs_diff(alone) < 10 + alone / 1000, "{together:?} together, {alone} alone");
    }

    stop(&board);
    load(&board, guest::LOCKUP);
    start(&board);
    assert!(matches!(board.run_for(Duration::from_millis(1)), Wake::Crashed(report) if report.core == M33));
    let before: Vec<u64> = board.cores().map(|core| core.instructions()).collect();
    let after = instructions_of(&mut board);
    let more: Vec<u64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    assert_eq!(more[0], 0, "the M33 has crashed");
    assert!(more[1].abs_diff(alone[1]) < 30 && more[1].abs_diff(more[2]) < 10, "{more:?}");
}

#[test]
fn an_interrupt_of_one_loses_no_time_of_the_other() {
    let alone = {
        let mut board = counting();
        board.run_until(Duration::from_millis(3));
        read(&board, M0_RESULT)
    };
    let mut board = counting();
    load(&board, guest::MAILBOX);
    open_mailbox(&board);
    start(&board);
    let linux = board.port(Initiator::A35NonSecure);
    let mut interrupts = 0;
    while board.now() < Duration::from_millis(3) {
        let before = board.now();
        linux.write32(IPCC1 + 0x08, 1 << 16).unwrap();
        match board.run_until(Duration::from_millis(3)) {
            Wake::Interrupt(spis) => {
                assert_eq!(spis, BTreeSet::from([171]));
                linux.write32(IPCC1 + 0x08, 0b10).unwrap();
                interrupts += 1;
            }
            other => assert_eq!(other, Wake::Deadline),
        }
        assert!(board.now() >= before, "time goes one way");
    }
    assert!(interrupts > 50, "{interrupts}");
    assert_eq!(read(&board, M0_RESULT), alone);
}

#[test]
fn the_others_come_to_the_moment_of_an_interrupt() {
    let mut board = counting();
    load(&board, guest::MAILBOX);
    open_mailbox(&board);
    start(&board);
    board.run_until(Duration::from_millis(1));
    let before = read(&board, M0_RESULT);
    board.port(Initiator::A35NonSecure).write32(IPCC1 + 0x08, 1 << 16).unwrap();
    assert!(matches!(board.run_for(Duration::from_millis(1)), Wake::Interrupt(_)));
    let took = board.now() - Duration::from_millis(1);
    assert!(took < Duration::from_micros(10), "{took:?}");
    let counted = u128::from(read(&board, M0_RESULT) - before);
    // A round of its loop takes 6 cycles of 62.5 ns. The M33 comes first, so that the M0+ stops where it does.
    let expected = took.as_nanos() / 375;
    assert!(counted.abs_diff(expected) <= 2, "{counted} in {took:?}");
}

#[test]
fn a_reset_of_one_does_not_disturb_the_other() {
    let mut board = counting();
    load(&board, guest::COUNT);
    start(&board);
    board.run_for(Duration::from_millis(1));
    let before = read(&board, M0_RESULT);
    stop(&board);
    board.run_for(Duration::from_millis(1));
    assert!(!board.core(1).unwrap().is_running() && board.core(2).unwrap().is_running());
    let after = read(&board, M0_RESULT);
    assert!(after.abs_diff(2 * before) < 5, "{before} then {after}");
    start(&board);
    stop_m0(&board);
    let m33 = result(&board, 0);
    board.run_for(Duration::from_millis(1));
    assert_eq!(read(&board, M0_RESULT), after);
    assert!(result(&board, 0).abs_diff(m33) < m33 / 100, "it began anew and counted as far again");
    start_m0(&board);
    board.run_for(Duration::from_micros(500));
    assert!(read(&board, M0_RESULT) < before, "it began anew");
    let held =
        |core| board.bus().drain_events().into_iter().filter(|e| e.what == Happening::Held { core }).count();
    assert_eq!(held(M33), 1);
}

#[test]
fn a_crash_of_one_names_it_and_leaves_the_other() {
    let mut board = counting();
    load(&board, guest::LOCKUP);
    start(&board);
    let Wake::Crashed(report) = board.run_for(Duration::from_millis(1)) else { panic!("no crash") };
    assert_eq!((report.core, report.kind), (M33, CrashKind::Lockup));
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Deadline);
    assert!(read(&board, M0_RESULT) > 1000);
    assert!(!board.core(1).unwrap().is_running() && board.core(2).unwrap().is_running());
}

#[test]
fn both_asleep_is_idle_and_a_message_wakes_the_right_one() {
    let mut board = board();
    load(&board, guest::MAILBOX);
    place(&board, &assembly::mailbox(M0_CODE, IPCC2 as u32, 13, M0_RESULT));
    start(&board);
    start_m0(&board);
    assert_eq!(board.run_for(Duration::from_secs(100)), Wake::Idle);
    assert_eq!(board.now().as_secs(), 100);
    let before = board.core(1).unwrap().instructions();
    for message in 1..=5 {
        board.port(Initiator::A35NonSecure).write32(IPCC2 + 0x18, 1 << 16).unwrap();
        assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle);
        assert_eq!((read(&board, M0_RESULT), result(&board, 0)), (message, 0));
    }
    assert!(board.core(1).unwrap().instructions() - before < 100, "the M33 sleeps");
    board.port(Initiator::A35NonSecure).write32(IPCC1 + 0x08, 1 << 16).unwrap();
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle);
    assert_eq!((read(&board, M0_RESULT), result(&board, 0)), (5, 1));
}

/// Waits until there is something at `from` and copies it to `to`.
fn poll(base: u32, from: u32, to: u32) -> Program {
    // 1: ldr r1, [r0]; cmp r1, #0; beq 1b; str r1, [r2]; b .
    let mut code = vec![0x4803, 0x4A04, 0x6801, 0x2900, 0xD0FC, 0x6011, 0xE7FE, 0xBF00];
    code.extend([from as u16, (from >> 16) as u16, to as u16, (to >> 16) as u16]);
    Program { base, code, handler: None }
}

#[test]
fn a_core_that_its_timer_wakes_is_not_left_behind() {
    let mut board = board();
    place(&board, &assembly::tick(M0_CODE, M0_RESULT));
    place(&board, &poll(CODE as u32, M0_RESULT, M0_RESULT + 8));
    start(&board);
    start_m0(&board);
    assert_eq!(board.run_for(Duration::from_millis(5)), Wake::Deadline);
    assert_eq!((read(&board, M0_RESULT), read(&board, M0_RESULT + 8)), (4, 1), "seen at its first tick");
}

#[test]
fn a_polling_core_sees_what_the_other_wrote() {
    // Both go round in circles until memory changes, one after the other.
    let mut board = board();
    place(&board, &poll(M0_CODE, M0_RESULT, M0_RESULT + 4));
    place(&board, &poll(CODE as u32, M0_RESULT + 4, M0_RESULT + 8));
    start(&board);
    start_m0(&board);
    assert_eq!(board.run_for(Duration::from_secs(1)), Wake::Idle);
    assert_eq!(read(&board, M0_RESULT + 8), 0);
    board.port(Initiator::A35Secure).write32(M0_RESULT.into(), 77).unwrap();
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle);
    assert_eq!(read(&board, M0_RESULT + 8), 77);
    assert!(board.instructions() < 20_000, "{}", board.instructions());
}

#[test]
fn the_m0_plus_ticks_on_its_reference() {
    let mut board = board();
    place(&board, &assembly::tick(M0_CODE, M0_RESULT));
    start_m0(&board);
    assert_eq!(board.run_for(Duration::from_millis(1000)), Wake::Deadline);
    let ticks = read(&board, M0_RESULT);
    assert!((998..=1000).contains(&ticks), "{ticks} in a second");
    assert!(board.instructions() < 20_000, "{}: it sleeps in between", board.instructions());
}

/// Runs one instruction on the M0+ and on the M33. The fault status of each that crashed.
fn attempt(instruction: [u16; 2], operand: u32) -> [Option<u32>; 2] {
    let run = |base: u32, result: u32, operand: u32, release: fn(&Board)| {
        let mut board = board();
        place(&board, &assembly::attempt(base, instruction, operand, result));
        release(&board);
        match board.run_for(Duration::from_millis(100)) {
            Wake::Crashed(report) => {
                assert_eq!(report.kind, CrashKind::StuckInFaultHandler(3), "{instruction:x?}: {report}");
                assert_eq!(read(&board, result), 0);
                Some(report.cfsr)
            }
            _ => {
                assert_eq!(read(&board, result), 0x600D, "{instruction:x?}");
                None
            }
        }
    };
    [run(M0_CODE, M0_RESULT, operand, start_m0), run(CODE as u32, RESULTS as u32, operand, start)]
}

#[test]
fn the_m0_plus_takes_no_unaligned_access() {
    // ldr, ldrh, ldrsh (r1 = 0), str, strh.
    for instruction in [0x6801, 0x8801, 0x5E42, 0x6001, 0x8001] {
        assert_eq!(attempt([instruction, 0xBF00], M0_RESULT + 0x100), [None, None]);
        assert_eq!(
            attempt([instruction, 0xBF00], M0_RESULT + 0x101),
            [Some(UNALIGNED), None],
            "{instruction:x}"
        );
    }
    assert_eq!(
        attempt([0x6801, 0xBF00], M0_RESULT + 0x102),
        [Some(UNALIGNED), None],
        "a word at half of one"
    );
    // ldmia and stmia, which no core takes.
    for instruction in [0xC802, 0xC002] {
        assert_eq!(attempt([instruction, 0xBF00], M0_RESULT + 0x100), [None, None]);
        assert_eq!(
            attempt([instruction, 0xBF00], M0_RESULT + 0x102),
            [Some(UNALIGNED); 2],
            "{instruction:x}"
        );
    }
}

#[test]
fn the_m0_plus_has_no_instruction_of_armv7_m() {
    for (name, instruction) in [
        ("it eq", [0xBF08, 0xBF00]),
        ("cbz r1", [0xB101, 0xBF00]),
        ("movw r1, #0", [0xF240, 0x0100]),
        ("sdiv r1, r0, r0", [0xFB90, 0xF1F0]),
        ("ldrex r1, [r0]", [0xE850, 0x1F00]),
        ("ldr.w r1, [r0]", [0xF8D0, 0x1000]),
        ("adds.w r1, r1, r1", [0xEB11, 0x0101]),
        ("b.w", [0xF000, 0xB800]),
        ("clrex", [0xF3BF, 0x8F2F]),
    ] {
        assert_eq!(attempt(instruction, M0_RESULT + 0x100), [Some(UNDEFINED), None], "{name}");
    }
    for (name, instruction) in [
        ("bl", [0xF000, 0xF800]),
        ("mrs r1, control", [0xF3EF, 0x8114]),
        ("msr primask, r1", [0xF381, 0x8810]),
        ("dsb", [0xF3BF, 0x8F4F]),
        ("isb", [0xF3BF, 0x8F6F]),
        ("sxth r1, r1; rev r1, r1", [0xB209, 0xBA09]),
    ] {
        assert_eq!(attempt(instruction, M0_RESULT + 0x100), [None, None], "{name}");
    }
}

#[test]
fn an_m4_boots_from_its_alias_of_retram() {
    const MP_GCR: u64 = 0x5000_010C;
    const MP_GRSTCSETR: u64 = 0x5000_0404;
    const SRAM2: u32 = 0x1002_0000;
    let mut board = Board::new(boards::stm32mp157f_dk2()).unwrap();
    let secure = board.port(Initiator::A35Secure);
    assert_eq!(secure.read32(0).unwrap_err().cause, Cause::Unmapped, "the A side has its boot ROM there");
    secure.write(0x3800_0000, &assembly::count(0, SRAM2 + 0x2000_0000).image()).unwrap();
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle);
    secure.write32(MP_GCR, 1).unwrap();
    secure.write32(MP_GCR, 0).unwrap();
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Deadline);
    let counted = read(&board, SRAM2);
    assert!(counted > 10_000, "{counted}");
    secure.write32(MP_GRSTCSETR, 0b10).unwrap();
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle);
    assert_eq!(read(&board, SRAM2), counted, "held again");
    let core = CoreName { id: 0, kind: CoreKind::CortexM4F };
    let told: Vec<Happening> = board.drain_events().into_iter().map(|event| event.what).collect();
    let released = Happening::Released { core, vector_table: 0, secure: false };
    assert!(told.contains(&released) && told.contains(&Happening::Held { core }), "{told:?}");
}

/// Something that the A side does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Run(u32),
    Start(bool),
    Stop(bool),
    Kick(bool),
    Serve,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u32..60_000).prop_map(Step::Run),
        1 => any::<bool>().prop_map(Step::Start),
        1 => any::<bool>().prop_map(Step::Stop),
        2 => any::<bool>().prop_map(Step::Kick),
        2 => Just(Step::Serve),
    ]
}

fn history(steps: &[Step], busy: bool) -> (Vec<String>, Vec<Event>) {
    let mut board = board();
    let m0 = if busy {
        assembly::count(M0_CODE, M0_RESULT)
    } else {
        assembly::mailbox(M0_CODE, IPCC2 as u32, 13, M0_RESULT)
    };
    place(&board, &m0);
    load(&board, guest::MAILBOX);
    open_mailbox(&board);
    let linux = board.port(Initiator::A35NonSecure);
    let mut trace = Vec::new();
    for step in steps {
        match *step {
            Step::Run(nanoseconds) => {
                let before = board.now();
                let wake = board.run_for(Duration::from_nanos(nanoseconds.into()));
                assert!(board.now() >= before);
                let cores: Vec<_> =
                    board.cores().map(|core| (core.instructions(), core.registers())).collect();
                trace.push(format!("{wake:?} {:?} {cores:?}", board.now()));
            }
            Step::Start(true) => start(&board),
            Step::Start(false) => start_m0(&board),
            Step::Stop(true) => stop(&board),
            Step::Stop(false) => stop_m0(&board),
            Step::Kick(true) => linux.write32(IPCC1 + 0x08, 1 << 16).unwrap(),
            Step::Kick(false) => linux.write32(IPCC2 + 0x18, 1 << 16).unwrap(),
            Step::Serve => linux.write32(IPCC1 + 0x08, 0b10).unwrap(),
        }
    }
    let events = board.drain_events();
    assert!(events.is_sorted_by_key(|event| event.at));
    (trace, events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_inputs_give_the_same_timeline(steps in prop::collection::vec(step(), 1..40), busy: bool) {
        prop_assert_eq!(history(&steps, busy), history(&steps, busy));
    }
}
