//! SCMI numbers of the STM32MP25 of which a remote processor has use (Linux `dt-bindings/{clock,reset}/st,stm32mp25-rcc.h`).
//!
//! Registers: Linux `drivers/clk/stm32/stm32mp25_rcc.h`. A bus clock's gate is bit 1 of its `RCC_…CFGR`; that bit 3 lets it
//! run on in autonomous mode is known of `RCC_C3CFGR` and taken to be the same in its neighbours.

use rproc_abi::ProcessorId;

use crate::{Bit, Cause, Clock, Gate, Line, Power, Reset, Tables};

const RCC: u64 = 0x4420_0000;
const HIGH_SPEED: u64 = 400_000_000;
const LOW_SPEED: u64 = 200_000_000;

/// Reset of the Cortex-A35 cluster.
pub const C1_R: u32 = 0;
/// Reset of the Cortex-M33.
pub const C2_R: u32 = 1;
/// Boot hold of the Cortex-A35 cluster.
pub const C1_HOLD_BOOT: u32 = 2;
/// Boot hold of the Cortex-M33.
pub const C2_HOLD_BOOT: u32 = 3;

/// Clock of GPIO port Z.
pub const GPIOZ: u32 = 100;
/// Clock of the mailbox to the Cortex-M33.
pub const IPCC1: u32 = 105;
/// Clock of the mailbox to the Cortex-M0+.
pub const IPCC2: u32 = 106;
/// GPIO port Z in autonomous mode. The proposal names it (`CK_SCMI_GPIOZ_AM`) and mainline, whose numbers end at 122, has
/// none for it: the number is of ST's own `st,stm32mp25-rcc.h`.
pub const GPIOZ_AM: u32 = 128;
/// The mailbox to the Cortex-M0+ in autonomous mode (`CK_SCMI_IPCC2_AM`), numbered as the one above.
pub const IPCC2_AM: u32 = 129;

/// The power domain that the proposal's Cortex-M33 node names "default". Both numbers are ours.
pub const CLUSTER: u32 = 0;
/// The power domain that it names "sleep".
pub const RETENTION: u32 = 1;

const fn always(id: u32, name: &'static str, rate: u64) -> Clock {
    Clock { id, name, rate: [rate], gate: Gate::Always }
}

const fn bus(id: u32, name: &'static str, offset: u64) -> Clock {
    Clock { id, name, rate: [LOW_SPEED], gate: Gate::Bit(Bit { register: RCC + offset, bit: 1 }) }
}

const fn autonomous(id: u32, name: &'static str, offset: u64) -> Clock {
    Clock { id, name, rate: [LOW_SPEED], gate: Gate::Bit(Bit { register: RCC + offset, bit: 3 }) }
}

/// The tables.
pub static TABLES: Tables = Tables {
    clocks: &[
        always(0, "ck_icn_hs_mcu", HIGH_SPEED),
        always(64, "ck_icn_ls_mcu", LOW_SPEED),
        bus(75, "ck_bus_rtc", 0x578),
        bus(84, "ck_bus_bkpsram", 0x504),
        bus(85, "ck_bus_bsec", 0x584),
        bus(89, "ck_bus_gpioa", 0x52c),
        bus(90, "ck_bus_gpiob", 0x530),
        bus(91, "ck_bus_gpioc", 0x534),
        bus(92, "ck_bus_gpiod", 0x538),
        bus(93, "ck_bus_gpioe", 0x53c),
        bus(94, "ck_bus_gpiof", 0x540),
        bus(95, "ck_bus_gpiog", 0x544),
        bus(96, "ck_bus_gpioh", 0x548),
        bus(97, "ck_bus_gpioi", 0x54c),
        bus(98, "ck_bus_gpioj", 0x550),
        bus(99, "ck_bus_gpiok", 0x554),
        bus(GPIOZ, "ck_bus_gpioz", 0x558),
        bus(101, "ck_bus_hpdma1", 0x55c),
        bus(102, "ck_bus_hpdma2", 0x560),
        bus(103, "ck_bus_hpdma3", 0x564),
        bus(104, "ck_bus_hsem", 0x56c),
        bus(IPCC1, "ck_bus_ipcc1", 0x570),
        bus(IPCC2, "ck_bus_ipcc2", 0x574),
        bus(107, "ck_bus_lpdma", 0x568),
        bus(108, "ck_bus_retram", 0x500),
        bus(109, "ck_bus_sram1", 0x4f8),
        bus(110, "ck_bus_sram2", 0x4fc),
        bus(111, "ck_bus_lpsram1", 0x508),
        bus(112, "ck_bus_lpsram2", 0x50c),
        bus(113, "ck_bus_lpsram3", 0x510),
        bus(114, "ck_bus_vderam", 0x4f4),
        bus(115, "ck_bus_sysram", 0x4f0),
        autonomous(GPIOZ_AM, "ck_bus_gpioz_am", 0x558),
        autonomous(IPCC2_AM, "ck_bus_ipcc2_am", 0x574),
    ],
    resets: &[
        // RCC_C1RSTCSETR, RCC_C2RSTCSETR, and RCC_CPUBOOTCR, whose bits let the processors boot.
        Reset { id: C1_R, name: "c1", line: Line::Pulse(Bit { register: RCC + 0x404, bit: 0 }, None) },
        // RCC_C2RSTCSETR, C2RST, and in RCC_C2RSTSSETR and RCC_C2RSTSCLRR its cause.
        Reset {
            id: C2_R,
            name: "c2",
            line: Line::Pulse(
                Bit { register: RCC + 0x40c, bit: 0 },
                Some(Cause { bit: Bit { register: RCC + 0x424, bit: 14 }, clear: RCC + 0x428 }),
            ),
        },
        Reset {
            id: C1_HOLD_BOOT,
            name: "c1_holdboot",
            line: Line::ActiveLow(Bit { register: RCC + 0x434, bit: 1 }),
        },
        Reset {
            id: C2_HOLD_BOOT,
            name: "c2_holdboot",
            line: Line::ActiveLow(Bit { register: RCC + 0x434, bit: 0 }),
        },
    ],
    powers: &[Power { id: CLUSTER, name: "cluster" }, Power { id: RETENTION, name: "retention" }],
};

/// The resets of the processor that asks: no agent of the normal world pulls the floor from under all of it.
pub const OWN_RESETS: &[u32] = &[C1_R, C1_HOLD_BOOT];

/// The resets of a remote processor, which nobody else may touch while the TEE owns it. The Cortex-M0+ has none here: its
/// reset is a bit of `RCC_C3CFGR`, which the secure world keeps to itself.
pub const fn resets_of(processor: ProcessorId) -> &'static [u32] {
    match processor {
        ProcessorId::CORTEX_M33 => &[C2_R, C2_HOLD_BOOT],
        _ => &[],
    }
}
