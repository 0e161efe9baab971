//! RISAF4: the firewall in front of the DDR, up to 15 regions that the boot chain laid out (RM0457, RISAF).

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};

use super::holder::Holder;
use crate::hardware::register_refusal;
use crate::{Hardware, write_checked};

const RISAF4: u64 = 0x420d_0000;
const REGIONS: u64 = 15;
const DDR: u64 = 0x8000_0000;

const CFGR: u64 = 0x0;
const BREN: u32 = 1 << 0;
const SEC: u32 = 1 << 8;
const STARTR: u64 = 0x4;
const ENDR: u64 = 0x8;
const CIDCFGR: u64 = 0xc;

/// Compartments that may read (bits 7..0) and write (bits 23..16).
const fn compartments(list: u32) -> u32 {
    list | list << 16
}

/// Gives a range of DDR to `holder`. The region must be one that the boot chain laid out with just these ends:
/// this driver moves no borders.
pub(super) fn give<H: Hardware>(
    hardware: &mut H,
    start: u64,
    size: u64,
    holder: Holder,
) -> Result<(), Refusal> {
    let region = find(hardware, start, size)?;
    let secure = if holder == Holder::SecureCortexA { SEC } else { 0 };
    let list = compartments(holder.compartments());
    // The order keeps the normal world out at every moment: first the narrower of the two, then the wider.
    if secure != 0 {
        write_checked(hardware, region + CFGR, SEC | BREN, secure | BREN)?;
        write_checked(hardware, region + CIDCFGR, u32::MAX, list)
    } else {
        write_checked(hardware, region + CIDCFGR, u32::MAX, list)?;
        write_checked(hardware, region + CFGR, SEC | BREN, secure | BREN)
    }
}

fn find<H: Hardware>(hardware: &mut H, start: u64, size: u64) -> Result<u64, Refusal> {
    for n in 1..=REGIONS {
        let region = RISAF4 + 0x40 * n;
        let mut read = |register| hardware.read32(region + register).map_err(register_refusal);
        // Both ends are offsets into the DDR; the second is that of the last byte's 4 KiB granule.
        if DDR + u64::from(read(STARTR)?) == start
            && DDR + (u64::from(read(ENDR)?) | 0xfff) + 1 == start + size
            && read(CFGR)? & BREN != 0
        {
            return Ok(region);
        }
    }
    Err(Refusal::new(Reason::FirewallOpen)
        .expected(Fact::Range { start, size })
        .found(Fact::words("no RISAF4 region of that range")))
}
