//! What each initiator may do with each memory after boot firmware, and how a refusal is reported.

mod support;

use proptest::prelude::*;
use rproc_board::{Cause, Direction, Happening, Initiator};
use support::*;

use Initiator::{A35NonSecure, A35Secure, M0Plus, M33, M33Secure};

/// Address, then who gets through.
const AFTER_BOOT: &[(&str, u64, &[Initiator])] = &[
    ("tfa_bl31", 0x0A00_0000, &[A35Secure]),
    ("hpdma_lli", 0x0A02_0000, &[A35Secure, A35NonSecure, M33, M33Secure, M0Plus]),
    ("bsec_mirror", 0x0A04_0FFC, &[A35Secure, M33Secure]),
    ("cm33_sram1", 0x0A04_1000, &[A35Secure, A35NonSecure, M33, M33Secure, M0Plus]),
    ("cm33_sram1, data alias", 0x2004_1000, &[A35Secure, A35NonSecure, M33, M33Secure, M0Plus]),
    ("cm33_sram1, secure alias", 0x0E04_1000, &[A35Secure, M33Secure]),
    ("cm33_sram1, secure data alias", 0x3004_1000, &[A35Secure, M33Secure]),
    ("cm33_sram2", 0x0A06_0000, &[A35Secure, A35NonSecure, M33, M33Secure, M0Plus]),
    ("cm33_retram", 0x0A08_0000, &[A35Secure, A35NonSecure, M33, M33Secure, M0Plus]),
    ("ddr_param", 0x0A09_F000, &[A35Secure, M33Secure]),
    ("vderam", 0x0A0A_0000, &[A35Secure, M33Secure]),
    ("lpsram1", 0x200C_0000, &[A35Secure, A35NonSecure, M33, M33Secure, M0Plus]),
    ("tfm_code", 0x8000_0000, &[M33Secure]),
    ("cm33_cube_fw", 0x8010_0000, &[A35Secure, A35NonSecure, M33, M33Secure]),
    ("tfm_data", 0x809F_FFFC, &[M33Secure]),
    ("cm33_cube_data", 0x80A0_0000, &[A35Secure, A35NonSecure, M33, M33Secure]),
    ("ipc_shmem", 0x812F_8000, &[A35Secure, A35NonSecure, M33, M33Secure]),
    ("bl31_context", 0x81FC_0000, &[A35Secure]),
    ("op_tee", 0x8200_0000, &[A35Secure]),
    ("op_tee, last word", 0x83FF_FFFC, &[A35Secure]),
    ("linuxkernel1", 0x8400_0000, &[A35Secure, A35NonSecure]),
    ("linuxkernel1, last word", 0xBFFF_FFFC, &[A35Secure, A35NonSecure]),
];

#[test]
fn every_initiator_and_direction_on_every_memory() {
    let board = board();
    for (name, address, allowed) in AFTER_BOOT {
        // An STM32MP25 has no Cortex-M4.
        for initiator in Initiator::ALL.into_iter().filter(|by| *by != Initiator::M4) {
            let port = board.port(initiator);
            let expected = allowed.contains(&initiator);
            assert_eq!(port.read32(*address).is_ok(), expected, "{initiator} reads {name}");
            assert_eq!(port.write32(*address, 1).is_ok(), expected, "{initiator} writes {name}");
        }
    }
}

#[test]
fn nothing_answers_outside_the_map() {
    let board = board();
    let port = board.port(A35Secure);
    for address in [0, 0x0A0C_0000, 0x6000_0000, 0xC000_0000, 0x1_0000_0000, u64::MAX - 3] {
        assert_eq!(port.read32(address).unwrap_err().cause, Cause::Unmapped, "{address:#x}");
    }
    assert_eq!(port.read32(0xBFFF_FFFE).unwrap_err().cause, Cause::Unmapped, "half outside");
    assert!(port.fill(0x8000_0000, u64::MAX, 0).is_err());
}

const RISAF4: u64 = 0x420D_0000;
const RISAB5: u64 = 0x4213_0000;
const IAC: u64 = 0x4209_0000;

#[test]
fn closing_a_region_takes_it_from_linux_at_once() {
    let mut board = board();
    let (linux, secure, m33) = (board.port(A35NonSecure), board.port(A35Secure), board.port(M33));
    linux.write32(CODE + 8, 0x1111).unwrap();
    // Region 2 is cm33_cube_fw: only the M33 may read and write.
    secure.write32(RISAF4 + 0x80 + 0xC, 0x0004_0004).unwrap();
    let error = linux.write32(CODE + 8, 0x2222).unwrap_err();
    assert_eq!(error.cause, Cause::Firewall { guard: "RISAF4", region: Some(2) });
    assert_eq!(m33.read32(CODE + 8).unwrap(), 0x1111, "nothing was written");
    assert_eq!(secure.read32(RISAF4 + 0x08).unwrap(), 0b10);
    assert_eq!(secure.read32(RISAF4 + 0x20).unwrap(), 0x91);
    assert_eq!(secure.read32(RISAF4 + 0x24).unwrap(), 0x0010_0008, "offset from the start of DDR");
    assert_eq!(secure.read32(IAC + 0x80 + 16).unwrap(), 1 << 9, "illegal-access identifier 137");
    assert!(board.pending_interrupts().contains(&246));
    assert!(board.drain_events().iter().any(|event| event.what == Happening::IllegalAccess(error)));
    secure.write32(RISAF4 + 0x0C, 0b110).unwrap();
    secure.write32(IAC + 0x100 + 16, 1 << 9).unwrap();
    assert!(board.pending_interrupts().is_empty());
}

#[test]
fn a_transfer_that_crosses_into_a_closed_region_moves_nothing() {
    let board = board();
    let (linux, secure) = (board.port(A35NonSecure), board.port(A35Secure));
    secure.write32(0x83FF_FFFC, 0xAAAA_AAAA).unwrap();
    secure.write32(0x81FB_FFFC, 0xBBBB_BBBB).unwrap();
    let error = linux.write(0x81FB_FFFC, &[0; 8]).unwrap_err();
    assert_eq!((error.address, error.length), (0x81FC_0000, 8));
    assert_eq!(linux.read32(0x81FB_FFFC).unwrap(), 0xBBBB_BBBB);
    assert!(linux.fill(0x83FF_FFFC, 8, 0).is_err());
    assert_eq!(secure.read32(0x83FF_FFFC).unwrap(), 0xAAAA_AAAA);
}

#[test]
fn on_chip_memory_is_guarded_page_by_page() {
    let board = board();
    let (linux, secure) = (board.port(A35NonSecure), board.port(A35Secure));
    secure.write32(RISAB5 + 0x100 + 4 * 3, 0xFF).unwrap();
    assert!(linux.read32(0x0A08_2FFC).is_ok());
    let error = linux.read32(0x0A08_3000).unwrap_err();
    assert_eq!(error.cause, Cause::Firewall { guard: "RISAB5", region: Some(3) });
    assert!(linux.read32(0x2008_3000).is_err(), "its alias too");
    assert_eq!(secure.read32(RISAB5 + 0x24).unwrap(), 0x0A08_3000);
    assert_eq!(secure.read32(IAC + 0x80 + 16).unwrap(), 1 << 4, "illegal-access identifier 132");
}

#[test]
fn only_the_secure_world_configures_protection_and_boot() {
    let mut board = board();
    let protected = [
        RISAF4 + 0x80,
        RISAF4,
        RISAF4 + 0x0C,
        RISAB5 + 0x100,
        IAC + 0x100,
        0x4208_0010,
        RCC + 0x434,
        RCC + 0x40C,
        CA35SYSCFG + 0x20A0,
        CA35SYSCFG + 0x20A4,
        CA35SYSCFG + 0x20A8,
        CA35SYSCFG + 0x2088,
        0x4400_0000,
    ];
    for address in protected {
        let before = board.port(A35Secure).read32(address).unwrap();
        for initiator in [A35NonSecure, M33, M33Secure, M0Plus] {
            let error = board.port(initiator).write32(address, !before).unwrap_err();
            assert!(matches!(error.cause, Cause::Firewall { region: None, .. }), "{error}");
            assert_eq!(error.direction, Direction::Write);
        }
        assert_eq!(board.port(A35Secure).read32(address).unwrap(), before, "{address:#x}");
    }
    assert!(board.pending_interrupts().contains(&246));
    assert!(board.port(A35NonSecure).read32(0x4400_0000).is_err(), "fuses may hold secrets");
    assert!(board.port(A35NonSecure).read32(RISAF4 + 0x80).is_ok());
    assert!(
        board.port(A35NonSecure).write32(0x5420_0570, 2).is_err(),
        "the secure alias is the secure world's"
    );
    assert!(!board.is_running());
    assert_eq!(board.drain_events().len(), 4 * protected.len() + 2);
}

#[test]
fn registers_take_whole_aligned_accesses() {
    let board = board();
    let port = board.port(A35Secure);
    for (address, length) in [(RCC + 2, 4), (RCC + 1, 2), (RCC, 3), (RCC, 8), (RCC, 0)] {
        let error = port.read(address, &mut vec![0; length]).unwrap_err();
        assert_eq!(error.cause, Cause::Alignment, "{length} bytes at {address:#x}");
    }
    assert_eq!(port.fill(RCC, 4, 0).unwrap_err().cause, Cause::Alignment);
    port.write(RCC + 0x802, &[0xAB]).unwrap();
    assert_eq!(port.read32(RCC + 0x800).unwrap(), 0x00AB_0000);
    let mut half = [0; 2];
    port.read(RCC + 0x802, &mut half).unwrap();
    assert_eq!(half, [0xAB, 0]);
}

#[test]
fn mailbox_banks_belong_to_their_processors() {
    let board = board();
    const IPCC1: u64 = 0x4049_0000;
    assert!(board.port(A35NonSecure).write32(IPCC1 + 0x08, 1 << 16).is_ok());
    assert!(board.port(A35NonSecure).write32(IPCC1 + 0x18, 1).is_err());
    assert!(board.port(M33).write32(IPCC1 + 0x08, 1).is_err());
    assert!(board.port(M33).write32(IPCC1 + 0x18, 1).is_ok());
    assert!(board.port(A35NonSecure).read32(IPCC1 + 0x1C).is_ok(), "Linux reads the other side's flags");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_access_of_any_kind_panics(accesses in proptest::collection::vec((0usize..5, any::<u64>(), 0u64..40, any::<bool>()), 1..40)) {
        let board = board();
        for (who, address, length, write) in accesses {
            let port = board.port(Initiator::ALL[who]);
            for address in [address, address & 0xFFFF_FFFF, 0x4000_0000 | (address & 0x1FFF_FFFF), 0x8000_0000 | (address & 0x7FFF_FFFF)] {
                let _ = if write {
                    port.write(address, &vec![0x5A; length as usize])
                } else {
                    port.read(address, &mut vec![0; length as usize])
                };
                let _ = port.fill(address, length, 1);
            }
        }
    }
}
