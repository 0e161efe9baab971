//! Registers and memories at the SoC's own addresses.

use core::convert::Infallible;

use crate::mapping::{Area, GRANULE, Mapping, Permanent};

/// The SoC itself.
pub struct Registers {
    /// The granules of register space used so far, mapped for ever. RCC, the RISAFs and RISABs, CA35SYSCFG and TAMP lie in
    /// four; the core maps them itself on most platforms, and then answers with its own mapping.
    granules: [Option<(u64, Permanent)>; 4],
}

/// The SoC's name, from `RPROC_SOC` at build time.
#[derive(Clone, Copy)]
pub struct SocName;

impl AsRef<str> for SocName {
    fn as_ref(&self) -> &str {
        option_env!("RPROC_SOC").unwrap_or("stm32mp257")
    }
}

impl Registers {
    /// The SoC is always there.
    pub const fn find() -> Result<Self, Infallible> {
        Ok(Self { granules: [const { None }; 4] })
    }

    /// The SoC's name.
    pub const fn soc(&self) -> SocName {
        SocName
    }

    fn granule(&mut self, address: u64) -> Option<&Mapping> {
        let start = address - address % GRANULE;
        let known = self.granules.iter().position(|slot| slot.as_ref().is_some_and(|(at, _)| *at == start));
        let place = known.or_else(|| self.granules.iter().position(Option::is_none))?;
        let slot = self.granules.get_mut(place)?;
        if slot.is_none() {
            let mapping = Mapping::new(Area::SecureRegisters, start, GRANULE as usize)?;
            *slot = Some((start, Permanent::new(mapping)));
        }
        slot.as_ref().map(|(_, mapping)| &**mapping)
    }

    /// Reads a register; `None` when it cannot be mapped.
    pub fn read32(&mut self, address: u64) -> Option<u32> {
        self.granule(address)?.read32(address % GRANULE)
    }

    /// Writes a register; `None` when it cannot be mapped.
    pub fn write32(&mut self, address: u64, value: u32) -> Option<()> {
        self.granule(address)?.write32(address % GRANULE, value)
    }

    /// The physical address of a range of the SoC's memory.
    pub const fn memory(&self, address: u64, _size: u64) -> Option<u64> {
        Some(address)
    }
}
