//! The driver of the STM32MP15's Cortex-M4.

use rproc_abi::refusal::Reason;
use rproc_abi::{ProcessorId, Refusal};

use super::boot::BootControl;
use super::etzpc::{self, Bank, Holder, canonical};
use super::rcc;
use crate::platform_tlv::check_fixed;
use crate::unchanged::unchanged;
use crate::{Hardware, Region, RegionKind, RemoteProcessor};

/// Where the processor finds its vector table after every reset, as it sees it: the beginning of RETRAM.
const VECTORS: u32 = 0;

/// The Cortex-M4, with `B` for the way to its reset.
pub struct CortexM4<B> {
    regions: &'static [Region],
    boot: B,
}

impl<B> CortexM4<B> {
    /// With these regions, in RETRAM and in SRAM1 to SRAM4 through either of their addresses. The firewall knows whole
    /// banks: a bank with a region of firmware in it must not have a shared one too, which [`RemoteProcessor::close`] checks.
    pub const fn new(regions: &'static [Region], boot: B) -> Self {
        Self { regions, boot }
    }

    fn regions_of(&self, kind: RegionKind) -> impl Iterator<Item = &'static Region> + use<B> {
        self.regions.iter().filter(move |region| region.kind == kind)
    }

    fn give_all<H: Hardware>(
        &self,
        hardware: &mut H,
        kind: RegionKind,
        holder: Holder,
    ) -> Result<(), Refusal> {
        self.regions_of(kind).try_for_each(|region| give(hardware, region, holder))
    }

    /// Refuses regions of which some bank would have to be open and closed at once.
    fn check_banks(&self) -> Result<(), Refusal> {
        for firmware in self.regions_of(RegionKind::Firmware) {
            for bank in Bank::of(firmware.physical, firmware.size)? {
                for shared in self.regions_of(RegionKind::Shared) {
                    if Bank::of(shared.physical, shared.size)?.any(|other| other == bank) {
                        return Err(Refusal::new(Reason::FirewallOpen)
                            .expected("a bank of its own for what is shared")
                            .found(bank.range()));
                    }
                }
            }
        }
        Ok(())
    }
}

fn give<H: Hardware>(hardware: &mut H, region: &Region, holder: Holder) -> Result<(), Refusal> {
    Bank::of(region.physical, region.size)?.try_for_each(|bank| etzpc::give(hardware, bank, holder))
}

impl<H: Hardware, B: BootControl<H>> RemoteProcessor<H> for CortexM4<B> {
    fn id(&self) -> ProcessorId {
        ProcessorId::CORTEX_M4
    }

    fn regions(&self) -> &[Region] {
        self.regions
    }

    fn close(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        self.check_banks()?;
        // Isolation is worth nothing to a processor that the normal world can reset and redirect.
        rcc::protect(hardware)?;
        self.regions.iter().try_for_each(|region| give(hardware, region, Holder::SecureCortexA))
    }

    fn share(&mut self, hardware: &mut H, region: &Region) -> Result<(), Refusal> {
        give(hardware, region, Holder::Everyone)
    }

    fn unshare(&mut self, hardware: &mut H, region: &Region) -> Result<(), Refusal> {
        give(hardware, region, Holder::SecureCortexA)
    }

    fn hand_over(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        self.regions.iter().try_for_each(|region| give(hardware, region, Holder::Everyone))?;
        self.boot.hand_over(hardware)
    }

    fn canonical(&self, physical: u64) -> u64 {
        canonical(physical)
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
        RemoteProcessor::<H>::hold(self, hardware)?;
        self.give_all(hardware, RegionKind::Firmware, Holder::Coprocessor)?;
        // The boot is latched on the edge. Held again at once, a processor that crashes and resets itself stays held.
        self.boot.hold_boot(hardware, false)?;
        self.boot.hold_boot(hardware, true)
    }

    fn hold(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        self.boot.hold_boot(hardware, true)?;
        self.boot.reset(hardware)
    }

    fn runs(&mut self, _: &mut H) -> Result<Option<bool>, Refusal> {
        // Its hold is set again as soon as it has booted, and RCC does not say that it has.
        Ok(None)
    }

    fn keep(&mut self, hardware: &mut H) -> Result<u64, Refusal> {
        self.check_banks()?;
        unchanged(hardware, |hardware| {
            rcc::protect(hardware)?;
            self.give_all(hardware, RegionKind::Firmware, Holder::Coprocessor)
        })?;
        // As after a release: it takes effect at the next reset.
        self.boot.hold_boot(hardware, true)?;
        Ok(u64::from(VECTORS))
    }

    fn reclaim(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        self.give_all(hardware, RegionKind::Firmware, Holder::SecureCortexA)
    }
}
