//! Linux's remoteproc core as a library: states, resources, carveouts, logs, RPMsg, recovery, attach and detach.
//!
//! [`Remoteproc`] drives one processor over two traits: a [`Loader`], which is the TEE's service or Linux itself, and a
//! [`Machine`], which is the memory, the mailboxes and the time that the normal world reaches on its own. The same code
//! runs a virtual board, a board behind QEMU, and silicon.
//!
//! Everything that firmware writes is untrusted: the resource table is copied once, and addresses out of it are used only
//! inside the memory regions of the device tree; rings are checked by `rproc-rpmsg`.
#![forbid(unsafe_code)]

mod coredump;
mod description;
mod error;
mod event;
mod journal;
mod leave;
mod link;
mod linux;
mod loader;
mod machine;
mod overlap;
mod remoteproc;
mod resources;
mod session;
mod state;
mod supply;
mod table;
#[cfg(test)]
mod testing;
mod trace;

pub use coredump::{CoreError, CoreHead, CoreSegment, core_file};
pub use description::{Description, MemoryRegion, Translation};
pub use error::Error;
pub use event::{Channel, ChannelId, Event};
pub use journal::MAXIMUM_KEPT_EVENTS;
pub use link::MAXIMUM_CHANNELS;
pub use linux::{
    BootAddress, CoreStatus, FoundTable, LinuxLoadError, LinuxLoader, RccHold, RccPulse, ReadBack, Registers,
    ResetControl, ResetLine, SecureMonitor, SmcHold, Stm32mp15, Stm32mp25, UNTOLD_TABLE_SIZE,
};
pub use loader::{Loader, TableLocation};
pub use machine::{Crash, CrashKind, Interrupts, Machine, Mailbox, Wake};
pub use overlap::Overlap;
pub use remoteproc::{AutoBoot, DETACH_LIMIT, Remoteproc, SHUTDOWN_LIMIT};
pub use resources::{
    Buffers, Carveout, MAXIMUM_ENTRIES, MAXIMUM_TRACE, RPMSG_DEVICE, ResourceError, Resources, Trace, Vdev,
    Vring,
};
pub use state::{IllegalTransition, Request, State};
pub use supply::{Clock, Clocks, PowerDomain, PowerDomains, ProviderError, SupplyError};
pub use table::MAXIMUM_TABLE;
pub use trace::{MAXIMUM_LINE, TraceLines};
