//! The remote processors of a running Linux, over what its remoteproc framework shows in sysfs and debugfs.
//!
//! [`Linux::find`] gives a processor by its name. [`Remoteproc::start`] and [`Remoteproc::stop`] change its state and tell, when
//! that fails, what the driver said in the kernel's log meanwhile. Beside it: firmware names as the kernel looks for them
//! ([`FirmwareFolders`]), trace buffers ([`Trace`]) and core dumps ([`Dump`]). Every [`Error`] knows what to do about it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod dump;
mod errno;
mod error;
mod firmware;
mod kernel_log;
mod linux;
mod remoteproc;
mod state;
#[cfg(test)]
mod testing;
mod trace;

pub use dump::Dump;
pub use errno::Errno;
pub use error::{Error, NotStarted};
pub use firmware::{FirmwareFile, FirmwareFolders, FirmwareName};
pub use kernel_log::{KernelLog, Record};
pub use linux::Linux;
pub use remoteproc::{Remoteproc, Started};
pub use state::State;
pub use trace::{Follower, Trace};
