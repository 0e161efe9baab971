//! SCMI numbers of the STM32MP15 of which a remote processor has use (Linux `dt-bindings/{clock,reset}/stm32mp1-*.h`).

use rproc_abi::ProcessorId;

use crate::{Bit, Cause, Clock, Gate, Line, Reset, Tables};

const RCC: u64 = 0x5000_0000;
const AHB5_ENABLE_SET: u64 = RCC + 0x210;
const AHB5_ENABLE_CLEAR: u64 = RCC + 0x214;
/// Reset of the Cortex-M4.
pub const MCU: u32 = 10;
/// Its boot hold.
pub const MCU_HOLD_BOOT: u32 = 11;

const fn ahb5(id: u32, name: &'static str, bit: u8) -> Clock {
    let gate = Gate::SetClear { set: Bit { register: AHB5_ENABLE_SET, bit }, clear: AHB5_ENABLE_CLEAR };
    Clock { id, name, rate: [264_000_000], gate }
}

/// The tables.
pub static TABLES: Tables = Tables {
    clocks: &[ahb5(11, "gpioz", 0), ahb5(16, "rng1", 6)],
    resets: &[
        // RCC_MP_GRSTCSETR, MCURST, and RCC_MC_RSTSCLRR, MCURSTF.
        Reset {
            id: MCU,
            name: "mcu",
            line: Line::Pulse(
                Bit { register: RCC + 0x404, bit: 1 },
                Some(Cause { bit: Bit { register: RCC + 0xc00, bit: 5 }, clear: RCC + 0xc00 }),
            ),
        },
        // RCC_MP_GCR, BOOT_MCU.
        Reset {
            id: MCU_HOLD_BOOT,
            name: "mcu_hold_boot",
            line: Line::ActiveLow(Bit { register: RCC + 0x10c, bit: 0 }),
        },
    ],
    powers: &[],
};

/// The resets of a remote processor, which nobody else may touch while the TEE owns it.
pub const fn resets_of(processor: ProcessorId) -> &'static [u32] {
    match processor {
        ProcessorId::CORTEX_M4 => &[MCU, MCU_HOLD_BOOT],
        _ => &[],
    }
}
