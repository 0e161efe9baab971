//! What the normal world, the remoteproc Trusted Application (TA) and the platform service (PTA) say to each other.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
#[macro_use]
extern crate std;

mod login;
mod memory;
mod param;
mod placement;
mod platform_tlvs;
mod processor;
mod pta_memory;
mod result;
mod uuid;

pub mod enumeration;
pub mod hwrng;
pub mod platform;
pub mod refusal;
pub mod scmi;
pub mod service;

pub use login::{Client, Login};
pub use memory::{OutOfRange, SharedMemory};
pub use param::{BadRequest, Completion, Output, Outputs, Param, ParamKind, Params, Value};
pub use placement::Placement;
pub use platform_tlvs::PlatformTlvs;
pub use processor::ProcessorId;
pub use pta_memory::PtaMemory;
pub use refusal::Refusal;
pub use result::{Origin, TeeResult};
pub use uuid::{ParseUuidError, Uuid};
