//! The bundled firmware on the bare board: each `trap-*` passes, and fails without the work-around that it is about; the broken ones
//! end as they should.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memmap2::MmapRaw;
use rproc_board::bus::{Cause, Direction};
use rproc_board::core::{CrashKind, CrashReport, WorkAround};
use rproc_board::{Board, Happening, Initiator, Wake};
use rproc_elf::ElfFile;
use rproc_elf::resource_table::{EntryKind, ResourceTable};
use rsemu::core::space::{AddressSpace, RamStore, Region};
use rsemu::cpu::arm::v7m::{ArmV7m, Config};
use support::{CODE, board, board_without, start};

/// The result block of the `trap-*` firmware: magic, done, verdict, counters (`firmware/README.md`).
const RESULT_BLOCK: u64 = 0x8121_0000;
const MAGIC: u32 = u32::from_le_bytes(*b"TRAP");
const PASS: u32 = 1;
const FAIL: u32 = 2;
/// First word of the DDR, in which the result block lies.
const DDR: u64 = 0x8000_0000;

fn firmware(name: &str) -> Vec<u8> {
    let path = format!("{}/../firmware/elf/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Results {
    done: u32,
    verdict: u32,
    counters: [u32; 13],
}

fn results(board: &Board) -> Results {
    let port = board.port(Initiator::A35NonSecure);
    let word = |index: u64| port.read32(RESULT_BLOCK + 4 * index).unwrap();
    assert_eq!(word(0), MAGIC, "the firmware has not started");
    Results { done: word(1), verdict: word(2), counters: std::array::from_fn(|index| word(3 + index as u64)) }
}

/// Puts the segments where they belong, as a loader does, and zeroes what the file does not fill.
fn load(board: &Board, name: &str) {
    let bytes = firmware(name);
    let file = ElfFile::parse(&bytes).unwrap();
    let port = board.port(Initiator::A35Secure);
    for segment in file.segments().filter(|segment| segment.is_load()) {
        port.fill(segment.physical_address, segment.memory_size, 0).unwrap();
        port.write(segment.physical_address, file.segment_bytes(&segment).unwrap()).unwrap();
    }
    assert_eq!(file.vector_table().unwrap().unwrap().section.address, CODE);
}

/// Loads, starts, and lets `milliseconds` pass.
fn run(mut board: Board, name: &str, milliseconds: u64) -> (Board, Wake) {
    load(&board, name);
    start(&board);
    let wake = board.run_for(Duration::from_millis(milliseconds));
    (board, wake)
}

/// The text of the first trace buffer in the firmware's resource table.
fn trace(board: &Board, name: &str) -> String {
    let bytes = firmware(name);
    let file = ElfFile::parse(&bytes).unwrap();
    let section = file.find_resource_table().unwrap().unwrap().section;
    let table = ResourceTable::parse(file.section_bytes(&section).unwrap()).unwrap();
    let buffer = table.entries().find_map(|entry| match entry.unwrap().kind {
        EntryKind::Trace(trace) => Some(trace),
        _ => None,
    });
    let buffer = buffer.unwrap();
    let mut text = vec![0; buffer.len as usize];
    board.port(Initiator::A35NonSecure).read(u64::from(buffer.da), &mut text).unwrap();
    let end = text.iter().position(|byte| *byte == 0).unwrap();
    String::from_utf8(text[..end].to_vec()).unwrap()
}

fn crash(wake: Wake) -> CrashReport {
    match wake {
        Wake::Crashed(report) => *report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_blocks_survive_interrupts() {
    let (board, _) = run(board(), "trap-it.elf", 100);
    let Results { done, verdict, counters } = results(&board);
    assert_eq!((done, verdict, &counters[..6]), (1, PASS, &[0; 6][..]), "{counters:?}");
    assert!(counters[7] > 2000, "{counters:?}");
}

#[test]
fn without_restored_it_state_interrupted_blocks_go_wrong() {
    let (board, _) = run(board_without(WorkAround::ItState), "trap-it.elf", 100);
    let Results { done, verdict, counters } = results(&board);
    assert_eq!((done, verdict), (1, FAIL), "the fault this works around is gone");
    // The sliding tick, the SVC, and the pended interrupt.
    assert!(counters[0] > 0 && counters[2] == 50 && counters[3] == 50, "{counters:?}");
}

#[test]
fn without_the_repaired_return_conditional_returns_go_wrong() {
    let (board, _) = run(board_without(WorkAround::ItReturn), "trap-it.elf", 100);
    let Results { done, verdict, counters } = results(&board);
    assert_eq!((done, verdict), (1, FAIL), "the fault this works around is gone");
    assert_eq!(counters[..6], [0, 0, 0, 0, 50, 0], "only the conditional return is wrong");
}

#[test]
fn a_warm_reset_clears_what_it_must() {
    let (mut with, wake) = run(board(), "trap-warm-reset.elf", 10);
    let Results { done, verdict, counters } = results(&with);
    assert_eq!((done, verdict, counters[0], wake), (1, PASS, 2, Wake::Idle), "{counters:?}");
    assert!(
        with.drain_events()
            .iter()
            .any(|event| event.what == Happening::ResetRequested { core: support::M33 })
    );
    let (without, _) = run(board_without(WorkAround::ColdReset), "trap-warm-reset.elf", 10);
    let Results { done, verdict, counters } = results(&without);
    assert_eq!((done, verdict, counters[0]), (1, FAIL, 2), "the fault this works around is gone");
    assert!([1, 3, 5].iter().all(|index| counters[*index] != 0), "{counters:?}");
}

#[test]
fn wait_for_event_returns_for_events_that_have_been() {
    let (with, wake) = run(board(), "trap-wfe.elf", 10);
    let Results { done, verdict, counters } = results(&with);
    assert_eq!((done, verdict, &counters[..2], wake), (1, PASS, &[2, 1][..], Wake::Idle));
    let (without, wake) = run(board_without(WorkAround::WfeYields), "trap-wfe.elf", 10);
    let Results { done, counters, .. } = results(&without);
    assert_eq!((done, &counters[..3], wake), (0, &[1, 1, 2][..], Wake::Idle), "it sleeps in the second WFE");
}

#[test]
fn idling_costs_by_the_tick_not_by_the_cycle() {
    let (mut quick, wake) = run(board(), "trap-idle.elf", 1000);
    let Results { done, counters, .. } = results(&quick);
    assert_eq!((done, wake), (0, Wake::Deadline));
    assert!((998..=1000).contains(&counters[0]), "{} ticks", counters[0]);
    assert!(quick.instructions() < 200_000, "{} instructions", quick.instructions());
    quick.port(Initiator::A35NonSecure).write32(RESULT_BLOCK + 4 * 4, 1).unwrap();
    assert_eq!(quick.run_for(Duration::from_millis(2)), Wake::Idle);
    assert_eq!(results(&quick).verdict, PASS, "a word written from outside ends the idling");

    let (slow, _) = run(board_without(WorkAround::SkipCircles), "trap-idle.elf", 5);
    assert!(slow.instructions() > 200_000, "{}: the spinning this works around is gone", slow.instructions());
    let (quick, _) = run(board(), "trap-idle.elf", 5);
    assert_eq!(results(&quick), results(&slow), "skipping changes no result");
}

/// What `trap-torn.elf` alternates: counter 0's low half-word and counter 1.
const HALVES: [u16; 2] = [0x00FF, 0x0100];
const WORDS: [u32; 2] = [0x0000_FFFF, 0x0001_0000];
const COUNTERS: usize = (RESULT_BLOCK - DDR) as usize + 12;

/// Looks at both patterns at host address `at` until `stop` answers yes. Returns how often it looked and how often it saw what was
/// never written.
///
/// # Safety
/// `at` is 4-byte aligned, and the eight bytes from there stay mapped until this returns.
unsafe fn watch(at: *const u8, mut stop: impl FnMut(u64) -> bool) -> (u64, u64) {
    let (mut looks, mut torn) = (0, 0);
    while !stop(torn) {
        // SAFETY: mapped and aligned, says the caller. A volatile read is one machine load, as another process would do it.
        let (half, word) =
            unsafe { (at.cast::<u16>().read_volatile(), at.add(4).cast::<u32>().read_volatile()) };
        looks += 1;
        torn += u64::from(!HALVES.contains(&u16::from_le(half)));
        torn += u64::from(!WORDS.contains(&u32::from_le(word)));
    }
    (looks, torn)
}

#[test]
fn another_process_never_sees_half_a_word() {
    let mut board = board();
    load(&board, "trap-torn.elf");
    start(&board);
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Deadline);
    assert_eq!(results(&board).done, 1, "the patterns alternate from now on");
    let ddr = board.bus().banks().iter().find(|bank| bank.base == DDR).unwrap();
    let shared = MmapRaw::map_raw(ddr.ram.file()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let stop = stop.clone();
        // SAFETY: an aligned offset inside the bank, whose mapping this closure owns.
        move || unsafe { watch(shared.as_ptr().wrapping_add(COUNTERS), |_| stop.load(Ordering::Relaxed)) }
    });
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Deadline);
    }
    stop.store(true, Ordering::Relaxed);
    let (looks, torn) = reader.join().unwrap();
    let Results { done, counters, .. } = results(&board);
    assert_eq!((done, torn), (1, 0), "of {looks}");
    assert!(counters[2] > 10_000 && looks > 10_000, "{counters:?}, {looks} looks");
}

#[test]
fn a_word_written_byte_by_byte_would_be_noticed() {
    let mut memory = [u32::from(HALVES[0]), WORDS[0]];
    let at = memory.as_mut_ptr().cast::<u8>();
    let mut torn = 0;
    for turn in [1, 0] {
        let bytes = [&HALVES[turn].to_le_bytes()[..], &[0, 0], &WORDS[turn].to_le_bytes()].concat();
        for (offset, byte) in bytes.into_iter().enumerate() {
            let mut looked = false;
            // SAFETY: `at` points to eight aligned bytes of this function, and `offset` is below eight.
            torn += unsafe {
                at.add(offset).write_volatile(byte);
                watch(at, |_| std::mem::replace(&mut looked, true)).1
            };
        }
    }
    assert_eq!(torn, 6, "in each turn the half-word once, the word twice");
}

/// Seen within milliseconds where both threads run at once; a busy machine may take long to let them.
const LIMIT: Duration = Duration::from_secs(90);

/// The board never lets the core write to the emulator's own memory, so there is no work-around to switch off: this is that memory.
#[test]
#[ignore = "a race that only two free processors decide quickly"]
fn the_emulators_own_memory_tears_words() {
    let bytes = firmware("trap-torn.elf");
    let file = ElfFile::parse(&bytes).unwrap();
    let space = AddressSpace::new("plain", 32);
    let memory = Arc::new(RamStore::new(0x0130_0000));
    space.topology().map(Region::ram("ddr", memory.clone()), DDR).unwrap();
    for segment in file.segments().filter(|segment| segment.is_load()) {
        memory.write_at(segment.physical_address - DDR, file.segment_bytes(&segment).unwrap()).unwrap();
    }
    let cpu = ArmV7m::new(Config::CORTEX_M33F);
    cpu.attach_space(Arc::new(space));
    cpu.set_vtor(CODE as u32);
    cpu.run(100_000);
    let stop = Arc::new(AtomicBool::new(false));
    let core = thread::spawn({
        let stop = stop.clone();
        move || {
            while !stop.load(Ordering::Relaxed) {
                cpu.run(10_000);
            }
        }
    });
    let at = memory.host_ptr(COUNTERS as u64, 8).unwrap().cast();
    let begun = Instant::now();
    // SAFETY: eight aligned bytes of a store that lives to the end of this function.
    let (_, torn) = unsafe { watch(at, |torn| torn > 0 || begun.elapsed() > LIMIT) };
    stop.store(true, Ordering::Relaxed);
    core.join().unwrap();
    assert!(torn > 0, "the fault this works around is gone");
}

#[test]
fn a_hang_is_idle_and_costs_next_to_nothing() {
    let (mut board, wake) = run(board(), "hang.elf", 3_600_000);
    assert_eq!(wake, Wake::Idle);
    assert!(board.instructions() < 10_000, "{} instructions", board.instructions());
    assert!(board.is_running());
    assert_eq!(board.run_for(Duration::from_secs(3600)), Wake::Idle);
    assert_eq!(board.now(), Duration::from_secs(7200));
}

#[test]
fn a_fault_is_a_crash_that_names_the_address() {
    const NOWHERE: u32 = 0x7000_0000;
    let (board, wake) = run(board(), "fault.elf", 1000);
    let report = crash(wake);
    assert_eq!(report.kind, CrashKind::StuckInFaultHandler(3));
    // BFARVALID and PRECISERR.
    assert_eq!((report.cfsr, report.bfar), (0x8200, NOWHERE));
    let pc = report.frame.unwrap().pc;
    assert!(report.to_string().contains("the data access to 0x70000000 was refused"), "{report}");
    let trace = trace(&board, "fault.elf");
    assert!(trace.starts_with("fault: about to read 0x70000000\n"), "{trace}");
    assert!(trace.contains(&format!("fault: exception 3 at pc {pc:#010x}")), "{trace}");
    assert!(trace.ends_with("BFAR 0x70000000\n"), "{trace}");
    assert!(!board.is_running());
}

#[test]
fn a_fault_in_a_fault_handler_locks_up() {
    let (board, wake) = run(board(), "lockup.elf", 1000);
    let report = crash(wake);
    assert_eq!(report.kind, CrashKind::Lockup);
    assert!(report.to_string().contains("the instruction is undefined"), "{report}");
    assert_eq!(trace(&board, "lockup.elf"), "lockup: about to fault twice\n");
}

#[test]
fn linuxs_memory_is_refused_and_stays_as_it_is() {
    const LINUX: u64 = 0x8400_0000;
    let mut board = board();
    board.port(Initiator::A35NonSecure).write32(LINUX, 0x600D_F00D).unwrap();
    load(&board, "forbidden.elf");
    start(&board);
    assert_eq!(board.run_for(Duration::from_millis(100)), Wake::Idle);
    let trace = trace(&board, "forbidden.elf");
    assert!(trace.contains("forbidden: 3 of 3 accesses refused"), "{trace}");
    let refused = |direction| {
        format!("forbidden: {direction} of 0x84000000 was refused, CFSR 0x00008200 BFAR 0x84000000\n")
    };
    assert!(trace.starts_with(&[refused("read"), refused("write"), refused("read")].concat()), "{trace}");
    assert_eq!(board.port(Initiator::A35NonSecure).read32(LINUX).unwrap(), 0x600D_F00D);
    let told: Vec<Direction> = board
        .drain_events()
        .into_iter()
        .filter_map(|event| match event.what {
            Happening::IllegalAccess(error) => Some(error),
            _ => None,
        })
        .map(|error| {
            assert_eq!((error.initiator, error.address), (Initiator::M33, LINUX));
            assert!(matches!(error.cause, Cause::Firewall { guard: "RISAF4", .. }), "{error}");
            error.direction
        })
        .collect();
    assert_eq!(told, [Direction::Read, Direction::Write, Direction::Read]);
}
