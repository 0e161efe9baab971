//! EXTI: the interrupt and event controller that latches edges, a mask for each of two processors (Linux `irq-stm32mp-exti.c`).
//!
//! Both STM32MP15 and STM32MP25 have this layout: three banks of 32 lines, 0x20 apart; masks of processor 1 from 0x80 and of
//! processor 2 from 0xC0, a bank each 0x10. Events (`EMR`), port selections, security and privilege are stored only.

use std::collections::BTreeMap;

use super::RegisterWrite;

/// Banks of 32 lines.
const BANKS: usize = 3;

/// One of the two processors that have masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtiSide {
    /// Processor 1: the Cortex-A side.
    One,
    /// Processor 2: the Cortex-M4 or M33.
    Two,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bank {
    rising: u32,
    falling: u32,
    rose: u32,
    fell: u32,
    /// Interrupt masks of both processors; 1 lets a line through.
    masks: [u32; 2],
    /// Levels of the inputs.
    levels: u32,
}

/// One controller.
#[derive(Debug, Default)]
pub struct Exti {
    banks: [Bank; BANKS],
    stored: BTreeMap<u32, u32>,
}

/// A register that does something.
enum Register {
    Rising(usize),
    Falling(usize),
    Software(usize),
    Rose(usize),
    Fell(usize),
    Mask(usize, usize),
}

impl Register {
    fn at(offset: u32) -> Option<Register> {
        let trigger_bank = (offset / 0x20) as usize;
        let mask_bank = (offset as usize & 0x3F) / 0x10;
        match (offset, offset & 0x1F, offset & 0xF) {
            (0x00..0x60, 0x00, _) => Some(Register::Rising(trigger_bank)),
            (0x00..0x60, 0x04, _) => Some(Register::Falling(trigger_bank)),
            (0x00..0x60, 0x08, _) => Some(Register::Software(trigger_bank)),
            (0x00..0x60, 0x0C, _) => Some(Register::Rose(trigger_bank)),
            (0x00..0x60, 0x10, _) => Some(Register::Fell(trigger_bank)),
            (0x80..0xB0, _, 0) => Some(Register::Mask(mask_bank, 0)),
            (0xC0..0xF0, _, 0) => Some(Register::Mask(mask_bank, 1)),
            _ => None,
        }
    }
}

impl Exti {
    /// Offset of the register in which a rising edge of a line (0 to 95) is pending, at bit `line % 32`.
    pub const fn pending_register(line: u8) -> u32 {
        line as u32 / 32 * 0x20 + 0x0C
    }

    /// Register read. The software trigger reads 0; everything without a meaning here reads back.
    pub fn read(&self, offset: u32) -> u32 {
        let bank = |n: usize| self.banks.get(n).copied().unwrap_or_default();
        match Register::at(offset) {
            Some(Register::Rising(n)) => bank(n).rising,
            Some(Register::Falling(n)) => bank(n).falling,
            Some(Register::Software(_)) => 0,
            Some(Register::Rose(n)) => bank(n).rose,
            Some(Register::Fell(n)) => bank(n).fell,
            Some(Register::Mask(n, side)) => bank(n).masks.get(side).copied().unwrap_or(0),
            None => self.stored.get(&offset).copied().unwrap_or(0),
        }
    }

    /// Register write. Pending bits are cleared by writing 1; a software trigger counts as a rising edge, armed or not.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) {
        let Some(register) = Register::at(offset) else {
            let slot = self.stored.entry(offset).or_insert(0);
            *slot = write.merge(*slot);
            return;
        };
        let (Register::Rising(n)
        | Register::Falling(n)
        | Register::Software(n)
        | Register::Rose(n)
        | Register::Fell(n)
        | Register::Mask(n, _)) = register;
        let Some(bank) = self.banks.get_mut(n) else { return };
        match register {
            Register::Rising(_) => bank.rising = write.merge(bank.rising),
            Register::Falling(_) => bank.falling = write.merge(bank.falling),
            Register::Software(_) => bank.rose |= write.value,
            Register::Rose(_) => bank.rose &= !write.value,
            Register::Fell(_) => bank.fell &= !write.value,
            Register::Mask(_, side) => {
                if let Some(mask) = bank.masks.get_mut(side) {
                    *mask = write.merge(*mask);
                }
            }
        }
    }

    /// Drives the input of a line (0 to 95); an armed edge becomes pending.
    pub fn drive(&mut self, line: u8, level: bool) {
        let bit = 1 << (line % 32);
        let Some(bank) = self.banks.get_mut(usize::from(line / 32)) else { return };
        let was = bank.levels & bit != 0;
        if level && !was {
            bank.rose |= bit & bank.rising;
        } else if !level && was {
            bank.fell |= bit & bank.falling;
        }
        bank.levels = if level { bank.levels | bit } else { bank.levels & !bit };
    }

    /// Makes a line pending, as an armed rising edge would.
    pub fn raise(&mut self, line: u8) {
        if let Some(bank) = self.banks.get_mut(usize::from(line / 32)) {
            bank.rose |= 1 << (line % 32);
        }
    }

    /// Makes a line pending no longer.
    pub fn clear(&mut self, line: u8) {
        if let Some(bank) = self.banks.get_mut(usize::from(line / 32)) {
            bank.rose &= !(1 << (line % 32));
            bank.fell &= !(1 << (line % 32));
        }
    }

    /// Whether a line is pending, masked or not.
    pub fn pending(&self, line: u8) -> bool {
        let bank = self.banks.get(usize::from(line / 32));
        bank.is_some_and(|bank| (bank.rose | bank.fell) & 1 << (line % 32) != 0)
    }

    /// Level of a line's interrupt at one processor: pending and let through.
    pub fn line(&self, side: ExtiSide, line: u8) -> bool {
        let bank = self.banks.get(usize::from(line / 32));
        let mask = bank.and_then(|bank| bank.masks.get(side as usize)).copied().unwrap_or(0);
        self.pending(line) && mask & 1 << (line % 32) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WWDG1's reset on an STM32MP15: bank 3, bit 4.
    const LINE: u8 = 68;
    const BIT: u32 = 1 << 4;
    const RTSR3: u32 = 0x40;
    const SWIER3: u32 = 0x48;
    const RPR3: u32 = 0x4C;
    const C1IMR3: u32 = 0xA0;
    const C2IMR3: u32 = 0xE0;

    fn armed() -> Exti {
        let mut exti = Exti::default();
        exti.write(RTSR3, RegisterWrite::word(BIT));
        exti.write(C1IMR3, RegisterWrite::word(BIT));
        exti
    }

    #[test]
    fn a_rising_edge_stays_until_it_is_cleared() {
        let mut exti = armed();
        exti.drive(LINE, true);
        exti.drive(LINE, false);
        assert!(exti.line(ExtiSide::One, LINE) && !exti.line(ExtiSide::Two, LINE));
        exti.write(RPR3, RegisterWrite::word(!BIT));
        assert_eq!(exti.read(RPR3), BIT, "other lines' bits");
        exti.write(RPR3, RegisterWrite::word(BIT));
        assert!(!exti.line(ExtiSide::One, LINE));
        exti.drive(LINE, true);
        exti.write(RPR3, RegisterWrite::word(BIT));
        exti.drive(LINE, true);
        assert!(!exti.line(ExtiSide::One, LINE), "a level that stays is no edge");
    }

    #[test]
    fn an_edge_nobody_armed_is_lost() {
        let mut exti = Exti::default();
        exti.drive(LINE, true);
        exti.write(RTSR3, RegisterWrite::word(BIT));
        assert_eq!(exti.read(RPR3), 0);
        exti.drive(LINE, false);
        assert_eq!(exti.read(RPR3), 0, "falling was not armed");
    }

    #[test]
    fn a_mask_hides_but_does_not_lose() {
        let mut exti = armed();
        exti.write(C1IMR3, RegisterWrite::word(0));
        exti.drive(LINE, true);
        assert!(!exti.line(ExtiSide::One, LINE));
        exti.write(C2IMR3, RegisterWrite::word(BIT));
        assert!(exti.line(ExtiSide::Two, LINE) && !exti.line(ExtiSide::One, LINE));
        exti.write(C1IMR3, RegisterWrite::word(BIT));
        assert!(exti.line(ExtiSide::One, LINE));
    }

    #[test]
    fn software_triggers_and_stored_registers() {
        let mut exti = armed();
        exti.write(SWIER3, RegisterWrite::word(BIT));
        assert!(exti.line(ExtiSide::One, LINE) && !exti.line(ExtiSide::One, LINE - 1));
        assert_eq!(exti.read(SWIER3), 0);
        exti.write(0x60, RegisterWrite::word(0x0102_0304));
        assert_eq!((exti.read(0x60), exti.read(0xA4), exti.read(0x400)), (0x0102_0304, 0, 0));
        assert!(!exti.line(ExtiSide::One, 96));
    }
}
