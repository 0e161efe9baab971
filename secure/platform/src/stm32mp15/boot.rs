//! The three ways to the Cortex-M4's hold boot and reset: RCC's registers, an SCMI server, a secure monitor.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Reason};

use super::rcc;
use crate::Hardware;
use crate::hardware::wait_for;

/// A way to the processor's hold boot and reset.
pub trait BootControl<H: Hardware> {
    /// Says whether the processor's next reset ends in the hold.
    ///
    /// # Errors
    /// When it is not known to.
    fn hold_boot(&mut self, hardware: &mut H, hold: bool) -> Result<(), Refusal>;

    /// Resets the processor; it ends in the hold or boots.
    ///
    /// # Errors
    /// When it is not known to have happened.
    fn reset(&mut self, hardware: &mut H) -> Result<(), Refusal>;

    /// Lets the normal world do both by itself.
    ///
    /// # Errors
    /// When it is not known to be able to.
    fn hand_over(&mut self, hardware: &mut H) -> Result<(), Refusal>;
}

/// RCC's registers, read back.
pub struct RccBoot;

impl<H: Hardware> BootControl<H> for RccBoot {
    fn hold_boot(&mut self, hardware: &mut H, hold: bool) -> Result<(), Refusal> {
        rcc::hold_boot(hardware, hold)
    }

    fn reset(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        rcc::reset(hardware)
    }

    fn hand_over(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        rcc::unprotect(hardware)
    }
}

/// The reset domains of an SCMI server.
pub trait ResetDomains {
    /// Asserts or deasserts a domain's reset; else the server's status, which is negative.
    ///
    /// # Errors
    /// The status.
    fn set(&mut self, domain: u32, asserted: bool) -> Result<(), i32>;
}

/// An SCMI server, which owns RCC. The protocol reads nothing back: its word is taken.
pub struct ScmiBoot<D>(
    /// Its reset domains.
    pub D,
);

/// Reset domains (Linux `stm32mp1-resets.h`, `RST_SCMI_MCU` and `RST_SCMI_MCU_HOLD_BOOT`).
const DOMAIN_MCU: u32 = 10;
const DOMAIN_HOLD_BOOT: u32 = 11;

fn refused(status: u64) -> Refusal {
    Refusal::new(Reason::ResetRefused).found(Fact::Address(status))
}

impl<D: ResetDomains> ScmiBoot<D> {
    fn set(&mut self, domain: u32, asserted: bool) -> Result<(), Refusal> {
        self.0.set(domain, asserted).map_err(|status| refused(u64::from(status.cast_unsigned())))
    }
}

impl<H: Hardware, D: ResetDomains> BootControl<H> for ScmiBoot<D> {
    fn hold_boot(&mut self, _: &mut H, hold: bool) -> Result<(), Refusal> {
        self.set(DOMAIN_HOLD_BOOT, hold)
    }

    fn reset(&mut self, _: &mut H) -> Result<(), Refusal> {
        // The hardware ends it by itself (OP-TEE `stm32_rproc_start`).
        self.set(DOMAIN_MCU, true)
    }

    fn hand_over(&mut self, _: &mut H) -> Result<(), Refusal> {
        // Linux is an agent of the same server, which asks the platform service whose the processor is.
        Ok(())
    }
}

/// A secure monitor.
pub trait SecureMonitor {
    /// Calls a function with three arguments; what is in the first result register, 0 for success.
    fn call(&mut self, function: u32, arguments: [u32; 3]) -> u32;
}

/// A secure monitor for the hold boot, and RCC's registers for the reset, as Linux has it (`stm32_rproc.c`,
/// `hold_boot_smc`).
pub struct MonitorBoot<M>(
    /// The monitor.
    pub M,
);

/// Function and service of the monitor (Linux `stm32_rproc.c`).
const STM32_SMC_RCC: u32 = 0x8200_1000;
const STM32_SMC_REG_WRITE: u32 = 1;

impl<H: Hardware, M: SecureMonitor> BootControl<H> for MonitorBoot<M> {
    fn hold_boot(&mut self, hardware: &mut H, hold: bool) -> Result<(), Refusal> {
        let value = if hold { 0 } else { rcc::BOOT_MCU };
        match self.0.call(STM32_SMC_RCC, [STM32_SMC_REG_WRITE, rcc::MP_GCR_OFFSET, value]) {
            0 => wait_for(hardware, rcc::MP_GCR, rcc::BOOT_MCU, value, rcc::MP_GCR, 1),
            status => Err(refused(u64::from(status))),
        }
    }

    fn reset(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        rcc::reset(hardware)
    }

    fn hand_over(&mut self, hardware: &mut H) -> Result<(), Refusal> {
        rcc::unprotect(hardware)
    }
}
