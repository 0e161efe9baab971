//! The status registers in which a guard keeps its first illegal access (IASR, IACR, IAESR, IADDR).

use crate::bus::{Direction, Initiator};

/// IASR bit 0: someone not entitled wrote the guard's own registers.
const CONFIGURATION_ERROR: u32 = 1 << 0;
/// IASR bit 1: someone not entitled accessed the guarded memory.
const ACCESS_ERROR: u32 = 1 << 1;

/// The latched state; a later illegal access leaves the first one's address alone until it has been cleared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capture {
    status: u32,
    attributes: u32,
    address: u32,
}

impl Capture {
    /// IASR.
    pub fn status(&self) -> u32 {
        self.status
    }

    /// IAESR: compartment in bits 2:0, privileged 4, secure 5, write 7 (ST `RISAF_IAESR`).
    pub fn attributes(&self) -> u32 {
        self.attributes
    }

    /// IADDR.
    pub fn address(&self) -> u32 {
        self.address
    }

    /// IACR: clears the status bits that are set in `bits`.
    pub fn clear(&mut self, bits: u32) {
        self.status &= !bits;
        if self.status & ACCESS_ERROR == 0 {
            self.attributes = 0;
            self.address = 0;
        }
    }

    /// Latches an illegal access to the guarded memory.
    pub fn illegal_access(&mut self, by: Initiator, direction: Direction, address: u32) {
        if self.status & ACCESS_ERROR != 0 {
            return;
        }
        self.status |= ACCESS_ERROR;
        self.address = address;
        self.attributes = u32::from(by.compartment())
            | 1 << 4
            | u32::from(by.may_be_secure()) << 5
            | u32::from(direction == Direction::Write) << 7;
    }

    /// Latches an illegal write to the guard's registers.
    pub fn illegal_configuration(&mut self) {
        self.status |= CONFIGURATION_ERROR;
    }
}
