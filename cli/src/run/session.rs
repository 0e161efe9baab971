//! One run: boot, talk, listen, crash on order, stop; and what that amounts to.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use rproc_board::Happening;
use rproc_board::system::{LoaderError, Moment, System};
use rproc_lifecycle::{ChannelId, Crash, CrashKind, Error, Event};

use super::coredumps::Coredumps;
use super::event::{Outcome, RunEvent, Translator};
use super::pulse::Pulse;
use super::sink::Sink;
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// What the run is for. All of it but `firmware` is about the first processor.
#[derive(Debug)]
pub struct Script {
    /// The firmware of each processor of the system, in its order.
    pub firmware: Vec<Vec<u8>>,
    /// Messages to send, one after the other, to the first channel.
    pub sends: VecDeque<String>,
    /// What the firmware must say, in messages, trace or UART lines.
    pub expects: Vec<String>,
    /// How long all of it may take in virtual time.
    pub timeout: Duration,
    /// How many instructions the processors may execute for it.
    pub instructions: u64,
    /// When the firmware is to crash, after its start.
    pub crash_after: Option<Duration>,
    /// Whether a crash is recovered from; else it ends the run.
    pub recovery: bool,
    /// Where the memory of crashed processors goes.
    pub coredump: Option<Coredumps>,
    /// What is sent and must be said after the recovery from an ordered crash.
    pub again: (Vec<String>, Vec<String>),
}

/// The channel of firmware that obeys orders, and the order that has its watchdog bite.
const OBEYING: &str = "rproc-obey";
const STARVE: &str = "starve";

/// Virtual time passes in steps of this size between two looks at trace buffers and limits.
const STEP: Duration = Duration::from_millis(1);
/// After a message without an answer, the next one is sent when this has passed.
const ANSWER_LIMIT: Duration = Duration::from_millis(100);
/// What firmware that has used up its instructions gets on top to answer the shutdown request; about a second of the host's.
const FAREWELL_INSTRUCTIONS: u64 = 4_000_000;

/// Firmware that needs more recoveries than this will not do better.
const MOST_RECOVERIES: u32 = 10;

/// How far an ordered crash has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ordered {
    /// There is none, or it is over.
    Done,
    /// It is to come at this time.
    At(Duration),
    /// The order is given.
    Given,
}

/// A run in progress.
pub struct Session<'a, W: Write> {
    system: System,
    sink: &'a mut Sink<W>,
    translator: Translator,
    script: Script,
    channel: Option<ChannelId>,
    /// When the last message was sent that has no answer yet.
    unanswered: Option<Duration>,
    crash: Option<String>,
    ordered: Ordered,
    /// Crashes that the board has told of, and those that a driver has taken since.
    crashes: u64,
    crashes_taken: u64,
    interrupt: Interrupt,
    pulse: Pulse,
}

/// The place of the processor that the script is about.
const MAIN: usize = 0;

impl<'a, W: Write> Session<'a, W> {
    /// A run of this script on this system.
    pub fn new(system: System, sink: &'a mut Sink<W>, script: Script, interrupt: Interrupt) -> Self {
        Self {
            system,
            sink,
            translator: Translator::new(script.coredump.clone()),
            script,
            channel: None,
            unanswered: None,
            crash: None,
            ordered: Ordered::Done,
            crashes: 0,
            crashes_taken: 0,
            interrupt,
            pulse: Pulse::new(),
        }
    }

    /// Boots the firmware, follows the script, stops; gives how it ended.
    pub fn run(mut self) -> Result<Outcome> {
        self.report()?;
        let (outcome, reason) = match self.boot() {
            Ok(()) => self.follow()?,
            Err((place, error)) => {
                let failed = self.boot_failed(place, &error);
                self.shut_down();
                failed
            }
        };
        self.report()?;
        let (now, exit_code) = (self.now(), outcome.exit_code());
        self.sink.emit(now, None, &RunEvent::Finished { outcome, exit_code, reason })?;
        Ok(outcome)
    }

    /// Boots every processor; else which one failed.
    fn boot(&mut self) -> Result<(), (usize, Error<LoaderError>)> {
        let firmware = std::mem::take(&mut self.script.firmware);
        for ((place, processor), firmware) in self.system.processors.iter_mut().enumerate().zip(firmware) {
            processor.set_recovery(self.script.recovery);
            let booted = processor.set_firmware(firmware).and_then(|()| processor.boot());
            booted.map_err(|error| (place, error))?;
        }
        Ok(())
    }

    /// Shuts down whatever is up, the first processor last; gives the error of that one.
    fn shut_down(&mut self) -> Option<String> {
        let mut failed = None;
        for processor in self.system.processors.iter_mut().rev().filter(|one| one.power() > 0) {
            failed = processor.shutdown().err().map(|error| error.to_string());
        }
        failed
    }

    fn now(&self) -> Duration {
        self.system.now()
    }

    fn name(&self, place: usize) -> String {
        self.system.processors.get(place).map_or_else(String::new, |one| one.description().name.clone())
    }

    /// Tells something about the first processor that happens now.
    fn tell(&mut self, event: &RunEvent) -> Result<()> {
        let (now, name) = (self.now(), self.name(MAIN));
        self.sink.emit(now, Some(&name), event)
    }

    /// Whether the first processor can have channels: its resource table has a virtio device.
    fn may_announce(&self) -> bool {
        let resources = self.system.processors.get(MAIN).and_then(|processor| processor.resources());
        resources.is_some_and(|resources| !resources.vdevs.is_empty())
    }

    /// Writes what has happened since the last time.
    fn report(&mut self) -> Result<()> {
        for entry in self.system.drain() {
            self.crashes += u64::from(matches!(entry.moment, Moment::Board(Happening::Crashed(_))));
            if let Some(event) = self.translator.event(&entry) {
                self.sink.emit(entry.at, entry.processor.as_deref(), &event)?;
                self.pulse.beat();
            }
        }
        let (heard, left) =
            std::mem::take(&mut self.script.expects).into_iter().partition(|text| self.sink.has_heard(text));
        self.script.expects = left;
        for text in <Vec<String>>::from_iter(heard) {
            self.tell(&RunEvent::Expected { text })?;
        }
        Ok(())
    }

    fn boot_failed(&self, place: usize, error: &Error<LoaderError>) -> (Outcome, String) {
        let (outcome, reason) = match error {
            Error::Load(loader) | Error::Start(loader) | Error::TableLocation(loader) => {
                let sentence = |refusal: &rproc_abi::Refusal| refusal.reason.sentence().to_owned();
                (Outcome::Refused, loader.refusal().map_or_else(|| loader.to_string(), sentence))
            }
            other => (Outcome::Failed, other.to_string()),
        };
        let several = self.system.processors.len() > 1;
        (outcome, if several { format!("{}: {reason}", self.name(place)) } else { reason })
    }

    /// From the boot to the stop.
    fn follow(&mut self) -> Result<(Outcome, String)> {
        let asked = !self.script.sends.is_empty() || !self.script.expects.is_empty();
        if !self.script.sends.is_empty() && !self.may_announce() {
            let reason = "nothing can be sent: the firmware has no resource table with a virtio device, and so no channels";
            return self.end(Outcome::Failed, reason.to_owned());
        }
        let start = self.now();
        let end = start.saturating_add(self.script.timeout);
        let instructions = self.script.instructions;
        if let Some(after) = self.script.crash_after {
            self.ordered = Ordered::At(start.saturating_add(after));
        }
        self.system.board.limit_instructions(instructions);
        let verdict = loop {
            self.report()?;
            if let Some(reason) = self.crash.take() {
                break (Outcome::Failed, reason);
            }
            if let Some(signal) = self.interrupt.signal() {
                break (Outcome::Interrupted(signal), format!("ended by {}", signal.name()));
            }
            if asked && self.is_complete() {
                break (Outcome::Done, String::new());
            }
            if self.now() >= end {
                break self.out_of_time(asked);
            }
            if self.spent() >= instructions {
                let at = self.now().saturating_sub(start);
                let reason = format!(
                    "stopped after {instructions} instructions, at {at:?} of virtual time; --instructions allows more"
                );
                break (if asked { Outcome::Failed } else { Outcome::Done }, reason);
            }
            let ordered = self.order_crash()?;
            if let Some(reason) = ordered.or_else(|| self.send_next()) {
                break (Outcome::Failed, reason);
            }
            self.pulse.look(self.now(), self.spent());
            let limit = end.saturating_sub(self.now()).min(STEP);
            for (place, event) in self.system.wait(limit) {
                self.take(place, &event)?;
            }
        };
        let (outcome, reason) = verdict;
        self.end(outcome, reason)
    }

    /// Stops what runs, which may still change a good outcome.
    fn end(&mut self, outcome: Outcome, reason: String) -> Result<(Outcome, String)> {
        // What is said from now on is said too late.
        self.script.expects.clear();
        let farewell = self.spent().saturating_add(FAREWELL_INSTRUCTIONS);
        self.system.board.limit_instructions(farewell);
        let stopped = self.shut_down();
        self.report()?;
        let crashed = self.crashes > self.crashes_taken;
        Ok(match (outcome, stopped) {
            (Outcome::Done, Some(error)) => (Outcome::Failed, error),
            (Outcome::Done, None) if crashed => {
                (Outcome::Failed, "the firmware crashed before it was stopped".to_owned())
            }
            _ => (outcome, reason),
        })
    }

    /// Instructions executed so far.
    fn spent(&self) -> u64 {
        self.system.board.get().instructions()
    }

    /// Has the firmware crash when its time has come. Firmware that obeys orders is told to starve its watchdog; of any other the
    /// driver is told that it has crashed, as by `crash` in Linux's debugfs. Gives why it could not.
    fn order_crash(&mut self) -> Result<Option<String>> {
        if !matches!(self.ordered, Ordered::At(at) if self.now() >= at) {
            return Ok(None);
        }
        self.ordered = Ordered::Given;
        let Some(processor) = self.system.processors.get_mut(MAIN) else { return Ok(None) };
        if let Some(channel) = processor.channel(OBEYING).map(|channel| channel.id) {
            let sent = processor.send(channel, STARVE.as_bytes(), self.script.timeout);
            return Ok(sent.err().map(|error| format!("the order to crash could not be sent: {error}")));
        }
        let id = processor.machine().processor();
        // The board itself has none to tell of.
        self.crashes += 1;
        let reason = "reported by --crash-after; the firmware itself has not failed".to_owned();
        self.system.board.report_crash(id, Crash { kind: CrashKind::FatalError, reason });
        Ok(None)
    }

    fn take(&mut self, place: usize, event: &Event) -> Result<()> {
        self.crashes_taken += u64::from(matches!(event, Event::Crashed(_)));
        match event {
            Event::Recovered { count } if *count >= MOST_RECOVERIES => {
                self.crash = Some(format!(
                    "the firmware crashes again and again: it has been recovered {count} times"
                ));
            }
            Event::CoredumpTaken { .. } => return self.dump(place),
            Event::Crashed(_) if !self.script.recovery => {
                let several = self.system.processors.len() > 1;
                let whose = if several { format!(" of {}", self.name(place)) } else { String::new() };
                self.crash = Some(format!("the firmware{whose} crashed"));
            }
            Event::RecoveryFailed { reason } => {
                self.crash = Some(format!("the firmware crashed, and does not run again: {reason}"));
            }
            _ if place != MAIN => {}
            Event::ChannelAnnounced(channel) if self.channel.is_none() => self.channel = Some(channel.id),
            Event::MessageReceived { .. } => self.unanswered = None,
            Event::Crashed(_) => {
                self.channel = None;
                self.unanswered = None;
            }
            Event::Recovered { .. } if self.ordered == Ordered::Given => {
                self.ordered = Ordered::Done;
                // What the firmware said in its first life does not prove a second one.
                self.sink.forget();
                let (sends, expects) = std::mem::take(&mut self.script.again);
                self.script.sends.extend(sends);
                self.script.expects.extend(expects);
            }
            _ => {}
        }
        Ok(())
    }

    /// Keeps a crashed processor's memory.
    fn dump(&mut self, place: usize) -> Result<()> {
        // The crash is told even if its dump cannot be kept.
        self.report()?;
        let dump = self.system.processors.get(place).and_then(|processor| processor.coredump());
        match (&mut self.script.coredump, dump) {
            (Some(files), Some(dump)) => files.write(dump).map_err(Failure::into_error),
            _ => Ok(()),
        }
    }

    fn is_complete(&self) -> bool {
        let said = self.script.sends.is_empty() && self.script.expects.is_empty();
        said && self.ordered == Ordered::Done && !self.waits_for_answer()
    }

    fn waits_for_answer(&self) -> bool {
        self.unanswered.is_some_and(|sent| self.now() < sent.saturating_add(ANSWER_LIMIT))
    }

    /// Sends the next message when there is a channel and the last one was answered. Gives why it could not.
    fn send_next(&mut self) -> Option<String> {
        let channel = self.channel?;
        if self.waits_for_answer() || self.ordered == Ordered::Given {
            return None;
        }
        let text = self.script.sends.pop_front()?;
        self.unanswered = Some(self.now());
        let processor = self.system.processors.get_mut(MAIN)?;
        let sent = processor.send(channel, text.as_bytes(), self.script.timeout);
        sent.err().map(|error| format!("{text:?} could not be sent: {error}"))
    }

    fn out_of_time(&self, asked: bool) -> (Outcome, String) {
        let limit = self.script.timeout;
        if self.ordered == Ordered::Given {
            return (Outcome::Failed, format!("the firmware did not crash and recover within {limit:?}"));
        }
        if !asked {
            return (Outcome::Done, format!("ran for {limit:?}"));
        }
        if let Some(text) = self.script.expects.first() {
            return (Outcome::Failed, format!("the firmware did not say {text:?} within {limit:?}"));
        }
        let reason = match self.channel {
            None => format!("the firmware announced no channel within {limit:?}"),
            Some(_) => format!("the firmware took too long to take messages: {limit:?}"),
        };
        (Outcome::Failed, reason)
    }
}
