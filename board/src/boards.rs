//! The boards there are, until they are read from their device trees.

use std::sync::LazyLock;

use crate::description::{
    Bank, Coprocessor, Description, EtzpcSite, Memory, PolicyRegion, Translation, Window,
};
use crate::soc::{Soc, stm32mp15, stm32mp25};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
/// Compartments 0, 1 and 2: hardware default, A35, M33.
const CID_0_1_2: u8 = 0b0111;
/// Compartments 0 and 1.
const CID_0_1: u8 = 0b0011;
/// Compartment 2 alone.
const CID_2: u8 = 0b0100;

fn open(name: &str, base: u64, size: u64, compartments: Option<u8>) -> PolicyRegion {
    PolicyRegion { name: name.to_owned(), base, size, secure: false, compartments }
}

fn secure(name: &str, base: u64, size: u64, compartments: Option<u8>) -> PolicyRegion {
    PolicyRegion { secure: true, ..open(name, base, size, compartments) }
}

/// A board with everything its SoC has, and this much DDR.
fn assemble(name: &str, compatible: &str, soc: &Soc, ddr: u64, policy: Vec<PolicyRegion>) -> Description {
    let mut banks: Vec<Bank> = soc
        .banks
        .iter()
        .map(|bank| Bank { name: bank.name.to_owned(), size: bank.size, windows: bank.windows.to_vec() })
        .collect();
    let window = Window { base: soc.ddr, secure: false, coprocessors_only: false };
    banks.push(Bank { name: "DDR".to_owned(), size: ddr, windows: vec![window] });
    let mut memories: Vec<Memory> = soc
        .memories
        .iter()
        .map(|memory| Memory { name: memory.name.to_owned(), base: memory.base, size: memory.size })
        .collect();
    memories.push(Memory { name: "DDR".to_owned(), base: soc.ddr, size: ddr });
    Description {
        name: name.to_owned(),
        compatible: compatible.to_owned(),
        soc: soc.name,
        family: soc.family,
        banks,
        memories,
        risafs: soc.risafs.to_vec(),
        risabs: soc.risabs.to_vec(),
        risals: soc.risals.to_vec(),
        etzpc: soc.etzpc.map(|(registers, guarded)| EtzpcSite { registers, guarded: guarded.to_vec() }),
        policy,
        peripherals: soc.peripherals,
        registers: soc.registers,
        uarts: soc.uarts.to_vec(),
        coprocessors: soc
            .cores
            .iter()
            .map(|core| Coprocessor {
                id: core.id,
                name: core.name.to_owned(),
                kind: core.kind,
                hertz: core.hertz,
                systick_reference_hertz: core.systick_reference_hertz,
                initiator: core.initiator,
                translations: Vec::new(),
            })
            .collect(),
        mailboxes: soc.mailboxes.to_vec(),
        watchdogs: soc.watchdogs.to_vec(),
        timers: soc.timers.to_vec(),
        iac_spi: soc.iac_spi,
    }
}

/// The mainline reference policy of the STM32MP257F-EV1 (OP-TEE's `stm32mp257f-ev1-ca35tdcid-resmem.dtsi` and `-rif.dtsi`).
///
/// Differences: `cm33_retram` is non-secure (mainline: secure), so that non-TrustZone firmware may use RETRAM; the DDR regions
/// above the modelled 1 GiB are left out and `linuxkernel1` ends there.
fn stm32mp25_policy() -> Vec<PolicyRegion> {
    vec![
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
    ]
}

/// STM32MP257F-EV1: Cortex-M33 and Cortex-M0+, 1 GiB of its DDR.
pub fn stm32mp257f_ev1() -> &'static Description {
    static BOARD: LazyLock<Description> = LazyLock::new(|| {
        let policy = stm32mp25_policy();
        assemble("STM32MP257F-EV1", "st,stm32mp257f-ev1", &stm32mp25::STM32MP257, 1024 * MIB, policy)
    });
    &BOARD
}

/// STM32MP215F-DK: Cortex-M33, 1 GiB of its DDR.
pub fn stm32mp215f_dk() -> &'static Description {
    static BOARD: LazyLock<Description> = LazyLock::new(|| {
        let policy = stm32mp25_policy();
        assemble("STM32MP215F-DK", "st,stm32mp215f-dk", &stm32mp25::STM32MP215, 1024 * MIB, policy)
    });
    &BOARD
}

/// STM32MP157F-DK2: Cortex-M4, 512 MiB of DDR. Its on-chip memories are open to both sides until a driver closes them.
pub fn stm32mp157f_dk2() -> &'static Description {
    static BOARD: LazyLock<Description> = LazyLock::new(|| {
        let policy = vec![
            open("mcuram2", 0x1000_0000, 128 * KIB, None),
            open("sram2", 0x1002_0000, 128 * KIB, None),
            open("sram3", 0x1004_0000, 64 * KIB, None),
            open("sram4", 0x1005_0000, 64 * KIB, None),
            open("retram", 0x3800_0000, 64 * KIB, None),
        ];
        let mut board =
            assemble("STM32MP157F-DK2", "st,stm32mp157f-dk2", &stm32mp15::STM32MP157, 512 * MIB, policy);
        let translations = [
            Translation { device: 0x0000_0000, physical: 0x3800_0000, size: 64 * KIB },
            Translation { device: 0x1000_0000, physical: 0x1000_0000, size: 384 * KIB },
            Translation { device: 0x3000_0000, physical: 0x3000_0000, size: 384 * KIB },
        ];
        board.coprocessors.iter_mut().for_each(|core| core.translations = translations.to_vec());
        board
    });
    &BOARD
}
