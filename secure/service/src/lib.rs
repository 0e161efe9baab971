//! The remoteproc Trusted Application: which state each processor is in, what is authentic, and what is loaded.
//!
//! Three types keep three kinds of bytes apart. A [`rproc_abi::SharedMemory`] is an allegation of the normal world,
//! read by copy and once; a [`rproc_image::Metadata`] is a private copy that has been parsed; only a
//! [`rproc_image::Authenticated`] has methods that lead to a load.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod access;
mod container;
mod coredump;
mod elf_metadata;
pub mod limits;
mod loader;
mod observer;
mod plan;
mod platform;
mod policy;
mod resource_table;
mod room;
mod said;
mod service;

pub use access::Access;
pub use observer::{Event, Observer, Silent, Unbound};
pub use platform::PlatformClient;
pub use policy::Policy;
pub use service::{Crypto, Service};
