//! Clocks of the STM32MP25 near its Cortex-M0+ (Linux `dt-bindings/clock/st,stm32mp25-rcc.h`, `stm32mp25_rcc.h`).
//!
//! Bus and kernel clock of a peripheral have one gate, bit 1 of its `RCC_…CFGR`. Mainline's numbers end at 343; the
//! proposal's node names clocks that have none there, and those above are of ST's own `st,stm32mp25-rcc.h`, as the trees of
//! `bindings/boards` have them. That bit 3 lets a peripheral run on in autonomous mode is known of `RCC_C3CFGR` and taken to be
//! the same in its neighbours.

use crate::RccClock;

/// LPTIM3 in autonomous mode (`CK_LPTIM3_AM`).
pub const LPTIM3_AM: u32 = 368;
/// LPUART1 in autonomous mode (`CK_LPUART1_AM`).
pub const LPUART1_AM: u32 = 371;
/// The Cortex-M0+ in autonomous mode (`CK_CPU3_AM`). This one and the rest are bits of `RCC_C3CFGR`, which is the secure
/// world's: the TEE's driver sets them when it starts the processor.
pub const CPU3_AM: u32 = 362;
/// The Cortex-M0+ (`CK_CPU3`).
pub const CPU3: u32 = 349;
/// LPUART1 for the Cortex-M0+ (`CK_LPUART1_C3`).
pub const LPUART1_C3: u32 = 358;
/// GPIO port Z for the Cortex-M0+ (`CK_GPIOZ_C3`).
pub const GPIOZ_C3: u32 = 351;
/// LPTIM3 for the Cortex-M0+ (`CK_LPTIM3_C3`).
pub const LPTIM3_C3: u32 = 355;

const C3CFGR: u32 = 0x490;

const fn gate(number: u32, name: &'static str, offset: u32, bit: u8) -> RccClock {
    RccClock { number, name, offset, bit }
}

/// Whether a clock is a bit of `RCC_C3CFGR`, which is the Cortex-M0+'s owner's: the TEE's where the TEE has not given it away.
pub const fn is_of_the_m0(number: u32) -> bool {
    matches!(number, CPU3_AM | CPU3 | LPUART1_C3 | GPIOZ_C3 | LPTIM3_C3)
}

/// The table for [`crate::RccClocks`].
pub static TABLE: [RccClock; 26] = [
    gate(134, "ck_icn_p_spi8", 0x774, 1),
    gate(135, "ck_icn_p_lpuart1", 0x7a0, 1),
    gate(136, "ck_icn_p_i2c8", 0x7c0, 1),
    gate(137, "ck_icn_p_lptim3", 0x74c, 1),
    gate(138, "ck_icn_p_lptim4", 0x750, 1),
    gate(139, "ck_icn_p_lptim5", 0x754, 1),
    gate(140, "ck_icn_p_iwdg5", 0x898, 1),
    gate(141, "ck_icn_p_wwdg2", 0x8a0, 1),
    gate(142, "ck_icn_p_i3c4", 0x8d4, 1),
    gate(199, "ck_icn_p_wwdg1", 0x89c, 1),
    gate(297, "ck_ker_i3c4", 0x8d4, 1),
    gate(298, "ck_ker_spi8", 0x774, 1),
    gate(299, "ck_ker_i2c8", 0x7c0, 1),
    gate(300, "ck_ker_lpuart1", 0x7a0, 1),
    gate(301, "ck_ker_lptim3", 0x74c, 1),
    gate(302, "ck_ker_lptim4", 0x750, 1),
    gate(303, "ck_ker_lptim5", 0x754, 1),
    gate(336, "ck_icn_p_adf1", 0x7dc, 1),
    gate(337, "ck_ker_adf1", 0x7dc, 1),
    gate(CPU3, "ck_cpu3", C3CFGR, 1),
    gate(GPIOZ_C3, "ck_gpioz_c3", C3CFGR, 24),
    gate(LPTIM3_C3, "ck_lptim3_c3", C3CFGR, 16),
    gate(LPUART1_C3, "ck_lpuart1_c3", C3CFGR, 20),
    gate(CPU3_AM, "ck_cpu3_am", C3CFGR, 3),
    gate(LPTIM3_AM, "ck_lptim3_am", 0x74c, 3),
    gate(LPUART1_AM, "ck_lpuart1_am", 0x7a0, 3),
];
