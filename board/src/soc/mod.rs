//! What no device tree says of a SoC, because it is wired inside the chip: one table a SoC, found by its `compatible`.

pub mod stm32mp15;
pub mod stm32mp25;

use crate::bus::Initiator;
use crate::description::{
    CoreKind, EtzpcTarget, Family, MailboxSite, PeripheralSpan, RegisterMap, RisabSite, RisafSite, RisalSite,
    TimerSite, WatchdogSite, Window,
};

/// Illegal-access identifiers of blocks with rules of their own (ST `stm32mp2xx_hal_rif.h`).
pub const IAC_ID_IAC: u8 = 127;
/// RCC's.
pub const IAC_ID_RCC: u8 = 156;
/// BSEC's.
pub const IAC_ID_BSEC: u8 = 177;
/// A reserved identifier, used for blocks whose own was not found (CA35SYSCFG, RIFSC): board's model.
pub const IAC_ID_OTHER: u8 = 143;

/// An on-chip RAM and the bus aliases at which it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BankWiring {
    /// Name for reports.
    pub name: &'static str,
    /// Size in bytes.
    pub size: u64,
    /// The A-side address first.
    pub windows: &'static [Window],
}

/// A processor beside the Cortex-A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreWiring {
    /// Processor id (`rproc_abi::ProcessorId`).
    pub id: u32,
    /// The short name people type.
    pub name: &'static str,
    /// Its kind.
    pub kind: CoreKind,
    /// Its clock as boot firmware leaves it, in hertz.
    pub hertz: u64,
    /// SysTick's external reference, in hertz.
    pub systick_reference_hertz: Option<u64>,
    /// Who it is on the bus.
    pub initiator: Initiator,
}

/// Everything a chip has wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soc {
    /// Its `compatible` in mainline trees, such as `st,stm32mp257`.
    pub compatible: &'static str,
    /// Its name, as targets of signed images have it.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    /// The on-chip RAMs.
    pub banks: &'static [BankWiring],
    /// First address of DDR.
    pub ddr: u64,
    /// Guards with regions.
    pub risafs: &'static [RisafSite],
    /// Guards with pages.
    pub risabs: &'static [RisabSite],
    /// Guards of LPSRAM.
    pub risals: &'static [RisalSite],
    /// Address of the ETZPC's registers, and what it guards.
    pub etzpc: Option<(u64, &'static [EtzpcTarget])>,
    /// Where the peripherals are.
    pub peripherals: PeripheralSpan,
    /// The single register blocks.
    pub registers: RegisterMap,
    /// Every UART.
    pub uarts: &'static [u64],
    /// The small processors.
    pub cores: &'static [CoreWiring],
    /// The mailboxes.
    pub mailboxes: &'static [MailboxSite],
    /// The watchdogs of the small processors.
    pub watchdogs: &'static [WatchdogSite],
    /// The timers that interrupt them.
    pub timers: &'static [TimerSite],
    /// The blocks that stand still without their clock.
    pub clock_gates: &'static [ClockGate],
    /// The illegal-access controller's SPI.
    pub iac_spi: Option<u16>,
}

/// A register block and the bit of the RCC that lets it have its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockGate {
    /// Physical address of the block (non-secure alias).
    pub block: u64,
    /// Offset of the register in the RCC.
    pub register: u32,
    /// The bit, as a mask.
    pub bit: u32,
}

/// Every SoC that there is a table of.
pub const KNOWN: [&Soc; 3] = [&stm32mp15::STM32MP157, &stm32mp25::STM32MP257, &stm32mp25::STM32MP215];

/// The table of a SoC by its `compatible`, such as `st,stm32mp257`.
pub fn by_compatible(compatible: &str) -> Option<&'static Soc> {
    KNOWN.into_iter().find(|soc| soc.compatible == compatible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soc_is_found_by_its_compatible() {
        assert_eq!(by_compatible("st,stm32mp257").map(|soc| soc.name), Some("stm32mp257"));
        assert_eq!(by_compatible("st,stm32mp157").map(|soc| soc.family), Some(Family::Stm32mp15));
        assert_eq!(by_compatible("st,stm32mp1"), None);
    }
}
