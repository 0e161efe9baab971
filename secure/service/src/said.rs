//! What the platform service said once and for all, so that it is not asked again: each question is a call into the core.

use alloc::vec::Vec;

use rproc_abi::{ProcessorId, Refusal};

use crate::room::push;

/// The way to the platform service, and what it said.
pub(crate) struct Connection<P> {
    pub(crate) client: P,
    pub(crate) said: Said,
}

impl<P> Connection<P> {
    pub(crate) const fn new(client: P) -> Self {
        Self { client, said: Said { soc_name: None, regions: Vec::new(), counters: Vec::new() } }
    }
}

/// What does not change until power-off, or only by this service.
pub(crate) struct Said {
    /// Bytes of the SoC's name, and how many of them are.
    pub(crate) soc_name: Option<([u8; 32], usize)>,
    regions: Vec<(ProcessorId, Vec<KnownRegion>)>,
    /// The security counters: only this service may open the platform service, so that nobody else raises them.
    counters: Vec<(ProcessorId, u32)>,
}

/// A range of device memory and where the Cortex-A sees it.
#[derive(Clone, Copy)]
pub(crate) struct KnownRegion {
    /// Device address of the first byte.
    pub(crate) address: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// Physical address of the first byte.
    pub(crate) physical: u64,
}

impl Said {
    pub(crate) fn regions_known(&self, processor: ProcessorId) -> bool {
        self.regions.iter().any(|(known, _)| *known == processor)
    }

    pub(crate) fn learn_regions(
        &mut self,
        processor: ProcessorId,
        regions: Vec<KnownRegion>,
    ) -> Result<(), Refusal> {
        push(&mut self.regions, (processor, regions))
    }

    pub(crate) fn counter(&self, processor: ProcessorId) -> Option<u32> {
        let (_, counter) = self.counters.iter().find(|(known, _)| *known == processor)?;
        Some(*counter)
    }

    pub(crate) fn forget_counter(&mut self, processor: ProcessorId) {
        self.counters.retain(|(known, _)| *known != processor);
    }

    pub(crate) fn learn_counter(&mut self, processor: ProcessorId, counter: u32) -> Result<(), Refusal> {
        self.forget_counter(processor);
        push(&mut self.counters, (processor, counter))
    }

    /// The physical address of a range that lies in one region; `None` where that is the platform's to say.
    pub(crate) fn physical(&self, processor: ProcessorId, address: u64, size: u64) -> Option<u64> {
        let (_, regions) = self.regions.iter().find(|(known, _)| *known == processor)?;
        let offset_in = |region: &KnownRegion| {
            let offset = address.checked_sub(region.address)?;
            (offset.checked_add(size)? <= region.size).then_some(offset)
        };
        regions.iter().find_map(|region| region.physical.checked_add(offset_in(region)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_translated_when_one_region_holds_all_of_it() {
        let mut said = Connection::new(()).said;
        let (m4, m33) = (ProcessorId::CORTEX_M4, ProcessorId::CORTEX_M33);
        assert!(!said.regions_known(m33));
        let region = |address, physical| KnownRegion { address, size: 0x100, physical };
        said.learn_regions(m33, [region(0, 0x3800_0000), region(0x100, 0x9000_0000)].into()).unwrap();
        assert!(said.regions_known(m33) && !said.regions_known(m4));
        for (processor, address, size, physical) in [
            (m33, 0x80, 0x80, Some(0x3800_0080)),
            (m33, 0x80, 0x81, None),
            (m33, 0x100, 0, Some(0x3800_0100)),
            (m33, 0x1ff, 1, Some(0x9000_00ff)),
            (m33, 0x200, 1, None),
            (m33, u64::MAX, u64::MAX, None),
            (m4, 0x80, 0x80, None),
        ] {
            assert_eq!(said.physical(processor, address, size), physical, "{address:#x}+{size:#x}");
        }
    }
}
