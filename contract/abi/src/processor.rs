//! Names of the remote processors.

use core::fmt;

/// The 32-bit number by which the TEE service knows a remote processor; parameter 0 of every command.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessorId(pub u32);

impl ProcessorId {
    /// The Cortex-M4 of an STM32MP15 (`STM32_M4_RPROC_ID` in OP-TEE's `stm32_remoteproc.h`).
    pub const CORTEX_M4: Self = Self(0);
    /// The Cortex-M33 of an STM32MP2.
    pub const CORTEX_M33: Self = Self(1);
    /// The Cortex-M0+ of an STM32MP2; this number is this project's own, no published source gives one.
    pub const CORTEX_M0_PLUS: Self = Self(2);

    /// The short name people type: `m4`, `m33`, `m0`.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::CORTEX_M4 => Some("m4"),
            Self::CORTEX_M33 => Some("m33"),
            Self::CORTEX_M0_PLUS => Some("m0"),
            _ => None,
        }
    }

    /// From the short name people type.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::CORTEX_M4, Self::CORTEX_M33, Self::CORTEX_M0_PLUS]
            .into_iter()
            .find(|id| id.name() == Some(name))
    }
}

impl fmt::Display for ProcessorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "processor {}", self.0),
        }
    }
}

impl fmt::Debug for ProcessorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcessorId({})", self.0)
    }
}
