//! RCC: hold boot and reset of the Cortex-M33 (STM32MP25 reference manual RM0457, `RCC_CPUBOOTCR`, `RCC_C2RSTCSETR`).

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};

use crate::hardware::register_refusal;
use crate::{Hardware, write_checked};

const BASE: u64 = 0x4420_0000;
const C2RSTCSETR: u64 = BASE + 0x40c;
const C2RST: u32 = 1 << 0;
const CPUBOOTCR: u64 = BASE + 0x434;
/// 1 lets CPU2 boot when its reset ends, 0 holds it.
const BOOT_CPU2: u32 = 1 << 0;

/// Holds the processor: no boot from here on, then a reset that ends in the hold.
pub(super) fn hold<H: Hardware>(hardware: &mut H) -> Result<(), Refusal> {
    write_checked(hardware, CPUBOOTCR, BOOT_CPU2, 0)?;
    hardware.write32(C2RSTCSETR, C2RST).map_err(register_refusal)?;
    // The bit clears itself when the reset is over; one that stays means the processor was never reset.
    let now = hardware.read32(C2RSTCSETR).map_err(register_refusal)?;
    if now & C2RST != 0 {
        return Err(Refusal::new(Reason::RegisterReadBack)
            .expected(Fact::Number(0))
            .found(Fact::Number(u64::from(now & C2RST)))
            .at(Place::Register { address: C2RSTCSETR }));
    }
    Ok(())
}

/// Lets the held processor boot.
pub(super) fn release<H: Hardware>(hardware: &mut H) -> Result<(), Refusal> {
    write_checked(hardware, CPUBOOTCR, BOOT_CPU2, BOOT_CPU2)
}
