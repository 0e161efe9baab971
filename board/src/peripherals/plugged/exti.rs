//! EXTI on the bus: its lines that lead to the A side's interrupt controller.
//!
//! Board's model: such a line is armed and let through to the A side at power-on, as Linux's interrupt-controller driver leaves it
//! once its interrupt is requested. It is pending until it is cleared in the pending register, which that driver does at the end of
//! each interrupt, or until the A side resets or starts the coprocessor that it tells of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::{Access, Exti, ExtiSide, Line, Peripheral, RegisterWrite};

/// Words of the trigger and mask registers of a bank.
const BANK_TRIGGERS: u32 = 0x20;
const A_SIDE_MASKS: u32 = 0x80;
const BANK_MASKS: u32 = 0x10;

/// A controller that other blocks raise lines of.
#[derive(Debug, Clone, Default)]
pub struct SharedExti(Arc<Mutex<Exti>>);

impl SharedExti {
    /// The controller. It goes on after a panic elsewhere: no change leaves it half done.
    pub fn lock(&self) -> MutexGuard<'_, Exti> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line that leads to the A side's interrupt controller.
#[derive(Debug, Clone, Copy)]
pub struct Wire {
    /// Number of the line.
    pub line: u8,
    /// The A side's interrupt (SPI number).
    pub spi: u16,
    /// Processor id of the coprocessor whose reset by a watchdog it tells of.
    pub coprocessor: u32,
}

/// One controller.
#[derive(Debug)]
pub struct ExtiBlock {
    exti: SharedExti,
    /// Each with whether the reset that it tells of is still to be seen.
    wires: Vec<(Wire, bool)>,
}

impl ExtiBlock {
    /// The controller at power-on.
    pub fn new(exti: SharedExti, wires: Vec<Wire>) -> Self {
        {
            let mut exti = exti.lock();
            for wire in &wires {
                let (bank, bit) = (u32::from(wire.line / 32), 1 << (wire.line % 32));
                for offset in [bank * BANK_TRIGGERS, A_SIDE_MASKS + bank * BANK_MASKS] {
                    let value = exti.read(offset) | bit;
                    exti.write(offset, RegisterWrite::word(value));
                }
            }
        }
        ExtiBlock { exti, wires: wires.into_iter().map(|wire| (wire, true)).collect() }
    }
}

impl Peripheral for ExtiBlock {
    fn read(&mut self, offset: u32, _access: Access) -> u32 {
        self.exti.lock().read(offset)
    }

    fn write(&mut self, offset: u32, write: RegisterWrite, _access: Access) {
        self.exti.lock().write(offset, write);
    }

    fn lines(&self, drive: &mut dyn FnMut(Line, bool)) {
        let exti = self.exti.lock();
        for (wire, _) in &self.wires {
            drive(Line::Spi(wire.spi), exti.line(ExtiSide::One, wire.line));
        }
    }

    /// The first reset after a watchdog has bitten is the watchdog's own.
    fn coprocessor_reset(&mut self, coprocessor: u32, _now: Duration) {
        let mut exti = self.exti.lock();
        for (wire, own) in self.wires.iter_mut().filter(|(wire, _)| wire.coprocessor == coprocessor) {
            if !exti.pending(wire.line) {
                *own = true;
            } else if *own {
                *own = false;
            } else {
                exti.clear(wire.line);
                *own = true;
            }
        }
    }
}
