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
/// The sources of the PLLs; the M33's flexgen, which also makes its buses' clock: source, divider; that of the buses.
const MUXSELCFGR: u32 = 0x1000;
const XBAR0CFGR: u32 = 0x1018;
const FINDIV0CFGR: u32 = 0x1224;
const LSMCUDIVR: u32 = 0x4D0;
/// PLL4: state, multiplier and divider, output, two dividers behind it.
const PLL4CFGR1: u32 = 0x1360;
const PLL4CFGR2: u32 = 0x1364;
const PLL4CFGR4: u32 = 0x136C;
const PLL4CFGR6: u32 = 0x1378;
const PLL4CFGR7: u32 = 0x137C;
/// PLL4 makes 30 times the 40 MHz of HSE.
const PLL4_HZ: u64 = 1_200_000_000;
const M33_HZ: u64 = 400_000_000;
/// Flexgens: a crossbar's or a divider's enable; the crossbar's input HSI.
const FLEXGEN_ON: u32 = 1 << 6;
const HSI: u32 = 5;
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
    /// At power-on: both processors held, and the clocks of the M33 and of USART2, UART4 (flexgens 0 and 8) as boot firmware leaves
    /// them on ST's boards (OP-TEE's `stm32mp257f-ev1-ca35tdcid-rcc.dtsi`). `m33_hertz` is another clock that the M33 has: its
    /// firmware sees the output of PLL4 that comes nearest.
    pub fn new(m33_hertz: Option<u64>) -> Self {
        let divider = (PLL4_HZ / m33_hertz.unwrap_or(M33_HZ).max(1)).clamp(1, 64) as u32;
        let registers = BTreeMap::from([
            (MUXSELCFGR, 1),
            (PLL4CFGR1, 1 << 28 | 1 << 24 | 1 << 8),
            (PLL4CFGR2, 30 << 16 | 1),
            (PLL4CFGR4, 1 << 9),
            (PLL4CFGR6, 1),
            (PLL4CFGR7, 1),
            (XBAR0CFGR, FLEXGEN_ON),
            (FINDIV0CFGR, FLEXGEN_ON | (divider - 1)),
            (LSMCUDIVR, 1 << 31 | 1),
            (XBAR0CFGR + 4 * 8, FLEXGEN_ON | HSI),
            (FINDIV0CFGR + 4 * 8, FLEXGEN_ON),
        ]);
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

    /// Worked out as firmware does it.
    #[test]
    fn the_clock_of_the_m33_can_be_looked_up() {
        for wanted in [400_000_000, 300_000_000] {
            let rcc = Stm32mp25::new(Some(wanted));
            let field = |offset, low: u32, bits: u32| u64::from(rcc.read(offset) >> low & ((1 << bits) - 1));
            assert_eq!((field(0x1018, 0, 4), field(0x1000, 0, 3)), (0, 1), "PLL4, HSE");
            let pll4 = 40_000_000 * field(0x1364, 16, 12) / field(0x1364, 0, 6);
            let pll4 = pll4 / field(0x1378, 0, 3) / field(0x137C, 0, 3);
            let hertz = pll4 / (field(0x1224, 0, 6) + 1) / (field(0x1118, 0, 10) + 1);
            assert_eq!((hertz, hertz >> field(0x4D0, 0, 1)), (wanted, wanted / 2));
        }
    }

    #[test]
    fn hold_release_and_stop() {
        let mut rcc = Stm32mp25::new(None);
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
        let mut rcc = Stm32mp25::new(None);
        rcc.write(CPUBOOTCR, RegisterWrite::word(BOOT_CPU2));
        let before = rcc.boot(M33);
        rcc.write(C2RSTCSETR, RegisterWrite::word(1));
        assert!(rcc.boot(M33).released && rcc.boot(M33).epoch > before.epoch);
        assert_eq!(rcc.read(C2RSTCSETR), 0);
    }

    #[test]
    fn reset_causes_are_kept_until_cleared() {
        let mut rcc = Stm32mp25::new(None);
        rcc.write(C2RSTCSETR, RegisterWrite::word(1));
        assert_eq!(rcc.read(RESET_CAUSE_SET), CAUSE_C2RST | CAUSE_POWER_ON);
        rcc.write(RESET_CAUSE_CLEAR, RegisterWrite::word(CAUSE_POWER_ON));
        assert_eq!(rcc.read(RESET_CAUSE_CLEAR), CAUSE_C2RST);
    }

    #[test]
    fn the_m0_plus_runs_while_it_has_its_clock_and_no_reset() {
        let mut rcc = Stm32mp25::new(None);
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
        let mut rcc = Stm32mp25::new(None);
        rcc.write(CPUBOOTCR, RegisterWrite::word(BOOT_CPU2));
        rcc.write(CPUBOOTCR, RegisterWrite::word(0));
        assert!(rcc.boot(M33).released);
        rcc.reset(M33, Some(26));
        assert!(!rcc.boot(M33).released);
        assert_eq!(rcc.read(RESET_CAUSE_SET) & 1 << 26, 1 << 26);
    }
}
