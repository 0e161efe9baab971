//! The wiring of an STM32MP257 and an STM32MP215.
//!
//! Sources: OP-TEE's and Linux's `stm32mp251.dtsi`, ST's `stm32mp2xx_hal_rif.h` (illegal-access identifiers) and
//! `stm32mp2xx` vector tables (NVIC numbers). The A-side numbers of IPCC2 are taken to be the M33's, as those of IPCC1 are.

use super::{BankWiring, ClockGate, CoreWiring, IAC_ID_OTHER, Soc};
use crate::bus::Initiator;
use crate::description::{
    CoreKind, Family, MailboxInterrupts, MailboxSite, PeripheralSpan, RegisterMap, RisabSite, RisafSite,
    RisalSite, TimerKind, TimerSite, WatchdogKind, WatchdogSite, Window,
};
use crate::peripherals::Side;

const KIB: u64 = 1024;
const RIFSC: u64 = 0x4208_0000;
/// The low-speed internal oscillator, which drives the independent watchdogs.
const LSI_HZ: u64 = 32_000;
/// Where the M0+ fetches its vectors: the start of LPSRAM1, for want of a vector register.
pub const M0_PLUS_VECTORS: u32 = 0x200C_0000;
const M33: u32 = 1;
const M0_PLUS: u32 = 2;

const fn window(base: u64, secure: bool) -> Window {
    Window { base, secure, coprocessors_only: false }
}

const fn risab(n: u64, name: &'static str) -> RisabSite {
    RisabSite {
        name,
        registers: 0x420E_0000 + n * 0x1_0000,
        memory: 0x0A00_0000 + (n - 1) * 0x2_0000,
        size: 128 * KIB,
        iac_id: 127 + n as u8,
    }
}

const fn risal(n: u64, name: &'static str, memory: u64, kib: u64) -> RisalSite {
    RisalSite {
        name,
        registers: RIFSC + 0x900 + 0x10 * n,
        memory,
        size: kib * KIB,
        movable: false,
        iac_id: IAC_ID_OTHER,
    }
}

const fn iwdg(name: &'static str, registers: u64, coprocessor: u32, spi: u16) -> WatchdogSite {
    WatchdogSite {
        name,
        kind: WatchdogKind::Iwdg,
        registers,
        coprocessor,
        spi,
        early_warning: None,
        hertz: LSI_HZ,
        reset_cause: None,
    }
}

/// NVIC numbers: the vector table of ST's startup code for the Cortex-M0+.
const fn lptim(name: &'static str, registers: u64, nvic: u16) -> TimerSite {
    TimerSite { name, kind: TimerKind::LowPower, registers, coprocessor: M0_PLUS, nvic, hertz: LSI_HZ }
}

/// A timer of the M33 on APB1, whose timers have half the clock of the M33: `LSMCUDIVR` divides by 2, `APB1DIVR` by 1.
const fn tim(name: &'static str, registers: u64, nvic: u16, core: &CoreWiring) -> TimerSite {
    // TIM2 to TIM5.
    let wide = registers < 0x4004_0000;
    let kind = TimerKind::General { wide };
    TimerSite { name, kind, registers, coprocessor: M33, nvic, hertz: core.hertz / 2 }
}

const fn ipcc1(nvic: MailboxInterrupts) -> MailboxSite {
    MailboxSite {
        name: "IPCC1",
        registers: 0x4049_0000,
        channels: 16,
        coprocessor: M33,
        a_side: Side::One,
        spi: MailboxInterrupts { rx: 171, tx: 172 },
        nvic,
        iac_id: 144,
    }
}

const M33_CORE: CoreWiring = CoreWiring {
    id: M33,
    name: "m33",
    kind: CoreKind::CortexM33F,
    hertz: 400_000_000,
    systick_reference_hertz: None,
    initiator: Initiator::M33,
};

/// PLL4 divided by 4 (OP-TEE's `stm32mp215f-dk-ca35tdcid-rcc.dtsi`).
const MP215_M33_CORE: CoreWiring = CoreWiring { hertz: 300_000_000, ..M33_CORE };

const IWDG3: WatchdogSite =
    WatchdogSite { early_warning: Some(2), reset_cause: Some(26), ..iwdg("IWDG3", 0x4403_0000, M33, 4) };
const IWDG4: WatchdogSite =
    WatchdogSite { early_warning: Some(3), reset_cause: Some(27), ..iwdg("IWDG4", 0x4404_0000, M33, 6) };

/// STM32MP257: Cortex-M33 and Cortex-M0+.
pub const STM32MP257: Soc = Soc {
    compatible: "st,stm32mp257",
    name: "stm32mp257",
    family: Family::Stm32mp25,
    banks: &[
        BankWiring {
            name: "on-chip SRAM",
            size: 768 * KIB,
            windows: &[
                window(0x0A00_0000, false),
                window(0x0E00_0000, true),
                window(0x2000_0000, false),
                window(0x3000_0000, true),
            ],
        },
        BankWiring {
            name: "low-power SRAM",
            size: 32 * KIB,
            windows: &[window(0x200C_0000, false), window(0x300C_0000, true)],
        },
    ],
    ddr: 0x8000_0000,
    risafs: &[RisafSite {
        name: "RISAF4",
        registers: 0x420D_0000,
        memory: 0x8000_0000,
        regions: 15,
        iac_id: 137,
    }],
    risabs: &[
        risab(1, "RISAB1"),
        risab(2, "RISAB2"),
        risab(3, "RISAB3"),
        risab(4, "RISAB4"),
        risab(5, "RISAB5"),
        risab(6, "RISAB6"),
    ],
    risals: &[
        risal(0, "RISAL1", 0x200C_0000, 8),
        risal(1, "RISAL2", 0x200C_2000, 8),
        RisalSite { movable: true, ..risal(2, "RISAL3", 0x200C_4000, 16) },
    ],
    etzpc: None,
    peripherals: PeripheralSpan { base: 0x4000_0000, secure_base: Some(0x5000_0000), size: 0x1000_0000 },
    registers: RegisterMap {
        hsem: 0x4624_0000,
        rcc: 0x4420_0000,
        pwr: 0x4421_0000,
        tamp: 0x4601_0000,
        syscfg: 0x4423_0000,
        bsec: 0x4400_0000,
        exti: [Some(0x4422_0000), Some(0x4623_0000)],
        ca35syscfg: Some(0x4880_0000),
        rifsc: Some(RIFSC),
        iac: Some(0x4209_0000),
    },
    uarts: &[
        0x400E_0000,
        0x400F_0000,
        0x4010_0000,
        0x4011_0000,
        0x4022_0000,
        0x4033_0000,
        0x4037_0000,
        0x4038_0000,
        0x4603_0000,
    ],
    cores: &[
        M33_CORE,
        CoreWiring {
            id: M0_PLUS,
            name: "m0",
            kind: CoreKind::CortexM0Plus,
            // On the internal oscillator, as ST's demonstration leaves it; its SysTick reference is a 500th of that.
            hertz: 16_000_000,
            systick_reference_hertz: Some(32_000),
            initiator: Initiator::M0Plus,
        },
    ],
    mailboxes: &[
        ipcc1(MailboxInterrupts { rx: 171, tx: 172 }),
        MailboxSite {
            name: "IPCC2",
            registers: 0x4625_0000,
            channels: 16,
            coprocessor: M0_PLUS,
            a_side: Side::Two,
            spi: MailboxInterrupts { rx: 175, tx: 176 },
            nvic: MailboxInterrupts { rx: 13, tx: 14 },
            iac_id: 145,
        },
    ],
    watchdogs: &[
        IWDG3,
        IWDG4,
        WatchdogSite { early_warning: Some(0), ..iwdg("IWDG5", 0x4609_0000, M0_PLUS, 7) },
        WatchdogSite {
            kind: WatchdogKind::Wwdg,
            hertz: 16_000_000,
            early_warning: Some(1),
            ..iwdg("WWDG2", 0x460A_0000, M0_PLUS, 11)
        },
    ],
    timers: &[
        tim("TIM2", 0x4000_0000, 105, &M33_CORE),
        tim("TIM3", 0x4001_0000, 106, &M33_CORE),
        tim("TIM4", 0x4002_0000, 107, &M33_CORE),
        tim("TIM5", 0x4003_0000, 124, &M33_CORE),
        tim("TIM6", 0x4004_0000, 128, &M33_CORE),
        tim("TIM7", 0x4005_0000, 129, &M33_CORE),
        tim("TIM10", 0x401C_0000, 205, &M33_CORE),
        tim("TIM11", 0x401D_0000, 225, &M33_CORE),
        tim("TIM12", 0x4006_0000, 196, &M33_CORE),
        tim("TIM13", 0x4007_0000, 203, &M33_CORE),
        tim("TIM14", 0x4008_0000, 204, &M33_CORE),
        lptim("LPTIM3", 0x4605_0000, 18),
        lptim("LPTIM4", 0x4606_0000, 19),
        lptim("LPTIM5", 0x4607_0000, 20),
    ],
    clock_gates: &[
        gate(0x4049_0000, IPCC1CFGR),
        gate(0x4605_0000, LPTIM3CFGR),
        gate(0x4606_0000, 0x750),
        gate(0x4607_0000, 0x754),
        gate(0x4603_0000, LPUART1CFGR),
        gate(0x4624_0000, HSEMCFGR),
        gate(0x4625_0000, IPCC2CFGR),
    ],
    iac_spi: Some(246),
};

/// Registers of the RCC that let a block have its clocks (Linux `stm32mp25_rcc.h`).
const IPCC1CFGR: u32 = 0x570;
const IPCC2CFGR: u32 = 0x574;
const HSEMCFGR: u32 = 0x56c;
const LPTIM3CFGR: u32 = 0x74c;
const LPUART1CFGR: u32 = 0x7a0;

/// Bit 1 of a `RCC_…CFGR` gates bus and kernel clock of its block.
const fn gate(block: u64, register: u32) -> ClockGate {
    ClockGate { block, register, bit: 1 << 1 }
}

/// STM32MP215: the same map as far as the M33 is concerned, other mailbox interrupts at its NVIC, no M0+.
pub const STM32MP215: Soc = Soc {
    compatible: "st,stm32mp215",
    name: "stm32mp215",
    cores: &[MP215_M33_CORE],
    mailboxes: &[ipcc1(MailboxInterrupts { rx: 152, tx: 153 })],
    watchdogs: &[IWDG3, IWDG4],
    timers: &[
        tim("TIM2", 0x4000_0000, 92, &MP215_M33_CORE),
        tim("TIM3", 0x4001_0000, 93, &MP215_M33_CORE),
        tim("TIM4", 0x4002_0000, 94, &MP215_M33_CORE),
        tim("TIM5", 0x4003_0000, 111, &MP215_M33_CORE),
        tim("TIM6", 0x4004_0000, 115, &MP215_M33_CORE),
        tim("TIM7", 0x4005_0000, 116, &MP215_M33_CORE),
        tim("TIM10", 0x401C_0000, 175, &MP215_M33_CORE),
        tim("TIM11", 0x401D_0000, 189, &MP215_M33_CORE),
        tim("TIM12", 0x4006_0000, 168, &MP215_M33_CORE),
        tim("TIM13", 0x4007_0000, 173, &MP215_M33_CORE),
        tim("TIM14", 0x4008_0000, 174, &MP215_M33_CORE),
    ],
    clock_gates: &[gate(0x4049_0000, IPCC1CFGR), gate(0x4624_0000, HSEMCFGR)],
    ..STM32MP257
};
