//! The normal world's way to the TEE: a client, the discoverable TEE bus, and services on it.
#![deny(unsafe_code)]

mod bus;
mod client;
mod hwrng;
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "ioctls and mappings are calls that the compiler cannot check")]
mod linux;
mod remoteproc;

pub use bus::{BusError, Device, Driver, Outcome, TeeBus};
pub use client::{MemRef, SessionId, SharedBuffer, TeeClient, TeeError};
pub use hwrng::{HwRng, HwRngError};
#[cfg(target_os = "linux")]
pub use linux::{LinuxTee, OpenError};
pub use remoteproc::{Operation, RemoteprocService, ServiceError};
