//! What the platform service asks of the driver of one processor.

use rproc_abi::{ProcessorId, Refusal};

use crate::{Hardware, Region};

/// The driver of one processor and of the firewall around its memory.
///
/// The service calls `hold` and `close` before anything is written, and `hold` and `reclaim` before the memory is looked at
/// again. What it closed once stays closed, so that the next load finds it closed and zero. The driver checks every register it
/// relies on by reading it back.
pub trait RemoteProcessor<H: Hardware> {
    /// By which number the TEE service knows it.
    fn id(&self) -> ProcessorId;

    /// The memory that its firmware may use.
    fn regions(&self) -> &[Region];

    /// Closes all of the regions to everyone but the secure Cortex-A, whatever was set before.
    fn close(&mut self, hardware: &mut H) -> Result<(), Refusal>;

    /// Shares a region of kind [`Shared`](crate::RegionKind::Shared) with the normal world and the processor.
    fn share(&mut self, hardware: &mut H, region: &Region) -> Result<(), Refusal>;

    /// Takes a region of kind [`Shared`](crate::RegionKind::Shared) back, to load a segment to it.
    fn unshare(&mut self, hardware: &mut H, region: &Region) -> Result<(), Refusal>;

    /// Gives the processor to the normal world for good: its memory, and the registers that reset and start it. The
    /// processor is left as it is, held or running.
    fn hand_over(&mut self, hardware: &mut H) -> Result<(), Refusal>;

    /// The physical address that stands for a byte which the Cortex-A sees at several: two ranges share a byte exactly if
    /// they share one after this.
    fn canonical(&self, physical: u64) -> u64 {
        physical
    }

    /// Device address of the vector table of a processor that cannot be told where it is.
    fn fixed_vectors(&self) -> Option<u64> {
        None
    }

    /// A platform TLV of the authenticated image; one that the driver does not know is not for it. Refuses a value with
    /// which the processor could not be started, before anything is loaded.
    fn platform_tlv(&mut self, kind: u32, value: &[u8]) -> Result<(), Refusal>;

    /// Forgets what platform TLVs said.
    fn forget(&mut self);

    /// Where the processor will begin, device address of its vector table; refuses an image that does not say.
    fn boot_address(&self) -> Result<u64, Refusal>;

    /// Hands the firmware's memory to the processor alone and lets it run.
    fn release(&mut self, hardware: &mut H) -> Result<(), Refusal>;

    /// Stops the processor. Its memory stays its own until it is reclaimed or closed.
    fn hold(&mut self, hardware: &mut H) -> Result<(), Refusal>;

    /// Whether the processor is out of its reset and hold; nothing where its registers do not tell. Changes nothing.
    ///
    /// # Errors
    /// When it is not known.
    fn runs(&mut self, hardware: &mut H) -> Result<Option<bool>, Refusal>;

    /// Goes on with a processor that somebody else has started, if everything that protects its firmware is as [`release`]
    /// leaves it; gives the device address of its vector table. Does nothing that a running processor would notice.
    ///
    /// [`release`]: Self::release
    ///
    /// # Errors
    /// [`Reason::Unprotected`](rproc_abi::refusal::Reason::Unprotected) with the register that is not so.
    fn keep(&mut self, hardware: &mut H) -> Result<u64, Refusal>;

    /// Takes the firmware's memory of a held processor back to the secure Cortex-A alone.
    fn reclaim(&mut self, hardware: &mut H) -> Result<(), Refusal>;
}

/// The processors of one SoC.
pub trait Soc<H: Hardware> {
    /// The SoC's name, as image targets name it: lower-case ASCII, at most 27 bytes.
    fn name(&self) -> &str;

    /// The driver of a processor; `None` when the SoC has no such processor.
    fn processor(&mut self, id: ProcessorId) -> Option<&mut dyn RemoteProcessor<H>>;
}
