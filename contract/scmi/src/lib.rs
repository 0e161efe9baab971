//! Messages of the System Control and Management Interface (SCMI), by which an agent asks the platform for clocks, resets
//! and power: Arm DEN0056, the base, power domain, clock and reset domain protocols.
//!
//! One message in each direction: a header word, then words of payload; a reply's first word is a [`Status`]. Every size is
//! checked, and no bytes make this crate panic. How a message travels is no part of it: see `rproc_abi::scmi`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
#[macro_use]
extern crate std;

mod error;
mod header;
mod message;
mod name;
mod status;
mod wire;

pub mod base;
pub mod clock;
pub mod power;
pub mod reset;

pub use error::BadMessage;
pub use header::{Header, MessageType, Protocol};
pub use message::{Attributes, Reply, Request, encode_reply, encode_request, parse_reply};
pub use name::Name;
pub use status::Status;
pub use wire::{MAX_MESSAGE, Message};
