//! What an inspection tells: the JSON object of `rproc inspect --json`, and what the text is made of.
//!
//! Fields are only ever added. Addresses, offsets and sizes are numbers, in bytes; digests are hexadecimal strings;
//! what is not known is null.

use std::ops::Range;

use serde::Serialize;

use crate::failure::Refused;

/// One inspected file.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// The name as given.
    pub file: String,
    /// Its size.
    pub size: u64,
    /// `signed-image` or `elf`.
    pub kind: &'static str,
    /// Always false: an inspection verifies nothing.
    pub verified: bool,
    /// The container, for a signed image.
    pub container: Option<Container>,
    /// The ELF files: those of the container, or the file itself.
    pub elf_files: Vec<Elf>,
    /// What `rproc sign` would bind without further options, for an ELF file that it would take.
    pub sign_would_bind: Option<WouldBind>,
    /// What is wrong, in the order it was found.
    pub problems: Vec<Refused>,
}

/// The parts of a container around its ELF files.
#[derive(Debug, Serialize)]
pub struct Container {
    /// The words of the header.
    pub header: Header,
    /// Offsets of the parts by the header, whether or not the file is so long.
    pub parts: Parts,
    /// The signature's algorithm, if SIGNTYPE says one.
    pub algorithm: Option<String>,
    /// The fingerprint of the key that the image claims to be signed with.
    pub claimed_key: Option<String>,
    /// The TLVs in file order, up to the first that cannot be read.
    pub tlvs: Vec<Tlv>,
    /// What the signature covers, once verified.
    pub covers: Covers,
}

/// The header's words.
#[derive(Debug, Serialize)]
pub struct Header {
    /// The magic number.
    pub magic: u32,
    /// The version of the format.
    pub version: u32,
    /// Length of the TLVs.
    pub tlv_len: u32,
    /// Length of the signature.
    pub sign_len: u32,
    /// Length of the images.
    pub img_len: u32,
}

/// A range of file offsets.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Extent {
    /// The first offset.
    pub start: u64,
    /// The offset behind it.
    pub end: u64,
}

impl From<Range<u64>> for Extent {
    fn from(range: Range<u64>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// Where the parts are.
#[derive(Debug, Serialize)]
pub struct Parts {
    /// What is signed: header and TLVs with their padding.
    pub signed: Extent,
    /// The TLVs.
    pub tlvs: Extent,
    /// The signature.
    pub signature: Extent,
    /// The ELF files.
    pub images: Extent,
}

/// One TLV.
#[derive(Debug, Serialize)]
pub struct Tlv {
    /// Offset in the file.
    pub offset: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: u32,
    /// The type's name, if it is known.
    pub name: Option<&'static str>,
    /// Length of the value.
    pub length: u64,
    /// The value in hexadecimal, if it has 4096 bytes at most.
    pub value: Option<String>,
    /// The value in words.
    pub meaning: String,
}

/// What the signature covers.
#[derive(Debug, Serialize)]
pub struct Covers {
    /// Number of program headers whose fields and bytes the hash table names.
    pub segments: u64,
    /// ELF header, section headers and section names.
    pub elf_metadata: bool,
    /// The processor and the SoC.
    pub target: bool,
    /// The version for protection against rollback.
    pub security_counter: bool,
    /// Where the processor boots.
    pub boot_address: bool,
    /// Where the resource table is.
    pub resource_table: bool,
}

/// One ELF file.
#[derive(Debug, Serialize)]
pub struct Elf {
    /// Offset in the inspected file.
    pub offset: u64,
    /// Size, in a container with its padding.
    pub size: u64,
    /// 32 or 64 bits.
    pub class: u8,
    /// `e_machine`; 40 is Arm.
    pub machine: u16,
    /// `e_entry`.
    pub entry: u64,
    /// The program headers.
    pub segments: Vec<Segment>,
    /// The section of the vector table.
    pub vector_table: Option<Section>,
    /// The section of the resource table.
    pub resource_table: Option<ResourceTable>,
}

/// One program header.
#[derive(Debug, Serialize)]
pub struct Segment {
    /// Its number, from 0.
    pub index: u32,
    /// `p_type`; 1 is PT_LOAD.
    #[serde(rename = "type")]
    pub kind: u32,
    /// `p_offset`.
    pub offset: u64,
    /// `p_vaddr`.
    pub virtual_address: u64,
    /// `p_paddr`: where it is loaded to.
    pub address: u64,
    /// `p_filesz`.
    pub file_size: u64,
    /// `p_memsz`.
    pub memory_size: u64,
    /// `p_flags` as `rwx`, with `-` for those that are not set.
    pub flags: String,
    /// Whether program header and bytes are those of the container's hash table, itself not verified; null when
    /// there is no table, and when segments overlap so much that hashing them all would take too long.
    pub as_in_hash_table: Option<bool>,
}

/// A section that is loaded.
#[derive(Debug, Serialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// `sh_addr`.
    pub link_address: u64,
    /// Where a loader puts it; null when no segment carries it.
    pub load_address: Option<u64>,
    /// Its size.
    pub size: u64,
}

/// A resource table.
#[derive(Debug, Serialize)]
pub struct ResourceTable {
    /// The section that it is in.
    #[serde(flatten)]
    pub section: Section,
    /// Its entries, up to the first that cannot be read.
    pub entries: Vec<Entry>,
}

/// An entry of a resource table. Addresses of 4294967295 leave the choice to the host.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Entry {
    /// Memory to set aside.
    Carveout(Memory),
    /// Device registers to map.
    DeviceMemory(Memory),
    /// A log buffer.
    Trace {
        /// Its name.
        name: String,
        /// Device address.
        device_address: u32,
        /// Size.
        size: u32,
    },
    /// A virtio device.
    Vdev {
        /// The virtio device id; 7 is RPMsg.
        id: u32,
        /// Features that the firmware offers.
        features: u32,
        /// Size of the configuration space.
        config_size: u32,
        /// The rings.
        vrings: Vec<Vring>,
    },
    /// An entry for the vendor's driver.
    Vendor {
        /// Its type.
        code: u32,
    },
    /// An entry of a type that nobody knows.
    Unknown {
        /// Its type.
        code: u32,
    },
}

/// Memory of a carveout or of a device.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// Its name.
    pub name: String,
    /// Device address.
    pub device_address: u32,
    /// Physical address.
    pub physical_address: u32,
    /// Size.
    pub size: u32,
    /// IOMMU flags.
    pub flags: u32,
}

/// A ring of a virtio device.
#[derive(Debug, Serialize)]
pub struct Vring {
    /// Device address.
    pub device_address: u32,
    /// Alignment.
    pub alignment: u32,
    /// Number of buffers.
    pub buffers: u32,
    /// The number that both sides name it by.
    pub notify_id: u32,
}

/// What `rproc sign` would bind.
#[derive(Debug, Serialize)]
pub struct WouldBind {
    /// The boot address; null when it must be given for a Cortex-M33.
    pub boot_address: Option<u32>,
    /// The load address of the resource table; null binds that there is none.
    pub resource_table: Option<u32>,
    /// The same in words, and the rest.
    #[serde(skip)]
    pub text: String,
}
