//! HSEM: hardware semaphores, taken by a write and read-back or by one read (ST `stm32mp2xx_hal_hsem.c`).

use super::RegisterWrite;
use crate::bus::Initiator;
use crate::description::Family;

const LOCK: u32 = 1 << 31;
/// COREID in bits 11:8, PROCID in bits 7:0.
const OWNER: u32 = 0xFFF;

/// The semaphores; 0 is free, else `LOCK | COREID << 8 | PROCID`.
#[derive(Debug)]
pub struct Hsem {
    semaphores: Vec<u32>,
}

/// The core id the hardware derives from the bus master: A35 1, M33 2, M0+ 3.
fn core_id(by: Initiator) -> u32 {
    u32::from(by.compartment()) << 8
}

impl Hsem {
    /// The semaphores of a family, all free: an STM32MP15 has 32, an STM32MP25 has 16.
    pub fn new(family: Family) -> Self {
        let count = match family {
            Family::Stm32mp15 => 32,
            Family::Stm32mp25 => 16,
        };
        Hsem { semaphores: vec![0; count] }
    }

    /// Register read: plain at 4n, and at 0x80 + 4n one that takes the semaphore when it is free.
    pub fn read(&mut self, offset: u32, by: Initiator) -> u32 {
        let index = (offset as usize & 0x7F) / 4;
        let Some(semaphore) = self.semaphores.get_mut(index) else { return 0 };
        match offset {
            0x00..0x80 => *semaphore,
            0x80..0x100 => {
                if *semaphore == 0 {
                    *semaphore = LOCK | core_id(by);
                }
                *semaphore
            }
            _ => 0,
        }
    }

    /// Register write at 4n: with LOCK takes a free semaphore, without it releases one. Both need the writer's own core id, and a
    /// release the process id that took it.
    pub fn write(&mut self, offset: u32, write: RegisterWrite, by: Initiator) {
        if offset >= 0x80 || write.value & 0xF00 != core_id(by) {
            return;
        }
        let Some(semaphore) = self.semaphores.get_mut(offset as usize / 4) else { return };
        let owner = write.value & OWNER;
        if write.value & LOCK != 0 {
            if *semaphore == 0 {
                *semaphore = LOCK | owner;
            }
        } else if *semaphore == LOCK | owner {
            *semaphore = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_takes_it_and_only_its_owner_releases_it() {
        let mut hsem = Hsem::new(Family::Stm32mp25);
        assert_eq!(hsem.read(0x80, Initiator::M33), 0x8000_0200);
        assert_eq!(hsem.read(0x80, Initiator::A35NonSecure), 0x8000_0200, "already taken");
        hsem.write(0x00, RegisterWrite::word(0x100), Initiator::A35NonSecure);
        hsem.write(0x00, RegisterWrite::word(0x200), Initiator::A35NonSecure);
        hsem.write(0x00, RegisterWrite::word(0x201), Initiator::M33);
        assert_eq!(hsem.read(0x00, Initiator::M33), 0x8000_0200, "wrong core, forged core, wrong process");
        hsem.write(0x00, RegisterWrite::word(0x200), Initiator::M33);
        assert_eq!(hsem.read(0x00, Initiator::M33), 0);
    }

    #[test]
    fn a_write_with_a_process_id_takes_it() {
        let mut hsem = Hsem::new(Family::Stm32mp25);
        hsem.write(0x3C, RegisterWrite::word(0x8000_0105), Initiator::A35NonSecure);
        hsem.write(0x3C, RegisterWrite::word(0x8000_0207), Initiator::M33);
        assert_eq!(hsem.read(0x3C, Initiator::M33), 0x8000_0105);
        hsem.write(0x40, RegisterWrite::word(0x8000_0105), Initiator::A35NonSecure);
        assert_eq!(hsem.read(0x40, Initiator::M33), 0, "there are sixteen");
    }

    #[test]
    fn an_stm32mp15_has_thirty_two() {
        let mut hsem = Hsem::new(Family::Stm32mp15);
        assert_eq!(hsem.read(0x80 + 4 * 31, Initiator::M4), 0x8000_0200);
        assert_eq!(hsem.read(4 * 31, Initiator::A35NonSecure), 0x8000_0200);
    }
}
