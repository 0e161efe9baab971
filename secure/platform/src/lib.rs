//! The platform service behind the remoteproc TA: it alone touches the processor, its memory and its firewall.
//!
//! It knows no image format and takes no decision about trust: it loads what the TA tells it to, keeps the normal
//! world out from before the first byte until the wipe, and refuses whatever does not read back as written.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
#[macro_use]
extern crate std;

mod before_tee;
mod condition;
#[cfg(test)]
mod faults;
mod hardware;
mod keys;
mod observer;
mod platform_tlv;
mod processor;
mod region;
mod service;
mod unchanged;

pub mod stm32mp15;
pub mod stm32mp25;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use before_tee::{BeforeTee, STATE_OFF, STATE_RUNS, Word};
pub use hardware::{AccessError, Hardware, PlaceError, place_in_windows, write_checked};
pub use keys::{KeyStore, SecurityCounters, TrustedKey, verify_with_trusted};
pub use observer::{Event, Observer, Silent};
pub use processor::{RemoteProcessor, Soc};
pub use region::{Region, RegionKind, translate};
pub use service::PlatformService;
