//! What the platform service tells a log.

use core::fmt;

use rproc_abi::{ProcessorId, Refusal};

use crate::Region;

/// What the platform service did, for a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A processor's memory was closed to the normal world.
    FirewallClosed {
        /// Which processor.
        processor: ProcessorId,
        /// What is closed now; shared regions are opened again when nothing is loaded to them.
        regions: &'a [Region],
    },
    /// A processor was let go.
    Released {
        /// Which processor.
        processor: ProcessorId,
        /// Device address of its vector table.
        boot_address: u64,
    },
    /// A processor was stopped.
    Held {
        /// Which processor.
        processor: ProcessorId,
    },
    /// A processor's memory was zeroed.
    Wiped {
        /// Which processor.
        processor: ProcessorId,
        /// Bytes.
        size: u64,
    },
    /// A processor was given to the normal world, with its memory.
    FirewallOpened {
        /// Which processor.
        processor: ProcessorId,
    },
    /// A processor ran when the platform service began, as the secure tree says that it may, and goes on.
    FoundRunning {
        /// Which processor.
        processor: ProcessorId,
        /// Device address of its vector table.
        boot_address: u64,
        /// Device address of its resource table, where it has one.
        resource_table: Option<u64>,
    },
    /// A processor did not run when the platform service began, though the secure tree says that it may.
    FoundHeld {
        /// Which processor.
        processor: ProcessorId,
    },
    /// A processor ran when the platform service began, and must not go on.
    TakenOver {
        /// Which processor.
        processor: ProcessorId,
        /// Why not.
        refusal: Refusal,
    },
    /// It could not be stopped and wiped.
    NotHeld {
        /// Which processor.
        processor: ProcessorId,
        /// Why not.
        refusal: Refusal,
    },
    /// Something was refused.
    Refused {
        /// Which processor.
        processor: ProcessorId,
        /// Why.
        refusal: Refusal,
    },
}

/// Somebody who is told what the platform service did.
pub trait Observer {
    /// It did this.
    fn event(&mut self, event: Event<'_>);
}

/// Nobody is told.
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: Event<'_>) {}
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirewallClosed { processor, regions } => {
                write!(f, "{processor}: closed to the normal world:")?;
                regions.iter().try_for_each(|region| {
                    write!(f, " {} {:#x}+{:#x}", region.name, region.physical, region.size)
                })
            }
            Self::Released { processor, boot_address } => {
                write!(f, "{processor}: started, vector table at {boot_address:#x}")
            }
            Self::Held { processor } => write!(f, "{processor}: stopped"),
            Self::Wiped { processor, size } => write!(f, "{processor}: {size} bytes of memory zeroed"),
            Self::FirewallOpened { processor } => {
                write!(f, "{processor}: given to the normal world, with its memory")
            }
            Self::FoundRunning { processor, boot_address, resource_table } => {
                write!(f, "{processor}: runs since before the TEE, vector table at {boot_address:#x}, ")?;
                match resource_table {
                    Some(table) => write!(f, "resource table at {table:#x}"),
                    None => f.write_str("no resource table"),
                }
            }
            Self::FoundHeld { processor } => {
                write!(f, "{processor}: off, though it may run since before the TEE")
            }
            Self::TakenOver { processor, refusal } => {
                write!(f, "{processor}: ran before the TEE and may not go on: {refusal}")
            }
            Self::NotHeld { processor, refusal } => {
                write!(f, "{processor}: could not be stopped and wiped: {refusal}")
            }
            Self::Refused { processor, refusal } => write!(f, "{processor}: refused: {refusal}"),
        }
    }
}
