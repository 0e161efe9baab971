//! One board under several processors' drivers: whose each interrupt is, and what waits for whom.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rproc_lifecycle::{Crash, CrashKind, Interrupts};

use crate::bus::Initiator;
use crate::description::{Description, WatchdogSite};
use crate::peripherals::{Exti, watchdog_line};
use crate::{Board, Wake};

/// Virtual time passes in steps of this size between two looks at the wall clock and the instruction limit.
const PACE: Duration = Duration::from_millis(1);

/// A board that the drivers of its processors share. A clone is the same board.
///
/// While one driver waits, the interrupts of the others stay pending where they are raised, and their crashes are kept for
/// them: nothing is lost, each takes its own when it waits next.
#[derive(Clone)]
pub struct SharedBoard(Rc<RefCell<Inner>>);

struct Inner {
    board: Board,
    lines: BTreeMap<u16, Line>,
    /// The first crash of each processor that its driver has not been told of; a crashed processor does not crash again.
    crashes: BTreeMap<u32, Crash>,
    /// What the driver of each processor listens to, where that is not everything.
    deaf: BTreeMap<u32, Interrupts>,
    /// When virtual time follows the wall clock: the moment at which it was zero.
    epoch: Option<Instant>,
    /// Waiting ends when the processors have executed this many instructions since power-on.
    instruction_limit: u64,
}

/// What an A-side interrupt means.
#[derive(Debug, Clone, Copy)]
enum Line {
    /// A mailbox of this processor.
    Mailbox(u32),
    /// A watchdog has reset its processor; its EXTI line is pending in this register, at this bit.
    Watchdog { site: WatchdogSite, pending: u64, bit: u32 },
}

/// Why a run of the board ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// There is something for whom it was run.
    Attention,
    /// The time is over.
    Over,
}

fn lines(board: &Description) -> BTreeMap<u16, Line> {
    let mut lines = BTreeMap::new();
    for site in &board.mailboxes {
        lines.extend([site.spi.rx, site.spi.tx].map(|spi| (spi, Line::Mailbox(site.coprocessor))));
    }
    for site in &board.watchdogs {
        let Some((controller, line)) = watchdog_line(board, site) else { continue };
        let (pending, bit) = (controller + u64::from(Exti::pending_register(line)), 1 << (line % 32));
        lines.insert(site.spi, Line::Watchdog { site: *site, pending, bit });
    }
    lines
}

impl SharedBoard {
    /// Shares a board; virtual time follows the wall clock or does not.
    pub fn new(board: Board, real_time: bool) -> Self {
        let lines = lines(board.bus().description());
        let epoch = real_time.then(Instant::now);
        let inner = Inner {
            board,
            lines,
            crashes: BTreeMap::new(),
            deaf: BTreeMap::new(),
            epoch,
            instruction_limit: u64::MAX,
        };
        Self(Rc::new(RefCell::new(inner)))
    }

    /// The board. Nobody may wait while this is held.
    pub fn get(&self) -> Ref<'_, Board> {
        Ref::map(self.0.borrow(), |inner| &inner.board)
    }

    /// The board, for tests that do to it what a normal world should not.
    pub fn get_mut(&self) -> RefMut<'_, Board> {
        RefMut::map(self.0.borrow_mut(), |inner| &mut inner.board)
    }

    /// Ends every wait, as timed out, once the processors together have executed this many instructions since power-on.
    /// Virtual time passes at the processors' clocks, much slower than the host's where firmware computes without a pause.
    pub fn limit_instructions(&self, limit: u64) {
        self.0.borrow_mut().instruction_limit = limit;
    }

    /// Reports a crash of a processor to its driver, as its hardware would.
    pub fn report_crash(&self, processor: u32, crash: Crash) {
        self.0.borrow_mut().crashes.entry(processor).or_insert(crash);
    }

    /// Which interrupts of a processor end its driver's waits from now on; the others stay pending.
    pub(super) fn listen(&self, processor: u32, to: Interrupts) {
        let mut inner = self.0.borrow_mut();
        match to {
            Interrupts::ALL => drop(inner.deaf.remove(&processor)),
            to => drop(inner.deaf.insert(processor, to)),
        }
    }

    /// Which interrupts of a processor end its driver's waits.
    pub(super) fn heard(&self, processor: u32) -> Interrupts {
        self.0.borrow().heard(processor)
    }

    /// For a driver that has looked and found no signal of its processor: a mailbox interrupt that is high nevertheless would not let
    /// the board go on, so it is disabled until it is low.
    pub(super) fn quench(&self, processor: u32) {
        let mut inner = self.0.borrow_mut();
        let Inner { board, lines, .. } = &mut *inner;
        let high = board.pending_interrupts();
        for (spi, line) in lines.iter() {
            if matches!(line, Line::Mailbox(id) if *id == processor) {
                board.set_interrupt_enabled(*spi, !high.contains(spi));
            }
        }
    }

    /// Takes the crash that a processor's driver has not been told of.
    pub(super) fn take_crash(&self, processor: u32) -> Option<Crash> {
        self.0.borrow_mut().crashes.remove(&processor)
    }

    /// Lets the board run until `deadline`, or until there is something for one of `listeners`; their own interrupts are
    /// still pending then.
    pub(super) fn run_until(&self, deadline: Duration, listeners: &[u32]) -> Ended {
        let mut inner = self.0.borrow_mut();
        let mut deferred = BTreeSet::new();
        let ended = loop {
            match inner.run_paced(deadline) {
                Wake::Interrupt(spis) => {
                    let mut attention = false;
                    for spi in spis {
                        attention |= inner.interrupted(spi, listeners, &mut deferred);
                    }
                    if attention {
                        break Ended::Attention;
                    }
                }
                Wake::Crashed(report) => {
                    let id = report.core.id;
                    let crash = Crash { kind: CrashKind::FatalError, reason: report.to_string() };
                    inner.crashes.entry(id).or_insert(crash);
                    if listeners.contains(&id) && inner.heard(id).crash {
                        break Ended::Attention;
                    }
                }
                Wake::Deadline | Wake::Idle => break Ended::Over,
            }
        };
        for spi in deferred {
            inner.board.set_interrupt_enabled(spi, true);
        }
        ended
    }
}

impl Inner {
    fn heard(&self, processor: u32) -> Interrupts {
        self.deaf.get(&processor).copied().unwrap_or(Interrupts::ALL)
    }

    fn run_paced(&mut self, deadline: Duration) -> Wake {
        loop {
            let slice = deadline.min(self.board.now().saturating_add(PACE));
            let wake = self.board.run_until(slice);
            if let Some(epoch) = self.epoch {
                std::thread::sleep(self.board.now().saturating_sub(epoch.elapsed()));
            }
            let spent = self.board.instructions() >= self.instruction_limit;
            if spent || slice == deadline || !matches!(wake, Wake::Deadline | Wake::Idle) {
                return wake;
            }
        }
    }

    /// Takes an interrupt of the A side; whether it is for one of `listeners`.
    fn interrupted(&mut self, spi: u16, listeners: &[u32], deferred: &mut BTreeSet<u16>) -> bool {
        match self.lines.get(&spi).copied() {
            Some(Line::Mailbox(id)) if listeners.contains(&id) && self.heard(id).mailbox => true,
            // Its own driver's, later; until then the line would not let the board go on.
            Some(Line::Mailbox(_)) => {
                self.board.set_interrupt_enabled(spi, false);
                deferred.insert(spi);
                false
            }
            Some(Line::Watchdog { site, pending, bit }) => {
                // As Linux's interrupt-controller driver does at the end of the interrupt. A refusal is in the board's log.
                let _ = self.board.port(Initiator::A35NonSecure).write32(pending, bit);
                if self.board.pending_interrupts().contains(&spi) {
                    self.board.set_interrupt_enabled(spi, false);
                }
                let kind = CrashKind::Watchdog;
                let reason = format!("{} was not fed in time and has reset the processor", site.name);
                self.crashes.entry(site.coprocessor).or_insert(Crash { kind, reason });
                listeners.contains(&site.coprocessor) && self.heard(site.coprocessor).crash
            }
            // Nobody's.
            None => {
                self.board.set_interrupt_enabled(spi, false);
                false
            }
        }
    }
}
