//! `rproc-guest run SUITE`: the tests that run on the Linux of the system under test, reported line by line on the console.
//!
//! | line | meaning |
//! |---|---|
//! | `rproc-test: NAME ok\|failed WORDS` | a test; the words say what was seen |
//! | `rproc-value: NAME NUMBER UNIT` | a measurement |
//! | `rproc-suite: SUITE done N ok M failed` | the last line; a suite without it did not end |
//!
//! The exit code is 0 when nothing failed, 1 when something did, 2 when the suite took longer than its limit.
#![deny(unsafe_code)]

mod firmware;
mod interrupts;
mod kernel_log;
mod memory;
mod pci;
mod report;
mod service;
mod suites;
mod window;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use service::Target;

/// Tests of the remoteproc service on a booted system
#[derive(Parser)]
#[command(name = "rproc-guest", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one suite
    Run {
        #[command(flatten)]
        target: Target,
        /// Seconds after which the suite is given up
        #[arg(long, value_name = "SECONDS", default_value_t = 600, global = true)]
        limit: u64,
        #[command(subcommand)]
        suite: suites::Suite,
    },
}

fn main() -> ExitCode {
    let Command::Run { target, limit, suite } = Arguments::parse().command;
    report::end_after(suite.name(), Duration::from_secs(limit));
    if suites::run(&suite, &target) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_stand_before_or_after_the_suite() {
        for line in
            ["rproc-guest run --core 1 states a.img", "rproc-guest run states a.img --core 1 --public"]
        {
            assert!(Arguments::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        assert!(Arguments::try_parse_from(["rproc-guest", "run", "nothing"]).is_err());
    }
}
