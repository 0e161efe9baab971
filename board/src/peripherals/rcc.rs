//! RCC: hold boot and reset of the M33, reset causes, and clock registers that read back (Linux `stm32mp25_rcc.h`).

use std::collections::BTreeMap;

use super::RegisterWrite;

/// C2RSTCSETR: bit 0 resets the M33 and clears itself.
const C2RSTCSETR: u32 = 0x40C;
/// C2RSTSSETR and C2RSTSCLRR: why the M33 was last reset.
const RESET_CAUSE_SET: u32 = 0x424;
const RESET_CAUSE_CLEAR: u32 = 0x428;
/// CPUBOOTCR: bit 0 lets the M33 leave its boot hold.
const CPUBOOTCR: u32 = 0x434;
/// C3CFGR: reset and clock of the M0+.
const C3CFGR: u32 = 0x490;
const BOOT_CPU2: u32 = 1;
const CAUSE_POWER_ON: u32 = 1 << 0;
const CAUSE_C2RST: u32 = 1 << 14;

/// Whether the M33 runs, and how often its state has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootState {
    /// Out of its boot hold.
    pub released: bool,
    /// Grows by one with every reset and every release, so that a stop and a start between two looks are not missed.
    pub epoch: u64,
}

/// The reset and clock controller.
#[derive(Debug)]
pub struct Rcc {
    registers: BTreeMap<u32, u32>,
    causes: u32,
    boot: BootState,
}

impl Rcc {
    /// At power-on: the M33 held, flexgen 0 configured as ST's HAL expects (0x1018 = 0x45, 0x1224 = 0x40).
    pub fn new() -> Self {
        let registers = BTreeMap::from([(0x1018, 0x45), (0x1224, 0x40), (0x1038, 0x45), (0x1244, 0x40)]);
        Rcc { registers, causes: CAUSE_POWER_ON, boot: BootState::default() }
    }

    /// The M33's state.
    pub fn boot(&self) -> BootState {
        self.boot
    }

    /// Whether only the secure world may write this register.
    pub fn is_protected(offset: u32) -> bool {
        matches!(offset, C2RSTCSETR | RESET_CAUSE_SET | CPUBOOTCR | C3CFGR)
    }

    /// Register read.
    pub fn read(&self, offset: u32) -> u32 {
        match offset {
            C2RSTCSETR => 0,
            RESET_CAUSE_SET | RESET_CAUSE_CLEAR => self.causes,
            _ => self.registers.get(&offset).copied().unwrap_or(0),
        }
    }

    /// Register write by someone entitled to it.
    ///
    /// The M33 leaves its hold when `BOOT_CPU2` is or becomes set while it is held in reset; clearing the bit takes effect at the
    /// next reset only.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) {
        match offset {
            C2RSTCSETR => {
                if write.value & 1 != 0 {
                    self.reset_m33(CAUSE_C2RST);
                }
            }
            RESET_CAUSE_SET => self.causes |= write.value,
            RESET_CAUSE_CLEAR => self.causes &= !write.value,
            _ => {
                let slot = self.registers.entry(offset).or_insert(0);
                *slot = write.merge(*slot);
                if offset == CPUBOOTCR {
                    self.release_if_allowed();
                }
            }
        }
    }

    fn reset_m33(&mut self, cause: u32) {
        self.causes |= cause;
        self.boot = BootState { released: false, epoch: self.boot.epoch.wrapping_add(1) };
        self.release_if_allowed();
    }

    fn release_if_allowed(&mut self) {
        if !self.boot.released && self.read(CPUBOOTCR) & BOOT_CPU2 != 0 {
            self.boot = BootState { released: true, epoch: self.boot.epoch.wrapping_add(1) };
        }
    }
}

impl Default for Rcc {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hold_release_and_stop() {
        let mut rcc = Rcc::new();
        let mut write = |offset, value| {
            rcc.write(offset, RegisterWrite::word(value));
            rcc.boot()
        };
        assert!(!write(C2RSTCSETR, 1).released, "reset while held stays held");
        let started = write(CPUBOOTCR, BOOT_CPU2);
        assert!(started.released);
        assert_eq!(write(CPUBOOTCR, BOOT_CPU2), started, "setting it again is nothing");
        assert_eq!(write(CPUBOOTCR, 0), started, "hold is latched until a reset");
        let stopped = write(C2RSTCSETR, 1);
        assert!(!stopped.released && stopped.epoch != started.epoch);
    }

    #[test]
    fn a_reset_without_hold_boots_again() {
        let mut rcc = Rcc::new();
        rcc.write(CPUBOOTCR, RegisterWrite::word(BOOT_CPU2));
        let before = rcc.boot();
        rcc.write(C2RSTCSETR, RegisterWrite::word(1));
        assert!(rcc.boot().released && rcc.boot().epoch > before.epoch);
        assert_eq!(rcc.read(C2RSTCSETR), 0);
    }

    #[test]
    fn reset_causes_are_kept_until_cleared() {
        let mut rcc = Rcc::new();
        rcc.write(C2RSTCSETR, RegisterWrite::word(1));
        assert_eq!(rcc.read(RESET_CAUSE_SET), CAUSE_C2RST | CAUSE_POWER_ON);
        rcc.write(RESET_CAUSE_CLEAR, RegisterWrite::word(CAUSE_POWER_ON));
        assert_eq!(rcc.read(RESET_CAUSE_CLEAR), CAUSE_C2RST);
    }
}
