//! The normal world's way to the TEE: a client, the discoverable TEE bus, and the remoteproc service on it.
#![forbid(unsafe_code)]

mod bus;
mod client;
mod remoteproc;

pub use bus::{BusError, Device, Driver, Outcome, TeeBus};
pub use client::{MemRef, SessionId, SharedBuffer, TeeClient, TeeError};
pub use remoteproc::{Operation, RemoteprocService, ServiceError};
