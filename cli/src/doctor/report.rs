//! How it stands with every processor, for people and for programs (docs/doctor.md).

use std::fmt;
use std::time::Duration;

use rproc_abi::ProcessorId;
use rproc_doctor::{Diagnosis, Finding, Owner, Verdict};
use serde::Serialize;

/// The report on a machine; its fields are the JSON fields. Times are in seconds since the machine booted.
#[derive(Debug, Serialize)]
pub struct Report {
    machine: String,
    now: f64,
    processors: Vec<Processor>,
}

#[derive(Debug, Serialize)]
struct Processor {
    processor: String,
    id: u32,
    node: String,
    owner: &'static str,
    verdict: &'static str,
    missing: Vec<Missing>,
    /// What was waited for and came, or turned out to be in vain.
    passed: Vec<Missing>,
}

#[derive(Debug, Clone, Serialize)]
struct Missing {
    problem: &'static str,
    since: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<f64>,
    /// Whether it may come without anything being changed.
    may_pass: bool,
    given_up: bool,
    sentence: String,
    next_step: String,
}

impl Missing {
    fn of(finding: &Finding) -> Self {
        Self {
            problem: finding.problem.name(),
            since: finding.since.as_secs_f64(),
            until: None,
            may_pass: finding.problem.may_pass(),
            given_up: finding.given_up,
            sentence: finding.problem.sentence(),
            next_step: finding.problem.next_step(),
        }
    }
}

impl Report {
    /// A report on a machine that was not looked at yet.
    pub fn new(machine: String) -> Self {
        Self { machine, now: 0.0, processors: Vec::new() }
    }

    /// How it stands at another moment; what was missing before and is so no longer, has passed.
    pub fn add(&mut self, now: Duration, diagnoses: impl Iterator<Item = (ProcessorId, Owner, Diagnosis)>) {
        self.now = now.as_secs_f64();
        let mut before = std::mem::take(&mut self.processors);
        self.processors = diagnoses
            .map(|(id, owner, diagnosis)| {
                let missing: Vec<Missing> = diagnosis.findings.iter().map(Missing::of).collect();
                let known = before.iter_mut().find(|one| one.node == diagnosis.path);
                let mut passed = Vec::new();
                if let Some(known) = known {
                    passed.append(&mut known.passed);
                    let still = |old: &Missing| missing.iter().any(|new| new.sentence == old.sentence);
                    let gone = known.missing.iter().filter(|old| !still(old)).cloned();
                    passed.extend(gone.map(|old| Missing { until: Some(self.now), ..old }));
                }
                Processor {
                    processor: diagnosis.processor,
                    id: id.0,
                    node: diagnosis.path,
                    owner: match owner {
                        Owner::Tee => "tee",
                        Owner::Linux => "linux",
                        Owner::Both => "both",
                        Owner::Nobody => "nobody",
                    },
                    verdict: match diagnosis.verdict {
                        Verdict::Ready => "ready",
                        Verdict::Waits => "waits",
                        Verdict::Never => "never",
                    },
                    missing,
                    passed,
                }
            })
            .collect();
    }

    /// Whether something is missing that may still come.
    pub fn waits(&self) -> bool {
        let waits = |missing: &Missing| missing.may_pass && !missing.given_up;
        self.processors.iter().any(|one| one.missing.iter().any(waits))
    }

    /// Whether nothing is missing.
    pub fn is_healthy(&self) -> bool {
        self.processors.iter().all(|one| one.missing.is_empty())
    }
}

/// A moment, to a tenth of a second where it is none of its own.
fn seconds(moment: f64) -> String {
    if moment.fract() == 0.0 { format!("{moment} s") } else { format!("{moment:.1} s") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {} after boot", self.machine, seconds(self.now))?;
        for one in &self.processors {
            let verdict = match one.verdict {
                "ready" => "ready",
                "waits" => "waits",
                _ => "cannot be booted",
            };
            writeln!(f, "\n{} ({}): {verdict}", one.processor, one.node)?;
            for passed in &one.passed {
                let (since, until) = (seconds(passed.since), seconds(passed.until.unwrap_or(passed.since)));
                writeln!(f, "  from {since} to {until}: {}", passed.sentence)?;
            }
            for missing in &one.missing {
                let since = seconds(missing.since);
                let end = if missing.given_up { ", no longer waited for" } else { "" };
                writeln!(f, "  since {since}{end}: {}", missing.sentence)?;
                writeln!(f, "    to satisfy it: {}", missing.next_step)?;
            }
        }
        Ok(())
    }
}
