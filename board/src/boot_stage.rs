//! A boot stage before the TEE that starts a processor, as a first-stage loader does with firmware that it has authenticated.

use rproc_abi::{ProcessorId, Refusal};
use rproc_platform::{
    AccessError, BeforeTee, Hardware as _, RegionKind, RemoteProcessor, STATE_RUNS, Soc as _, translate,
};

use crate::Board;
use crate::bus::{Initiator, Port};
use crate::tee::{Chip, SecurePort};

/// Firmware as a boot stage places it; addresses are the processor's own.
#[derive(Clone, Copy, Debug)]
pub struct Firmware<'a> {
    /// Address and bytes of each segment.
    pub segments: &'a [(u64, &'a [u8])],
    /// Where its vector table is.
    pub vector_table: u32,
    /// Where its resource table is, where it has one.
    pub resource_table: Option<u32>,
}

/// How a boot stage leaves the processor's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// The firmware's is the processor's alone, and its start the secure world's.
    Closed,
    /// Everything is open to the normal world, as boot firmware has it by default.
    Open,
}

/// Why a boot stage could not start a processor.
#[derive(Debug, thiserror::Error)]
pub enum BootStageError {
    /// The SoC has no such processor.
    #[error("the board has no processor {0}")]
    NoProcessor(ProcessorId),
    /// The drivers of the firewall or of the reset refused.
    #[error("the boot stage could not start the processor: {0}")]
    Refused(#[from] Refusal),
    /// A register or memory could not be reached.
    #[error("the boot stage could not start the processor: {0}")]
    Access(#[from] AccessError),
}

/// `BOOTADDR` of a signed image, by which the drivers know a vector table.
const BOOT_ADDRESS: u32 = 0x1_0001;

/// Starts a processor on a board that has no TEE yet, and leaves word of it where the board's secure tree says.
///
/// # Errors
/// [`BootStageError`]; the processor is not started then.
pub fn start(
    board: &Board,
    id: ProcessorId,
    firmware: &Firmware<'_>,
    protection: Protection,
) -> Result<(), BootStageError> {
    let description = board.bus().description();
    let coprocessor = description.coprocessor(id.0).ok_or(BootStageError::NoProcessor(id))?;
    let mut chip = Chip::new(description);
    let mut hardware = SecurePort::new(Port::new(board.bus().clone(), Initiator::A35Secure));
    let driver: &mut dyn RemoteProcessor<SecurePort> =
        chip.processor(id).ok_or(BootStageError::NoProcessor(id))?;
    driver.platform_tlv(BOOT_ADDRESS, &firmware.vector_table.to_le_bytes())?;
    driver.hold(&mut hardware)?;
    driver.close(&mut hardware)?;
    let regions = driver.regions().to_vec();
    for (address, bytes) in firmware.segments {
        let (_, physical) = translate(&regions, *address, bytes.len() as u64)?;
        hardware.write_memory(driver.canonical(physical), bytes)?;
    }
    for region in regions.iter().filter(|region| region.kind == RegionKind::Shared) {
        driver.share(&mut hardware, region)?;
    }
    let BeforeTee { resource_table, state, .. } = coprocessor.before_tee;
    if let Some(word) = resource_table {
        hardware.write32(word.address, firmware.resource_table.unwrap_or(0))?;
    }
    if let Some(word) = state {
        hardware.write32(word.address, STATE_RUNS)?;
    }
    driver.release(&mut hardware)?;
    if protection == Protection::Open {
        driver.hand_over(&mut hardware)?;
    }
    Ok(())
}
