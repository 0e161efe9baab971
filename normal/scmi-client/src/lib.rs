//! An SCMI agent beside Linux: it asks the TEE's SCMI service for clocks, resets and power domains.
#![forbid(unsafe_code)]

mod agent;
mod channel;
mod error;

pub use agent::{ClockInfo, Platform, ScmiClient};
pub use error::{ScmiError, describe};

#[cfg(test)]
mod tests;
