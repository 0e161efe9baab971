//! Hardware for tests: the registers and memory that the drivers use, any of which can be made to fail, and a watch over
//! what must never be.

mod fake;
mod firewall;
mod reset;
mod surroundings;

pub use fake::{Fake, Fault, Point};
pub use reset::{FakeMonitor, FakeServer};
pub use surroundings::{Bytes, NoCounters, ToyKeys};
