//! The driver of the STM32MP25's Cortex-M0+, which has neither a hold boot nor a vector table register.

use rproc_abi::{ProcessorId, Refusal};

use super::holder::Holder;
use super::{c3, risal};
use crate::platform_tlv::check_fixed;
use crate::unchanged::unchanged;
use crate::{Hardware, Region, RegionKind, RemoteProcessor};

/// Where the processor finds its vector table after every reset: the beginning of LPSRAM1.
pub(super) const VECTORS: u32 = 0x200c_0000;

/// The Cortex-M0+.
///
/// RCC gives its reset register to the normal world unless the boot chain says otherwise, and which of RCC's resources that
/// is was not found. Nothing rests on it: a processor that somebody else lets go finds its memory closed to it until all
/// of its firmware is in place.
pub struct CortexM0Plus {
    regions: &'static [Region],
    clocks: u32,
}

impl CortexM0Plus {
    /// With these regions, each of whole banks of LPSRAM, and the peripherals that it is to clock: bits 16 to 27 of `C3CFGR`.
    pub const fn new(regions: &'static [Region], clocks: u32) -> Self {
        Self { regions, clocks: clocks & c3::CLOCKS }
    }

    fn give<H: Hardware>(
        &self,
        hardware: &mut H,
        holder: Holder,
        wanted: impl Fn(&Region) -> bool,
    ) -> Result<(), Refusal> {
        let mut wanted = self.regions.iter().filter(|region| wanted(region));
        wanted.try_for_each(|region| risal::give(hardware, region.physical, region.size, holder))
    }
}

fn is_firmware(region: &Region) -> bool {
    region.kind == RegionKind::Firmware
}

impl<H: Hardware> RemoteProcessor<H> for CortexM0Plus {
    fn id(&self) -> ProcessorId {
        ProcessorId::CORTEX_M0_PLUS
    }

    fn regions(&self) -> &[Region] {
        self.regions
    }

    fn close(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        self.give(hardware, Holder::SecureCortexA, |_| true)
    }

    fn share(&mut self, hardware: &mut H, region: &Region) -> Result<(), Refusal> {
        risal::give(hardware, region.physical, region.size, Holder::Everyone)
    }

    fn unshare(&mut self, hardware: &mut H, region: &Region) -> Result<(), Refusal> {
        risal::give(hardware, region.physical, region.size, Holder::SecureCortexA)
    }

    fn hand_over(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        self.give(hardware, Holder::Everyone, |_| true)
    }

    fn fixed_vectors(&self) -> Option<u64> {
        Some(u64::from(VECTORS))
    }

    fn platform_tlv(&mut self, kind: u32, value: &[u8]) -> Result<(), Refusal> {
        check_fixed(kind, value, VECTORS)
    }

    fn forget(&mut self) {}

    fn boot_address(&self) -> Result<u64, Refusal> {
        Ok(u64::from(VECTORS))
    }

    fn release(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        c3::hold(hardware)?;
        self.give(hardware, Holder::Coprocessor, is_firmware)?;
        c3::release(hardware, self.clocks)
    }

    fn hold(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        c3::hold(hardware)
    }

    fn runs(&mut self, hardware: &mut H) -> Result<Option<bool>, Refusal> {
        c3::runs(hardware).map(Some)
    }

    fn keep(&mut self, hardware: &mut H) -> Result<u64, Refusal> {
        unchanged(hardware, |hardware| self.give(hardware, Holder::Coprocessor, is_firmware))?;
        Ok(u64::from(VECTORS))
    }

    fn reclaim(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        self.give(hardware, Holder::SecureCortexA, is_firmware)
    }
}
