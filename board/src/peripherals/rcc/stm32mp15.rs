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
    /// At power-on: the M4 held.
    pub fn new() -> Self {
        Stm32mp15 { registers: BTreeMap::new(), causes: CAUSE_POWER_ON, boot: BootState::default() }
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

    #[test]
    fn enables_are_set_and_cleared_by_two_registers() {
        let mut rcc = Stm32mp15::new();
        rcc.write(0xAA8, RegisterWrite::word(0b110));
        rcc.write(0xAAC, RegisterWrite::word(0b010));
        assert_eq!((rcc.read(0xAA8), rcc.read(0xAAC)), (0b100, 0b100));
    }
}
