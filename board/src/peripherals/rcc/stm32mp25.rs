//! RCC of an STM32MP25: the M33's hold and reset, the M0+'s reset and clock, reset causes (Linux `stm32mp25_rcc.h`).

use std::collections::BTreeMap;

use super::super::RegisterWrite;
use super::BootState;

/// Processor ids of the Cortex-M33 and the Cortex-M0+.
const M33: u32 = 1;
const M0_PLUS: u32 = 2;
/// C2RSTCSETR: bit 0 resets the M33 and clears itself.
const C2RSTCSETR: u32 = 0x40C;
/// C2RSTSSETR and C2RSTSCLRR: why the M33 was last reset.
const RESET_CAUSE_SET: u32 = 0x424;
const RESET_CAUSE_CLEAR: u32 = 0x428;
/// CPUBOOTCR: bit 0 lets the M33 leave its boot hold.
const CPUBOOTCR: u32 = 0x434;
const BOOT_CPU2: u32 = 1;
/// C3CFGR: reset and clock of the M0+, which has no boot hold.
const C3CFGR: u32 = 0x490;
const C3_RST: u32 = 1 << 0;
const C3_EN: u32 = 1 << 1;
const CAUSE_POWER_ON: u32 = 1 << 0;
const CAUSE_C2RST: u32 = 1 << 14;

/// The controller.
#[derive(Debug)]
pub struct Stm32mp25 {
    registers: BTreeMap<u32, u32>,
    causes: u32,
    m33: BootState,
    m0_plus: BootState,
}

impl Stm32mp25 {
    /// At power-on: both processors held, flexgen 0 configured as ST's HAL expects (0x1018 = 0x45, 0x1224 = 0x40).
    pub fn new() -> Self {
        let registers = BTreeMap::from([(0x1018, 0x45), (0x1224, 0x40), (0x1038, 0x45), (0x1244, 0x40)]);
        let held = BootState::default();
        Stm32mp25 { registers, causes: CAUSE_POWER_ON, m33: held, m0_plus: held }
    }

    /// A processor's state.
    pub fn boot(&self, coprocessor: u32) -> BootState {
        match coprocessor {
            M33 => self.m33,
            M0_PLUS => self.m0_plus,
            _ => BootState::default(),
        }
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
    /// next reset only. The M0+ runs while `EN` is set and `RST` is not; board's model: it starts from its vectors each time.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) {
        match offset {
            C2RSTCSETR => {
                if write.value & 1 != 0 {
                    self.causes |= CAUSE_C2RST;
                    self.reset_m33();
                }
            }
            RESET_CAUSE_SET => self.causes |= write.value,
            RESET_CAUSE_CLEAR => self.causes &= !write.value,
            _ => {
                let slot = self.registers.entry(offset).or_insert(0);
                *slot = write.merge(*slot);
                match offset {
                    CPUBOOTCR => self.release_m33_if_allowed(),
                    C3CFGR => self.follow_c3cfgr(),
                    _ => {}
                }
            }
        }
    }

    /// Resets a processor.
    pub fn reset(&mut self, coprocessor: u32, cause: Option<u8>) {
        match coprocessor {
            M33 => {
                self.causes |= cause.map_or(0, |bit| 1u32.checked_shl(bit.into()).unwrap_or(0));
                self.reset_m33();
            }
            M0_PLUS if self.m0_plus.released => self.m0_plus = self.m0_plus.changed(true),
            _ => {}
        }
    }

    fn reset_m33(&mut self) {
        self.m33 = self.m33.changed(false);
        self.release_m33_if_allowed();
    }

    fn release_m33_if_allowed(&mut self) {
        if !self.m33.released && self.read(CPUBOOTCR) & BOOT_CPU2 != 0 {
            self.m33 = self.m33.changed(true);
        }
    }

    fn follow_c3cfgr(&mut self) {
        let runs = self.read(C3CFGR) & (C3_RST | C3_EN) == C3_EN;
        if runs != self.m0_plus.released {
            self.m0_plus = self.m0_plus.changed(runs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hold_release_and_stop() {
        let mut rcc = Stm32mp25::new();
        let mut write = |offset, value| {
            rcc.write(offset, RegisterWrite::word(value));
            rcc.boot(M33)
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
        let mut rcc = Stm32mp25::new();
        rcc.write(CPUBOOTCR, RegisterWrite::word(BOOT_CPU2));
        let before = rcc.boot(M33);
        rcc.write(C2RSTCSETR, RegisterWrite::word(1));
        assert!(rcc.boot(M33).released && rcc.boot(M33).epoch > before.epoch);
        assert_eq!(rcc.read(C2RSTCSETR), 0);
    }

    #[test]
    fn reset_causes_are_kept_until_cleared() {
        let mut rcc = Stm32mp25::new();
        rcc.write(C2RSTCSETR, RegisterWrite::word(1));
        assert_eq!(rcc.read(RESET_CAUSE_SET), CAUSE_C2RST | CAUSE_POWER_ON);
        rcc.write(RESET_CAUSE_CLEAR, RegisterWrite::word(CAUSE_POWER_ON));
        assert_eq!(rcc.read(RESET_CAUSE_CLEAR), CAUSE_C2RST);
    }

    #[test]
    fn the_m0_plus_runs_while_it_has_its_clock_and_no_reset() {
        let mut rcc = Stm32mp25::new();
        let mut write = |value| {
            rcc.write(C3CFGR, RegisterWrite::word(value));
            rcc.boot(M0_PLUS)
        };
        assert!(!write(C3_RST).released && !write(C3_RST | C3_EN).released);
        let started = write(C3_EN);
        assert!(started.released);
        assert_eq!(write(C3_EN | 1 << 20), started, "a peripheral's clock is not its own");
        assert!(!write(C3_RST | C3_EN).released);
        assert!(write(C3_EN).epoch > started.epoch && !write(0).released);
        assert_eq!(rcc.boot(M33), BootState::default());
    }

    #[test]
    fn a_watchdog_leaves_its_cause_and_a_latched_hold_counts() {
        let mut rcc = Stm32mp25::new();
        rcc.write(CPUBOOTCR, RegisterWrite::word(BOOT_CPU2));
        rcc.write(CPUBOOTCR, RegisterWrite::word(0));
        assert!(rcc.boot(M33).released);
        rcc.reset(M33, Some(26));
        assert!(!rcc.boot(M33).released);
        assert_eq!(rcc.read(RESET_CAUSE_SET) & 1 << 26, 1 << 26);
    }
}
