//! `rproc list`, `start`, `stop`, `firmware`, `trace` and `coredump`: the processors of the Linux that rproc runs on.
//!
//! They go through sysfs and debugfs, as a shell would, and choose a processor by its name.

mod coredump;
mod failure;
mod firmware;
mod list;
mod start;
mod stop;
mod trace;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use rproc_sysfs::{Error, Linux, Remoteproc};

use crate::failure::Failure;
use crate::report;

pub use coredump::{Coredump, run as coredump};
pub use firmware::{Firmware, run as firmware};
pub use list::{List, run as list};
pub use start::{Start, run as start};
pub use stop::{Stop, run as stop};
pub use trace::{Trace, run as trace};

/// How long a processor that is waited for is left alone between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Which Linux.
#[derive(Args)]
struct Machine {
    /// Where its file systems are mounted, for tests
    #[arg(long, value_name = "FOLDER", default_value = "/", hide = true)]
    root: PathBuf,
}

impl Machine {
    fn linux(&self) -> Linux {
        Linux::at(&self.root)
    }
}

/// Which processor of it.
#[derive(Args)]
struct Chosen {
    /// The processor: its name, such as m33, or its device, remoteprocN
    #[arg(value_name = "PROCESSOR")]
    name: String,
    #[command(flatten)]
    machine: Machine,
}

impl Chosen {
    /// Looks for it.
    fn find(&self) -> Result<Remoteproc, Error> {
        self.machine.linux().find(&self.name)
    }

    /// Looks for it, again and again until it is there or the time is over, and says that it waits.
    fn wait(&self, limit: Duration) -> Result<Remoteproc, Failure> {
        let begin = Instant::now();
        let mut told = false;
        loop {
            let error = match self.find() {
                Err(error @ (Error::NoClass(_) | Error::NoProcessor | Error::Unknown { .. })) => error,
                found => return Ok(found?),
            };
            if !std::mem::replace(&mut told, true) {
                report::note(&format!("{} is not there yet, and is waited for up to {limit:?}", self.name));
            }
            let left = limit.saturating_sub(begin.elapsed());
            if left.is_zero() {
                let late = format!("{} did not appear within {limit:?}", self.name);
                return Err(Failure::from(error).context(late));
            }
            std::thread::sleep(left.min(BETWEEN_LOOKS));
        }
    }
}
