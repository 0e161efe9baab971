//! Memory of processors to be guarded: every kind of guard, and addresses that differ. Real maps are the boards' device trees.

use crate::{Region, RegionKind};

const fn same(name: &'static str, address: u64, size: u64, kind: RegionKind) -> Region {
    Region { name, device: address, physical: address, size, kind }
}

/// A Cortex-M33's, as on an STM32MP257F-EV1: DDR under a RISAF, SRAM under RISABs. Addresses are the same on both sides.
pub(super) const STM32MP257F_EV1_M33: [Region; 6] = [
    same("cm33_cube_fw", 0x8010_0000, 0x80_0000, RegionKind::Firmware),
    same("cm33_cube_data", 0x80a0_0000, 0x80_0000, RegionKind::Firmware),
    same("ipc_shmem", 0x8120_0000, 0x10_0000, RegionKind::Shared),
    same("cm33_sram1", 0x0a04_1000, 0x1_f000, RegionKind::Firmware),
    same("cm33_sram2", 0x0a06_0000, 0x2_0000, RegionKind::Firmware),
    same("cm33_retram", 0x0a08_0000, 0x1_f000, RegionKind::Firmware),
];

/// A Cortex-M0+'s: each bank of LPSRAM, under a RISAL of its own. Addresses are the same on both sides.
pub(super) const STM32MP257F_EV1_M0: [Region; 3] = [
    same("cm0_lpsram1", 0x200c_0000, 0x2000, RegionKind::Firmware),
    same("cm0_lpsram2", 0x200c_2000, 0x2000, RegionKind::Firmware),
    same("cm0_lpsram3", 0x200c_4000, 0x4000, RegionKind::Shared),
];

/// A Cortex-M4's, as on an STM32MP157F-DK2: banks under an ETZPC.
///
/// RETRAM is at 0 for the Cortex-M4. SRAM1 and SRAM2 are there through both of their addresses, as Linux's `mcuram2` and
/// `mcuram`. What is shared is in SRAM3: the firewall opens a bank whole, and that bank holds no firmware. SRAM4 is Linux's.
pub(super) const STM32MP157F_DK2_M4: [Region; 4] = [
    Region { name: "retram", device: 0, physical: 0x3800_0000, size: 0x1_0000, kind: RegionKind::Firmware },
    same("mcuram2", 0x1000_0000, 0x4_0000, RegionKind::Firmware),
    same("mcuram", 0x3000_0000, 0x4_0000, RegionKind::Firmware),
    same("ipc_shm", 0x1004_8000, 0x8000, RegionKind::Shared),
];
