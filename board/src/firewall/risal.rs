//! RISAL: the guard of the low-power SRAMs of an STM32MP25, registers of RIFSC (OP-TEE `stm32_rifsc.c`, `_RIFSC_RISAL_CFGR0_A`; Linux
//! `stm32_rifsc.c`).
//!
//! Each of three banks has two subregions, A and B, each for one compartment. Those of the first two banks span their bank; those of
//! the third can be moved, in steps of 8 bytes. Board's model, not found in a source: a byte in both subregions belongs to the
//! compartments of both, and a byte in none to everybody. Privilege and lock bits are stored only.

use super::guard::{Guard, Maps};
use super::permissions::Rights;
use crate::bus::{Direction, Initiator};
use crate::description::RisalSite;
use crate::peripherals::RegisterWrite;

const BANKS: usize = 3;
/// The bank whose subregions can be moved.
const MOVABLE: usize = 2;
const SUBREGIONS: usize = 2;
/// Steps in which a subregion's place is given.
const STEP: u64 = 8;

/// Configuration: the subregion is on.
const SREN: u32 = 1 << 0;
/// Configuration: only secure accesses.
const SRSEC: u32 = 1 << 8;
/// Place: first step in bits 10:0, number of steps in bits 27:16.
const SRSTART: u32 = 0x7FF;
const SRLENGTH: u32 = 0xFFF;

/// The guard of all three banks.
#[derive(Debug)]
pub struct Risal {
    site: RisalSite,
    configurations: [[u32; SUBREGIONS]; BANKS],
    /// Of the movable ones.
    places: [u32; SUBREGIONS],
}

/// A register, by bank and subregion.
enum Register {
    Configuration(usize, usize),
    Place(usize),
}

impl Register {
    fn at(offset: u32) -> Option<Register> {
        let (bank, subregion) = ((offset / 0x10) as usize, (offset as usize / 8) & 1);
        match (bank, offset & 4) {
            (0..BANKS, 0) => Some(Register::Configuration(bank, subregion)),
            (MOVABLE, 4) => Some(Register::Place(subregion)),
            _ => None,
        }
    }
}

impl Risal {
    /// The guard at power-on: no subregion is on.
    pub fn new(site: RisalSite) -> Self {
        Risal { site, configurations: [[0; SUBREGIONS]; BANKS], places: [0; SUBREGIONS] }
    }

    fn slot(&mut self, register: &Register) -> Option<&mut u32> {
        match *register {
            Register::Configuration(bank, subregion) => self.configurations.get_mut(bank)?.get_mut(subregion),
            Register::Place(subregion) => self.places.get_mut(subregion),
        }
    }

    /// The bytes of a subregion inside its bank of `size` bytes.
    fn range(&self, bank: usize, subregion: usize, size: u64) -> (u64, u64) {
        if bank != MOVABLE {
            return (0, size);
        }
        let place = self.places.get(subregion).copied().unwrap_or(0);
        let start = STEP * u64::from(place & SRSTART);
        (start, start + STEP * u64::from(place >> 16 & SRLENGTH))
    }

    /// Whether an access to the byte `offset` of a bank is allowed.
    fn allows(&self, bank: usize, size: u64, offset: u64, by: Initiator) -> bool {
        let configurations = self.configurations.get(bank).copied().unwrap_or_default();
        let mut covering = (0..SUBREGIONS).zip(configurations).filter(|(subregion, configuration)| {
            let (start, end) = self.range(bank, *subregion, size);
            configuration & SREN != 0 && (start..end).contains(&offset)
        });
        let Some(first) = covering.next() else { return true };
        std::iter::once(first).chain(covering).any(|(_, configuration)| {
            let its = configuration >> 4 & 7 == u32::from(by.compartment());
            its && (configuration & SRSEC == 0 || by.may_be_secure())
        })
    }

    fn compile_bank(&self, bank: usize, maps: &dyn Maps) {
        let Some((base, size)) = self.site.banks.get(bank).copied() else { return };
        let Some((map, start)) = maps.map_at(base) else { return };
        let granule = map.granule();
        // Rights change at the ends of subregions only; a granule with several gets what all of its bytes allow.
        let ends: Vec<u64> = (0..SUBREGIONS)
            .flat_map(|subregion| {
                let (start, end) = self.range(bank, subregion, size);
                [start, end]
            })
            .collect();
        let mut at = 0;
        while at < size {
            let inside = ends.iter().copied().filter(|end| (at..at + granule).contains(end));
            let places: Vec<u64> = std::iter::once(at).chain(inside).collect();
            let rights =
                Rights::from_rule(|by, _| places.iter().all(|place| self.allows(bank, size, *place, by)));
            map.set(start + at, start + at + granule, rights);
            at += granule;
        }
    }

    fn bank_of(&self, address: u64) -> Option<usize> {
        self.site.banks.iter().position(|(base, size)| address.wrapping_sub(*base) < *size)
    }
}

impl Guard for Risal {
    fn name(&self) -> &'static str {
        "RISAL"
    }

    fn registers(&self) -> (u64, u64) {
        (self.site.registers, 0x30)
    }

    fn iac_id(&self) -> Option<u8> {
        Some(self.site.iac_id)
    }

    fn read(&mut self, offset: u32) -> u32 {
        Register::at(offset).and_then(|register| self.slot(&register)).map_or(0, |slot| *slot)
    }

    fn write(&mut self, offset: u32, write: RegisterWrite, maps: &dyn Maps) {
        let Some(register) = Register::at(offset) else { return };
        if let Some(slot) = self.slot(&register) {
            *slot = write.merge(*slot);
        }
        match register {
            Register::Configuration(bank, _) => self.compile_bank(bank, maps),
            Register::Place(_) => self.compile_bank(MOVABLE, maps),
        }
    }

    fn compile(&self, maps: &dyn Maps) {
        (0..BANKS).for_each(|bank| self.compile_bank(bank, maps));
    }

    fn guards(&self, address: u64) -> bool {
        self.bank_of(address).is_some()
    }

    /// It latches nothing; its region is the number of the bank, from 1.
    fn capture(&mut self, _by: Initiator, _direction: Direction, address: u64) -> Option<u8> {
        u8::try_from(self.bank_of(address)? + 1).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::PermissionMap;
    use Direction::{Read, Write};
    use Initiator::{A35NonSecure, A35Secure, M0Plus, M33};
    use proptest::prelude::*;

    const BASE: u64 = 0x200C_0000;

    struct Bank(PermissionMap);

    impl Maps for Bank {
        fn map_at(&self, address: u64) -> Option<(&PermissionMap, u64)> {
            Some((&self.0, address.checked_sub(BASE).filter(|offset| *offset < 0x8000)?))
        }
    }

    fn fresh() -> (Risal, Bank) {
        let banks = [(BASE, 0x2000), (BASE + 0x2000, 0x2000), (BASE + 0x4000, 0x4000)];
        let risal = Risal::new(RisalSite { registers: 0x4208_0900, banks, iac_id: 143 });
        let maps = Bank(PermissionMap::new(0x8000, 12, Rights::NONE));
        risal.compile(&maps);
        (risal, maps)
    }

    fn write(risal: &mut Risal, maps: &Bank, offset: u32, value: u32) {
        risal.write(offset, RegisterWrite::word(value), maps);
    }

    const fn for_compartment(compartment: u32) -> u32 {
        SREN | compartment << 4
    }

    #[test]
    fn at_power_on_everything_is_open() {
        let (_, maps) = fresh();
        for offset in [0, 0x2000, 0x7FFF] {
            assert!(maps.0.at(offset).allow(A35NonSecure, Write) && maps.0.at(offset).allow(M33, Read));
        }
    }

    #[test]
    fn a_subregion_is_for_its_compartment() {
        let (mut risal, maps) = fresh();
        write(&mut risal, &maps, 0x10, for_compartment(3));
        let second = maps.0.at(0x2000);
        assert!(second.allow(M0Plus, Write) && !second.allow(A35Secure, Read) && !second.allow(M33, Read));
        write(&mut risal, &maps, 0x18, for_compartment(1));
        assert!(maps.0.at(0x2000).allow(A35NonSecure, Write), "B adds its compartment");
        write(&mut risal, &maps, 0x18, for_compartment(1) | SRSEC);
        assert!(!maps.0.at(0x2000).allow(A35NonSecure, Read) && maps.0.at(0x2000).allow(A35Secure, Read));
        assert!(maps.0.at(0x1FFF).allow(A35NonSecure, Write), "the first bank is another");
        assert_eq!((risal.capture(M33, Read, BASE + 0x3FFC), risal.guards(BASE + 0x8000)), (Some(2), false));
    }

    #[test]
    fn a_place_that_covers_half_a_granule_closes_all_of_it_to_others() {
        let (mut risal, maps) = fresh();
        write(&mut risal, &maps, 0x20, for_compartment(3));
        assert!(maps.0.at(0x4000).allow(A35NonSecure, Write), "it has no bytes yet");
        write(&mut risal, &maps, 0x24, (0x1800 / 8) << 16);
        assert!(!maps.0.at(0x4000).allow(A35NonSecure, Write) && maps.0.at(0x4000).allow(M0Plus, Write));
        assert!(!maps.0.at(0x5800).allow(A35NonSecure, Write), "the granule is shared with the subregion");
        assert!(maps.0.at(0x6000).allow(A35NonSecure, Write));
        assert_eq!(risal.read(0x24), (0x1800 / 8) << 16);
    }

    proptest! {
        /// No granule allows what one of its bytes does not.
        #[test]
        fn the_map_never_allows_too_much(writes in proptest::collection::vec((0u32..12, any::<u32>()), 1..30), step in 0u64..0x800) {
            let (mut risal, maps) = fresh();
            for (register, value) in writes {
                write(&mut risal, &maps, 4 * register, value);
            }
            let offset = 8 * step;
            for by in Initiator::ALL {
                let mapped = maps.0.at(0x4000 + offset).allow(by, Read);
                prop_assert!(!mapped || risal.allows(MOVABLE, 0x4000, offset, by), "{} {:#x}", by, offset);
            }
        }
    }
}
