//! What each remote processor waits for, since when, and what would satisfy it: the logic behind `rproc doctor`.
//!
//! Somebody else looks at the machine (trees, TEE bus, drivers, files) and says what it saw, an [`Observation`] a processor;
//! [`Doctor::observe`] makes a [`Diagnosis`] of it. Every wait is for something named, and has an end: satisfied, known to be
//! in vain, or given up after a limit. Nothing is deferred for ever.
#![forbid(unsafe_code)]

mod doctor;
mod observation;
mod problem;

pub use doctor::{Diagnosis, Doctor, Finding, Verdict};
pub use observation::{Firmware, Known, Need, NeedKind, Observation, Owner, Presence, Service};
pub use problem::Problem;
