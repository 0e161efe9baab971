//! Clocks that Linux switches by itself, by bits of the reset and clock controller (Linux `drivers/clk/stm32`).

use std::collections::BTreeMap;

use thiserror::Error;

use crate::{Provider, ProviderError};

/// A register that could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the bus refuses Linux the register at offset {offset:#x}")]
pub struct RegisterError {
    /// Offset in the controller.
    pub offset: u32,
}

/// The registers of the controller, as Linux reaches them.
pub trait Registers {
    /// Reads a 32-bit register.
    fn read(&mut self, offset: u32) -> Result<u32, RegisterError>;

    /// Writes a 32-bit register.
    fn write(&mut self, offset: u32, value: u32) -> Result<(), RegisterError>;
}

/// A clock with a gate of one bit; several clocks may have the same gate, which is open while one of them runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RccClock {
    /// The number in device trees.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// Offset of the register of its gate.
    pub offset: u32,
    /// The gate's bit in it, 0 to 31.
    pub bit: u8,
}

/// A gate that did not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RccError {
    /// No clock has this number.
    #[error("there is no clock {0}")]
    NoClock(u32),
    /// The register could not be reached.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The register does not read back as written.
    #[error(
        "bit {bit} of the register at offset {offset:#x} was set to {expected} and reads {}: only the secure world may change it, or the controller is locked",
        1 - expected
    )]
    ReadBack {
        /// Offset of the register.
        offset: u32,
        /// The bit.
        bit: u8,
        /// What was written.
        expected: u8,
    },
}

/// The controller as a provider.
pub struct RccClocks<R> {
    registers: R,
    table: &'static [RccClock],
    /// How many enabled clocks keep a gate open, by register and bit.
    gates: BTreeMap<(u32, u8), u32>,
}

impl<R: Registers> RccClocks<R> {
    /// The clocks of a table, in ascending order of numbers.
    pub const fn new(registers: R, table: &'static [RccClock]) -> Self {
        Self { registers, table, gates: BTreeMap::new() }
    }

    fn find(&self, number: u32) -> Result<&'static RccClock, RccError> {
        self.table.iter().find(|clock| clock.number == number).ok_or(RccError::NoClock(number))
    }

    fn is_open(&mut self, clock: &RccClock) -> Result<bool, RccError> {
        Ok(self.registers.read(clock.offset)? >> (clock.bit & 31) & 1 != 0)
    }

    fn set(&mut self, clock: &RccClock, open: bool) -> Result<(), RccError> {
        let mask = 1 << (clock.bit & 31);
        let old = self.registers.read(clock.offset)?;
        self.registers.write(clock.offset, if open { old | mask } else { old & !mask })?;
        if self.is_open(clock)? == open {
            Ok(())
        } else {
            Err(RccError::ReadBack { offset: clock.offset, bit: clock.bit, expected: u8::from(open) })
        }
    }

    fn users(&self, clock: &RccClock) -> u32 {
        self.gates.get(&(clock.offset, clock.bit)).copied().unwrap_or(0)
    }
}

impl<R: Registers> Provider for RccClocks<R> {
    fn name(&self) -> &str {
        "rcc"
    }

    fn numbers(&self) -> Vec<u32> {
        self.table.iter().map(|clock| clock.number).collect()
    }

    fn clock_name(&self, number: u32) -> Option<String> {
        self.find(number).ok().map(|clock| clock.name.to_owned())
    }

    fn is_enabled(&mut self, number: u32) -> Result<bool, ProviderError> {
        let clock = self.find(number)?;
        Ok(self.is_open(clock)?)
    }

    fn enable(&mut self, number: u32) -> Result<(), ProviderError> {
        let clock = self.find(number)?;
        if self.users(clock) == 0 {
            self.set(clock, true)?;
        }
        *self.gates.entry((clock.offset, clock.bit)).or_default() += 1;
        Ok(())
    }

    fn disable(&mut self, number: u32) -> Result<(), ProviderError> {
        let clock = self.find(number)?;
        match self.users(clock) {
            0 | 1 => {
                self.gates.remove(&(clock.offset, clock.bit));
                self.set(clock, false)?;
            }
            users => drop(self.gates.insert((clock.offset, clock.bit), users - 1)),
        }
        Ok(())
    }

    fn disable_unused(&mut self, number: u32) -> Result<bool, ProviderError> {
        let clock = self.find(number)?;
        // Its gate may be another clock's too (`stm32_gate_disable_unused`).
        if self.users(clock) > 0 || !self.is_open(clock)? {
            return Ok(false);
        }
        self.set(clock, false)?;
        Ok(true)
    }
}
