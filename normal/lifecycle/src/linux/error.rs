//! Why Linux could not load or start a processor that it owns.

use rproc_elf::resource_table;
use rproc_rpmsg::memory::Fault;

use crate::coredump::CoreError;
use crate::supply::ProviderError;

/// Why Linux could not load, start or stop a processor that it owns.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinuxLoadError {
    /// A container for the TEE was given to Linux.
    #[error(
        "this is a signed image, and {processor} is owned by Linux, which loads plain ELF files: give the ELF file that was \
         signed; or make the processor TEE-owned in both device trees, so that the TEE authenticates the image: its node below \
         /firmware/optee/rproc-service@0 okay, its platform node disabled, its secure-status okay"
    )]
    SignedImage {
        /// Name of the processor.
        processor: String,
    },
    /// The file is not ELF, or damaged.
    #[error("the firmware cannot be read: {0}; give the ELF file that the linker wrote")]
    Elf(#[from] rproc_elf::Error),
    /// There is nothing to load.
    #[error(
        "the firmware has no segment to load; check the linker script: at least one PT_LOAD segment is needed"
    )]
    NoSegment,
    /// Something does not lie in the processor's memory.
    #[error(
        "{what} at device address {device_address:#x} ({size:#x} bytes) is in no memory region of {processor}; its regions are: \
         {regions}; correct the linker script, or add the region to `memory-region`"
    )]
    OutsideRegions {
        /// What: a segment by its number, the boot address.
        what: String,
        /// Where the processor sees it.
        device_address: u64,
        /// Bytes.
        size: u64,
        /// Name of the processor.
        processor: String,
        /// The regions there are, with device addresses.
        regions: String,
    },
    /// The resource table is damaged.
    #[error("the resource table cannot be used: {0}")]
    Table(#[from] resource_table::Error),
    /// The firmware reads its table where Linux cannot write.
    #[error(
        "the firmware reads its resource table at device address {device_address:#x} ({size:#x} bytes), which is in no memory \
         region that Linux reaches, so that it could not be completed; place section .resource_table in shared memory with the \
         linker script"
    )]
    TableUnreachable {
        /// Where the processor sees it.
        device_address: u64,
        /// Bytes.
        size: u64,
    },
    /// Nothing tells where the firmware begins.
    #[error(
        "the firmware has no section .isr_vectors that is loaded, so that nothing tells the processor where to begin; name the \
         vector table's section so in the linker script"
    )]
    NoVectors,
    /// The vector table is where the processor cannot begin.
    #[error(
        "the vector table is loaded to {address:#x}, and the boot address must be a multiple of {alignment} other than 0; align \
         section .isr_vectors in the linker script"
    )]
    BootAddress {
        /// Where it is, as the processor sees it.
        address: u64,
        /// What it must be a multiple of.
        alignment: u64,
    },
    /// The memory could not be written or read.
    #[error(
        "the processor's memory at {address:#x} cannot be reached: {fault}; is it Linux's by the firewall, and powered?"
    )]
    Memory {
        /// Physical address of the part that failed.
        address: u64,
        /// The failed access.
        fault: Fault,
    },
    /// A start before a load.
    #[error("no firmware is loaded; load it first")]
    NothingLoaded,
    /// A reset was not taken.
    #[error(
        "Linux could not {what}: {source}; is the reset non-secure, and the processor Linux-owned in the secure tree too?"
    )]
    Reset {
        /// What it was for.
        what: &'static str,
        /// What the provider said.
        source: ProviderError,
    },
    /// The processor's state cannot be read.
    #[error("the processor's state registers cannot be read: {0}")]
    Status(#[source] ProviderError),
    /// The memory cannot be dumped.
    #[error(transparent)]
    Core(#[from] CoreError),
}
