//! The small blocks: power state, backup registers, the M33's vector registers, one-time-programmable words.

use std::collections::BTreeMap;

use super::RegisterWrite;

/// What PWR says about the M33 (`CPU2D2SR.CSTATE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CpuState {
    /// Held in reset.
    #[default]
    Off = 0,
    /// Running.
    Run = 1,
    /// Asleep (WFI).
    Sleep = 2,
}

/// PWR.
#[derive(Debug, Default)]
pub struct Pwr {
    registers: BTreeMap<u32, u32>,
    /// The M33's state.
    pub cpu2: CpuState,
}

impl Pwr {
    const CR1: u32 = 0x000;
    const CPU2D2SR: u32 = 0x204;

    /// Register read. `CR1` reports every monitored supply ready (bits 21:16), which ST's HAL waits for.
    pub fn read(&self, offset: u32) -> u32 {
        let stored = self.registers.get(&offset).copied().unwrap_or(0);
        match offset {
            Self::CR1 => stored | 0x003F_0000,
            Self::CPU2D2SR => (self.cpu2 as u32) << 2,
            _ => stored,
        }
    }

    /// Register write.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) {
        let slot = self.registers.entry(offset).or_insert(0);
        *slot = write.merge(*slot);
    }
}

/// TAMP: 128 backup registers at 0x100 + 4n.
#[derive(Debug)]
pub struct Tamp {
    backup: [u32; 128],
}

impl Default for Tamp {
    fn default() -> Self {
        Tamp { backup: [0; 128] }
    }
}

impl Tamp {
    /// Register read; offsets without a backup register read 0.
    pub fn read(&self, offset: u32) -> u32 {
        offset.checked_sub(0x100).and_then(|at| self.backup.get(at as usize / 4)).copied().unwrap_or(0)
    }

    /// Register write; ignored where there is no backup register.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) {
        if let Some(slot) = offset.checked_sub(0x100).and_then(|at| self.backup.get_mut(at as usize / 4)) {
            *slot = write.merge(*slot);
        }
    }
}

/// CA35SYSCFG, whose M33 registers say where and in which state the M33 boots.
#[derive(Debug)]
pub struct Ca35Syscfg {
    registers: BTreeMap<u32, u32>,
}

/// At power-on the M33's registers are the secure world's, until it opens them.
impl Default for Ca35Syscfg {
    fn default() -> Self {
        Ca35Syscfg { registers: BTreeMap::from([(Self::M33_ACCESS_CR, Self::M33CFG_SEC)]) }
    }
}

/// Where the M33 fetches its first vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootVector {
    /// Physical address of the vector table, 128-byte aligned.
    pub table: u32,
    /// TrustZone on: the secure vector table is used.
    pub secure: bool,
}

impl Ca35Syscfg {
    const M33_ACCESS_CR: u32 = 0x2088;
    /// Only a secure write changes the M33's other registers.
    const M33CFG_SEC: u32 = 1 << 0;
    const M33_TZEN_CR: u32 = 0x20A0;
    const M33_INITSVTOR_CR: u32 = 0x20A4;
    const M33_INITNSVTOR_CR: u32 = 0x20A8;

    /// Whether only the secure world may write this register. Board's model: once it has opened them, the others may say where
    /// the M33 starts in its non-secure state, and nothing more.
    pub fn is_protected(&self, offset: u32) -> bool {
        match offset {
            Self::M33_ACCESS_CR | Self::M33_TZEN_CR | Self::M33_INITSVTOR_CR => true,
            Self::M33_INITNSVTOR_CR => self.read(Self::M33_ACCESS_CR) & Self::M33CFG_SEC != 0,
            _ => false,
        }
    }

    /// What the M33 will boot with.
    pub fn boot_vector(&self) -> BootVector {
        let secure = self.read(Self::M33_TZEN_CR) & 1 != 0;
        let register = if secure { Self::M33_INITSVTOR_CR } else { Self::M33_INITNSVTOR_CR };
        BootVector { table: self.read(register), secure }
    }

    /// Register read.
    pub fn read(&self, offset: u32) -> u32 {
        self.registers.get(&offset).copied().unwrap_or(0)
    }

    /// Register write by someone entitled to it. The low seven bits of the vector registers do not exist.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) {
        let mask = match offset {
            Self::M33_TZEN_CR => 1,
            Self::M33_INITSVTOR_CR | Self::M33_INITNSVTOR_CR => !0x7F,
            _ => !0,
        };
        let slot = self.registers.entry(offset).or_insert(0);
        *slot = write.merge(*slot) & mask;
    }
}

/// One-time-programmable words: a bit that is 1 stays 1.
///
/// Board's model of BSEC: word n is read and fused at offset 4n, without the shadow and command registers of the silicon.
#[derive(Debug)]
pub struct Otp {
    words: Vec<u32>,
}

impl Otp {
    /// Words of an STM32MP25.
    pub const WORDS: usize = 384;

    /// Words as a board that has already lived has them; missing ones are 0.
    pub fn new(words: &[u32]) -> Self {
        let mut all = vec![0; Self::WORDS];
        all.iter_mut().zip(words).for_each(|(slot, word)| *slot = *word);
        Otp { words: all }
    }

    /// Every word.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Register read.
    pub fn read(&self, offset: u32) -> u32 {
        self.words.get(offset as usize / 4).copied().unwrap_or(0)
    }

    /// Fuses the bits that are 1.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) {
        if let Some(word) = self.words.get_mut(offset as usize / 4) {
            *word |= write.value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuses_only_burn() {
        let mut otp = Otp::new(&[1]);
        otp.write(0, RegisterWrite::word(4));
        otp.write(0, RegisterWrite::word(0));
        assert_eq!(otp.read(0), 5);
        otp.write(4 * 384, RegisterWrite::word(1));
        assert_eq!(otp.read(4 * 384), 0);
    }

    #[test]
    fn the_vector_register_that_counts_depends_on_trustzone() {
        let mut syscfg = Ca35Syscfg::default();
        syscfg.write(0x20A8, RegisterWrite::word(0x8010_00FF));
        syscfg.write(0x20A4, RegisterWrite::word(0x8000_0080));
        assert_eq!(syscfg.boot_vector(), BootVector { table: 0x8010_0080, secure: false });
        syscfg.write(0x20A0, RegisterWrite::word(!0));
        assert_eq!(syscfg.boot_vector(), BootVector { table: 0x8000_0080, secure: true });
    }

    #[test]
    fn the_secure_world_opens_the_non_secure_vector_register_alone() {
        let mut syscfg = Ca35Syscfg::default();
        let guarded =
            |syscfg: &Ca35Syscfg| [0x2088, 0x20A0, 0x20A4, 0x20A8, 0].map(|at| syscfg.is_protected(at));
        assert_eq!(guarded(&syscfg), [true, true, true, true, false]);
        syscfg.write(0x2088, RegisterWrite::word(0));
        assert_eq!(guarded(&syscfg), [true, true, true, false, false]);
    }

    #[test]
    fn backup_registers() {
        let mut tamp = Tamp::default();
        tamp.write(0x100 + 4 * 127, RegisterWrite::word(7));
        tamp.write(0x300, RegisterWrite::word(9));
        assert_eq!((tamp.read(0x2FC), tamp.read(0x300), tamp.read(0)), (7, 0, 0));
    }

    #[test]
    fn the_power_controller_tells_the_state() {
        let mut pwr = Pwr { cpu2: CpuState::Run, ..Pwr::default() };
        assert_eq!(pwr.read(0x204), 1 << 2);
        pwr.write(0, RegisterWrite::word(1));
        assert_eq!(pwr.read(0), 0x3F_0001);
    }
}
