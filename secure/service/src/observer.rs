//! What the service tells its log.

use core::fmt;

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
        /// The security counter of what it runs; 0 where the image has none.
        security_counter: u32,
        /// What its image leaves open.
        unbound: Unbound,
    },
    /// The processor runs since before the TEE began, with firmware that this service has not loaded.
    Inherited {
        /// Which processor.
        processor: ProcessorId,
        /// Where its resource table is.
        resource_table: Option<TableLocation>,
    },
    /// The processor ran since before the TEE began, could not go on, and was stopped and wiped.
    TakenOver {
        /// Which processor.
        processor: ProcessorId,
        /// Why not.
        refusal: Refusal,
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

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Authenticated { processor, algorithm, soc, security_counter, unbound, .. } => {
                write!(f, "{processor}: authentic, {algorithm}")?;
                if let Some(soc) = soc {
                    write!(f, ", for {soc}")?;
                }
                if let Some(counter) = security_counter {
                    write!(f, ", counter {counter}")?;
                }
                unbound.fmt(f)
            }
            Event::SegmentLoaded { processor, image, index, address, file_size, memory_size } => write!(
                f,
                "{processor}: segment {index} of image {image} at {address:#x}, {file_size} of {memory_size} bytes"
            ),
            Event::Loaded { processor, resource_table: Some(table), derived } => {
                let how = if *derived { "found" } else { "bound" };
                write!(
                    f,
                    "{processor}: loaded, resource table {how} at {:#x}, {} bytes",
                    table.address, table.size
                )
            }
            Event::Loaded { processor, resource_table: None, .. } => {
                write!(f, "{processor}: loaded, no resource table")
            }
            Event::Started { processor, security_counter, unbound } => {
                write!(f, "{processor}: started, counter {security_counter}")?;
                unbound.fmt(f)
            }
            Event::Inherited { processor, resource_table: Some(table) } => write!(
                f,
                "{processor}: runs since before the TEE, resource table at {:#x}, {} bytes",
                table.address, table.size
            ),
            Event::Inherited { processor, resource_table: None } => {
                write!(f, "{processor}: runs since before the TEE, no resource table")
            }
            Event::TakenOver { processor, refusal } => {
                write!(
                    f,
                    "{processor}: ran before the TEE and may not go on: {refusal} [{}]",
                    refusal.reason.name()
                )
            }
            Event::Stopped { processor } => write!(f, "{processor}: stopped"),
            Event::Released { processor } => write!(f, "{processor}: released"),
            Event::Refused { processor, refusal } => {
                write!(f, "{processor}: refused, {refusal} [{}]", refusal.reason.name())
            }
        }
    }
}

/// Words to follow a sentence: nothing where nothing is open.
impl fmt::Display for Unbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.target, "target"),
            (self.security_counter, "security counter"),
            (self.elf_metadata, "ELF metadata"),
            (self.resource_table, "resource table"),
        ];
        let mut separator = "; not bound: ";
        for (open, part) in parts {
            if open {
                write!(f, "{separator}{part}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use super::*;

    #[test]
    fn an_event_is_one_line_in_words() {
        let processor = ProcessorId::CORTEX_M33;
        let unbound = Unbound { target: true, resource_table: true, ..Unbound::default() };
        let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
        let event = Event::Authenticated {
            processor,
            algorithm,
            key: None,
            soc: None,
            security_counter: Some(7),
            unbound,
        };
        assert_eq!(
            event.to_string(),
            "m33: authentic, ECDSA P-256 with SHA-256, counter 7; not bound: target, resource table"
        );
        let event = Event::Started { processor, security_counter: 7, unbound };
        assert_eq!(event.to_string(), "m33: started, counter 7; not bound: target, resource table");
        let table = Some(TableLocation { address: 0x8010_0000, size: 16 });
        let event = Event::Loaded { processor, resource_table: table, derived: true };
        assert_eq!(event.to_string(), "m33: loaded, resource table found at 0x80100000, 16 bytes");
    }
}
