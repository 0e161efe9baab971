//! Who accesses what, and why an access is refused.

use std::fmt;

/// A bus master together with the attributes its transactions carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Initiator {
    /// Secure-world software on the Cortex-A35: compartment 1.
    ///
    /// It maps memory with the security attribute the memory has, so it may issue both secure and non-secure transactions.
    A35Secure,
    /// Linux on the Cortex-A35: compartment 1, non-secure transactions only.
    A35NonSecure,
    /// The Cortex-M33 with TrustZone off (`M33_TZEN_CR` 0): compartment 2, non-secure transactions only.
    M33,
    /// The Cortex-M33 with TrustZone on: compartment 2, both kinds of transaction.
    M33Secure,
    /// The Cortex-M0+: compartment 3, non-secure transactions only.
    M0Plus,
    /// The Cortex-M4 of an STM32MP15, whose guard knows it as the MCU: compartment 2, non-secure transactions only.
    M4,
}

impl Initiator {
    /// Every initiator, in the order of the columns of a permission map.
    pub const ALL: [Initiator; 6] = [
        Initiator::A35Secure,
        Initiator::A35NonSecure,
        Initiator::M33,
        Initiator::M33Secure,
        Initiator::M0Plus,
        Initiator::M4,
    ];

    /// Compartment id (CID): 1 A35, 2 M33, 3 M0+ (OP-TEE `stm32mp25-rif.h`). An STM32MP15 has none; its processors get those of
    /// their successors.
    pub const fn compartment(self) -> u8 {
        match self {
            Initiator::A35Secure | Initiator::A35NonSecure => 1,
            Initiator::M33 | Initiator::M33Secure | Initiator::M4 => 2,
            Initiator::M0Plus => 3,
        }
    }

    /// Whether it is software on the Cortex-A side.
    pub const fn is_a_side(self) -> bool {
        matches!(self, Initiator::A35Secure | Initiator::A35NonSecure)
    }

    /// Whether it can issue secure transactions.
    pub const fn may_be_secure(self) -> bool {
        matches!(self, Initiator::A35Secure | Initiator::M33Secure)
    }

    /// Index of the initiator's column in a permission map, below 6.
    pub(crate) const fn view(self) -> u32 {
        self as u32
    }
}

impl fmt::Display for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Initiator::A35Secure => "the secure world on the Cortex-A35",
            Initiator::A35NonSecure => "the normal world on the Cortex-A35",
            Initiator::M33 => "the Cortex-M33",
            Initiator::M33Secure => "the Cortex-M33 in secure state",
            Initiator::M0Plus => "the Cortex-M0+",
            Initiator::M4 => "the Cortex-M4",
        })
    }
}

/// Which way the data moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the target to the initiator; instruction fetches too.
    Read,
    /// From the initiator to the target.
    Write,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Read => "read",
            Direction::Write => "write",
        })
    }
}

/// Why an access was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nothing answers at the address.
    Unmapped,
    /// A guard refused it.
    Firewall {
        /// The guard's name: `RISAF4`, `RISAB5`, or the register block that only the secure world may write.
        guard: &'static str,
        /// RISAF: the region number that matched, none when no region covers the address. RISAB: the page number.
        region: Option<u8>,
    },
    /// A register was accessed with a length other than 1, 2 or 4 bytes, or not naturally aligned.
    Alignment,
}

/// An access the bus refused; nothing was read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccessError {
    /// Who asked.
    pub initiator: Initiator,
    /// The first refused physical address.
    pub address: u64,
    /// Length of the whole access in bytes.
    pub length: u64,
    /// Which way.
    pub direction: Direction,
    /// Why not.
    pub cause: Cause,
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccessError { initiator, address, length, direction, cause } = self;
        write!(f, "{initiator} may not {direction} {length} bytes at {address:#010x}: ")?;
        match cause {
            Cause::Unmapped => write!(f, "nothing is mapped there"),
            Cause::Firewall { guard, region: Some(region) } => {
                write!(f, "{guard} region {region} forbids it")
            }
            Cause::Firewall { guard, region: None } => write!(f, "{guard} forbids it"),
            Cause::Alignment => write!(f, "registers take naturally aligned accesses of 1, 2 or 4 bytes"),
        }
    }
}

impl std::error::Error for AccessError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence() {
        let error = AccessError {
            initiator: Initiator::A35NonSecure,
            address: 0x8010_0000,
            length: 4,
            direction: Direction::Write,
            cause: Cause::Firewall { guard: "RISAF4", region: Some(2) },
        };
        assert_eq!(
            error.to_string(),
            "the normal world on the Cortex-A35 may not write 4 bytes at 0x80100000: RISAF4 region 2 forbids it"
        );
    }

    #[test]
    fn every_initiator_has_its_own_column() {
        for (index, initiator) in Initiator::ALL.iter().enumerate() {
            assert_eq!(initiator.view() as usize, index);
        }
    }
}
