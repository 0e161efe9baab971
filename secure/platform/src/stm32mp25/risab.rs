//! RISAB3 to RISAB5: the firewalls in front of SRAM1, SRAM2 and RETRAM, page by page (RM0457, RISAB).

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};

use super::holder::Holder;
use crate::{Hardware, write_checked};

/// Register block (OP-TEE `stm32mp251.dtsi`), first physical address guarded, bytes guarded.
const BLOCKS: [(u64, u64, u64); 3] = [
    (0x4211_0000, 0x0a04_0000, 0x2_0000),
    (0x4212_0000, 0x0a06_0000, 0x2_0000),
    (0x4213_0000, 0x0a08_0000, 0x2_0000),
];
const PAGE: u64 = 0x1000;

/// Secure bits of the eight 512-byte blocks of a page.
const fn page_security(page: u64) -> u64 {
    0x100 + 4 * page
}
const ALL_BLOCKS: u32 = 0xff;

/// Compartment filtering of a page.
const fn page_compartments(page: u64) -> u64 {
    0xa00 + 4 * page
}
const CFEN: u32 = 1 << 0;

/// Compartments that have lists of pages (RM0457, RISAB_CIDxRDCFGR).
const COMPARTMENTS: u64 = 7;

/// Pages that a compartment may read, a bit a page.
const fn read_pages(compartment: u64) -> u64 {
    0x808 + 0x20 * compartment
}

/// Pages that a compartment may write, a bit a page.
const fn write_pages(compartment: u64) -> u64 {
    0x810 + 0x20 * compartment
}

/// Gives a range of on-chip memory, whole pages of one block, to `holder`.
pub(super) fn give<H: Hardware>(
    hardware: &mut H,
    start: u64,
    size: u64,
    holder: Holder,
) -> Result<(), Refusal> {
    let block = BLOCKS.iter().find(|(_, first, len)| start >= *first && start + size <= first + len);
    let Some((registers, first, _)) = block else {
        return Err(Refusal::new(Reason::FirewallOpen).expected(Fact::Range { start, size }));
    };
    let pages = (start - first) / PAGE..(start + size - first).div_ceil(PAGE);
    let mask = pages.clone().fold(0, |mask, page| mask | 1u32 << page);
    let secure = |hardware: &mut H, bits| {
        pages.clone().try_for_each(|page| {
            write_checked(hardware, registers + page_security(page), ALL_BLOCKS, bits)?;
            write_checked(hardware, registers + page_compartments(page), CFEN, CFEN)
        })
    };
    // All of them: what boot firmware granted to another compartment ends here too.
    let compartments = |hardware: &mut H, list: u32| {
        (0..COMPARTMENTS).try_for_each(|cid| {
            let bits = if list & 1 << cid != 0 { mask } else { 0 };
            write_checked(hardware, registers + read_pages(cid), mask, bits)?;
            write_checked(hardware, registers + write_pages(cid), mask, bits)
        })
    };
    // As with RISAF4: the narrower first.
    match holder {
        Holder::SecureCortexA => {
            secure(hardware, ALL_BLOCKS)?;
            compartments(hardware, holder.compartments())
        }
        Holder::Coprocessor | Holder::Everyone => {
            compartments(hardware, holder.compartments())?;
            secure(hardware, 0)
        }
    }
}
