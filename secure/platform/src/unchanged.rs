//! Registers that are compared with what a driver would write to them, and not written.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};

use crate::{AccessError, Hardware};

/// Hardware whose registers a driver finds as it wants them, or stops at the first that is not.
pub(crate) struct Unchanged<'h, H> {
    hardware: &'h mut H,
    /// The register that would have been written, and the value.
    differs: Option<(u64, u32)>,
}

/// Lets `act` set registers that must be set already: with the first that is not, [`Reason::Unprotected`].
pub(crate) fn unchanged<H: Hardware>(
    hardware: &mut H,
    act: impl FnOnce(&mut Unchanged<'_, H>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut looked_at = Unchanged { hardware, differs: None };
    let answer = act(&mut looked_at);
    let Some((address, wanted)) = looked_at.differs else { return answer };
    let refusal = Refusal::new(Reason::Unprotected)
        .expected(Fact::Address(u64::from(wanted)))
        .at(Place::Register { address });
    Err(match hardware.read32(address) {
        Ok(found) => refusal.found(Fact::Address(u64::from(found))),
        Err(_) => refusal,
    })
}

impl<H: Hardware> Hardware for Unchanged<'_, H> {
    fn read32(&mut self, address: u64) -> Result<u32, AccessError> {
        self.hardware.read32(address)
    }

    fn write32(&mut self, address: u64, value: u32) -> Result<(), AccessError> {
        self.differs.get_or_insert((address, value));
        Err(AccessError { address, size: 4 })
    }

    fn read_memory(&mut self, address: u64, into: &mut [u8]) -> Result<(), AccessError> {
        self.hardware.read_memory(address, into)
    }

    fn write_memory(&mut self, address: u64, from: &[u8]) -> Result<(), AccessError> {
        Err(AccessError { address, size: from.len() as u64 })
    }

    fn fill_memory(&mut self, address: u64, size: u64, _: u8) -> Result<(), AccessError> {
        Err(AccessError { address, size })
    }
}
