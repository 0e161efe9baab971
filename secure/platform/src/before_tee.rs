//! What the secure world's own description says of a processor that may run before the TEE begins.

use rproc_abi::Refusal;

use crate::hardware::read_twice;
use crate::{Hardware, write_checked};

/// Bits of a register that outlives a start of the TEE, in which whoever starts a processor leaves word of it.
///
/// Such registers (TAMP's backup registers) may be the normal world's to write: what they say is an allegation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Physical address of the register.
    pub address: u64,
    /// The bits, which are taken where they are.
    pub mask: u32,
}

impl Word {
    pub(crate) fn read<H: Hardware>(self, hardware: &mut H) -> Result<u32, Refusal> {
        Ok(read_twice(hardware, self.address)? & self.mask)
    }

    pub(crate) fn write<H: Hardware>(self, hardware: &mut H, value: u32) -> Result<(), Refusal> {
        write_checked(hardware, self.address, self.mask, value)
    }
}

/// What the secure tree's node of a processor says for the case that it runs already; by default, that it must not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BeforeTee {
    /// `st,started-before-tee`: an earlier boot stage, or an earlier start of the TEE, may have started it.
    pub may_run: bool,
    /// `st,syscfg-rsc-tbl`: the device address of its resource table, 0 without one.
    pub resource_table: Option<Word>,
    /// `st,syscfg-m4-state`: its state, one of the `STATE_*`; asked only where its reset does not tell whether it runs.
    pub state: Option<Word>,
}

/// State of a processor that is held (`TAMP_COPRO_STATE_OFF` of U-Boot, `M4_STATE_OFF` of Linux's `stm32_rproc.c`).
pub const STATE_OFF: u32 = 0;
/// State of a processor that was let go (`TAMP_COPRO_STATE_CRUN`, `M4_STATE_CRUN`).
pub const STATE_RUNS: u32 = 2;
