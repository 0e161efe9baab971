//! What a board is made of, as owned data: memories and their addresses, guards, coprocessors, mailboxes, watchdogs, boot policy.
//!
//! What a tree of the board says ends up here as it says it; what no tree says (bus aliases, NVIC numbers, illegal-access
//! identifiers, core clocks) comes from [`crate::soc`].

mod trees;

pub use trees::DescriptionError;

use std::fmt;

use rproc_platform::BeforeTee;

use crate::bus::Initiator;
use crate::peripherals::Side;
use crate::soc::ClockGate;

/// One file of RAM and every physical address at which it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bank {
    /// Name for reports.
    pub name: String,
    /// Size in bytes, a multiple of 4096.
    pub size: u64,
    /// The addresses of its first byte. The first window is the one A-side software and the guards use.
    pub windows: Vec<Window>,
}

impl Bank {
    /// A-side address of its first byte; 0 for a bank without a window.
    pub fn base(&self) -> u64 {
        self.windows.first().map_or(0, |window| window.base)
    }
}

/// An address range through which a [`Bank`] is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Physical address of the bank's first byte.
    pub base: u64,
    /// An access through this window is a secure transaction whatever the guard says.
    pub secure: bool,
    /// Only coprocessors see the bank here: the A side has something else at this address, or nothing.
    pub coprocessors_only: bool,
}

/// A named memory inside a bank, at its A-side address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// ST's name, such as `RETRAM`.
    pub name: String,
    /// A-side physical address.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
}

/// A RISAF: a guard with a few freely placed regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RisafSite {
    /// Name for reports, such as `RISAF4`.
    pub name: &'static str,
    /// Physical address of its registers (4 KiB).
    pub registers: u64,
    /// A-side address of the first guarded byte; `STARTR` and `ENDR` count from here.
    pub memory: u64,
    /// How many regions can be programmed (numbered from 1).
    pub regions: usize,
    /// Its bit in the illegal-access controller.
    pub iac_id: u8,
}

/// A RISAB: a guard over 4 KiB pages of an on-chip RAM of at most 128 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RisabSite {
    /// Name for reports, such as `RISAB5`.
    pub name: &'static str,
    /// Physical address of its registers (4 KiB).
    pub registers: u64,
    /// A-side address of the first guarded byte.
    pub memory: u64,
    /// Guarded bytes: a multiple of 4096, at most 131072.
    pub size: u64,
    /// Its bit in the illegal-access controller.
    pub iac_id: u8,
}

/// A RISAL: the guard of one bank of LPSRAM, with two subregions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RisalSite {
    /// Name for reports, such as `RISAL1`.
    pub name: &'static str,
    /// Physical address of its registers (16 bytes of RIFSC).
    pub registers: u64,
    /// A-side address of the first guarded byte.
    pub memory: u64,
    /// Guarded bytes: a multiple of 4096.
    pub size: u64,
    /// Whether its subregions can be placed; else they span the bank.
    pub movable: bool,
    /// Its bit in the illegal-access controller.
    pub iac_id: u8,
}

/// The ETZPC of an STM32MP15: one guard over on-chip memories and peripherals, with a two-bit mode each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtzpcSite {
    /// Physical address of its registers (1 KiB).
    pub registers: u64,
    /// What it guards: memories and register blocks.
    pub guarded: Vec<EtzpcTarget>,
    /// What boot firmware programs.
    pub boot_modes: Vec<BootMode>,
}

/// A mode that boot firmware gives a number of the ETZPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootMode {
    /// The number.
    pub id: u8,
    /// 0 secure, 1 non-secure may read, 2 the coprocessor alone, 3 non-secure.
    pub mode: u8,
}

/// A memory or a peripheral under the ETZPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EtzpcTarget {
    /// Name for reports, such as `RETRAM`.
    pub name: &'static str,
    /// Its number, which is the place of its mode in the `DECPROT` registers (OP-TEE and Linux
    /// `dt-bindings/soc/stm32mp15-etzpc.h`).
    pub id: u8,
    /// A-side address of the first guarded byte.
    pub base: u64,
    /// Guarded bytes, a multiple of 1024.
    pub size: u64,
}

/// How boot firmware leaves one range of guarded memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRegion {
    /// The reserved-memory name of the mainline device tree.
    pub name: String,
    /// A-side address, 4 KiB aligned.
    pub base: u64,
    /// Size in bytes, a multiple of 4096.
    pub size: u64,
    /// Only secure transactions.
    pub secure: bool,
    /// Compartments that may read and write: bit *n* is CID *n*. `None` (RISAB and ETZPC only): every compartment.
    pub compartments: Option<u8>,
    /// The number of the RISAF's region, from 1; nothing under other guards.
    pub number: Option<u8>,
}

/// Which family of SoCs: the shape of the reset and clock controller, of the boot registers and of the firewall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// STM32MP15: Cortex-A7 and Cortex-M4, ETZPC.
    Stm32mp15,
    /// STM32MP25 and MP21: Cortex-A35, Cortex-M33 and (MP25) Cortex-M0+, RIF.
    Stm32mp25,
}

/// What kind of processor a coprocessor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoreKind {
    /// Armv7E-M with single-precision floating point.
    CortexM4F,
    /// Armv8-M mainline with single-precision floating point.
    CortexM33F,
    /// Armv6-M.
    CortexM0Plus,
}

impl CoreKind {
    /// Arm's name of it, such as `Cortex-M33`.
    pub const fn name(self) -> &'static str {
        match self {
            CoreKind::CortexM4F => "Cortex-M4",
            CoreKind::CortexM33F => "Cortex-M33",
            CoreKind::CortexM0Plus => "Cortex-M0+",
        }
    }
}

/// Which coprocessor: what a report needs to name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CoreName {
    /// Processor id.
    pub id: u32,
    /// Its kind.
    pub kind: CoreKind,
}

impl fmt::Display for CoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())
    }
}

/// A remote processor of the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coprocessor {
    /// Processor id, as `rproc_abi::ProcessorId` has it.
    pub id: u32,
    /// The short name people type: `m4`, `m33`, `m0`.
    pub name: String,
    /// Its kind.
    pub kind: CoreKind,
    /// Its clock, in hertz.
    pub hertz: u64,
    /// The external reference of its SysTick in hertz; `None` when SysTick has the core's clock alone.
    pub systick_reference_hertz: Option<u64>,
    /// Who it is on the bus, out of reset and with TrustZone off.
    pub initiator: Initiator,
    /// `dma-ranges`: its own addresses of memory. Ranges that it sees at the A side's addresses need none.
    pub translations: Vec<Translation>,
    /// The memory that its firmware may use, and what it shares with the normal world.
    pub regions: Vec<CoprocessorRegion>,
    /// Whether it may run before the TEE does, and where whoever starts it leaves word.
    pub before_tee: BeforeTee,
}

/// A region of a coprocessor's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoprocessorRegion {
    /// Its name, as OP-TEE's labels have it.
    pub name: String,
    /// The coprocessor's own addresses of its first byte; never empty.
    pub device: Vec<u64>,
    /// The A side's address of the same byte.
    pub physical: u64,
    /// Size in bytes.
    pub size: u64,
    /// Shared with the normal world, instead of closed to it while firmware is there.
    pub shared: bool,
}

impl Coprocessor {
    /// How reports name it.
    pub const fn core(&self) -> CoreName {
        CoreName { id: self.id, kind: self.kind }
    }
}

/// One entry of a coprocessor's `dma-ranges`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// The coprocessor's address of the first byte.
    pub device: u64,
    /// The A side's address of the same byte.
    pub physical: u64,
    /// Size in bytes.
    pub size: u64,
}

/// A pair of mailbox interrupt numbers of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxInterrupts {
    /// A channel towards this side is occupied.
    pub rx: u16,
    /// A channel of this side has become free.
    pub tx: u16,
}

/// An IPCC between the A side and one coprocessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxSite {
    /// Name for reports, such as `IPCC1`.
    pub name: &'static str,
    /// Physical address of its registers (1 KiB, non-secure alias).
    pub registers: u64,
    /// Channels, 1 to 16.
    pub channels: u32,
    /// Processor id of the other end.
    pub coprocessor: u32,
    /// Which end is the A side's; the other one is the coprocessor's.
    pub a_side: Side,
    /// Interrupts at the A side's GIC (SPI numbers).
    pub spi: MailboxInterrupts,
    /// Interrupts at the coprocessor's NVIC (external interrupt numbers).
    pub nvic: MailboxInterrupts,
    /// Its bit in the illegal-access controller, where there is one.
    pub iac_id: u8,
}

impl MailboxSite {
    /// Physical address of the registers of one side's bank.
    pub const fn bank(&self, side: Side) -> u64 {
        self.registers
            + match side {
                Side::One => 0,
                Side::Two => 0x10,
            }
    }
}

/// Which of ST's two watchdogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WatchdogKind {
    /// The independent watchdog, on the low-speed clock.
    Iwdg,
    /// The window watchdog, on a bus clock.
    Wwdg,
}

/// A watchdog that watches a coprocessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchdogSite {
    /// Name for reports, such as `IWDG3`.
    pub name: &'static str,
    /// Its kind.
    pub kind: WatchdogKind,
    /// Physical address of its registers (1 KiB, non-secure alias).
    pub registers: u64,
    /// Processor id of whom it resets.
    pub coprocessor: u32,
    /// The A-side interrupt (SPI number) by which its reset is heard of.
    pub spi: u16,
    /// The early-warning interrupt at the coprocessor's NVIC (external interrupt number), if there is one.
    pub early_warning: Option<u16>,
    /// Its clock before prescalers, in hertz.
    pub hertz: u64,
    /// The bit it sets in RCC's reset-cause register of that coprocessor, where there is such a register.
    pub reset_cause: Option<u8>,
}

/// The kind of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerKind {
    /// LPTIM.
    LowPower,
    /// TIM, general-purpose or basic.
    General {
        /// Whether it counts in 32 bits, not in 16.
        wide: bool,
    },
}

/// A timer whose interrupt goes to a coprocessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerSite {
    /// Name for reports, such as `LPTIM3`.
    pub name: &'static str,
    /// Its kind.
    pub kind: TimerKind,
    /// Physical address of its registers (1 KiB, non-secure alias).
    pub registers: u64,
    /// Processor id of whom it interrupts.
    pub coprocessor: u32,
    /// Its interrupt at that coprocessor's NVIC (external interrupt number).
    pub nvic: u16,
    /// Its kernel clock before prescalers, in hertz.
    pub hertz: u64,
}

/// Everything [`crate::Board`] is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Board name.
    pub name: String,
    /// The board's `compatible` in mainline device trees.
    pub compatible: String,
    /// Name of its SoC, as targets of signed images have it; from the tables of [`crate::soc`].
    pub soc: &'static str,
    /// Family of its SoC.
    pub family: Family,
    /// RAM: on-chip first, then low-power SRAM, then DDR.
    pub banks: Vec<Bank>,
    /// The named memories inside the banks.
    pub memories: Vec<Memory>,
    /// Guards with regions.
    pub risafs: Vec<RisafSite>,
    /// Guards with pages.
    pub risabs: Vec<RisabSite>,
    /// Guards of LPSRAM.
    pub risals: Vec<RisalSite>,
    /// The guard of an STM32MP15.
    pub etzpc: Option<EtzpcSite>,
    /// What boot firmware programs into the guards, in order.
    pub policy: Vec<PolicyRegion>,
    /// First address of the peripherals (non-secure alias) and their secure alias.
    pub peripherals: PeripheralSpan,
    /// Register addresses (non-secure alias).
    pub registers: RegisterMap,
    /// UARTs whose output is captured.
    pub uarts: Vec<u64>,
    /// The remote processors.
    pub coprocessors: Vec<Coprocessor>,
    /// The mailboxes between them and the A side.
    pub mailboxes: Vec<MailboxSite>,
    /// Their watchdogs.
    pub watchdogs: Vec<WatchdogSite>,
    /// Their low-power timers.
    pub timers: Vec<TimerSite>,
    /// The blocks that stand still without their clock.
    pub clock_gates: Vec<ClockGate>,
    /// The illegal-access controller's SPI, where there is one.
    pub iac_spi: Option<u16>,
}

impl Description {
    /// The coprocessor with a processor id.
    pub fn coprocessor(&self, id: u32) -> Option<&Coprocessor> {
        self.coprocessors.iter().find(|coprocessor| coprocessor.id == id)
    }

    /// The mailbox between the A side and a coprocessor.
    pub fn mailbox_of(&self, coprocessor: u32) -> Option<&MailboxSite> {
        self.mailboxes.iter().find(|mailbox| mailbox.coprocessor == coprocessor)
    }
}

/// Where peripheral registers live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeripheralSpan {
    /// Non-secure alias.
    pub base: u64,
    /// Secure alias: the same registers, secure transactions. An STM32MP15 has none.
    pub secure_base: Option<u64>,
    /// Bytes of each alias.
    pub size: u64,
}

/// Addresses of the register blocks the board models (non-secure alias).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterMap {
    /// Hardware semaphores.
    pub hsem: u64,
    /// Reset and clock controller.
    pub rcc: u64,
    /// Power controller.
    pub pwr: u64,
    /// Tamper and backup registers.
    pub tamp: u64,
    /// System configuration controller.
    pub syscfg: u64,
    /// One-time-programmable words.
    pub bsec: u64,
    /// Extended interrupt controllers, in the order of their numbers.
    pub exti: [Option<u64>; 2],
    /// Cortex-A35 system configuration, which also holds the M33's vector registers.
    pub ca35syscfg: Option<u64>,
    /// Resource-isolation controller of the peripherals (RISC, RIMC).
    pub rifsc: Option<u64>,
    /// Illegal-access controller.
    pub iac: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards;
    use crate::core::INTERRUPTS;

    fn all() -> [&'static Description; 3] {
        [boards::stm32mp157f_dk2(), boards::stm32mp215f_dk(), boards::stm32mp257f_ev1()]
    }

    #[test]
    fn every_memory_lies_in_the_first_window_of_a_bank() {
        for board in all() {
            for memory in &board.memories {
                let inside = board.banks.iter().any(|bank| {
                    memory.base >= bank.base() && memory.base + memory.size <= bank.base() + bank.size
                });
                assert!(inside, "{} of {}", memory.name, board.name);
            }
        }
    }

    #[test]
    fn every_policy_region_lies_under_one_guard() {
        for board in all() {
            for region in &board.policy {
                let end = region.base + region.size;
                let paged = board.risabs.iter().any(|g| region.base >= g.memory && end <= g.memory + g.size);
                let placed = board.risafs.iter().any(|g| region.base >= g.memory);
                let decided = board.etzpc.iter().flat_map(|etzpc| &etzpc.guarded);
                let decided = decided.into_iter().any(|g| region.base >= g.base && end <= g.base + g.size);
                let guarded = paged || decided || (placed && region.compartments.is_some());
                assert!(guarded, "{} of {}", region.name, board.name);
                assert_eq!(region.base % 4096, 0);
                assert_eq!(region.size % 4096, 0);
            }
        }
    }

    #[test]
    fn guards_sit_where_op_tee_puts_them() {
        let bases: Vec<u64> = boards::stm32mp257f_ev1().risabs.iter().map(|g| g.registers).collect();
        assert_eq!(bases, [0x420F_0000, 0x4210_0000, 0x4211_0000, 0x4212_0000, 0x4213_0000, 0x4214_0000]);
    }

    #[test]
    fn what_belongs_to_a_coprocessor_names_one_and_fits_its_nvic() {
        for board in all() {
            for mailbox in &board.mailboxes {
                assert!(board.coprocessor(mailbox.coprocessor).is_some(), "{}", mailbox.name);
                assert!(mailbox.nvic.rx < INTERRUPTS && mailbox.nvic.tx < INTERRUPTS, "{}", mailbox.name);
            }
            for watchdog in &board.watchdogs {
                assert!(board.coprocessor(watchdog.coprocessor).is_some(), "{}", watchdog.name);
                assert!(watchdog.early_warning.is_none_or(|line| line < INTERRUPTS), "{}", watchdog.name);
            }
        }
    }
}
