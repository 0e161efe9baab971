//! RPMsg as Linux and the firmware of a small processor speak it: split virtqueues in both roles, message and name-service
//! codecs, and the two ends ([`host::Host`], [`remote::Remote`]), over memory reached through a trait.
//!
//! Everything a ring or a buffer says was written by the other side, so it is an allegation: each index, length and address
//! is checked against what this side itself laid out before it is used, and a lie is a typed error.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate alloc;

pub mod host;
pub mod memory;
pub mod message;
pub mod name_service;
pub mod remote;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod transfer;
pub mod vring;

pub use transfer::{ReceiveError, Ring, SendError};

#[cfg(test)]
mod channel_tests;
