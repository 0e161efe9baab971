//! RISAL: the guard of one bank of LPSRAM, four registers of RIFSC (OP-TEE `stm32_rifsc.c`, ST's article on the STM32MP25's LPSRAM).
//!
//! A bank has two subregions, each for one compartment; those of LPSRAM1 and LPSRAM2 span their bank, LPSRAM3's can be moved in
//! steps of 8 bytes. Board's model, where no source was found: a byte in both is open to the compartments of both, and a byte in
//! none to everyone; a granule of the permission map that a subregion covers in part takes it as covering the whole.

use super::guard::{Guard, Maps};
use super::permissions::Rights;
use crate::bus::{Direction, Initiator};
use crate::description::RisalSite;
use crate::peripherals::RegisterWrite;

/// Subregion A's configuration, then, 8 bytes on, B's.
const CONFIGURATIONS: [u32; 2] = [0x0, 0x8];
/// Where A and B lie, in a bank whose subregions can be moved.
const PLACES: [u32; 2] = [0x4, 0xC];
const ENABLE: u32 = 1 << 0;
/// Writes are ignored until the next power-on.
const LOCK: u32 = 1 << 1;
const COMPARTMENT: u32 = 7 << 4;
const SECURE: u32 = 1 << 8;
const PRIVILEGED: u32 = 1 << 9;
const CONFIGURATION: u32 = ENABLE | LOCK | COMPARTMENT | SECURE | PRIVILEGED;
/// First granule in bits 10:0, granules in bits 27:16.
const PLACE: u32 = 0xFFF << 16 | 0x7FF;
const GRANULE: u64 = 8;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Subregion {
    configuration: u32,
    place: u32,
}

/// One RISAL.
#[derive(Debug)]
pub struct Risal {
    site: RisalSite,
    subregions: [Subregion; 2],
}

impl Risal {
    /// A RISAL at power-on: both subregions off.
    pub fn new(site: RisalSite) -> Self {
        Risal { site, subregions: [Subregion::default(); 2] }
    }

    /// The subregion and whether it is its place that a register holds.
    fn register(&mut self, offset: u32) -> Option<(&mut Subregion, bool)> {
        let movable = self.site.movable;
        let place = PLACES.iter().position(|at| *at == offset).filter(|_| movable);
        let configuration = CONFIGURATIONS.iter().position(|at| *at == offset);
        let subregion = self.subregions.get_mut(place.or(configuration)?)?;
        Some((subregion, place.is_some()))
    }

    /// First and one-past-last byte of a subregion, from the start of the bank.
    fn span(&self, subregion: &Subregion) -> (u64, u64) {
        if !self.site.movable {
            return (0, self.site.size);
        }
        let start = u64::from(subregion.place & 0x7FF) * GRANULE;
        (start, start + u64::from(subregion.place >> 16) * GRANULE)
    }

    /// The rights of a range of bytes.
    fn rights(&self, start: u64, end: u64) -> Rights {
        let covering: Vec<&Subregion> = self
            .subregions
            .iter()
            .filter(|subregion| {
                let (first, last) = self.span(subregion);
                subregion.configuration & ENABLE != 0 && first < end && start < last
            })
            .collect();
        Rights::from_rule(|by, _| {
            let allows = |subregion: &&Subregion| {
                let compartment = (subregion.configuration & COMPARTMENT) >> 4;
                let secure = subregion.configuration & SECURE != 0;
                u32::from(by.compartment()) == compartment && (by.may_be_secure() || !secure)
            };
            covering.is_empty() || covering.iter().any(allows)
        })
    }
}

impl Guard for Risal {
    fn name(&self) -> &'static str {
        self.site.name
    }

    fn registers(&self) -> (u64, u64) {
        (self.site.registers, 0x10)
    }

    fn iac_id(&self) -> Option<u8> {
        Some(self.site.iac_id)
    }

    fn read(&mut self, offset: u32) -> u32 {
        let register = self.register(offset);
        register.map_or(0, |(subregion, place)| if place { subregion.place } else { subregion.configuration })
    }

    fn write(&mut self, offset: u32, write: RegisterWrite, maps: &dyn Maps) {
        let Some((subregion, place)) = self.register(offset) else { return };
        if subregion.configuration & LOCK != 0 {
            return;
        }
        if place {
            subregion.place = write.merge(subregion.place) & PLACE;
        } else {
            subregion.configuration = write.merge(subregion.configuration) & CONFIGURATION;
        }
        self.compile(maps);
    }

    fn compile(&self, maps: &dyn Maps) {
        let Some((map, offset)) = maps.map_at(self.site.memory) else { return };
        let granule = map.granule();
        for start in (0..self.site.size).step_by(granule as usize) {
            map.set(offset + start, offset + start + granule, self.rights(start, start + granule));
        }
    }

    fn guards(&self, address: u64) -> bool {
        address.checked_sub(self.site.memory).is_some_and(|offset| offset < self.site.size)
    }

    fn capture(&mut self, _: Initiator, _: Direction, _: u64) -> Option<u8> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards;
    use crate::firewall::PermissionMap;

    struct One(PermissionMap, u64);

    impl Maps for One {
        fn map_at(&self, address: u64) -> Option<(&PermissionMap, u64)> {
            Some((&self.0, address - self.1))
        }
    }

    fn who(maps: &One, offset: u64) -> Vec<Initiator> {
        let all = Initiator::ALL.into_iter();
        all.filter(|by| maps.0.at(offset).allow(*by, Direction::Write)).collect()
    }

    #[test]
    fn a_bank_is_open_until_a_subregion_is_on() {
        let mut risal = Risal::new(boards::stm32mp257f_ev1().risals[1]);
        let maps = One(PermissionMap::new(0x8000, 12, Rights::ALL), 0x200C_0000);
        risal.compile(&maps);
        assert_eq!(who(&maps, 0x2000).len(), Initiator::ALL.len());
        risal.write(0, RegisterWrite::word(ENABLE | 1 << 4 | SECURE), &maps);
        assert_eq!(who(&maps, 0x2000), [Initiator::A35Secure]);
        assert_eq!(who(&maps, 0x3FFF), [Initiator::A35Secure]);
        assert_eq!(who(&maps, 0x4000).len(), Initiator::ALL.len(), "the next bank");
        risal.write(0, RegisterWrite::word(ENABLE | 1 << 4), &maps);
        risal.write(8, RegisterWrite::word(ENABLE | 3 << 4), &maps);
        assert_eq!(who(&maps, 0x2000), [Initiator::A35Secure, Initiator::A35NonSecure, Initiator::M0Plus]);
        assert_eq!((risal.read(0), risal.read(8), risal.read(4)), (0x11, 0x31, 0));
    }

    #[test]
    fn the_last_banks_subregions_move_and_a_lock_freezes_them() {
        let mut risal = Risal::new(boards::stm32mp257f_ev1().risals[2]);
        let maps = One(PermissionMap::new(0x8000, 12, Rights::ALL), 0x200C_0000);
        risal.write(4, RegisterWrite::word(0x200 << 16), &maps);
        risal.write(0, RegisterWrite::word(ENABLE | LOCK | 3 << 4), &maps);
        assert_eq!(who(&maps, 0x4FFF), [Initiator::M0Plus]);
        assert_eq!(who(&maps, 0x5000).len(), Initiator::ALL.len(), "behind the subregion");
        risal.write(0, RegisterWrite::word(0), &maps);
        assert_eq!(who(&maps, 0x4000), [Initiator::M0Plus]);
    }
}
