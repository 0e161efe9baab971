//! One run: boot, talk, listen, stop; and what that amounts to.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use rproc_board::system::System;
use rproc_lifecycle::{ChannelId, Error, Event};
use rproc_tee::ServiceError;

use super::event::{Outcome, RunEvent, Translator};
use super::sink::Sink;

/// What the run is for.
#[derive(Clone, Debug)]
pub struct Script {
    /// Messages to send, one after the other, to the first channel.
    pub sends: VecDeque<String>,
    /// What the firmware must say, in messages, trace or UART lines.
    pub expects: Vec<String>,
    /// How long all of it may take in virtual time.
    pub timeout: Duration,
    /// How many instructions the processor may execute for it.
    pub instructions: u64,
}

/// Virtual time passes in steps of this size between two looks at trace buffers and limits.
const STEP: Duration = Duration::from_millis(1);
/// After a message without an answer, the next one is sent when this has passed.
const ANSWER_LIMIT: Duration = Duration::from_millis(100);
/// What firmware that has used up its instructions gets on top to answer the shutdown request; about a second of the host's.
const FAREWELL_INSTRUCTIONS: u64 = 4_000_000;

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
}

impl<'a, W: Write> Session<'a, W> {
    /// A run of this script on this system.
    pub fn new(system: System, sink: &'a mut Sink<W>, script: Script) -> Self {
        let translator = Translator::default();
        Self { system, sink, translator, script, channel: None, unanswered: None, crash: None }
    }

    /// Boots the firmware, follows the script, stops; gives how it ended.
    pub fn run(mut self, firmware: Vec<u8>) -> Result<Outcome> {
        self.report()?;
        // A crash is the result that a person wants to see, not something to recover from.
        self.system.processor.set_recovery(false);
        let (outcome, reason) = match self.system.processor.set_firmware(firmware) {
            Err(error) => (Outcome::Failed, error.to_string()),
            Ok(()) => match self.system.processor.boot() {
                Ok(()) => self.follow()?,
                Err(error) => self.boot_failed(&error),
            },
        };
        self.report()?;
        let (now, exit_code) = (self.now(), outcome.exit_code());
        self.sink.emit(now, &RunEvent::Finished { outcome, exit_code, reason })?;
        Ok(outcome)
    }

    fn now(&self) -> Duration {
        rproc_lifecycle::Machine::now(self.system.processor.machine())
    }

    /// Writes what has happened since the last time.
    fn report(&mut self) -> Result<()> {
        for entry in self.system.drain() {
            if let Some(event) = self.translator.event(&entry) {
                self.sink.emit(entry.at, &event)?;
            }
        }
        let now = self.now();
        let (heard, left) =
            std::mem::take(&mut self.script.expects).into_iter().partition(|text| self.sink.has_heard(text));
        self.script.expects = left;
        for text in <Vec<String>>::from_iter(heard) {
            self.sink.emit(now, &RunEvent::Expected { text })?;
        }
        Ok(())
    }

    fn boot_failed(&self, error: &Error<ServiceError>) -> (Outcome, String) {
        match error {
            Error::Load(service) | Error::Start(service) | Error::TableLocation(service) => {
                let reason = service
                    .refusal
                    .map_or_else(|| service.to_string(), |refusal| refusal.reason.sentence().to_owned());
                (Outcome::Refused, reason)
            }
            other => (Outcome::Failed, other.to_string()),
        }
    }

    /// From the boot to the stop.
    fn follow(&mut self) -> Result<(Outcome, String)> {
        let asked = !self.script.sends.is_empty() || !self.script.expects.is_empty();
        let start = self.now();
        let end = start.saturating_add(self.script.timeout);
        let instructions = self.script.instructions;
        self.system.processor.machine_mut().limit_instructions(instructions);
        let verdict = loop {
            self.report()?;
            if let Some(reason) = self.crash.take() {
                break (Outcome::Failed, reason);
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
            if let Some(reason) = self.send_next() {
                break (Outcome::Failed, reason);
            }
            let limit = end.saturating_sub(self.now()).min(STEP);
            let events = self.system.processor.wait(limit);
            self.take(&events);
        };
        let farewell = self.spent().saturating_add(FAREWELL_INSTRUCTIONS);
        self.system.processor.machine_mut().limit_instructions(farewell);
        let stopped = self.system.processor.shutdown();
        self.report()?;
        Ok(match (verdict, stopped) {
            ((Outcome::Done, _), Err(error)) => (Outcome::Failed, error.to_string()),
            (verdict, _) => verdict,
        })
    }

    /// Instructions executed so far.
    fn spent(&self) -> u64 {
        self.system.processor.machine().board().instructions()
    }

    fn take(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::ChannelAnnounced(channel) if self.channel.is_none() => {
                    self.channel = Some(channel.id);
                }
                Event::MessageReceived { .. } => self.unanswered = None,
                Event::Crashed(_) => self.crash = Some("the firmware crashed".to_owned()),
                _ => {}
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.script.sends.is_empty() && self.script.expects.is_empty() && !self.waits_for_answer()
    }

    fn waits_for_answer(&self) -> bool {
        self.unanswered.is_some_and(|sent| self.now() < sent.saturating_add(ANSWER_LIMIT))
    }

    /// Sends the next message when there is a channel and the last one was answered. Gives why it could not.
    fn send_next(&mut self) -> Option<String> {
        let channel = self.channel?;
        if self.waits_for_answer() {
            return None;
        }
        let text = self.script.sends.pop_front()?;
        self.unanswered = Some(self.now());
        let sent = self.system.processor.send(channel, text.as_bytes(), self.script.timeout);
        sent.err().map(|error| format!("{text:?} could not be sent: {error}"))
    }

    fn out_of_time(&self, asked: bool) -> (Outcome, String) {
        let limit = self.script.timeout;
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
