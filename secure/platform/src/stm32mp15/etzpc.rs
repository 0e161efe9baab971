//! ETZPC: the firewall in front of RETRAM and the MCU's SRAMs, a bank at a time (OP-TEE `stm32_etzpc.c`,
//! `stm32mp15-etzpc.h`; RM0436, ETZPC).
//!
//! Its TZMA registers, which could split a memory, are for the ROM and the SYSRAM only.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};

use crate::{Hardware, write_checked};

const BASE: u64 = 0x5c00_7000;
/// Two bits an id, sixteen ids a register.
const DECPROT: u64 = BASE + 0x10;

/// Who may use a bank; the value of its two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// Secure accesses of the Cortex-A alone.
    SecureCortexA = 0,
    /// The Cortex-M4 alone.
    Coprocessor = 2,
    /// The Cortex-A, also its normal world, and the Cortex-M4.
    Everyone = 3,
}

/// A memory that is guarded as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bank {
    /// Its number in the ETZPC.
    id: u64,
    /// Canonical physical address of its first byte.
    start: u64,
    /// Bytes.
    size: u64,
}

/// RETRAM and SRAM1 to SRAM4.
const BANKS: [Bank; 5] = [
    Bank { id: 84, start: 0x3800_0000, size: 0x1_0000 },
    Bank { id: 80, start: 0x1000_0000, size: 0x2_0000 },
    Bank { id: 81, start: 0x1002_0000, size: 0x2_0000 },
    Bank { id: 82, start: 0x1004_0000, size: 0x1_0000 },
    Bank { id: 83, start: 0x1005_0000, size: 0x1_0000 },
];

/// First address of the SRAMs, and of the same bytes a second time.
const SRAM: u64 = 0x1000_0000;
const SRAM_ALIAS: u64 = 0x3000_0000;
const SRAM_SIZE: u64 = 0x6_0000;

/// The address in the SRAMs' first window for one in their second; any other as it is.
pub(super) const fn canonical(physical: u64) -> u64 {
    if physical >= SRAM_ALIAS && physical - SRAM_ALIAS < SRAM_SIZE {
        return physical - SRAM_ALIAS + SRAM;
    }
    physical
}

impl Bank {
    /// The banks that a range has bytes of. Refuses a range with bytes in none.
    pub(super) fn of(physical: u64, size: u64) -> Result<impl Iterator<Item = Self>, Refusal> {
        let start = canonical(physical);
        let touched = move |bank: &Bank| start < bank.start + bank.size && bank.start < start + size;
        let inside: u64 = BANKS
            .iter()
            .filter(|bank| touched(bank))
            .map(|bank| (start + size).min(bank.start + bank.size) - start.max(bank.start))
            .sum();
        if inside != size {
            return Err(Refusal::new(Reason::FirewallOpen)
                .expected("RETRAM and SRAM1 to SRAM4")
                .found(Fact::Range { start: physical, size }));
        }
        Ok(BANKS.into_iter().filter(touched))
    }

    /// The bank's bytes, for a refusal.
    pub(super) const fn range(self) -> Fact {
        Fact::Range { start: self.start, size: self.size }
    }
}

/// Gives a bank to `holder`.
pub(super) fn give<H: Hardware>(hardware: &mut H, bank: Bank, holder: Holder) -> Result<(), Refusal> {
    let shift = 2 * (bank.id % 16);
    write_checked(hardware, DECPROT + 4 * (bank.id / 16), 3 << shift, (holder as u32) << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(physical: u64, size: u64) -> std::vec::Vec<u64> {
        Bank::of(physical, size).unwrap().map(|bank| bank.id).collect()
    }

    #[test]
    fn a_range_has_the_banks_that_it_has_bytes_of() {
        assert_eq!(ids(0x1000_0000, 0x4_0000), [80, 81]);
        assert_eq!(ids(0x3000_0000, 0x4_0000), [80, 81]);
        assert_eq!(ids(0x3001_fffc, 8), [80, 81]);
        assert_eq!(ids(0x1004_8000, 0x8000), [82]);
        assert_eq!(ids(0x3005_fffc, 4), [83]);
        assert_eq!(ids(0x3800_0000, 0x1_0000), [84]);
        for (start, size) in
            [(0x1005_fffc, 8), (0x3801_0000, 4), (0x0, 4), (0x37ff_fffc, 8), (0xc000_0000, 4)]
        {
            assert!(Bank::of(start, size).is_err(), "{start:#x}");
        }
    }

    #[test]
    fn the_second_window_of_the_srams_is_the_first_again() {
        assert_eq!(canonical(0x3000_0000), 0x1000_0000);
        assert_eq!(canonical(0x3005_ffff), 0x1005_ffff);
        assert_eq!(canonical(0x3006_0000), 0x3006_0000);
        assert_eq!(canonical(0x2fff_ffff), 0x2fff_ffff);
        assert_eq!(canonical(0x3800_0000), 0x3800_0000);
    }
}
