//! RISAL: the firewalls in front of LPSRAM1 to LPSRAM3, which are registers of RIFSC.
//!
//! Sources: ST's article "STM32MP25 LPSRAM internal memory" (each bank has a RISAL), OP-TEE's `stm32_rifsc.c`
//! (`_RIFSC_RISAL_CFGR0_A`, `_RIFSC_RISAL_ADDR_A`) and Linux's `drivers/bus/stm32_rifsc.c` (`RIFSC_RISC_SR*`, the granule
//! of 8 bytes). A bank has two subregions, A and B, each for one compartment; those of LPSRAM1 and LPSRAM2 always span
//! their bank. Not found in a source, and taken from how RISAF's subregions work: a byte in both may be used by the
//! compartments of both, and a byte in none by everybody.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};

use super::holder::{CID_A35, CID_M0_PLUS, Holder};
use crate::hardware::write_alone;
use crate::{Hardware, write_checked};

const RIFSC: u64 = 0x4208_0000;

/// First address and bytes of each bank.
const BANKS: [(u64, u64); 3] = [(0x200c_0000, 0x2000), (0x200c_2000, 0x2000), (0x200c_4000, 0x4000)];

/// Which half of a bank's registers.
#[derive(Clone, Copy)]
enum Subregion {
    A,
    B,
}

const SUBREGIONS: [Subregion; 2] = [Subregion::A, Subregion::B];

impl Subregion {
    const fn configuration(self, bank: u64) -> u64 {
        RIFSC + 0x900 + 0x10 * bank + 8 * self as u64
    }

    /// Where the subregion lies; only LPSRAM3 has the register.
    const fn address(self) -> u64 {
        RIFSC + 0x924 + 8 * self as u64
    }
}

const SREN: u32 = 1 << 0;
const SRCID: u32 = 7 << 4;
const SRSEC: u32 = 1 << 8;
const SRPRIV: u32 = 1 << 9;
/// All that says who may use a subregion; the rest is its lock.
const RIGHTS: u32 = SREN | SRCID | SRSEC | SRPRIV;

const fn open_to(compartment: u32) -> u32 {
    SREN | compartment << 4
}

/// The bank with the movable subregions.
const LPSRAM3: u64 = 2;
/// From the first granule of 8 bytes to the last: SRSTART 0, SRLENGTH in bits 27..16.
const WHOLE_LPSRAM3: u32 = (0x4000 / 8) << 16;
const SRSTART_SRLENGTH: u32 = 0xfff << 16 | 0x7ff;

/// Gives whole banks, one after the other in memory, to `holder`. Any other range is refused: outside of its subregions a
/// bank is open.
pub(super) fn give<H: Hardware>(
    hardware: &mut H,
    start: u64,
    size: u64,
    holder: Holder,
) -> Result<(), Refusal> {
    let inside = |(first, len): &(u64, u64)| start <= *first && first + len <= start + size;
    if BANKS.iter().filter(|bank| inside(bank)).map(|(_, len)| len).sum::<u64>() != size {
        return Err(Refusal::new(Reason::FirewallOpen)
            .expected("whole banks of LPSRAM")
            .found(Fact::Range { start, size }));
    }
    let mut banks = (0u64..).zip(BANKS).filter(|(_, bank)| inside(bank));
    banks.try_for_each(|(bank, _)| give_bank(hardware, bank, holder))
}

fn give_bank<H: Hardware>(hardware: &mut H, bank: u64, holder: Holder) -> Result<(), Refusal> {
    if bank == LPSRAM3 {
        for subregion in SUBREGIONS {
            write_checked(hardware, subregion.address(), SRSTART_SRLENGTH, WHOLE_LPSRAM3)?;
        }
    }
    let mut set =
        |subregion: Subregion, bits| write_alone(hardware, subregion.configuration(bank), RIGHTS, bits);
    // As with RISAF4: the narrower first. With B off, one write changes A's holder.
    match holder {
        Holder::SecureCortexA => {
            set(Subregion::A, open_to(CID_A35) | SRSEC)?;
            set(Subregion::B, 0)
        }
        Holder::Coprocessor => {
            set(Subregion::B, 0)?;
            set(Subregion::A, open_to(CID_M0_PLUS))
        }
        Holder::Everyone => {
            set(Subregion::A, open_to(CID_A35))?;
            set(Subregion::B, open_to(CID_M0_PLUS))
        }
    }
}
