//! Register blocks that act by themselves, and that wake one core for another.

#[path = "../../tests/support/assembly.rs"]
#[allow(dead_code, reason = "other tests use the other programs")]
mod assembly;

use std::sync::atomic::{AtomicBool, Ordering};

use assembly::Program;

use super::*;
use crate::boards;
use crate::peripherals::{Access, Line, Peripheral, Plugged, RegisterWrite, ResetPulse};

const BASE: u64 = 0x4403_0000;
const SPI: u16 = 4;
const CODE: u64 = 0x8010_0000;

/// Resets the M33 and interrupts the A side so many microseconds after they were written to it, each time.
#[derive(Debug, Default)]
struct Bomb {
    every: Duration,
    at: Option<Duration>,
    exploded: bool,
    pulse: bool,
    resets: u32,
}

impl Peripheral for Bomb {
    fn read(&mut self, offset: u32, access: Access) -> u32 {
        match offset {
            0 => self.at.map_or(0, |at| at.saturating_sub(access.now).as_micros() as u32),
            _ => self.resets,
        }
    }

    fn write(&mut self, _: u32, write: RegisterWrite, access: Access) {
        self.exploded = false;
        self.every = Duration::from_micros(write.value.into());
        self.at = (write.value > 0).then(|| access.now + self.every);
    }

    fn next_event(&self) -> Option<Duration> {
        self.at
    }

    fn advance(&mut self, _: Duration) {
        self.at = self.at.map(|at| at + self.every);
        (self.exploded, self.pulse) = (true, true);
    }

    fn lines(&self, drive: &mut dyn FnMut(Line, bool)) {
        drive(Line::Spi(SPI), self.exploded);
    }

    fn take_reset(&mut self) -> Option<ResetPulse> {
        let pulse = std::mem::take(&mut self.pulse);
        pulse.then_some(ResetPulse { coprocessor: 1, source: "BOMB", cause: Some(26) })
    }

    fn coprocessor_reset(&mut self, coprocessor: u32, _: Duration) {
        self.resets += u32::from(coprocessor == 1);
    }
}

fn armed() -> Board {
    let board = Board::new(boards::stm32mp257f_ev1()).unwrap();
    board.bus.plug(Plugged { base: BASE, size: 0x400, peripheral: Box::<Bomb>::default() });
    board
}

fn light(board: &Board, microseconds: u32) {
    board.port(Initiator::A35Secure).write32(BASE, microseconds).unwrap();
}

#[test]
fn a_block_acts_at_its_time_while_every_core_is_held() {
    let mut board = armed();
    light(&board, 700);
    assert_eq!(board.run_for(Duration::from_micros(500)), Wake::Deadline, "something will happen");
    assert_eq!(board.port(Initiator::A35Secure).read32(BASE).unwrap(), 200);
    assert_eq!(board.run_for(Duration::from_secs(1)), Wake::Interrupt(BTreeSet::from([SPI])));
    assert_eq!(board.now(), Duration::from_micros(700));
    light(&board, 0);
    assert_eq!(board.run_for(Duration::from_secs(1)), Wake::Idle);
}

#[test]
fn a_block_resets_a_core_that_computes_or_sleeps() {
    // Spins without a pause; waits for an interrupt.
    for code in [0xE7FE_3101_u32, 0xE7FD_BF30] {
        let mut board = armed();
        let secure = board.port(Initiator::A35Secure);
        let words = [0x8020_0000, CODE as u32 + 9, code];
        for (address, word) in (CODE..).step_by(4).zip(words) {
            secure.write32(address, word).unwrap();
        }
        secure.write32(0x4880_20A8, CODE as u32).unwrap();
        secure.write32(0x4420_0434, 1).unwrap();
        board.run_for(Duration::from_micros(10));
        light(&board, 1000);
        assert_eq!(board.run_for(Duration::from_secs(1)), Wake::Interrupt(BTreeSet::from([SPI])));
        let late = board.now() - Duration::from_micros(1010);
        assert!(late < Duration::from_nanos(100), "{late:?}");
        light(&board, 0);
        board.run_for(Duration::from_micros(10));
        let told: Vec<Happening> = board.drain_events().into_iter().map(|event| event.what).collect();
        let core = board.core(1).unwrap().name();
        let released = Happening::Released { core, vector_table: CODE as u32, secure: false };
        let reset = Happening::WatchdogReset { core, watchdog: "BOMB" };
        assert_eq!(told, [released.clone(), reset, released]);
        assert_eq!(secure.read32(0x4420_0424).unwrap() & 1 << 26, 1 << 26);
        assert!(board.core(1).unwrap().is_running());
    }
}

/// Interrupts a core when it is rung, by a write of 1 or by itself after some microseconds, and stops at a write of 0.
#[derive(Debug)]
struct Doorbell {
    coprocessor: u32,
    rung: bool,
    alarm: Option<Duration>,
    /// When it was rung, and when that was answered.
    times: [Duration; 2],
    seen: Duration,
}

/// Writes of 0 and 1; how often it was answered; a write sets the alarm; a write is remembered; the times, in nanoseconds.
const RING: u64 = BASE;
const ANSWERS: u64 = BASE + 4;
const ALARM: u64 = BASE + 8;
const SEEN: u64 = BASE + 12;
const TIMES: u64 = BASE + 16;

impl Peripheral for Doorbell {
    fn read(&mut self, offset: u32, _: Access) -> u32 {
        let [rung, answered] = self.times;
        match BASE + u64::from(offset) {
            ANSWERS => u32::from(!answered.is_zero()),
            SEEN => self.seen.as_nanos() as u32,
            TIMES => rung.as_nanos() as u32,
            _ => answered.as_nanos() as u32,
        }
    }

    fn write(&mut self, offset: u32, write: RegisterWrite, access: Access) {
        match BASE + u64::from(offset) {
            ALARM => self.alarm = Some(access.now + Duration::from_micros(write.value.into())),
            SEEN => self.seen = access.now,
            _ => {
                self.rung = write.value != 0;
                self.times[usize::from(!self.rung)] = access.now;
            }
        }
    }

    fn next_event(&self) -> Option<Duration> {
        self.alarm
    }

    fn advance(&mut self, now: Duration) {
        (self.alarm, self.rung, self.times[0]) = (None, true, now);
    }

    fn lines(&self, drive: &mut dyn FnMut(Line, bool)) {
        // IPCC2 drives this input of the M0+ too.
        drive(Line::Nvic { coprocessor: self.coprocessor, number: 13 }, self.rung);
    }
}

fn program(base: u64, code: &[u16], literals: &[u32], handler: Option<usize>) -> Program {
    let halves = literals.iter().flat_map(|word| [*word as u16, (*word >> 16) as u16]);
    Program { base: base as u32, code: code.iter().copied().chain(halves).collect(), handler }
}

/// Counts down, and rings.
fn ringer(base: u64, count: u32) -> Program {
    // ldr r0, =RING; ldr r1, =count; 1: subs r1, #1; bne 1b; movs r1, #1; str r1, [r0]; b .; nop
    let code = [0x4803, 0x4904, 0x3901, 0xD1FD, 0x2101, 0x6001, 0xE7FE, 0xBF00];
    program(base, &code, &[RING as u32, count], None)
}

/// Counts down and then repeats one instruction for ever; answers the bell.
fn listener(base: u64, count: u32, idle: u16) -> Program {
    // ldr r2, =ISER; movs r1, #1; lsls r1, #13; str r1, [r2]; ldr r3, =count; 1: subs r3, #1; bne 1b; 2: idle; b 2b; nop
    let mut code = vec![0x4A06, 0x2101, 0x0349, 0x6011, 0x4B05, 0x3B01, 0xD1FD, idle, 0xE7FD, 0xBF00];
    // The handler. ldr r2, =RING; movs r1, #0; str r1, [r2]; bx lr
    code.extend([0x4A03, 0x2100, 0x6011, 0x4770]);
    program(base, &code, &[0xE000_E100, count, RING as u32], Some(10))
}

/// Waits in circles for an answer, and says when it has seen it.
fn watcher(base: u64) -> Program {
    // ldr r0, =BASE; nop; 1: ldr r1, [r0, #4]; cmp r1, #0; beq 1b; str r1, [r0, #12]; b .; nop
    program(base, &[0x4803, 0xBF00, 0x6841, 0x2900, 0xD0FC, 0x60C1, 0xE7FE, 0xBF00], &[BASE as u32], None)
}

/// A board whose bell interrupts a coprocessor, with the M33's and the M0+'s programs started.
fn bell_for(coprocessor: u32, programs: [Program; 2]) -> Board {
    let board = Board::new(boards::stm32mp257f_ev1()).unwrap();
    let (times, seen) = ([Duration::ZERO; 2], Duration::ZERO);
    let bell = Doorbell { coprocessor, rung: false, alarm: None, times, seen };
    board.bus.plug(Plugged { base: BASE, size: 0x400, peripheral: Box::new(bell) });
    let secure = board.port(Initiator::A35Secure);
    for program in programs {
        secure.write(program.base.into(), &program.image()).unwrap();
    }
    secure.write32(0x4880_20A8, CODE as u32).unwrap();
    secure.write32(0x4420_0434, 1).unwrap();
    secure.write32(0x4420_0490, 0b10).unwrap();
    board
}

/// Runs for 5 ms, until nothing is to be done. When the bell was rung, and how much later it was answered (nanoseconds).
fn answer(board: &mut Board) -> (u32, u32) {
    let wake = board.run_for(Duration::from_millis(5));
    assert!(matches!(wake, Wake::Idle | Wake::Deadline), "{wake:?}");
    let [rung, answered] = [TIMES, TIMES + 4].map(|at| board.port(Initiator::A35Secure).read32(at).unwrap());
    assert!(rung > 0 && answered >= rung, "rung at {rung} ns, answered at {answered} ns");
    (rung, answered - rung)
}

const M0: u64 = 0x200C_0000;
const WFI: u16 = 0xBF30;
/// `adds r3, #1`, which never comes back to the same state.
const COUNT: u16 = 0x3301;
/// Entering the handler, and its store: 23 cycles of the M0+, and one that it has begun.
const ENTRY: u32 = 1500;

#[test]
fn a_core_that_another_wakes_wakes_at_that_moment() {
    let mut board = bell_for(2, [ringer(CODE, 10_000), listener(M0, 1, WFI)]);
    let (rung, later) = answer(&mut board);
    assert!((100_000..101_000).contains(&rung), "{rung} ns");
    assert!(later < ENTRY, "{later} ns");
}

#[test]
fn a_core_that_has_just_fallen_asleep_wakes_at_that_moment() {
    // The M33 comes first, and falls asleep at 105 us of a slice from 100 us on; the M0+ rings at 112 us.
    let mut board = bell_for(1, [listener(CODE, 10_500, WFI), ringer(M0, 450)]);
    let (rung, later) = answer(&mut board);
    assert!((107_000..118_000).contains(&rung), "{rung} ns");
    assert!(later < 200, "{later} ns");
}

#[test]
fn a_busy_core_takes_an_interrupt_when_it_has_come_to_it() {
    // The M33 rings in the middle of a slice, the M0+ comes after it and has that time still before it.
    let mut board = bell_for(2, [ringer(CODE, 11_000), listener(M0, 1, COUNT)]);
    let (rung, later) = answer(&mut board);
    assert!((110_000..111_000).contains(&rung), "{rung} ns");
    assert!(later < ENTRY, "{later} ns");
}

#[test]
fn what_a_block_sets_off_keeps_the_cores_together() {
    let mut board = bell_for(2, [watcher(CODE), listener(M0, 1, WFI)]);
    let secure = board.port(Initiator::A35Secure);
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Idle, "one in circles, one asleep");
    secure.write32(ALARM, 700).unwrap();
    let (rung, later) = answer(&mut board);
    assert!((1_700_000..1_701_000).contains(&rung) && later < ENTRY, "{rung} ns, {later} ns");
    let seen = secure.read32(SEEN).unwrap() - rung;
    assert!((later..21_000).contains(&seen), "{seen} ns");
}

/// Drives an input of the M0+ to another level whenever it is looked at.
#[derive(Debug, Default)]
struct Flutter(AtomicBool);

impl Peripheral for Flutter {
    fn read(&mut self, _: u32, _: Access) -> u32 {
        0
    }

    fn write(&mut self, _: u32, _: RegisterWrite, _: Access) {}

    fn lines(&self, drive: &mut dyn FnMut(Line, bool)) {
        drive(Line::Nvic { coprocessor: 2, number: 20 }, self.0.fetch_not(Ordering::Relaxed));
    }
}

#[test]
fn a_line_that_never_rests_does_not_stop_time() {
    let mut board = bell_for(1, [listener(CODE, 1, COUNT), listener(M0, 1, WFI)]);
    board.bus.plug(Plugged { base: 0x4404_0000, size: 0x400, peripheral: Box::<Flutter>::default() });
    assert_eq!(board.run_for(Duration::from_millis(1)), Wake::Deadline);
}
