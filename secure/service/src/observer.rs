//! What the service tells its log.

use rproc_abi::service::TableLocation;
use rproc_abi::{ProcessorId, Refusal};
use rproc_image::SignatureAlgorithm;

/// What an authenticated image does not bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unbound {
    /// It may be loaded on any processor of any SoC.
    pub target: bool,
    /// It has no security counter; it counts as 0.
    pub security_counter: bool,
    /// The ELF header and the section headers are not covered; they are not used.
    pub elf_metadata: bool,
    /// The resource table's place is not covered; it is looked for in the segments.
    pub resource_table: bool,
}

/// What the service did, for a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The signature was good.
    Authenticated {
        /// For which processor.
        processor: ProcessorId,
        /// The signature's type.
        algorithm: SignatureAlgorithm,
        /// The fingerprint that the image gives of its key, now authenticated.
        key: Option<&'a [u8; 32]>,
        /// The SoC that the image is bound to.
        soc: Option<&'a str>,
        /// The image's security counter.
        security_counter: Option<u32>,
        /// What the image leaves open.
        unbound: Unbound,
    },
    /// A segment is in its place and its digest is right.
    SegmentLoaded {
        /// For which processor.
        processor: ProcessorId,
        /// Which ELF image, from 0.
        image: u32,
        /// Which program header, from 0.
        index: u32,
        /// Device address.
        address: u64,
        /// Bytes from the file.
        file_size: u64,
        /// Bytes in memory; those beyond the file's are zero.
        memory_size: u64,
    },
    /// Everything is in place.
    Loaded {
        /// For which processor.
        processor: ProcessorId,
        /// Where the resource table is.
        resource_table: Option<TableLocation>,
        /// The table's place was found in the segments, not given by the image.
        derived: bool,
    },
    /// The processor runs.
    Started {
        /// Which processor.
        processor: ProcessorId,
    },
    /// The processor was stopped.
    Stopped {
        /// Which processor.
        processor: ProcessorId,
    },
    /// The firmware is gone.
    Released {
        /// Which processor.
        processor: ProcessorId,
    },
    /// Something was refused.
    Refused {
        /// For which processor.
        processor: ProcessorId,
        /// Why.
        refusal: Refusal,
    },
}

/// Somebody who is told what the service did.
pub trait Observer {
    /// It did this.
    fn event(&mut self, event: Event<'_>);
}

/// Nobody is told.
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: Event<'_>) {}
}
