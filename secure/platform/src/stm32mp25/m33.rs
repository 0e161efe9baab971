//! The driver of the STM32MP25's Cortex-M33.

use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::{ProcessorId, Refusal};

use super::{ca35syscfg, rcc, risab, risaf};
use crate::{Hardware, Region, RegionKind, RemoteProcessor};

/// Who may use a range of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The secure side of the Cortex-A alone.
    SecureCortexA,
    /// The Cortex-M33 alone; it runs in the non-secure state, so the secure attribute must be off.
    Coprocessor,
    /// The Cortex-A, also its normal world, and the Cortex-M33.
    Everyone,
}

impl Holder {
    /// Bit of compartment 1, the Cortex-A35.
    pub(super) const CID_A35: u32 = 1 << 1;
    /// Bit of compartment 2, the Cortex-M33.
    pub(super) const CID_M33: u32 = 1 << 2;
}

/// TLV types of ST: where the vector table is, and whether to start in the secure state.
const BOOTADDR: u32 = 0x1_0001;
const BOOTSEC: u32 = 0x1_0002;

/// The memory of the Cortex-M33's firmware on the STM32MP257F-EV1 (Linux `stm32mp257f-ev1.dts`, ST's resource
/// manager). Addresses are the same on both sides.
pub const REGIONS: [Region; 6] = [
    region("cm33_cube_fw", 0x8010_0000, 0x80_0000, RegionKind::Firmware),
    region("cm33_cube_data", 0x80a0_0000, 0x80_0000, RegionKind::Firmware),
    region("ipc_shmem", 0x8120_0000, 0x10_0000, RegionKind::Shared),
    region("cm33_sram1", 0x0a04_1000, 0x1_f000, RegionKind::Firmware),
    region("cm33_sram2", 0x0a06_0000, 0x2_0000, RegionKind::Firmware),
    region("cm33_retram", 0x0a08_0000, 0x1_f000, RegionKind::Firmware),
];

const fn region(name: &'static str, address: u64, size: u64, kind: RegionKind) -> Region {
    Region { name, device: address, physical: address, size, kind }
}

/// The Cortex-M33.
pub struct CortexM33 {
    boot_address: Option<u32>,
}

impl CortexM33 {
    /// With nothing known of an image.
    pub const fn new() -> Self {
        Self { boot_address: None }
    }
}

impl Default for CortexM33 {
    fn default() -> Self {
        Self::new()
    }
}

fn give<H: Hardware>(hardware: &mut H, region: &Region, holder: Holder) -> Result<(), Refusal> {
    if region.physical >= 0x8000_0000 {
        risaf::give(hardware, region.physical, region.size, holder)
    } else {
        risab::give(hardware, region.physical, region.size, holder)
    }
}

fn firmware_regions() -> impl Iterator<Item = &'static Region> {
    REGIONS.iter().filter(|region| region.kind == RegionKind::Firmware)
}

/// The value of a TLV that is one little-endian word.
fn word(kind: u32, value: &[u8]) -> Result<u32, Refusal> {
    let bytes: [u8; 4] = value.try_into().map_err(|_| {
        Refusal::new(Reason::BadTlv)
            .expected(Fact::Size(4))
            .found(Fact::Size(value.len() as u64))
            .at(Place::Tlv { kind })
    })?;
    Ok(u32::from_le_bytes(bytes))
}

/// A vector table that the processor can take: CA35SYSCFG drops the low seven bits, and what it starts from must be
/// memory that only the firmware writes.
fn check_boot_address(address: u32) -> Result<u32, Refusal> {
    let at = Place::Tlv { kind: BOOTADDR };
    if address == 0 {
        return Err(Refusal::new(Reason::MissingBootAddress).at(at));
    }
    if !address.is_multiple_of(128) {
        return Err(Refusal::new(Reason::BootAddressAlignment)
            .expected(Fact::words("a multiple of 128"))
            .found(Fact::Address(u64::from(address)))
            .at(at));
    }
    // At least the initial stack pointer and the reset vector.
    if firmware_regions().any(|region| region.translate(u64::from(address), 8).is_some()) {
        return Ok(address);
    }
    Err(Refusal::new(Reason::BootAddressOutside)
        .expected(Fact::words("inside the firmware's regions"))
        .found(Fact::Address(u64::from(address)))
        .at(at))
}

/// BOOTSEC is one byte or, as OP-TEE's signing script writes numbers, four; only a start in the non-secure state is offered.
fn check_boot_state(value: &[u8]) -> Result<(), Refusal> {
    let secure = match *value {
        [byte] => byte != 0,
        _ => word(BOOTSEC, value)? != 0,
    };
    if secure {
        return Err(Refusal::new(Reason::SecureBootUnsupported).at(Place::Tlv { kind: BOOTSEC }));
    }
    Ok(())
}

impl<H: Hardware> RemoteProcessor<H> for CortexM33 {
    fn id(&self) -> ProcessorId {
        ProcessorId::CORTEX_M33
    }

    fn regions(&self) -> &[Region] {
        &REGIONS
    }

    fn close(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        REGIONS.iter().try_for_each(|region| give(hardware, region, Holder::SecureCortexA))
    }

    fn share(&mut self, hardware: &mut H, region: &Region) -> Result<(), Refusal> {
        give(hardware, region, Holder::Everyone)
    }

    fn unshare(&mut self, hardware: &mut H, region: &Region) -> Result<(), Refusal> {
        give(hardware, region, Holder::SecureCortexA)
    }

    fn open(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        REGIONS.iter().try_for_each(|region| give(hardware, region, Holder::Everyone))
    }

    fn platform_tlv(&mut self, kind: u32, value: &[u8]) -> Result<(), Refusal> {
        match kind {
            BOOTADDR => self.boot_address = Some(check_boot_address(word(kind, value)?)?),
            BOOTSEC => check_boot_state(value)?,
            _ => {}
        }
        Ok(())
    }

    fn forget(&mut self) {
        *self = Self::new();
    }

    fn boot_address(&self) -> Result<u64, Refusal> {
        let missing = Refusal::new(Reason::MissingBootAddress).at(Place::Tlv { kind: BOOTADDR });
        self.boot_address.map(u64::from).ok_or(missing)
    }

    fn release(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        let vector_table = RemoteProcessor::<H>::boot_address(self)?;
        rcc::hold(hardware)?;
        // The check above keeps it below 4 GiB.
        ca35syscfg::boot_non_secure(hardware, vector_table as u32)?;
        firmware_regions().try_for_each(|region| give(hardware, region, Holder::Coprocessor))?;
        rcc::release(hardware)
    }

    fn hold(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        rcc::hold(hardware)
    }

    fn reclaim(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        firmware_regions().try_for_each(|region| give(hardware, region, Holder::SecureCortexA))
    }
}
