//! What the service has room for; the signing tool keeps to the same numbers, so that nothing is signed in vain.

/// The largest TLV area, in bytes: a table of about 1,000 segments.
pub const TLVS: u64 = 64 * 1024;
/// The largest signature, in bytes: RSA-4096.
pub const SIGNATURE: u64 = 512;
/// The largest table of program headers, section headers or section names of an ELF file, in bytes.
pub const ELF_TABLE: u64 = 64 * 1024;
/// The largest resource table, in bytes.
pub const RESOURCE_TABLE: u64 = 4096;
