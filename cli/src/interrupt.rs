//! Signals that ask a long command to end in order.
//!
//! More of them ask for nothing more: `timeout` sends each twice, and what is done at the end is bounded.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::failure::Failure;

/// What has been asked since it was made.
#[derive(Clone, Debug)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    number: Arc<AtomicUsize>,
}

/// A signal that asks to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, as by Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    fn number(self) -> i32 {
        match self {
            Self::Interrupt => SIGINT,
            Self::Terminate => SIGTERM,
        }
    }

    /// The exit code that shells give to a process which such a signal has ended.
    pub fn exit_code(self) -> u8 {
        // Both are below 64.
        128 + self.number() as u8
    }

    /// Ends the process as the signal would have: a shell's loop ends with it then, too.
    pub fn end_process(self) {
        // Where that does not work the exit code says the same.
        let _ = low_level::emulate_default_handler(self.number());
    }
}

impl Interrupt {
    /// From now on these signals ask.
    pub fn catch() -> Result<Self, Failure> {
        let interrupt = Self { asked: Arc::default(), number: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            interrupt.register(signal).context("cannot take signals")?;
        }
        Ok(interrupt)
    }

    fn register(&self, signal: i32) -> io::Result<()> {
        flag::register_usize(signal, self.number.clone(), signal as usize)?;
        flag::register(signal, self.asked.clone())?;
        Ok(())
    }

    /// Set once a signal has come.
    pub fn flag(&self) -> &AtomicBool {
        &self.asked
    }

    /// The last signal that has come.
    pub fn signal(&self) -> Option<Signal> {
        let number = self.number.load(Ordering::Relaxed);
        [Signal::Interrupt, Signal::Terminate].into_iter().find(|one| one.number() as usize == number)
    }
}
