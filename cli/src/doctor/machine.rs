//! What the doctor looks at.

use std::time::Duration;

use rproc_doctor::Observation;

use crate::failure::Failure;

/// A machine with remote processors.
pub trait Machine {
    /// Its name, for the report.
    fn name(&self) -> String;

    /// Time since it booted.
    fn now(&self) -> Duration;

    /// What is there of each processor's surroundings.
    fn look(&mut self) -> Result<Vec<Observation>, Failure>;

    /// Lets time pass until something may be different, at most until `deadline`.
    fn wait(&mut self, deadline: Duration);
}
