//! Why something could not be done with a processor.

use std::time::Duration;

use rproc_elf::resource_table;
use rproc_rpmsg::host::ConfigError;
use rproc_rpmsg::memory::Fault;
use rproc_rpmsg::{SendError, vring};

use crate::event::ChannelId;
use crate::overlap::Overlap;
use crate::resources::ResourceError;
use crate::state::{IllegalTransition, State};
use crate::supply::SupplyError;
use crate::table::MAXIMUM_TABLE;

/// Why something could not be done. `E` is the loader's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: std::error::Error + 'static> {
    /// The state does not allow it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// There is nothing to boot.
    #[error("no firmware was given for {processor}; set one before booting")]
    NoFirmware {
        /// Name of the processor.
        processor: String,
    },
    /// Firmware can be changed only while the processor is off (as Linux's sysfs has it).
    #[error("the firmware cannot be changed while the processor is {state}; shut it down first")]
    FirmwareInUse {
        /// The state it is in.
        state: State,
    },
    /// A clock or power domain that the processor needs is not to be had.
    #[error(transparent)]
    Supply(#[from] SupplyError),
    /// The loader does not tell whether the processor runs.
    #[error("the loader does not tell whether the processor runs already: {0}")]
    Probe(#[source] E),
    /// The processor would not be attached to.
    #[error("the processor could not be attached to, it runs on without this side: {0}")]
    Attach(#[source] E),
    /// The processor was not let go.
    #[error("the processor was not detached, this side still holds it: {0}")]
    Detach(#[source] E),
    /// The loader refused the firmware.
    #[error("the firmware was not loaded: {0}")]
    Load(#[source] E),
    /// The loader does not tell where the resource table is.
    #[error("the loader does not tell where the resource table is: {0}")]
    TableLocation(#[source] E),
    /// The resource table has an impossible size.
    #[error("the resource table at {address:#x} has {size} bytes; 16 to {MAXIMUM_TABLE} are possible")]
    TableSize {
        /// Where it is.
        address: u64,
        /// Its size.
        size: u64,
    },
    /// The firmware was loaded anew, and its table changed its size.
    #[error(
        "the resource table had {expected} bytes before the crash, and now has {found}; boot the processor anew"
    )]
    TableChanged {
        /// Size before.
        expected: usize,
        /// Size now; 0 when there is none.
        found: u64,
    },
    /// The resource table is damaged.
    #[error("the resource table cannot be used: {0}")]
    Table(#[from] resource_table::Error),
    /// A wish of the resource table cannot be met.
    #[error("the resource table asks for what this board does not have: {0}")]
    Resources(#[from] ResourceError),
    /// Two of its wishes want the same memory.
    #[error("the resource table puts two things into one place: {0}")]
    Overlap(#[from] Overlap),
    /// Memory that has to be shared with the processor is not reachable.
    #[error(
        "{what} at {address:#x} cannot be reached from the normal world: {fault}; link it to a region that both sides share, \
         or leave the processor to Linux"
    )]
    Memory {
        /// What lies there.
        what: &'static str,
        /// Where it starts.
        address: u64,
        /// The failed access.
        fault: Fault,
    },
    /// Rings and buffers do not fit together.
    #[error("RPMsg cannot be set up: {0}")]
    RpmsgLayout(#[from] ConfigError),
    /// The rings could not be filled.
    #[error("RPMsg cannot be started: {0}")]
    RpmsgStart(#[source] vring::Error),
    /// The processor was not started.
    #[error("the processor was not started: {0}")]
    Start(#[source] E),
    /// The processor was not stopped; it may still run.
    #[error("the processor was not stopped, it may still run: {0}")]
    Stop(#[source] E),
    /// The firmware's memory was not released.
    #[error("the firmware's memory was not released: {0}")]
    Release(#[source] E),
    /// There is no RPMsg device, or it is not running now.
    #[error(
        "there is no RPMsg while the processor is {state}, or its firmware has no RPMsg device that can be driven"
    )]
    NoRpmsg {
        /// The state it is in.
        state: State,
    },
    /// The firmware damaged the rings.
    #[error("the firmware damaged a ring, so RPMsg has stopped until the next boot: {0}")]
    RpmsgBroken(#[source] vring::Error),
    /// There is no such channel.
    #[error("there is no channel with local address {}: the firmware announced none, or withdrew it", channel.0)]
    UnknownChannel {
        /// The channel asked for.
        channel: ChannelId,
    },
    /// The message was not sent.
    #[error("the message was not sent: {0}")]
    Send(#[from] SendError),
    /// The firmware did not free a buffer in time.
    #[error("the message was not sent: the firmware returned no buffer within {limit:?}; does it still run?")]
    SendTimedOut {
        /// How long was waited.
        limit: Duration,
    },
    /// There is no such trace buffer.
    #[error("there is no trace buffer {trace}; the firmware has {count}")]
    UnknownTrace {
        /// The one asked for, from 0.
        trace: usize,
        /// How many there are.
        count: usize,
    },
    /// The trace buffer is in no memory region.
    #[error(
        "trace buffer `{name}` at device address {device_address:#x} is in no memory region that is shared with the normal \
         world; place it in one with the linker script"
    )]
    TraceUnreachable {
        /// Its name.
        name: String,
        /// Where the processor sees it.
        device_address: u32,
    },
}
