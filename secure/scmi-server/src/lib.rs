//! The SCMI platform inside the TEE: clocks, resets and power domains of a SoC for the agents of the normal world.
//!
//! An agent may be forbidden some of them: the resets of a processor that the TEE owns are the TEE's alone, whatever Linux
//! asks for. The hardware lies behind small traits; [`RegisterSoc`] implements them from tables, such as
//! [`stm32mp25::TABLES`]. Nothing is allocated.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod access;
mod registers;
mod server;
mod service;
mod soc;

pub mod stm32mp15;
pub mod stm32mp25;

pub use access::{Agent, Resource, Rights};
pub use registers::{Bit, Cause, Clock, Gate, Line, Power, RegisterSoc, Reset, Tables};
pub use server::Server;
pub use service::ScmiService;
pub use soc::{Clocks, PowerDomains, Resets};
