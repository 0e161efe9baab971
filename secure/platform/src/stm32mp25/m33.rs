//! The driver of the STM32MP25's Cortex-M33.

use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::{ProcessorId, Refusal};

use super::holder::Holder;
use super::{ca35syscfg, rcc, risab, risaf};
use crate::platform_tlv::{BOOTADDR, BOOTSEC, check_boot_state, word};
use crate::region::distinct;
use crate::unchanged::unchanged;
use crate::{Hardware, Region, RegionKind, RemoteProcessor};

/// The Cortex-M33.
pub struct CortexM33 {
    regions: &'static [Region],
    boot_address: Option<u32>,
}

impl CortexM33 {
    /// With these regions, each one of RISAF4 or pages of RISAB3 to RISAB5, and with nothing known of an image.
    pub const fn new(regions: &'static [Region]) -> Self {
        Self { regions, boot_address: None }
    }

    fn firmware_regions(&self) -> impl Iterator<Item = &'static Region> + use<> {
        self.regions.iter().filter(|region| region.kind == RegionKind::Firmware)
    }

    /// What is to be guarded: on-chip memory that the processor sees at two addresses is looked at once.
    fn guarded(&self) -> impl Iterator<Item = &'static Region> + use<> {
        distinct(self.regions, |physical| physical)
    }

    fn guarded_firmware(&self) -> impl Iterator<Item = &'static Region> + use<> {
        self.guarded().filter(|region| region.kind == RegionKind::Firmware)
    }

    /// A vector table that the processor can take: CA35SYSCFG drops the low seven bits, and what it starts from must be
    /// memory that only the firmware writes.
    fn check_boot_address(&self, address: u32) -> Result<u32, Refusal> {
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
        if self.firmware_regions().any(|region| region.translate(u64::from(address), 8).is_some()) {
            return Ok(address);
        }
        Err(Refusal::new(Reason::BootAddressOutside)
            .expected(Fact::words("inside the firmware's regions"))
            .found(Fact::Address(u64::from(address)))
            .at(at))
    }
}

fn give<H: Hardware>(hardware: &mut H, region: &Region, holder: Holder) -> Result<(), Refusal> {
    if region.physical >= 0x8000_0000 {
        risaf::give(hardware, region.physical, region.size, holder)
    } else {
        risab::give(hardware, region.physical, region.size, holder)
    }
}

impl<H: Hardware> RemoteProcessor<H> for CortexM33 {
    fn id(&self) -> ProcessorId {
        ProcessorId::CORTEX_M33
    }

    fn regions(&self) -> &[Region] {
        self.regions
    }

    fn close(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        self.guarded().try_for_each(|region| give(hardware, region, Holder::SecureCortexA))
    }

    fn share(&mut self, hardware: &mut H, region: &Region) -> Result<(), Refusal> {
        give(hardware, region, Holder::Everyone)
    }

    fn unshare(&mut self, hardware: &mut H, region: &Region) -> Result<(), Refusal> {
        give(hardware, region, Holder::SecureCortexA)
    }

    fn hand_over(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        self.guarded().try_for_each(|region| give(hardware, region, Holder::Everyone))?;
        ca35syscfg::hand_over(hardware)
    }

    fn platform_tlv(&mut self, kind: u32, value: &[u8]) -> Result<(), Refusal> {
        match kind {
            BOOTADDR => self.boot_address = Some(self.check_boot_address(word(kind, value)?)?),
            BOOTSEC => check_boot_state(value)?,
            _ => {}
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.boot_address = None;
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
        self.guarded_firmware().try_for_each(|region| give(hardware, region, Holder::Coprocessor))?;
        rcc::release(hardware)
    }

    fn hold(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        rcc::hold(hardware)
    }

    fn runs(&mut self, hardware: &mut H) -> Result<Option<bool>, Refusal> {
        rcc::runs(hardware).map(Some)
    }

    fn keep(&mut self, hardware: &mut H) -> Result<u64, Refusal> {
        unchanged(hardware, |hardware| {
            ca35syscfg::protect(hardware)?;
            self.guarded_firmware().try_for_each(|region| give(hardware, region, Holder::Coprocessor))
        })?;
        let started_at = self.check_boot_address(ca35syscfg::vector_table(hardware)?);
        let place = Place::Register { address: ca35syscfg::M33_INITNSVTOR_CR };
        let refused = |refusal| Refusal { reason: Reason::Unprotected, place, ..refusal };
        started_at.map(u64::from).map_err(refused)
    }

    fn reclaim(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        self.guarded_firmware().try_for_each(|region| give(hardware, region, Holder::SecureCortexA))
    }
}
