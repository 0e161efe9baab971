//! The platform service as a pseudo-TA inside OP-TEE's core: entry points and the traits of its port, no policy.
//!
//! What it decides, [`rproc_platform`] decides. What it takes from the core comes from the core's own headers, read when
//! it is built. Linked into the core by `make LDADD="-u rproc_pta_head <path>/librproc_pta.a"`.
#![no_std]

mod agreement;
#[cfg(all(user_memory_accessible, not(feature = "reference-place")))]
mod copy;
mod counters;
mod entry;
mod exclusive;
mod hardware;
mod hash;
mod head;
mod keys;
mod mapping;
mod optee;
mod panic;
mod parameters;
mod regions;
mod registers;
mod service;
mod trace;
mod user_memory;
