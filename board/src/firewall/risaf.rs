//! RISAF: the guard of a large memory, with a few freely placed regions (register facts: OP-TEE `stm32_risaf.c`).
//!
//! Board's model where the manual was not at hand: an address that no enabled region covers is open to the secure world on
//! the A35 alone (OP-TEE: access to a disabled region needs the trusted compartment); an address that several enabled
//! regions cover is open only to what *all* of them allow (OP-TEE refuses to program such an overlap). Encryption and the
//! privilege filter are stored and read back but change nothing: every modelled initiator is privileged.

use super::capture::Capture;
use super::guard::{Guard, Maps};
use super::permissions::{PermissionMap, Rights};
use crate::bus::{Direction, Initiator};
use crate::description::RisafSite;
use crate::peripherals::RegisterWrite;

/// Region registers start at 0x40 and repeat every 0x40 bytes.
const REGION_STRIDE: u32 = 0x40;
const CFGR: u32 = 0x0;
const STARTR: u32 = 0x4;
const ENDR: u32 = 0x8;
const CIDCFGR: u32 = 0xC;
/// Regions are placed in steps of 4 KiB.
const GRANULE_MASK: u32 = 0xFFF;
const HWCFGR: u32 = 0xFF0;
/// Enable, secure, encrypt, privilege per compartment.
const CFGR_MASK: u32 = 0x00FF_8101;
const CFGR_ENABLE: u32 = 1;
const CFGR_SECURE: u32 = 1 << 8;
/// Read enable per compartment in bits 7:0, write enable in bits 23:16.
const CIDCFGR_MASK: u32 = 0x00FF_00FF;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Region {
    cfgr: u32,
    startr: u32,
    endr: u32,
    cidcfgr: u32,
}

impl Region {
    fn enabled(self) -> bool {
        self.cfgr & CFGR_ENABLE != 0
    }

    /// First and one-past-last byte offset; the end register names the last granule.
    fn span(self) -> (u64, u64) {
        (u64::from(self.startr & !GRANULE_MASK), u64::from(self.endr | GRANULE_MASK) + 1)
    }

    fn covers(self, offset: u64) -> bool {
        let (start, end) = self.span();
        self.enabled() && (start..end).contains(&offset)
    }

    fn allows(self, by: Initiator, direction: Direction) -> bool {
        let shift = match direction {
            Direction::Read => 0,
            Direction::Write => 16,
        };
        let listed = self.cidcfgr >> (shift + u32::from(by.compartment())) & 1 != 0;
        listed && (self.cfgr & CFGR_SECURE == 0 || by.may_be_secure())
    }
}

/// One RISAF.
#[derive(Debug)]
pub struct Risaf {
    site: RisafSite,
    /// Byte offset of the guarded memory inside its bank, and how many bytes the bank has from there.
    bank_offset: u64,
    guarded: u64,
    regions: Vec<Region>,
    cr: u32,
    capture: Capture,
}

impl Risaf {
    /// A RISAF at reset, guarding `guarded` bytes that begin `bank_offset` bytes into their bank.
    pub fn new(site: RisafSite, bank_offset: u64, guarded: u64) -> Self {
        Risaf {
            site,
            bank_offset,
            guarded,
            regions: vec![Region::default(); site.regions],
            cr: 0,
            capture: Capture::default(),
        }
    }

    /// Register read. Offsets that are not registers read 0.
    pub fn read(&self, offset: u32) -> u32 {
        match offset {
            0x00 => self.cr,
            0x04 => 0,
            0x08 => self.capture.status(),
            0x20 => self.capture.attributes(),
            0x24 => self.capture.address(),
            // 20 address bits from bit 12 up, two subregions; OP-TEE needs region number < CFG1.
            HWCFGR => 20 << 24 | 12 << 16 | 2 << 8 | (self.regions.len() as u32 + 1),
            0xFF4 => 0x10,
            _ => self.region(offset).map_or(0, |(region, register)| match register {
                CFGR => region.cfgr,
                STARTR => region.startr,
                ENDR => region.endr,
                CIDCFGR => region.cidcfgr,
                _ => 0,
            }),
        }
    }

    /// Register write by someone entitled to it; recompiles what changed into `map`.
    pub fn write(&mut self, offset: u32, write: RegisterWrite, map: &PermissionMap) {
        match offset {
            0x00 => self.cr |= write.value & 1,
            0x0C => self.capture.clear(write.value),
            _ if self.cr & 1 != 0 => {}
            _ => {
                let Some((old, register)) = self.region(offset) else { return };
                let mut new = old;
                match register {
                    CFGR => new.cfgr = write.merge(old.cfgr) & CFGR_MASK,
                    STARTR => new.startr = write.merge(old.startr) & !GRANULE_MASK,
                    ENDR => new.endr = write.merge(old.endr) & !GRANULE_MASK,
                    CIDCFGR => new.cidcfgr = write.merge(old.cidcfgr) & CIDCFGR_MASK,
                    _ => return,
                }
                if let Some(slot) = self.regions.get_mut((offset / REGION_STRIDE) as usize - 1) {
                    *slot = new;
                }
                for changed in [old, new] {
                    if changed.enabled() && old != new {
                        self.compile(changed.span(), map);
                    }
                }
            }
        }
    }

    /// Puts the rights of every guarded byte into `map`: what reset does.
    pub fn compile_all(&self, map: &PermissionMap) {
        self.compile((0, self.guarded), map);
    }

    /// The lowest-numbered enabled region over a guarded byte offset.
    pub fn region_at(&self, offset: u64) -> Option<u8> {
        let index = self.regions.iter().position(|region| region.covers(offset))?;
        u8::try_from(index + 1).ok()
    }

    /// Latches an illegal access at a byte offset from the start of the guarded memory.
    pub fn capture(&mut self, by: Initiator, direction: Direction, offset: u64) {
        self.capture.illegal_access(by, direction, offset as u32);
    }

    fn region(&self, offset: u32) -> Option<(Region, u32)> {
        let index = (offset / REGION_STRIDE).checked_sub(1)?;
        Some((*self.regions.get(index as usize)?, offset % REGION_STRIDE))
    }

    fn rights_at(&self, offset: u64) -> Rights {
        let covering: Vec<&Region> = self.regions.iter().filter(|region| region.covers(offset)).collect();
        Rights::from_rule(|by, direction| match covering.as_slice() {
            [] => by == Initiator::A35Secure,
            all => all.iter().all(|region| region.allows(by, direction)),
        })
    }

    /// Recompiles a span of byte offsets, piece by piece between region boundaries.
    fn compile(&self, (start, end): (u64, u64), map: &PermissionMap) {
        let end = end.min(self.guarded);
        if start >= end {
            return;
        }
        let spans = self.regions.iter().filter(|region| region.enabled()).map(|region| region.span());
        let mut edges: Vec<u64> = spans
            .flat_map(|(first, last)| [first, last])
            .filter(|edge| (start..end).contains(edge))
            .collect();
        edges.extend([start, end]);
        edges.sort_unstable();
        for piece in edges.windows(2) {
            if let [from, to] = *piece
                && from < to
            {
                map.set(self.bank_offset + from, self.bank_offset + to, self.rights_at(from));
            }
        }
    }
}

impl Guard for Risaf {
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
        Risaf::read(self, offset)
    }

    fn write(&mut self, offset: u32, write: RegisterWrite, maps: &dyn Maps) {
        if let Some((map, _)) = maps.map_at(self.site.memory) {
            Risaf::write(self, offset, write, map);
        }
    }

    fn compile(&self, maps: &dyn Maps) {
        if let Some((map, _)) = maps.map_at(self.site.memory) {
            self.compile_all(map);
        }
    }

    fn guards(&self, address: u64) -> bool {
        address.checked_sub(self.site.memory).is_some_and(|offset| offset < self.guarded)
    }

    fn capture(&mut self, by: Initiator, direction: Direction, address: u64) -> Option<u8> {
        let offset = address.saturating_sub(self.site.memory);
        Risaf::capture(self, by, direction, offset);
        self.region_at(offset)
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

    const SIZE: u64 = 0x10_000;

    fn fresh() -> (Risaf, PermissionMap) {
        let risaf = Risaf::new(boards::stm32mp257f_ev1().risafs[0], 0, SIZE);
        let map = PermissionMap::new(SIZE, 12, Rights::ALL);
        risaf.compile_all(&map);
        (risaf, map)
    }

    #[test]
    fn at_reset_only_the_secure_world_gets_through() {
        let (_, map) = fresh();
        for by in Initiator::ALL {
            assert_eq!(map.at(0x5000).allow(by, Direction::Read), by == Initiator::A35Secure);
        }
    }

    #[test]
    fn registers_read_back_and_a_lock_freezes_them() {
        let (mut risaf, map) = fresh();
        risaf.write(0x80 + STARTR, RegisterWrite::word(0x1234_5678), &map);
        assert_eq!(risaf.read(0x80 + STARTR), 0x1234_5000);
        risaf.write(0x80 + CFGR, RegisterWrite::word(!0), &map);
        assert_eq!(risaf.read(0x80 + CFGR), CFGR_MASK);
        risaf.write(0, RegisterWrite::word(1), &map);
        risaf.write(0x80 + CFGR, RegisterWrite::word(0), &map);
        assert_eq!(risaf.read(0x80 + CFGR), CFGR_MASK);
        assert_eq!(risaf.read(HWCFGR) & 0xFF, 16);
    }

    #[test]
    fn a_region_that_ends_before_it_starts_covers_nothing() {
        let (mut risaf, map) = fresh();
        for (register, value) in [(STARTR, 0x4000), (ENDR, 0x1000), (CIDCFGR, !0), (CFGR, 1)] {
            risaf.write(0x40 + register, RegisterWrite::word(value), &map);
        }
        assert!((0..16).all(|page| !map.at(page << 12).allow(Initiator::M33, Direction::Read)));
    }

    #[test]
    fn the_first_illegal_access_is_kept_until_cleared() {
        let (mut risaf, map) = fresh();
        risaf.capture(Initiator::M33, Direction::Write, 0x2004);
        risaf.capture(Initiator::A35NonSecure, Direction::Read, 0x9000);
        assert_eq!(risaf.read(0x08), 0b10);
        assert_eq!(risaf.read(0x20), 0x92);
        assert_eq!(risaf.read(0x24), 0x2004);
        risaf.write(0x0C, RegisterWrite::word(0b10), &map);
        assert_eq!(risaf.read(0x08), 0);
    }

    /// The rules again, straight from the registers and byte by byte.
    fn naive(risaf: &Risaf, offset: u64, by: Initiator, direction: Direction) -> bool {
        let mut covered = false;
        for n in 1..=15 {
            let base = n * 0x40;
            let (cfgr, cid) = (risaf.read(base), risaf.read(base + 0xC));
            let (start, end) = (u64::from(risaf.read(base + 4)), u64::from(risaf.read(base + 8)) + 0xFFF);
            if cfgr & 1 == 0 || offset < start || offset > end {
                continue;
            }
            covered = true;
            let lists = if direction == Direction::Read { cid & 0xFF } else { cid >> 16 };
            if lists & (1 << by.compartment()) == 0 || (cfgr & 0x100 != 0 && !by.may_be_secure()) {
                return false;
            }
        }
        covered || by == Initiator::A35Secure
    }

    proptest! {
        #[test]
        fn the_compiled_map_says_what_the_registers_say(writes in proptest::collection::vec((1u32..=15, 0u32..4, any::<u32>(), 0u32..20, any::<bool>()), 1..80)) {
            let (mut risaf, map) = fresh();
            for (region, register, bits, page, enable) in writes {
                let value = match register * 4 {
                    CFGR => (bits & !1) | u32::from(enable),
                    CIDCFGR => bits,
                    _ => page << 12,
                };
                risaf.write(region * 0x40 + register * 4, RegisterWrite::word(value), &map);
            }
            // Any byte of a page, not its first alone.
            agree(&map, (0x123..SIZE).step_by(0x1000), |offset, by, direction| naive(&risaf, offset, by, direction))?;
        }
    }
}
