//! Hardware that fails once, at every access and every signal of a life in turn, and for good: each life ends off, released,
//! bootable again, and with a reason where something was lost.

use rproc_rpmsg::memory::{Fault, Memory};

use super::*;
use crate::machine::{Interrupts, Machine, Wake};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// This one access to memory is refused.
    Memory,
    /// This access and all after it are refused.
    MemoryGone,
    /// This signal to the firmware is lost.
    LostKick,
    /// From this signal on the firmware never takes one.
    NeverFreed,
    /// This question for the firmware's signals is answered with no.
    LostSignal,
}

#[derive(Default)]
struct Plan {
    kind: Option<Kind>,
    /// Things of that kind that go well before.
    left: Cell<u64>,
    /// Things of each kind that were seen.
    memory: Cell<u64>,
    kicks: Cell<u64>,
    questions: Cell<u64>,
    stuck: Cell<bool>,
    struck: Cell<bool>,
}

use std::cell::Cell;

impl Plan {
    /// Whether this thing goes wrong; `for_good` says that all after it do.
    fn strikes(&self, kind: Kind, for_good: bool) -> bool {
        if self.kind != Some(kind) {
            return false;
        }
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        let strikes = if for_good { left == 0 } else { left == 0 && !self.struck.get() };
        if strikes {
            self.struck.set(true);
        }
        strikes
    }

    fn access(&self, address: u64, len: u64) -> Result<(), Fault> {
        self.memory.set(self.memory.get() + 1);
        if self.strikes(Kind::Memory, false) || self.strikes(Kind::MemoryGone, true) {
            Err(Fault { address, len })
        } else {
            Ok(())
        }
    }
}

/// A machine with a plan.
struct Faulty {
    machine: FakeMachine,
    plan: Rc<Plan>,
}

impl Memory for Faulty {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.plan.access(address, buffer.len() as u64)?;
        self.machine.read(address, buffer)
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.plan.access(address, bytes.len() as u64)?;
        self.machine.write(address, bytes)
    }
    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        self.plan.access(address, 2)?;
        self.machine.load_u16(address)
    }
    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        self.plan.access(address, 4)?;
        self.machine.load_u32(address)
    }
    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        self.plan.access(address, 2)?;
        self.machine.store_u16(address, value)
    }
    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        self.plan.access(address, 4)?;
        self.machine.store_u32(address, value)
    }
}

impl Machine for Faulty {
    fn kick(&mut self, mailbox: Mailbox) {
        self.plan.kicks.set(self.plan.kicks.get() + 1);
        if self.plan.strikes(Kind::NeverFreed, true) {
            // The flag is set, and whoever should clear it does not see it.
            self.plan.stuck.set(true);
        } else if !self.plan.strikes(Kind::LostKick, false) {
            self.machine.kick(mailbox);
        }
    }
    fn is_unacknowledged(&mut self, mailbox: Mailbox) -> bool {
        self.plan.stuck.get() || self.machine.is_unacknowledged(mailbox)
    }
    fn is_pending(&mut self, mailbox: Mailbox) -> bool {
        self.plan.questions.set(self.plan.questions.get() + 1);
        !self.plan.strikes(Kind::LostSignal, false) && self.machine.is_pending(mailbox)
    }
    fn acknowledge(&mut self, mailbox: Mailbox) {
        self.machine.acknowledge(mailbox);
    }
    fn wait(&mut self, limit: Duration) -> Wake {
        self.machine.wait(limit)
    }
    fn listen(&mut self, to: Interrupts) {
        self.machine.listen(to);
    }
    fn now(&self) -> Duration {
        self.machine.now()
    }
}

/// How a life went.
struct Life {
    booted: bool,
    echoed: bool,
    /// Errors and events that tell what went wrong.
    reasons: Vec<String>,
    plan: Rc<Plan>,
}

/// Boots, sends a message, waits for its echo, shuts down, with one thing going wrong.
fn live(kind: Option<Kind>, left: u64) -> Life {
    let (loader, machine) = testing::parts();
    let board = Rc::clone(&machine.board);
    let plan = Rc::new(Plan { kind, left: Cell::new(left), ..Plan::default() });
    let faulty = Faulty { machine, plan: Rc::clone(&plan) };
    let mut processor = Remoteproc::new(description(), loader, faulty);
    processor.set_firmware(testing::table()).unwrap();
    let mut reasons = Vec::new();
    let booted = match processor.boot() {
        Ok(()) => true,
        Err(error) => {
            assert!(matches!(error, Error::Memory { .. } | Error::RpmsgStart(_)), "{kind:?} {left}: {error}");
            assert_eq!((processor.state(), processor.power()), (State::Offline, 0), "{kind:?} {left}");
            reasons.push(error.to_string());
            false
        }
    };
    let mut events = processor.poll();
    if booted {
        for _ in 0..6 {
            events.extend(processor.wait(MOMENT));
        }
        if let Some(channel) = processor.channels().first().map(|channel| channel.id)
            && let Err(error) = processor.send(channel, b"hello", MOMENT)
        {
            reasons.push(error.to_string());
        }
        for _ in 0..6 {
            events.extend(processor.wait(MOMENT));
        }
        processor.shutdown().unwrap();
    }
    events.extend(processor.poll());
    // Clean: off, released, and good for another boot once the hardware is.
    assert_eq!((processor.state(), processor.power()), (State::Offline, 0), "{kind:?} {left}");
    assert!(!board.is_running(), "{kind:?} {left}");
    assert_eq!(board.calls.borrow().last(), Some(&"release"), "{kind:?} {left}");
    reasons.extend(events.iter().filter_map(|event| match event {
        Event::RpmsgBroken { reason } | Event::TraceUnreadable { reason, .. } => Some(reason.clone()),
        Event::LeaveTimedOut { .. } | Event::SignalStale { .. } => Some("no answer".to_owned()),
        _ => None,
    }));
    let echoed = events.iter().any(|event| matches!(event, Event::MessageReceived { .. }));
    Life { booted, echoed, reasons, plan }
}

#[test]
fn a_life_without_faults_has_nothing_to_complain_of() {
    let life = live(None, 0);
    assert!(life.booted && life.echoed && life.reasons.is_empty(), "{:?}", life.reasons);
    assert!(life.plan.memory.get() > 100 && life.plan.kicks.get() >= 3 && life.plan.questions.get() > 20);
}

#[test]
fn memory_that_fails_at_any_access_is_told() {
    let accesses = live(None, 0).plan.memory.get();
    let mut failed_boots = 0;
    for kind in [Kind::Memory, Kind::MemoryGone] {
        for left in 0..accesses {
            let life = live(Some(kind), left);
            assert!(life.plan.struck.get(), "{kind:?} {left}");
            assert!(!life.reasons.is_empty(), "{kind:?} at access {left} of {accesses} was not told");
            failed_boots += u32::from(!life.booted);
        }
    }
    assert!(failed_boots > 20, "{failed_boots}");
}

#[test]
fn signals_that_are_lost_or_never_taken_end_nowhere_else_than_off() {
    let life = live(None, 0);
    for left in 0..life.plan.kicks.get() {
        let lost = live(Some(Kind::LostKick), left);
        assert!(lost.booted && lost.plan.struck.get(), "{left}");
        let stuck = live(Some(Kind::NeverFreed), left);
        assert!(stuck.booted && stuck.plan.struck.get(), "{left}");
        assert!(stuck.reasons.contains(&"no answer".to_owned()), "{left}: {:?}", stuck.reasons);
    }
    let questions = life.plan.questions.get();
    for left in 0..questions {
        let life = live(Some(Kind::LostSignal), left);
        assert!(life.booted && life.plan.struck.get(), "{left} of {questions}");
        assert!(life.echoed, "a signal that was overlooked once is seen the next time: {left}");
    }
}
