//! RCC of an STM32MP15: the Cortex-M4's hold and reset (Linux `stm32_rproc.c`, OP-TEE `stm32mp1_rcc.h`).

use std::collections::BTreeMap;

use super::super::RegisterWrite;
use super::BootState;

/// Processor id of the Cortex-M4.
pub const M4: u32 = 0;
/// TZCR: who may write the security-aware registers.
const TZCR: u32 = 0x000;
const TZCR_TZEN: u32 = 1 << 0;
const TZCR_MCKPROT: u32 = 1 << 1;
/// MP_GCR: bit 0 lets the M4 boot.
const MP_GCR: u32 = 0x10C;
const BOOT_MCU: u32 = 1 << 0;
/// MP_GRSTCSETR: bit 1 resets the M4 and clears itself.
const MP_GRSTCSETR: u32 = 0x404;
const MCURST: u32 = 1 << 1;
/// MC_RSTSCLRR: why the M4 was last reset; a cause is cleared by writing 1 to it.
const MC_RSTSCLRR: u32 = 0xC00;
const CAUSE_POWER_ON: u32 = 1 << 0;
const CAUSE_MCURST: u32 = 1 << 5;
/// Reset and enable registers that come in pairs, set at 8n and clear at 8n + 4: peripheral resets, then the enables of A side and
/// M4, awake and asleep.
const PAIRS: [(u32, u32); 3] = [(0x180, 0x1B0), (0x200, 0x238), (0x980, 0xB80)];

/// The clocks of the M4 as boot firmware leaves them on ST's boards (TF-A `stm32mp15xx-dkx.dtsi`): PLL3 makes 24 MHz, divided by 2,
/// times 34 + 6660 / 8192, and its output P is half of that, 209 MHz; APB1 to APB3 have half the clock of the M4.
const CLOCKS_AT_POWER_ON: [(u32, u32); 10] = [
    (MSSCKSELR, READY | 3),
    (RCK3SELR, READY | 1),
    (MCUDIVR, READY),
    (APB1DIVR, READY | 1),
    (APB1DIVR + 4, READY | 1),
    (APB1DIVR + 8, READY | 1),
    (PLL3CR, 0x73),
    (PLL3CR + 4, 1 << 16 | 33),
    (PLL3CR + 8, 36 << 16 | 16 << 8 | 1),
    (PLL3CR + 12, 1 << 16 | 6660 << 3),
];
/// The source of the M4's clock, 3 for PLL3; its divider, a power of two; those of the buses, which follow.
const MSSCKSELR: u32 = 0x048;
const MCUDIVR: u32 = 0x830;
const APB1DIVR: u32 = 0x834;
/// PLL3's source, 1 for HSE; its state, and its factors and fraction, which follow.
const RCK3SELR: u32 = 0x820;
const PLL3CR: u32 = 0x880;
/// A selector or a divider has taken effect.
const READY: u32 = 1 << 31;

/// The controller.
///
/// The boot is latched: the M4 leaves its hold when `BOOT_MCU` is set while it is held, and a cleared bit counts at its next reset.
/// So a driver that holds it again at once leaves a crashed M4 held.
#[derive(Debug)]
pub struct Stm32mp15 {
    registers: BTreeMap<u32, u32>,
    causes: u32,
    boot: BootState,
}

impl Stm32mp15 {
    /// At power-on: the M4 held, its clocks on.
    pub fn new() -> Self {
        Stm32mp15 {
            registers: BTreeMap::from(CLOCKS_AT_POWER_ON),
            causes: CAUSE_POWER_ON,
            boot: BootState::default(),
        }
    }

    /// The M4's state.
    pub fn boot(&self) -> BootState {
        self.boot
    }

    /// TZCR always, the M4's hold and reset when TZEN and MCKPROT are set.
    pub fn is_protected(&self, offset: u32) -> bool {
        let both = TZCR_TZEN | TZCR_MCKPROT;
        match offset {
            TZCR => true,
            MP_GCR | MP_GRSTCSETR => self.read(TZCR) & both == both,
            _ => false,
        }
    }

    /// Register read.
    pub fn read(&self, offset: u32) -> u32 {
        match offset {
            MP_GRSTCSETR => 0,
            MC_RSTSCLRR => self.causes,
            _ => self.registers.get(&set_register(offset).unwrap_or(offset)).copied().unwrap_or(0),
        }
    }

    /// Register write by someone entitled to it.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) {
        match (offset, set_register(offset)) {
            (MP_GRSTCSETR, _) => {
                if write.value & MCURST != 0 {
                    self.reset(None);
                }
            }
            (MC_RSTSCLRR, _) => self.causes &= !write.value,
            (_, Some(set)) => {
                let slot = self.registers.entry(set).or_insert(0);
                *slot = if set == offset { *slot | write.value } else { *slot & !write.value };
            }
            (_, None) => {
                let slot = self.registers.entry(offset).or_insert(0);
                *slot = write.merge(*slot);
                if offset == MP_GCR {
                    self.release_if_allowed();
                }
            }
        }
    }

    /// Resets the M4, which stays held unless it may boot. Without a cause of its own it is a reset of the MCU.
    pub fn reset(&mut self, cause: Option<u8>) {
        self.causes |= cause.map_or(CAUSE_MCURST, |bit| 1u32.checked_shl(bit.into()).unwrap_or(0));
        self.boot = self.boot.changed(false);
        self.release_if_allowed();
    }

    fn release_if_allowed(&mut self) {
        if !self.boot.released && self.read(MP_GCR) & BOOT_MCU != 0 {
            self.boot = self.boot.changed(true);
        }
    }
}

/// The set register of the pair that an offset belongs to.
fn set_register(offset: u32) -> Option<u32> {
    PAIRS.iter().any(|(first, end)| (*first..*end).contains(&offset)).then_some(offset & !4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_latched_and_a_later_reset_leaves_it_held() {
        let mut rcc = Stm32mp15::new();
        let mut write = |offset, value| {
            rcc.write(offset, RegisterWrite::word(value));
            rcc.boot()
        };
        assert!(!write(MP_GRSTCSETR, MCURST).released, "reset while held stays held");
        let started = write(MP_GCR, BOOT_MCU);
        assert!(started.released);
        assert_eq!(write(MP_GCR, 0), started, "hold is latched until a reset");
        let stopped = write(MP_GRSTCSETR, MCURST);
        assert!(!stopped.released && stopped.epoch != started.epoch);
        assert_eq!(write(MP_GRSTCSETR, 1).epoch, stopped.epoch, "another processor's reset");
    }

    #[test]
    fn who_may_reset_it_is_up_to_tzcr() {
        let mut rcc = Stm32mp15::new();
        assert!(rcc.is_protected(TZCR) && !rcc.is_protected(MP_GCR));
        rcc.write(TZCR, RegisterWrite::word(TZCR_TZEN));
        assert!(!rcc.is_protected(MP_GCR));
        rcc.write(TZCR, RegisterWrite::word(TZCR_TZEN | TZCR_MCKPROT));
        assert!(rcc.is_protected(MP_GCR) && rcc.is_protected(MP_GRSTCSETR));
    }

    #[test]
    fn the_cause_of_a_reset_stays_until_it_is_cleared() {
        let mut rcc = Stm32mp15::new();
        rcc.write(MC_RSTSCLRR, RegisterWrite::word(!0));
        rcc.write(MP_GRSTCSETR, RegisterWrite::word(MCURST));
        assert_eq!(rcc.read(MC_RSTSCLRR), CAUSE_MCURST);
        rcc.reset(Some(10));
        rcc.write(MC_RSTSCLRR, RegisterWrite::word(CAUSE_MCURST));
        assert_eq!(rcc.read(MC_RSTSCLRR), 1 << 10);
    }

    /// Worked out as firmware does it.
    #[test]
    fn the_clock_of_the_m4_can_be_looked_up() {
        let rcc = Stm32mp15::new();
        let field = |offset, low: u32, bits: u32| u64::from(rcc.read(offset) >> low & ((1 << bits) - 1));
        assert_eq!((field(0x48, 0, 2), field(0x820, 0, 2)), (3, 1), "PLL3, HSE");
        let (m, n, p) = (field(0x884, 16, 6) + 1, field(0x884, 0, 9) + 1, field(0x888, 0, 7) + 1);
        let fraction = field(0x88C, 16, 1) * field(0x88C, 3, 13);
        let hertz = (24_000_000 / m * (n * 8192 + fraction) / 8192 / p) >> field(0x830, 0, 4);
        assert_eq!((hertz, hertz >> field(0x834, 0, 3)), (208_877_929, 104_438_964));
    }

    #[test]
    fn enables_are_set_and_cleared_by_two_registers() {
        let mut rcc = Stm32mp15::new();
        rcc.write(0xAA8, RegisterWrite::word(0b110));
        rcc.write(0xAAC, RegisterWrite::word(0b010));
        assert_eq!((rcc.read(0xAA8), rcc.read(0xAAC)), (0b100, 0b100));
    }
}
