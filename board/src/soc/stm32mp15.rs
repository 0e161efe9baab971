//! The wiring of an STM32MP157.
//!
//! Sources: Linux's `stm32mp151.dtsi`, ST's `stm32mp157cxx_cm4.h` vector table, and the ETZPC numbers of OP-TEE's and Linux's
//! `stm32mp15` headers.

use super::{BankWiring, CoreWiring, Soc};
use crate::bus::Initiator;
use crate::description::{
    CoreKind, EtzpcTarget, Family, MailboxInterrupts, MailboxSite, PeripheralSpan, RegisterMap, TimerKind,
    TimerSite, WatchdogKind, WatchdogSite, Window,
};
use crate::peripherals::Side;

const KIB: u64 = 1024;
/// Where the M4 fetches its vectors: its alias of RETRAM.
pub const M4_VECTORS: u32 = 0;
const M4: u32 = 0;

const fn window(base: u64, coprocessors_only: bool) -> Window {
    Window { base, secure: false, coprocessors_only }
}

const fn guarded(id: u8, name: &'static str, base: u64, kib: u64) -> EtzpcTarget {
    EtzpcTarget { name, id, base, size: kib * KIB }
}

/// A timer on APB1, which has half the clock of the M4; its timers have the double of that (`TIMG1PRER` 0).
const fn tim(name: &'static str, registers: u64, nvic: u16, wide: bool) -> TimerSite {
    TimerSite {
        name,
        kind: TimerKind::General { wide },
        registers,
        coprocessor: M4,
        nvic,
        hertz: 209_000_000,
    }
}

/// STM32MP157: Cortex-M4.
pub const STM32MP157: Soc = Soc {
    compatible: "st,stm32mp157",
    name: "stm32mp157",
    family: Family::Stm32mp15,
    banks: &[
        BankWiring {
            name: "MCU SRAM",
            size: 384 * KIB,
            windows: &[window(0x1000_0000, false), window(0x3000_0000, false)],
        },
        // The A side has its boot ROM at 0.
        BankWiring {
            name: "RETRAM",
            size: 64 * KIB,
            windows: &[window(0x3800_0000, false), window(0x0000_0000, true)],
        },
    ],
    ddr: 0xC000_0000,
    risafs: &[],
    risabs: &[],
    risals: &[],
    etzpc: Some((
        0x5C00_7000,
        &[
            guarded(80, "SRAM1", 0x1000_0000, 128),
            guarded(81, "SRAM2", 0x1002_0000, 128),
            guarded(82, "SRAM3", 0x1004_0000, 64),
            guarded(83, "SRAM4", 0x1005_0000, 64),
            guarded(84, "RETRAM", 0x3800_0000, 64),
            guarded(26, "WWDG1", 0x4000_A000, 1),
        ],
    )),
    peripherals: PeripheralSpan { base: 0x4000_0000, secure_base: None, size: 0x2000_0000 },
    registers: RegisterMap {
        hsem: 0x4C00_0000,
        rcc: 0x5000_0000,
        pwr: 0x5000_1000,
        tamp: 0x5C00_A000,
        syscfg: 0x5002_0000,
        bsec: 0x5C00_5000,
        exti: [Some(0x5000_D000), None],
        ca35syscfg: None,
        rifsc: None,
        iac: None,
    },
    uarts: &[
        0x4000_E000,
        0x4000_F000,
        0x4001_0000,
        0x4001_1000,
        0x4001_8000,
        0x4001_9000,
        0x4400_3000,
        0x5C00_0000,
    ],
    cores: &[CoreWiring {
        id: M4,
        name: "m4",
        kind: CoreKind::CortexM4F,
        hertz: 209_000_000,
        systick_reference_hertz: None,
        initiator: Initiator::M4,
    }],
    mailboxes: &[MailboxSite {
        name: "IPCC",
        registers: 0x4C00_1000,
        channels: 6,
        coprocessor: M4,
        a_side: Side::One,
        spi: MailboxInterrupts { rx: 100, tx: 101 },
        nvic: MailboxInterrupts { rx: 103, tx: 104 },
        iac_id: 0,
    }],
    watchdogs: &[WatchdogSite {
        name: "WWDG1",
        kind: WatchdogKind::Wwdg,
        registers: 0x4000_A000,
        coprocessor: M4,
        spi: 143,
        early_warning: Some(0),
        // The APB1 clock.
        hertz: 104_500_000,
        reset_cause: Some(10),
    }],
    timers: &[
        tim("TIM2", 0x4000_0000, 28, true),
        tim("TIM3", 0x4000_1000, 29, false),
        tim("TIM4", 0x4000_2000, 30, false),
        tim("TIM5", 0x4000_3000, 50, true),
        tim("TIM6", 0x4000_4000, 54, false),
        tim("TIM7", 0x4000_5000, 55, false),
        tim("TIM12", 0x4000_6000, 119, false),
        tim("TIM13", 0x4000_7000, 130, false),
        tim("TIM14", 0x4000_8000, 131, false),
    ],
    clock_gates: &[],
    iac_spi: None,
};
