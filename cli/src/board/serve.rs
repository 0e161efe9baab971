//! `rproc board serve`: listens, tells what happens, and ends with the machine or on a signal.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use rproc_board::description::Family;
use rproc_board::serve::{Ending, ListenError, Listener, MemoryError, Notice, ServeError, Session};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::ServeArguments;
use super::event::ServeEvent;
use crate::failure::Failure;

/// Serves until the machine ends.
pub fn run(arguments: &ServeArguments) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, stop.clone()).context("cannot take signals")?;
    }
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
        stop: &stop,
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
    /// The name of the log and where it is written to.
    log: Option<(String, Box<dyn Write + Send>)>,
    /// The first error of writing; nothing is written after it.
    broken: Option<std::io::Error>,
}

#[derive(Serialize)]
struct Line<'a> {
    at_us: u64,
    #[serde(flatten)]
    event: &'a ServeEvent,
}

impl Journal {
    fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let log = match path {
            None => None,
            Some(path) if path == Path::new("-") => {
                Some(("the standard output".to_owned(), Box::new(std::io::stdout()) as Box<dyn Write + Send>))
            }
            Some(path) => {
                let name = path.display().to_string();
                let file = File::create(path).with_context(|| format!("cannot write {name}"))?;
                Some((name, Box::new(file) as Box<dyn Write + Send>))
            }
        };
        Ok(Self { began: Instant::now(), out: Mutex::new(Out { log, broken: None }) })
    }

    /// Writes one event, at once and whole.
    fn write(&self, event: &ServeEvent, text: &str) {
        self.finish(event, Some(text));
    }

    /// The same of an event that people may be told of elsewhere.
    fn finish(&self, event: &ServeEvent, text: Option<&str>) {
        let at = self.began.elapsed();
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Out { log, broken } = &mut *out;
        let Some((_, log)) = log else {
            let Some(text) = text else { return };
            let text = text.replace('\n', &format!("\n{:15}", ""));
            // Nothing is left to tell when even this cannot be written.
            let _ = writeln!(anstream::stderr().lock(), "{:>11.6} s  {text}", at.as_secs_f64());
            return;
        };
        if broken.is_some() {
            return;
        }
        let written = serde_json::to_string(&Line { at_us: at.as_micros() as u64, event })
            .map_err(std::io::Error::from)
            .and_then(|line| log.write_all(format!("{line}\n").as_bytes()))
            .and_then(|()| log.flush());
        *broken = written.err();
    }

    /// Whether everything was written.
    fn close(&self) -> Result<(), Failure> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let name = out.log.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
        match out.broken.take() {
            None => Ok(()),
            Some(error) => {
                Err(anyhow::Error::new(error).context(format!("the log in {name} is not complete")).into())
            }
        }
    }
}
