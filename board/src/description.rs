//! What a board is made of, as plain data: memories and their addresses, guards, peripherals, interrupts, boot policy.
//!
//! Sources: OP-TEE's `stm32mp251.dtsi`, `stm32mp257f-ev1-ca35tdcid-resmem.dtsi` and `-rif.dtsi`, ST's `stm32mp2xx_hal_rif.h`
//! (illegal-access identifiers), Linux's `stm32mp251.dtsi` (mailbox interrupts).

/// One file of RAM and every physical address at which it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bank {
    /// Name for reports.
    pub name: &'static str,
    /// Size in bytes, a multiple of 4096.
    pub size: u64,
    /// The addresses of its first byte. The first window is the one A-side software and the guards use.
    pub windows: &'static [Window],
}

/// An address range through which a [`Bank`] is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Physical address of the bank's first byte.
    pub base: u64,
    /// An access through this window is a secure transaction whatever the guard says.
    pub secure: bool,
}

/// A named memory inside a bank, at its A-side address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// ST's name, such as `RETRAM`.
    pub name: &'static str,
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

/// How boot firmware leaves one range of guarded memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyRegion {
    /// The reserved-memory name of the mainline device tree.
    pub name: &'static str,
    /// A-side address, 4 KiB aligned.
    pub base: u64,
    /// Size in bytes, a multiple of 4096.
    pub size: u64,
    /// Only secure transactions.
    pub secure: bool,
    /// Compartments that may read and write: bit *n* is CID *n*. `None` (RISAB only): every compartment.
    pub compartments: Option<u8>,
}

/// A pair of mailbox interrupt numbers of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxInterrupts {
    /// A channel towards this side is occupied.
    pub rx: u16,
    /// A channel of this side has become free.
    pub tx: u16,
}

/// Everything [`crate::Board`] is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// Board name.
    pub name: &'static str,
    /// The board's `compatible` in mainline device trees.
    pub compatible: &'static str,
    /// Name of its SoC, as targets of signed images have it.
    pub soc: &'static str,
    /// Clock of the Cortex-M33 in hertz.
    pub core_hz: u64,
    /// RAM: on-chip first, then low-power SRAM, then DDR.
    pub banks: &'static [Bank],
    /// The named memories inside the banks.
    pub memories: &'static [Memory],
    /// Guards with regions.
    pub risafs: &'static [RisafSite],
    /// Guards with pages.
    pub risabs: &'static [RisabSite],
    /// What boot firmware programs into the guards, in order.
    pub policy: &'static [PolicyRegion],
    /// First address of the peripherals (non-secure alias) and their secure alias.
    pub peripherals: PeripheralSpan,
    /// Register addresses (non-secure alias).
    pub registers: RegisterMap,
    /// UARTs whose output is captured.
    pub uarts: &'static [u64],
    /// IPCC1 interrupts at the M33's NVIC (external interrupt numbers).
    pub ipcc1_nvic: MailboxInterrupts,
    /// IPCC1 interrupts at the A-side GIC (SPI numbers).
    pub ipcc1_spi: MailboxInterrupts,
    /// The illegal-access controller's SPI.
    pub iac_spi: u16,
}

/// Where peripheral registers live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeripheralSpan {
    /// Non-secure alias.
    pub base: u64,
    /// Secure alias: the same registers, secure transactions.
    pub secure_base: u64,
    /// Bytes of each alias.
    pub size: u64,
}

/// Addresses of the register blocks the board models (non-secure alias).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterMap {
    /// Mailbox A35 with M33.
    pub ipcc1: u64,
    /// Mailbox M0+ with A35.
    pub ipcc2: u64,
    /// Hardware semaphores.
    pub hsem: u64,
    /// Reset and clock controller.
    pub rcc: u64,
    /// Power controller.
    pub pwr: u64,
    /// Tamper and backup registers.
    pub tamp: u64,
    /// Cortex-A35 system configuration, which also holds the M33's vector registers.
    pub ca35syscfg: u64,
    /// System configuration controller.
    pub syscfg: u64,
    /// One-time-programmable words.
    pub bsec: u64,
    /// Resource-isolation controller of the peripherals (RISC, RIMC).
    pub rifsc: u64,
    /// Illegal-access controller.
    pub iac: u64,
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
/// Compartments 0, 1 and 2: hardware default, A35, M33.
const CID_0_1_2: u8 = 0b0111;
/// Compartments 0 and 1.
const CID_0_1: u8 = 0b0011;
/// Compartment 2 alone.
const CID_2: u8 = 0b0100;

const fn open(name: &'static str, base: u64, size: u64, compartments: Option<u8>) -> PolicyRegion {
    PolicyRegion { name, base, size, secure: false, compartments }
}

const fn secure(name: &'static str, base: u64, size: u64, compartments: Option<u8>) -> PolicyRegion {
    PolicyRegion { name, base, size, secure: true, compartments }
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

/// STM32MP257F-EV1, the board of the mainline reference policy, with 1 GiB of its DDR.
///
/// Differences from the mainline policy: `cm33_retram` is non-secure (mainline: secure), so that non-TrustZone firmware may
/// use RETRAM; the DDR regions above the modelled 1 GiB are left out and `linuxkernel1` ends there.
pub const STM32MP257F_EV1: Description = Description {
    name: "STM32MP257F-EV1",
    compatible: "st,stm32mp257f-ev1",
    soc: "stm32mp257",
    core_hz: 400_000_000,
    banks: &[
        Bank {
            name: "on-chip SRAM",
            size: 768 * KIB,
            windows: &[
                Window { base: 0x0A00_0000, secure: false },
                Window { base: 0x0E00_0000, secure: true },
                Window { base: 0x2000_0000, secure: false },
                Window { base: 0x3000_0000, secure: true },
            ],
        },
        Bank {
            name: "low-power SRAM",
            size: 32 * KIB,
            windows: &[
                Window { base: 0x200C_0000, secure: false },
                Window { base: 0x300C_0000, secure: true },
            ],
        },
        Bank { name: "DDR", size: 1024 * MIB, windows: &[Window { base: 0x8000_0000, secure: false }] },
    ],
    memories: &[
        Memory { name: "SYSRAM", base: 0x0A00_0000, size: 256 * KIB },
        Memory { name: "SRAM1", base: 0x0A04_0000, size: 128 * KIB },
        Memory { name: "SRAM2", base: 0x0A06_0000, size: 128 * KIB },
        Memory { name: "RETRAM", base: 0x0A08_0000, size: 128 * KIB },
        Memory { name: "VDERAM", base: 0x0A0A_0000, size: 128 * KIB },
        Memory { name: "LPSRAM1", base: 0x200C_0000, size: 8 * KIB },
        Memory { name: "LPSRAM2", base: 0x200C_2000, size: 8 * KIB },
        Memory { name: "LPSRAM3", base: 0x200C_4000, size: 16 * KIB },
        Memory { name: "DDR", base: 0x8000_0000, size: 1024 * MIB },
    ],
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
    policy: &[
        secure("tfa_bl31", 0x0A00_0000, 0x2_0000, Some(0b0010)),
        open("hpdma_lli", 0x0A02_0000, 0x2_0000, None),
        secure("bsec_mirror", 0x0A04_0000, 0x1000, None),
        open("cm33_sram1", 0x0A04_1000, 0x1_F000, None),
        open("cm33_sram2", 0x0A06_0000, 0x2_0000, None),
        open("cm33_retram", 0x0A08_0000, 0x1_F000, None),
        secure("ddr_param", 0x0A09_F000, 0x1000, None),
        secure("tfm_code", 0x8000_0000, MIB, Some(CID_2)),
        open("cm33_cube_fw", 0x8010_0000, 8 * MIB, Some(CID_0_1_2)),
        secure("tfm_data", 0x8090_0000, MIB, Some(CID_2)),
        open("cm33_cube_data", 0x80A0_0000, 8 * MIB, Some(CID_0_1_2)),
        open("ipc_shmem", 0x8120_0000, MIB, Some(CID_0_1_2)),
        open("spare1", 0x8130_0000, 0xCC_0000, Some(CID_0_1_2)),
        secure("bl31_context", 0x81FC_0000, 256 * KIB, Some(CID_0_1)),
        secure("op_tee", 0x8200_0000, 32 * MIB, Some(CID_0_1)),
        open("linuxkernel1", 0x8400_0000, 0x3C00_0000, Some(CID_0_1)),
    ],
    peripherals: PeripheralSpan { base: 0x4000_0000, secure_base: 0x5000_0000, size: 0x1000_0000 },
    registers: RegisterMap {
        ipcc1: 0x4049_0000,
        ipcc2: 0x4625_0000,
        hsem: 0x4624_0000,
        rcc: 0x4420_0000,
        pwr: 0x4421_0000,
        tamp: 0x4601_0000,
        ca35syscfg: 0x4880_0000,
        syscfg: 0x4423_0000,
        bsec: 0x4400_0000,
        rifsc: 0x4208_0000,
        iac: 0x4209_0000,
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
    ipcc1_nvic: MailboxInterrupts { rx: 171, tx: 172 },
    ipcc1_spi: MailboxInterrupts { rx: 171, tx: 172 },
    iac_spi: 246,
};

/// STM32MP215F-DK: the same map as far as the M33 is concerned, other mailbox interrupts at its NVIC.
pub const STM32MP215F_DK: Description = Description {
    name: "STM32MP215F-DK",
    compatible: "st,stm32mp215f-dk",
    soc: "stm32mp215",
    ipcc1_nvic: MailboxInterrupts { rx: 152, tx: 153 },
    ..STM32MP257F_EV1
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_memory_lies_in_the_first_window_of_a_bank() {
        for board in [STM32MP257F_EV1, STM32MP215F_DK] {
            for memory in board.memories {
                let inside = board.banks.iter().any(|bank| {
                    let base = bank.windows[0].base;
                    memory.base >= base && memory.base + memory.size <= base + bank.size
                });
                assert!(inside, "{} of {}", memory.name, board.name);
            }
        }
    }

    #[test]
    fn every_policy_region_lies_under_one_guard() {
        let board = STM32MP257F_EV1;
        for region in board.policy {
            let end = region.base + region.size;
            let paged = board.risabs.iter().any(|g| region.base >= g.memory && end <= g.memory + g.size);
            let placed = board.risafs.iter().any(|g| region.base >= g.memory);
            assert!(paged || (placed && region.compartments.is_some()), "{}", region.name);
            assert_eq!(region.base % 4096, 0);
            assert_eq!(region.size % 4096, 0);
        }
    }

    #[test]
    fn guards_sit_where_op_tee_puts_them() {
        let bases: Vec<u64> = STM32MP257F_EV1.risabs.iter().map(|g| g.registers).collect();
        assert_eq!(bases, [0x420F_0000, 0x4210_0000, 0x4211_0000, 0x4212_0000, 0x4213_0000, 0x4214_0000]);
    }
}
