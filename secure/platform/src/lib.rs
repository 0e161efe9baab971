//! The platform service behind the remoteproc TA: it alone touches the processor, its memory and its firewall.
//!
//! It knows no image format and takes no decision about trust: it loads what the TA tells it to, keeps the normal
//! world out from before the first byte until the wipe, and refuses whatever does not read back as written.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
#[macro_use]
extern crate std;

mod hardware;
mod keys;
mod observer;
mod processor;
mod region;
mod service;

pub mod stm32mp25;

pub use hardware::{AccessError, Hardware, PlaceError, place_in_windows, write_checked};
pub use keys::{KeyStore, SecurityCounters, TrustedKey, verify_with_trusted};
pub use observer::{Event, Observer, Silent};
pub use processor::{RemoteProcessor, Soc};
pub use region::{Region, RegionKind, translate};
pub use service::PlatformService;
