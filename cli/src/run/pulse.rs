//! Signs of life of a run in which nothing happens for long: emulating busy firmware takes its time.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use crate::report;

/// How long it is quiet before the first sign, in time of the wall; twice that before the next one, and so on.
const FIRST: Duration = Duration::from_secs(3);

/// Tells whoever waits at a terminal; logs, scripts and tests are spared.
pub struct Pulse {
    watched: bool,
    quiet_since: Instant,
    next: Duration,
}

impl Pulse {
    /// From now on it is quiet.
    pub fn new() -> Self {
        Self { watched: std::io::stderr().is_terminal(), quiet_since: Instant::now(), next: FIRST }
    }

    /// Something has happened, which is sign enough.
    pub fn beat(&mut self) {
        *self = Self { watched: self.watched, quiet_since: Instant::now(), next: FIRST };
    }

    /// Says how far the run is, if it is time to.
    pub fn look(&mut self, now: Duration, instructions: u64) {
        if self.watched && self.is_due(self.quiet_since.elapsed()) {
            report::note(&sentence(now, instructions));
        }
    }

    fn is_due(&mut self, quiet: Duration) -> bool {
        let due = quiet >= self.next;
        while quiet >= self.next {
            self.next = self.next.saturating_mul(2);
        }
        due
    }
}

fn sentence(now: Duration, instructions: u64) -> String {
    let (seconds, millions) = (now.as_secs_f64(), instructions as f64 / 1e6);
    format!("still running, at {seconds:.6} s of virtual time after {millions:.1} million instructions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_get_rarer_until_something_happens() {
        let mut pulse = Pulse::new();
        let mut due = |seconds| pulse.is_due(Duration::from_secs(seconds));
        assert_eq!(
            [0, 2, 3, 4, 5, 6, 7, 11, 12, 100, 101, 192].map(&mut due).map(u8::from),
            [0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1]
        );
        pulse.beat();
        assert!(!pulse.is_due(Duration::from_secs(2)) && pulse.is_due(Duration::from_secs(3)));
    }

    #[test]
    fn a_sign_says_how_far_the_run_is() {
        assert_eq!(
            sentence(Duration::from_micros(120_250), 48_123_456),
            "still running, at 0.120250 s of virtual time after 48.1 million instructions"
        );
    }
}
