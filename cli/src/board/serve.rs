//! `rproc board serve`: listens, tells what happens, and ends with the machine or on a signal.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rproc_board::description::Family;
use rproc_board::serve::{Ending, ListenError, Listener, MemoryError, Notice, ServeError, Session};
use serde::Serialize;

use super::ServeArguments;
use super::event::ServeEvent;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output;
use crate::report;

/// Serves until the machine ends.
pub fn run(arguments: &ServeArguments) -> Result<(), Failure> {
    let interrupt = Interrupt::catch()?;
    let description = arguments.board.description;
    if description.family != Family::Stm32mp25 {
        return Err(Failure::help(
            format!(
                "the PCI device has the registers of an STM32MP25, and the {} has others",
                description.name
            ),
            "give --board stm32mp257f-ev1 or stm32mp215f-dk",
        ));
    }
    let listener = Listener::bind(&arguments.socket).map_err(listen_failure)?;
    let journal = Arc::new(Journal::open(arguments.log.as_deref())?);
    let socket = arguments.socket.display().to_string();
    let board = description.name.clone();
    let text = format!("{board} waits for a machine at {socket}");
    journal.write(&ServeEvent::Listening { socket, board }, &text);
    let told = journal.clone();
    let session = Session {
        description,
        wait: arguments.wait,
        stop: interrupt.flag(),
        observer: Arc::new(move |notice: Notice| told.write(&ServeEvent::of(&notice), &notice.to_string())),
    };
    let result = session.serve(listener).map_err(serve_failure);
    let (exit_code, reason) = match &result {
        Ok(Ending::Detached) => (0, "the machine has ended".to_owned()),
        Ok(Ending::Stopped) => (0, "stopped by a signal".to_owned()),
        Err(failure) => (failure.exit_code(), describe(failure)),
    };
    // Of a failure people are told by whoever gets it.
    let text = result.is_ok().then(|| format!("done: {reason}"));
    journal.finish(&ServeEvent::Finished { exit_code, reason }, text.as_deref());
    result?;
    journal.close()
}

fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Trouble { error, .. } => format!("{error:#}"),
        Failure::Refused(refused) => refused.sentence.clone(),
    }
}

fn listen_failure(error: ListenError) -> Failure {
    match &error {
        ListenError::Host { .. } => {
            Failure::help(error, "give a path of at most 107 bytes in a folder that you may write to")
        }
        _ => anyhow::Error::new(error).into(),
    }
}

fn serve_failure(error: ServeError) -> Failure {
    match &error {
        ServeError::NobodyCame { .. } => Failure::help(
            error,
            "start QEMU with -device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"PATH\"}}'",
        ),
        ServeError::Memory(
            MemoryError::Nothing { .. } | MemoryError::Private { .. } | MemoryError::Small { .. },
        ) => Failure::help(error, "docs/board-serve.md has a command line that does"),
        _ => anyhow::Error::new(error).into(),
    }
}

/// Where events go: JSON to a file, else sentences to the standard error output.
struct Journal {
    began: Instant,
    out: Mutex<Out>,
}

struct Out {
    to: Reader,
    /// Why the log is not complete.
    broken: Option<anyhow::Error>,
}

/// Who reads the events.
enum Reader {
    /// People, as sentences.
    People,
    /// A program, as JSON in a file.
    Log { name: String, file: File },
    /// A program, as JSON on the standard output.
    Output,
    /// Nobody any more, which is no trouble.
    Gone,
}

#[derive(Serialize)]
struct Line<'a> {
    at_us: u64,
    #[serde(flatten)]
    event: &'a ServeEvent,
}

impl Journal {
    fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let to = match path {
            None => Reader::People,
            Some(path) if path == Path::new("-") => Reader::Output,
            Some(path) => {
                let name = path.display().to_string();
                let file = File::create(path).map_err(|error| {
                    let error = anyhow::Error::new(error).context(format!("cannot write {name}"));
                    let help = "give --log a name in a folder that takes files, or - for the standard output";
                    Failure::Trouble { error, help: Some(help.to_owned()) }
                })?;
                Reader::Log { name, file }
            }
        };
        Ok(Self { began: Instant::now(), out: Mutex::new(Out { to, broken: None }) })
    }

    /// Writes one event, at once and whole.
    fn write(&self, event: &ServeEvent, text: &str) {
        self.finish(event, Some(text));
    }

    /// The same of an event that people may be told of elsewhere.
    fn finish(&self, event: &ServeEvent, text: Option<&str>) {
        let at = self.began.elapsed();
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let line = serde_json::to_string(&Line { at_us: at.as_micros() as u64, event });
        let line = line.map(|line| line + "\n");
        let Out { to, broken } = &mut *out;
        let written = match (&mut *to, line) {
            (Reader::Gone, _) => return,
            (Reader::People, _) => {
                say(at, text);
                return;
            }
            (_, Err(error)) => Err(error.into()),
            (Reader::Output, Ok(line)) => output::write(&mut std::io::stdout().lock(), &line),
            (Reader::Log { name, file }, Ok(line)) => {
                let written = file.write_all(line.as_bytes()).map(|()| true);
                written.with_context(|| format!("cannot write {name}"))
            }
        };
        match written {
            Ok(true) => {}
            Ok(false) => *to = Reader::Gone,
            Err(error) => {
                // Nothing is lost: people are told what the log does not take.
                report::note(&format!("the log ends here: {error:#}"));
                say(at, text);
                *to = Reader::People;
                *broken = Some(error);
            }
        }
    }

    /// Whether everything was written.
    fn close(&self) -> Result<(), Failure> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        match out.broken.take() {
            None => Ok(()),
            Some(error) => Err(error.context("the log is not complete").into()),
        }
    }
}

/// Tells people, if there is something to tell.
fn say(at: Duration, text: Option<&str>) {
    let Some(text) = text else { return };
    let text = text.replace('\n', &format!("\n{:15}", ""));
    // Nothing is left to tell when even this cannot be written.
    let _ = writeln!(anstream::stderr().lock(), "{:>11.6} s  {text}", at.as_secs_f64());
}
