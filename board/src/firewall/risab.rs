//! RISAB: the guard of an on-chip RAM, page by page (register facts: OP-TEE `stm32_risab.c`).
//!
//! Security is set per 512-byte block, compartments per 4 KiB page. Delegation of *configuration* (`DCEN`) and the privilege
//! registers are stored and read back but change nothing. A secure initiator may access non-secure blocks whatever `SRWIAD`
//! says, because it maps them non-secure.

use super::capture::Capture;
use super::guard::{Guard, Maps};
use super::permissions::{PermissionMap, Rights};
use crate::bus::{Direction, Initiator};
use crate::description::RisabSite;
use crate::peripherals::RegisterWrite;

const PAGES: usize = 32;
const PAGE_SIZE: u64 = 4096;
const BLOCK_SIZE: u64 = 512;
const BLOCKS_PER_PAGE: u64 = PAGE_SIZE / BLOCK_SIZE;
/// Compartments 0 to 6 have filter registers.
const COMPARTMENTS: usize = 7;
const CIDCFGR_FILTER: u32 = 1;
/// `CFEN`, `DCEN`, `DDCID`.
const CIDCFGR_MASK: u32 = 0x75;

/// One RISAB.
#[derive(Debug)]
pub struct Risab {
    site: RisabSite,
    bank_offset: u64,
    cr: u32,
    seccfgr: [u32; PAGES],
    privcfgr: [u32; PAGES],
    cidcfgr: [u32; PAGES],
    cidprivcfgr: [u32; COMPARTMENTS],
    cidrdcfgr: [u32; COMPARTMENTS],
    cidwrcfgr: [u32; COMPARTMENTS],
    capture: Capture,
}

/// A register of a RISAB.
enum Register {
    Control,
    Security(usize),
    Privilege(usize),
    Filter(usize),
    CompartmentPrivilege(usize),
    CompartmentRead(usize),
    CompartmentWrite(usize),
}

impl Register {
    fn at(offset: u32) -> Option<Register> {
        let page = (offset as usize & 0xFF) / 4;
        let compartment =
            (offset as usize).checked_sub(0x800).map(|at| at / 0x20).filter(|&n| n < COMPARTMENTS);
        match offset {
            0x000 => Some(Register::Control),
            0x100..0x180 => Some(Register::Security(page)),
            0x200..0x280 => Some(Register::Privilege(page)),
            0x800..0xA00 => match offset & 0x1F {
                0x00 => compartment.map(Register::CompartmentPrivilege),
                0x08 => compartment.map(Register::CompartmentRead),
                0x10 => compartment.map(Register::CompartmentWrite),
                _ => None,
            },
            0xA00..0xA80 => Some(Register::Filter(page)),
            _ => None,
        }
    }

    fn mask(&self) -> u32 {
        match self {
            Register::Control => 1 << 31 | 1,
            Register::Security(_) | Register::Privilege(_) => 0xFF,
            Register::Filter(_) => CIDCFGR_MASK,
            _ => !0,
        }
    }
}

impl Risab {
    /// A RISAB whose memory begins `bank_offset` bytes into its bank. At reset every block is secure and nothing is filtered.
    pub fn new(site: RisabSite, bank_offset: u64) -> Self {
        Risab {
            site,
            bank_offset,
            cr: 0,
            seccfgr: [0xFF; PAGES],
            privcfgr: [0; PAGES],
            cidcfgr: [0; PAGES],
            cidprivcfgr: [0; COMPARTMENTS],
            cidrdcfgr: [0; COMPARTMENTS],
            cidwrcfgr: [0; COMPARTMENTS],
            capture: Capture::default(),
        }
    }

    /// Register read. Offsets that are not registers read 0.
    pub fn read(&mut self, offset: u32) -> u32 {
        match offset {
            0x08 => self.capture.status(),
            0x20 => self.capture.attributes(),
            0x24 => self.capture.address(),
            0xFF4 => 0x10,
            _ => Register::at(offset).and_then(|register| self.slot(&register)).map_or(0, |slot| *slot),
        }
    }

    /// Register write by someone entitled to it; recompiles what changed into `map`.
    pub fn write(&mut self, offset: u32, write: RegisterWrite, map: &PermissionMap) {
        if offset == 0x0C {
            self.capture.clear(write.value);
            return;
        }
        let Some(register) = Register::at(offset) else { return };
        let Some(slot) = self.slot(&register) else { return };
        let old = *slot;
        let new = write.merge(old) & register.mask();
        *slot = new;
        match register {
            Register::Security(page) | Register::Filter(page) => self.compile(page, map),
            Register::CompartmentRead(_) | Register::CompartmentWrite(_) => {
                for page in (0..PAGES).filter(|page| (old ^ new) >> page & 1 != 0) {
                    self.compile(page, map);
                }
            }
            _ => {}
        }
    }

    /// Puts the rights of every guarded byte into `map`: what reset does.
    pub fn compile_all(&self, map: &PermissionMap) {
        for page in 0..PAGES {
            self.compile(page, map);
        }
    }

    /// The page number of a byte offset inside the bank.
    pub fn page_at(&self, bank_offset: u64) -> Option<u8> {
        u8::try_from(bank_offset.checked_sub(self.bank_offset)? / PAGE_SIZE).ok()
    }

    /// Latches an illegal access at a byte offset inside the bank; IADDR holds the A-side physical address (board's model).
    pub fn capture(&mut self, by: Initiator, direction: Direction, bank_offset: u64) {
        let address = self.site.memory + bank_offset.saturating_sub(self.bank_offset);
        self.capture.illegal_access(by, direction, address as u32);
    }

    fn slot(&mut self, register: &Register) -> Option<&mut u32> {
        match *register {
            Register::Control => Some(&mut self.cr),
            Register::Security(page) => self.seccfgr.get_mut(page),
            Register::Privilege(page) => self.privcfgr.get_mut(page),
            Register::Filter(page) => self.cidcfgr.get_mut(page),
            Register::CompartmentPrivilege(n) => self.cidprivcfgr.get_mut(n),
            Register::CompartmentRead(n) => self.cidrdcfgr.get_mut(n),
            Register::CompartmentWrite(n) => self.cidwrcfgr.get_mut(n),
        }
    }

    fn compile(&self, page: usize, map: &PermissionMap) {
        let start = page as u64 * PAGE_SIZE;
        let (Some(&security), Some(&filter)) = (self.seccfgr.get(page), self.cidcfgr.get(page)) else {
            return;
        };
        if start >= self.site.size {
            return;
        }
        for block in 0..BLOCKS_PER_PAGE {
            let secure = security >> block & 1 != 0;
            let rights = Rights::from_rule(|by, direction| {
                let lists = match direction {
                    Direction::Read => &self.cidrdcfgr,
                    Direction::Write => &self.cidwrcfgr,
                };
                let listed =
                    lists.get(usize::from(by.compartment())).is_some_and(|list| list >> page & 1 != 0);
                (by.may_be_secure() || !secure) && (filter & CIDCFGR_FILTER == 0 || listed)
            });
            let at = self.bank_offset + start + block * BLOCK_SIZE;
            map.set(at, at + BLOCK_SIZE, rights);
        }
    }
}

impl Guard for Risab {
    fn name(&self) -> &'static str {
        self.site.name
    }

    fn registers(&self) -> (u64, u64) {
        (self.site.registers, 0x1000)
    }

    fn iac_id(&self) -> Option<u8> {
        Some(self.site.iac_id)
    }

    fn read(&mut self, offset: u32) -> u32 {
        Risab::read(self, offset)
    }

    fn write(&mut self, offset: u32, write: RegisterWrite, maps: &dyn Maps) {
        if let Some((map, _)) = maps.map_at(self.site.memory) {
            Risab::write(self, offset, write, map);
        }
    }

    fn compile(&self, maps: &dyn Maps) {
        if let Some((map, _)) = maps.map_at(self.site.memory) {
            self.compile_all(map);
        }
    }

    fn guards(&self, address: u64) -> bool {
        address.checked_sub(self.site.memory).is_some_and(|offset| offset < self.site.size)
    }

    fn capture(&mut self, by: Initiator, direction: Direction, address: u64) -> Option<u8> {
        let offset = self.bank_offset + address.saturating_sub(self.site.memory);
        Risab::capture(self, by, direction, offset);
        self.page_at(offset)
    }

    fn capture_configuration(&mut self) {
        self.capture.illegal_configuration();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards;
    use crate::firewall::testing::agree;
    use proptest::prelude::*;

    fn fresh() -> (Risab, PermissionMap) {
        let risab = Risab::new(boards::stm32mp257f_ev1().risabs[2], 0x4_0000);
        let map = PermissionMap::new(0xC_0000, 9, Rights::ALL);
        risab.compile_all(&map);
        (risab, map)
    }

    #[test]
    fn one_block_can_be_opened_alone() {
        let (mut risab, map) = fresh();
        risab.write(0x100 + 4 * 3, RegisterWrite::word(0xFF & !(1 << 2)), &map);
        let at = 0x4_0000 + 3 * 4096 + 2 * 512;
        assert!(map.at(at).allow(Initiator::A35NonSecure, Direction::Write));
        assert!(!map.at(at + 512).allow(Initiator::A35NonSecure, Direction::Write));
        assert!(!map.at(at - 1).allow(Initiator::A35NonSecure, Direction::Write));
    }

    #[test]
    fn its_neighbours_are_left_alone() {
        let (_, map) = fresh();
        assert!(map.at(0x4_0000 - 1).allow(Initiator::M0Plus, Direction::Write));
        assert!(map.at(0x6_0000).allow(Initiator::M0Plus, Direction::Write));
    }

    fn naive(risab: &mut Risab, offset: u64, by: Initiator, direction: Direction) -> bool {
        let (page, block) = (offset / 4096, offset % 4096 / 512);
        let secure = risab.read(0x100 + 4 * page as u32) >> block & 1 == 1;
        let filtered = risab.read(0xA00 + 4 * page as u32) & 1 == 1;
        let list = if direction == Direction::Read { 0x808 } else { 0x810 };
        let listed = risab.read(list + 0x20 * u32::from(by.compartment())) >> page & 1 == 1;
        (!secure || by.may_be_secure()) && (!filtered || listed)
    }

    proptest! {
        #[test]
        fn the_compiled_map_says_what_the_registers_say(writes in proptest::collection::vec((0u32..4, 0u32..32, any::<u32>()), 1..60)) {
            let (mut risab, map) = fresh();
            for (kind, n, value) in writes {
                let offset = match kind {
                    0 => 0x100 + 4 * n,
                    1 => 0xA00 + 4 * n,
                    2 => 0x808 + 0x20 * (n % 7),
                    _ => 0x810 + 0x20 * (n % 7),
                };
                risab.write(offset, RegisterWrite::word(value), &map);
            }
            agree(&map, (0x4_0000..0x6_0000).step_by(512), |offset, by, direction| {
                naive(&mut risab, offset - 0x4_0000, by, direction)
            })?;
        }
    }
}
