//! ELF32 and ELF64 as a loader of remote-processor firmware sees them, and the resource table they carry.
//!
//! Two users with different means read the same file. The host holds the whole file and uses
//! [`file::ElfFile`]. The Trusted Application copies pieces out of shared memory, one at a time: the ELF
//! header ([`header::Header`]), then the program headers ([`segment::ProgramHeaders`]), then the section headers
//! and their names ([`metadata::MetadataLayout`], [`section::Sections`]). Both go through the same decoders, so
//! that what was checked at signing is what is checked at loading.
//!
//! Nothing here panics or allocates, whatever the bytes.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate alloc;

pub mod error;
pub mod file;
pub mod header;
pub mod metadata;
mod refusal;
pub mod resource_table;
pub mod section;
pub mod segment;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use error::Error;
pub use file::{ElfFile, LoadedSection};
pub use header::{Class, Header};
pub use metadata::MetadataLayout;
pub use resource_table::{ResourceTable, ResourceTableMut};
pub use segment::ProgramHeader;
