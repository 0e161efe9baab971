//! The secure monitor's one call that remote processors need: STM32MP15, write a register of the RCC.
//!
//! Function and arguments are those of Linux's `stm32_rproc.c`, results those of TF-A's `stm32mp1_smc.h`. Board's model: of the
//! registers only the boot hold of the Cortex-M4 can be written, unless the TEE owns the processor.

use rproc_abi::ProcessorId;
use rproc_platform::Hardware as _;

use super::SecurePort;
use crate::description::{Description, Family};

/// `STM32_SMC_RCC`.
const RCC: u32 = 0x8200_1000;
/// `STM32_SMC_REG_WRITE`.
const WRITE: u32 = 1;
/// `RCC_MP_GCR`, whose bit 0 lets the Cortex-M4 boot.
const MP_GCR: u32 = 0x10c;
const BOOT_MCU: u32 = 1 << 0;

const OK: u32 = 0;
const NOT_SUPPORTED: u32 = 0xffff_ffff;
const FAILED: u32 = 0xffff_fffe;
const INVALID_PARAMS: u32 = 0xffff_fffd;

/// The monitor of a board; one without an STM32MP15 supports no call.
pub(super) struct Monitor {
    hardware: SecurePort,
    /// Physical address of the RCC.
    rcc: Option<u64>,
    /// The Cortex-M4 is the TEE's.
    kept: bool,
}

impl Monitor {
    /// The monitor, which keeps the processors that the TEE owns from the normal world.
    pub(super) fn new(board: &Description, hardware: SecurePort, kept: &[ProcessorId]) -> Self {
        let rcc = (board.family == Family::Stm32mp15).then_some(board.registers.rcc);
        Self { hardware, rcc, kept: kept.contains(&ProcessorId::CORTEX_M4) }
    }

    /// Carries a call out.
    pub(super) fn call(&mut self, function: u32, [operation, register, value]: [u32; 3]) -> u32 {
        let Some(rcc) = self.rcc.filter(|_| function == RCC) else { return NOT_SUPPORTED };
        if (operation, register) != (WRITE, MP_GCR) || value & !BOOT_MCU != 0 {
            return INVALID_PARAMS;
        }
        if self.kept {
            return FAILED;
        }
        match self.hardware.write32(rcc + u64::from(MP_GCR), value) {
            Ok(()) => OK,
            Err(_) => FAILED,
        }
    }
}
