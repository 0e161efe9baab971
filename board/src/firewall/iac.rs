//! IAC: the controller that turns any guard's illegal access into one interrupt (register facts: OP-TEE `stm32_iac.c`).

use crate::peripherals::RegisterWrite;

/// 32 identifiers a register; identifiers up to 191 exist on an STM32MP25.
const WORDS: usize = 6;
const IER: u32 = 0x000;
const ISR: u32 = 0x080;
const ICR: u32 = 0x100;

/// The illegal-access controller.
#[derive(Debug, Default)]
pub struct Iac {
    enabled: [u32; WORDS],
    status: [u32; WORDS],
}

impl Iac {
    /// Records an illegal access reported by the guard or peripheral with this identifier.
    pub fn raise(&mut self, id: u8) {
        if let Some(word) = self.status.get_mut(usize::from(id) / 32) {
            *word |= 1 << (id % 32);
        }
    }

    /// Level of its interrupt.
    pub fn line(&self) -> bool {
        self.status.iter().zip(&self.enabled).any(|(status, enabled)| status & enabled != 0)
    }

    /// Register read. The clear registers read 0.
    pub fn read(&self, offset: u32) -> u32 {
        let word =
            |base: u32, words: &[u32; WORDS]| words.get(((offset - base) / 4) as usize).copied().unwrap_or(0);
        match offset {
            IER..ISR => word(IER, &self.enabled),
            ISR..ICR => word(ISR, &self.status),
            // HWCFGR1: number of identifiers in bits 24:16.
            0x3F0 => (WORDS as u32 * 32) << 16,
            0x3F4 => 0x10,
            _ => 0,
        }
    }

    /// Register write: enables, or clears status bits written as one.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) {
        if offset < ISR {
            if let Some(word) = self.enabled.get_mut((offset / 4) as usize) {
                *word = write.merge(*word);
            }
        } else if let Some(at) = offset.checked_sub(ICR)
            && let Some(word) = self.status.get_mut((at / 4) as usize)
        {
            *word &= !write.value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_interrupts_only_when_enabled_and_clears_by_writing_one() {
        let mut iac = Iac::default();
        iac.raise(137);
        assert!(!iac.line());
        assert_eq!(iac.read(ISR + 16), 1 << 9);
        iac.write(IER + 16, RegisterWrite::word(!0));
        assert!(iac.line());
        iac.write(ICR + 16, RegisterWrite::word(1 << 8));
        assert!(iac.line());
        iac.write(ICR + 16, RegisterWrite::word(1 << 9));
        assert!(!iac.line());
    }
}
