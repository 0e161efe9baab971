//! Device trees that describe remote processors behind a TEE service, as one checked model.
//!
//! The way in is [`Tree::parse`] on a device tree blob, then [`Model::of`] on the tree:
//!
//! ```
//! # let blob = include_bytes!("../../../bindings/boards/stm32mp257f-ev1/linux.dtb");
//! let tree = rproc_devicetree::Tree::parse(blob)?;
//! let model = rproc_devicetree::Model::of(&tree);
//! let m33 = model.processor("m33")?;
//! assert_eq!((m33.id, m33.mailboxes["vq0"].channel), (1, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The layout read here nests the service below `/firmware/optee`, as the mailing-list thread about the
//! TEE remoteproc service ends up proposing: the node carries only what the service cannot tell.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod blob;
mod bus;
mod finding;
mod interrupt;
mod mailbox;
mod model;
mod nested;
mod ownership;
mod platform;
mod property;
mod reference;
mod region;
pub mod secure;
#[cfg(test)]
mod testing;
mod tree;

pub use blob::{Error, MAXIMUM_DEPTH, MAXIMUM_SIZE};
pub use bus::Translation;
pub use finding::{Finding, Problem, Severity};
pub use mailbox::{MailboxController, Semaphores};
pub use model::{
    LookupError, MailboxRef, MemoryRegion, Model, PlatformProcessor, Processor, ProviderRef, Service,
    SysconField, VendorProperty,
};
pub use nested::SERVICE_COMPATIBLE_PREFIX;
pub use ownership::{AssignError, Owner, Ownership, assign, ownership};
pub use secure::SecureModel;
pub use tree::{NodeRef, Tree};
