//! RCC: resets and boot holds of the coprocessors, and clock registers that read back. One shape a family.

mod stm32mp15;
mod stm32mp25;

use super::RegisterWrite;
use crate::description::{CoreKind, Description, Family};
use stm32mp15::Stm32mp15;
use stm32mp25::Stm32mp25;

/// Whether a coprocessor runs, and how often its state has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootState {
    /// Out of its boot hold.
    pub released: bool,
    /// Grows by one with every reset and every release, so that a stop and a start between two looks are not missed.
    pub epoch: u64,
}

impl BootState {
    /// The same processor after a change.
    fn changed(self, released: bool) -> Self {
        BootState { released, epoch: self.epoch.wrapping_add(1) }
    }
}

/// The reset and clock controller.
#[derive(Debug)]
pub enum Rcc {
    /// Of an STM32MP15.
    Stm32mp15(Stm32mp15),
    /// Of an STM32MP25.
    Stm32mp25(Stm32mp25),
}

impl Rcc {
    /// At power-on: every coprocessor held, and the clocks as boot firmware leaves them, for firmware that looks up its own.
    pub fn new(description: &Description) -> Self {
        let m33 = description.coprocessors.iter().find(|core| core.kind == CoreKind::CortexM33F);
        match description.family {
            Family::Stm32mp15 => Rcc::Stm32mp15(Stm32mp15::new()),
            Family::Stm32mp25 => Rcc::Stm32mp25(Stm32mp25::new(m33.map(|core| core.hertz))),
        }
    }

    /// The state of a coprocessor by its processor id; one that the family does not have is held.
    pub fn boot(&self, coprocessor: u32) -> BootState {
        match self {
            Rcc::Stm32mp15(rcc) if coprocessor == stm32mp15::M4 => rcc.boot(),
            Rcc::Stm32mp25(rcc) => rcc.boot(coprocessor),
            Rcc::Stm32mp15(_) => BootState::default(),
        }
    }

    /// Whether only the secure world may write this register now.
    pub fn is_protected(&self, offset: u32) -> bool {
        match self {
            Rcc::Stm32mp15(rcc) => rcc.is_protected(offset),
            Rcc::Stm32mp25(_) => Stm32mp25::is_protected(offset),
        }
    }

    /// Register read.
    pub fn read(&self, offset: u32) -> u32 {
        match self {
            Rcc::Stm32mp15(rcc) => rcc.read(offset),
            Rcc::Stm32mp25(rcc) => rcc.read(offset),
        }
    }

    /// Register write by someone entitled to it.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) {
        match self {
            Rcc::Stm32mp15(rcc) => rcc.write(offset, write),
            Rcc::Stm32mp25(rcc) => rcc.write(offset, write),
        }
    }

    /// Resets a coprocessor that asked for it itself or that a watchdog fired for. Whether it starts again is up to its hold.
    /// `cause` is the bit its reset-cause register gets, where there is one.
    pub fn reset(&mut self, coprocessor: u32, cause: Option<u8>) {
        match self {
            Rcc::Stm32mp15(rcc) if coprocessor == stm32mp15::M4 => rcc.reset(cause),
            Rcc::Stm32mp25(rcc) => rcc.reset(coprocessor, cause),
            Rcc::Stm32mp15(_) => {}
        }
    }
}
