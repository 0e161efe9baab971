//! ETZPC: the guard of an STM32MP15, a two-bit mode for each memory and peripheral (OP-TEE `stm32_etzpc.c`; RM0436).
//!
//! Board's model: at reset everything is open, and a mode under MCU isolation shuts out both worlds of the Cortex-A. The TZMA
//! registers, which split the ROM and the SYSRAM, are stored only.

use super::guard::{Guard, Maps};
use super::permissions::Rights;
use crate::bus::{Direction, Initiator};
use crate::description::{EtzpcSite, EtzpcTarget};
use crate::peripherals::RegisterWrite;

/// Registers of sixteen modes each.
const MODE_REGISTERS: usize = 6;
/// Registers of 32 lock bits each.
const LOCK_REGISTERS: usize = 3;
const IDS_PER_MODE_REGISTER: u32 = 16;
/// `HWCFGR`: 2 TZMAs, 96 numbers that can be secured.
const HWCFGR: u32 = 0x3F0;
const HWCFGR_VALUE: u32 = 2 | 96 << 8;

/// Who may access a memory or a peripheral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Secure accesses of the Cortex-A alone.
    Secure = 0,
    /// Everyone reads, secure accesses write.
    NonSecureRead = 1,
    /// The Cortex-M4 alone.
    McuIsolation = 2,
    /// Everyone.
    NonSecure = 3,
}

impl Mode {
    const fn from_bits(bits: u32) -> Mode {
        match bits & 3 {
            0 => Mode::Secure,
            1 => Mode::NonSecureRead,
            2 => Mode::McuIsolation,
            _ => Mode::NonSecure,
        }
    }

    /// Whether it allows an access.
    pub fn allows(self, by: Initiator, direction: Direction) -> bool {
        match self {
            Mode::Secure => by.may_be_secure(),
            Mode::NonSecureRead => direction == Direction::Read || by.may_be_secure(),
            Mode::McuIsolation => by == Initiator::M4,
            Mode::NonSecure => true,
        }
    }
}

/// The guard.
#[derive(Debug)]
pub struct Etzpc {
    site: EtzpcSite,
    tzma: [u32; 2],
    modes: [u32; MODE_REGISTERS],
    locks: [u32; LOCK_REGISTERS],
}

/// A register.
enum Register {
    Tzma(usize),
    Modes(usize),
    Locks(usize),
}

impl Register {
    fn at(offset: u32) -> Option<Register> {
        let word = |base: u32| (offset - base) as usize / 4;
        match offset {
            0x00..0x08 => Some(Register::Tzma(word(0))),
            0x10..0x28 => Some(Register::Modes(word(0x10))),
            0x30..0x3C => Some(Register::Locks(word(0x30))),
            _ => None,
        }
    }
}

impl Etzpc {
    /// The guard at power-on.
    pub fn new(site: EtzpcSite) -> Self {
        Etzpc { site, tzma: [0; 2], modes: [!0; MODE_REGISTERS], locks: [0; LOCK_REGISTERS] }
    }

    /// The mode of a memory or peripheral; numbers from 96 up have none and are open.
    pub fn mode(&self, id: u8) -> Mode {
        let id = u32::from(id);
        let word = self.modes.get((id / IDS_PER_MODE_REGISTER) as usize).copied().unwrap_or(!0);
        Mode::from_bits(word >> (2 * (id % IDS_PER_MODE_REGISTER)))
    }

    /// The memory or peripheral under it that has an address.
    fn target(&self, address: u64) -> Option<&EtzpcTarget> {
        self.site.guarded.iter().find(|target| address.wrapping_sub(target.base) < target.size)
    }

    /// The bits of a mode register that are locked, two for each locked number.
    fn locked_bits(&self, register: usize) -> u32 {
        let locks = self.locks.get(register / 2).copied().unwrap_or(0) >> (16 * (register as u32 % 2));
        (0..IDS_PER_MODE_REGISTER).filter(|n| locks >> n & 1 != 0).fold(0, |bits, n| bits | 3 << (2 * n))
    }
}

impl Guard for Etzpc {
    fn name(&self) -> &'static str {
        "ETZPC"
    }

    fn registers(&self) -> (u64, u64) {
        (self.site.registers, 0x400)
    }

    fn iac_id(&self) -> Option<u8> {
        None
    }

    fn read(&mut self, offset: u32) -> u32 {
        let word = match Register::at(offset) {
            Some(Register::Tzma(n)) => self.tzma.get(n),
            Some(Register::Modes(n)) => self.modes.get(n),
            Some(Register::Locks(n)) => self.locks.get(n),
            None if offset == HWCFGR => return HWCFGR_VALUE,
            None => None,
        };
        word.copied().unwrap_or(0)
    }

    /// A locked mode stays as it is, and so does a lock, until power-on.
    fn write(&mut self, offset: u32, write: RegisterWrite, maps: &dyn Maps) {
        match Register::at(offset) {
            Some(Register::Tzma(n)) => {
                if let Some(word) = self.tzma.get_mut(n) {
                    *word = write.merge(*word);
                }
            }
            Some(Register::Modes(n)) => {
                let locked = self.locked_bits(n);
                if let Some(word) = self.modes.get_mut(n) {
                    *word = *word & locked | write.merge(*word) & !locked;
                    self.compile(maps);
                }
            }
            Some(Register::Locks(n)) => {
                if let Some(word) = self.locks.get_mut(n) {
                    *word |= write.value;
                }
            }
            None => {}
        }
    }

    fn compile(&self, maps: &dyn Maps) {
        for target in &self.site.guarded {
            if let Some((map, offset)) = maps.map_at(target.base) {
                let mode = self.mode(target.id);
                let rights = Rights::from_rule(|by, direction| mode.allows(by, direction));
                map.set(offset, offset.saturating_add(target.size), rights);
            }
        }
    }

    fn guards(&self, address: u64) -> bool {
        self.target(address).is_some()
    }

    /// It latches nothing; its region is the number of the memory.
    fn capture(&mut self, _by: Initiator, _direction: Direction, address: u64) -> Option<u8> {
        Some(self.target(address)?.id)
    }

    fn refuses_register(&self, by: Initiator, direction: Direction, register: u64) -> Option<&'static str> {
        let target = self.target(register)?;
        (!self.mode(target.id).allows(by, direction)).then_some("ETZPC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::PermissionMap;
    use Direction::{Read, Write};
    use Initiator::{A35NonSecure, A35Secure, M4};
    use proptest::prelude::*;

    const RETRAM: u8 = 84;
    const WWDG1: u8 = 26;
    const LOCK2: u32 = 0x38;

    /// RETRAM is the second half of a bank of 128 KiB at 0x3800_0000; nothing else has a map.
    struct OneBank(PermissionMap);

    impl Maps for OneBank {
        fn map_at(&self, address: u64) -> Option<(&PermissionMap, u64)> {
            let offset = address.checked_sub(0x3800_0000).filter(|offset| *offset < 0x2_0000)?;
            Some((&self.0, offset))
        }
    }

    fn fresh() -> (Etzpc, OneBank) {
        let target = |name, id, base, size| EtzpcTarget { name, id, base, size };
        let guarded =
            vec![target("RETRAM", RETRAM, 0x3801_0000, 0x8000), target("WWDG1", WWDG1, 0x4000_A000, 0x400)];
        let etzpc = Etzpc::new(EtzpcSite { registers: 0x5C00_7000, guarded, boot_modes: Vec::new() });
        let maps = OneBank(PermissionMap::new(0x2_0000, 12, Rights::NONE));
        etzpc.compile(&maps);
        (etzpc, maps)
    }

    fn set(etzpc: &mut Etzpc, maps: &OneBank, id: u8, mode: Mode) {
        let register = 0x10 + 4 * u32::from(id / 16);
        let shift = 2 * u32::from(id % 16);
        let value = etzpc.read(register) & !(3 << shift) | (mode as u32) << shift;
        etzpc.write(register, RegisterWrite::word(value), maps);
    }

    #[test]
    fn what_each_mode_means() {
        let table = [
            (Mode::Secure, [(A35Secure, true, true), (A35NonSecure, false, false), (M4, false, false)]),
            (Mode::NonSecureRead, [(A35Secure, true, true), (A35NonSecure, true, false), (M4, true, false)]),
            (Mode::McuIsolation, [(A35Secure, false, false), (A35NonSecure, false, false), (M4, true, true)]),
            (Mode::NonSecure, [(A35Secure, true, true), (A35NonSecure, true, true), (M4, true, true)]),
        ];
        let (mut etzpc, maps) = fresh();
        for (mode, rows) in table {
            set(&mut etzpc, &maps, RETRAM, mode);
            set(&mut etzpc, &maps, WWDG1, mode);
            for (by, read, write) in rows {
                let memory = maps.0.at(0x1_0000);
                assert_eq!((memory.allow(by, Read), memory.allow(by, Write)), (read, write), "{mode:?} {by}");
                let refused = |direction| etzpc.refuses_register(by, direction, 0x4000_A3FC).is_some();
                assert_eq!((!refused(Read), !refused(Write)), (read, write), "{mode:?} {by}");
            }
            assert_eq!(etzpc.mode(RETRAM - 1), Mode::NonSecure, "its neighbour is left alone");
            assert_eq!(etzpc.refuses_register(A35NonSecure, Write, 0x4000_A400), None);
        }
    }

    #[test]
    fn it_compiles_just_its_own_memory() {
        let (mut etzpc, maps) = fresh();
        set(&mut etzpc, &maps, RETRAM, Mode::McuIsolation);
        for (offset, by_m4) in [(0xFFFF, false), (0x1_0000, true), (0x1_7FFF, true), (0x1_8000, false)] {
            assert_eq!(maps.0.at(offset).allow(M4, Write), by_m4, "{offset:#x}");
        }
        assert!(etzpc.guards(0x3801_7FFF) && !etzpc.guards(0x3801_8000));
        assert_eq!(etzpc.capture(A35NonSecure, Read, 0x3801_0004), Some(RETRAM));
    }

    #[test]
    fn a_lock_is_for_good() {
        let (mut etzpc, maps) = fresh();
        set(&mut etzpc, &maps, RETRAM, Mode::Secure);
        etzpc.write(LOCK2, RegisterWrite::word(1 << (RETRAM % 32)), &maps);
        etzpc.write(LOCK2, RegisterWrite::word(0), &maps);
        set(&mut etzpc, &maps, RETRAM, Mode::NonSecure);
        assert_eq!(etzpc.mode(RETRAM), Mode::Secure);
        assert!(!maps.0.at(0x1_0000).allow(A35NonSecure, Read));
        set(&mut etzpc, &maps, RETRAM + 1, Mode::Secure);
        assert_eq!(etzpc.mode(RETRAM + 1), Mode::Secure, "the next one is not locked");
    }

    proptest! {
        #[test]
        fn agrees_with_a_model_of_modes_and_locks(operations in proptest::collection::vec((any::<bool>(), 0u32..6, any::<u32>()), 1..40)) {
            let (mut etzpc, maps) = fresh();
            let (mut modes, mut locked) = ([3u32; 96], [false; 96]);
            for (lock, register, value) in operations {
                let write = RegisterWrite::word(value);
                if lock {
                    let register = register % 3;
                    etzpc.write(0x30 + 4 * register, write, &maps);
                    (0..32).for_each(|n| locked[(32 * register + n) as usize] |= value >> n & 1 != 0);
                } else {
                    etzpc.write(0x10 + 4 * register, write, &maps);
                    for n in 0..16 {
                        let id = (16 * register + n) as usize;
                        if !locked[id] {
                            modes[id] = value >> (2 * n) & 3;
                        }
                    }
                }
                for id in 0..96u8 {
                    prop_assert_eq!(etzpc.mode(id) as u32, modes[usize::from(id)]);
                }
                prop_assert_eq!(maps.0.at(0x1_0000).allow(A35NonSecure, Write), modes[usize::from(RETRAM)] == 3);
            }
        }
    }
}
