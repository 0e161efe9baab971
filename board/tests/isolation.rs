//! From before the first byte until the wipe, the firmware's memory is out of the normal world's reach.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod lab;

use std::cell::RefCell;
use std::rc::Rc;

use lab::bench::{Bench, Bytes};
use lab::elf;
use lab::forge::{self, Forge};
use lab::{Lab, M33};
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_board::{Board, Cause, Happening, Initiator};
use rproc_platform::RegionKind;
use rproc_service::Policy;

const RISAF4: u64 = 0x420d_0000;
const IAC: u64 = 0x4209_0000;

/// Whether Linux gets at an address, which must be the same for reading and writing.
fn reachable(board: &Board, address: u64) -> bool {
    let linux = board.port(Initiator::A35NonSecure);
    let [read, write] = [linux.read32(address).is_ok(), linux.write32(address, 0xE7E7_E7E7).is_ok()];
    assert_eq!(read, write, "{address:#x}");
    read
}

#[test]
fn closed_at_every_step_from_the_first_byte_on() {
    // After each call of the platform service: its number, and whether Linux reaches the firmware's first words.
    let seen: Rc<RefCell<Vec<(u32, bool)>>> = Rc::default();
    let mut bench = Bench::probed(Policy::Strict, |board| {
        let (linux, seen) = (board.port(Initiator::A35NonSecure), seen.clone());
        Box::new(move |number| {
            let open = [elf::CODE + 4, elf::DATA, elf::SRAM].map(|address| {
                let read = linux.read32(address).is_ok();
                assert_eq!(read, linux.write32(address, 0xE7E7_E7E7).is_ok());
                read
            });
            assert!(open == [true; 3] || open == [false; 3], "{open:?}");
            // Written while that was allowed, it must be gone before anything is loaded.
            seen.borrow_mut().push((number, open[0]));
        })
    });
    // Boot firmware left the memory open; once the TEE has used it, it never is again.
    for (image, open_at_first) in [(forge::good(), true), (Forge::bound(&[&elf::sample()]).sign(), false)] {
        seen.borrow_mut().clear();
        bench.load(Bytes::new(&image)).unwrap();
        for (address, bytes) in elf::contents() {
            assert_eq!(bench.memory(address, bytes.len()), bytes);
        }
        let steps = seen.borrow().clone();
        const LOAD_SEGMENTS: u32 = 0x8000_0008;
        let first = steps.iter().position(|(number, _)| *number == LOAD_SEGMENTS).unwrap();
        assert!(steps[..=first].iter().all(|(_, open)| *open == open_at_first));
        assert!(steps[first + 1..].iter().all(|(_, open)| !open), "{steps:?}");
        // Before and after the one call.
        assert!(steps.iter().filter(|(number, _)| *number == LOAD_SEGMENTS).count() == 2);
        seen.borrow_mut().clear();
        bench.start().unwrap();
        bench.stop().unwrap();
        assert!(seen.borrow().iter().all(|(_, open)| !open));
        bench.release().unwrap();
        assert_eq!(seen.borrow().last(), Some(&(9, false)));
    }
}

#[test]
fn closed_in_every_state_and_every_attempt_is_told() {
    let mut lab = Lab::new(Policy::Strict);
    lab.assert_open();
    lab.load(&forge::good()).unwrap();
    lab.assert_closed();
    lab.service.start(M33).unwrap();
    lab.board.run_for(std::time::Duration::from_micros(10));
    lab.assert_closed();
    lab.service.stop(M33).unwrap();
    lab.assert_closed();
    assert!(lab.board.pending_interrupts().contains(&246), "the illegal-access controller calls");
    // RISAF4 is number 137 of the illegal-access controller, RISAB3 to RISAB5 are 130 to 132.
    let flags = lab.secure().read32(IAC + 0x80 + 4 * 4).unwrap();
    assert_eq!(flags >> 2 & 0b1000_0111, 0b1000_0111, "{flags:#x}");
    lab.service.release(M33).unwrap();
    lab.assert_closed();
    lab::assert_zero(lab.board.bus());
}

#[test]
fn an_attempt_is_refused_by_the_right_guard_and_moves_nothing() {
    let mut lab = Lab::new(Policy::Strict);
    lab.load(&forge::good()).unwrap();
    lab.board.drain_events();
    for (address, guard) in [(elf::CODE, "RISAF4"), (elf::DATA, "RISAF4"), (elf::SRAM, "RISAB3")] {
        let before = lab.memory(address..address + 4);
        let error = lab.linux().write32(address, 0xE7E7_E7E7).unwrap_err();
        assert!(matches!(error.cause, Cause::Firewall { guard: found, .. } if found == guard), "{error}");
        let logged = lab.board.drain_events();
        assert!(logged.iter().any(|event| event.what == Happening::IllegalAccess(error)));
        assert_eq!(lab.memory(address..address + 4), before);
        let mut read = [0x55; 4];
        lab.linux().read(address, &mut read).unwrap_err();
        assert_eq!(read, [0x55; 4]);
        // Nor across its edge.
        assert!(lab.linux().write(address - 2, &[0; 4]).is_err());
    }
    // Nor through the other addresses of on-chip memory.
    assert!(lab.linux().read32(0x2004_1000).is_err());
    assert!(lab.linux().read32(0x3004_1000).is_err());
    assert!(lab.linux().read32(0x0e04_1000).is_err());
}

#[test]
fn the_shared_region_stays_shared() {
    let mut lab = Lab::new(Policy::Strict);
    let shared: Vec<_> = lab::regions().filter(|region| region.kind == RegionKind::Shared).collect();
    assert_eq!(shared.len(), 1);
    let steps: [&dyn Fn(&mut Lab); 5] = [
        &|_| {},
        &|lab| lab.load(&forge::good()).unwrap(),
        &|lab| lab.service.start(M33).unwrap(),
        &|lab| lab.service.stop(M33).unwrap(),
        &|lab| lab.service.release(M33).unwrap(),
    ];
    for step in steps {
        step(&mut lab);
        for region in &shared {
            assert!(reachable(&lab.board, region.physical + 0x4000));
            assert!(reachable(&lab.board, region.physical + region.size - 4));
        }
    }
}

#[test]
fn nobody_else_gets_at_running_firmware() {
    let lab = Lab::new(Policy::Strict);
    // Boot firmware left the Cortex-M0+ and others a grant on every page of on-chip memory.
    for guard in [0x4211_0000, 0x4212_0000, 0x4213_0000] {
        for compartment in 0..7 {
            for list in [0x808, 0x810] {
                lab.secure().write32(guard + list + 0x20 * compartment, u32::MAX).unwrap();
            }
        }
    }
    lab.load(&forge::good()).unwrap();
    for who in [Initiator::A35NonSecure, Initiator::M0Plus, Initiator::M33, Initiator::M33Secure] {
        for address in [elf::CODE, elf::DATA, elf::SRAM] {
            assert!(lab.board.port(who).read32(address).is_err(), "{who} at {address:#x}, loaded");
        }
    }
    lab.service.start(M33).unwrap();
    for who in [Initiator::A35NonSecure, Initiator::M0Plus, Initiator::A35Secure] {
        for address in [elf::CODE, elf::DATA, elf::SRAM] {
            assert!(lab.board.port(who).read32(address).is_err(), "{who} at {address:#x}, running");
            assert!(lab.board.port(who).write32(address, 0).is_err(), "{who} at {address:#x}, running");
        }
    }
    for address in [elf::CODE, elf::DATA, elf::SRAM] {
        assert!(lab.board.port(Initiator::M33).read32(address).is_ok(), "the firmware itself");
    }
    lab.service.stop(M33).unwrap();
}

#[test]
fn a_hostile_kernel_cannot_open_the_firewall_or_start_the_processor() {
    let mut lab = Lab::new(Policy::Strict);
    lab.load(&forge::good()).unwrap();
    lab.board.drain_events();
    let region = |n: u64, register: u64| RISAF4 + 0x40 * n + register;
    let mut writes = vec![
        // RCC: reset and hold of the Cortex-M33. CA35SYSCFG: TrustZone and the vector table.
        (0x4420_0434, 1),
        (0x4420_040c, 1),
        (0x4880_20a0, 1),
        (0x4880_20a8, 0x8400_0000),
        (0x4880_20a4, 0x8400_0000),
        (RISAF4, 1),
        (RISAF4 + 0xc, u32::MAX),
        (IAC, 0),
        (IAC + 0x100, u32::MAX),
    ];
    for n in 1..=15 {
        writes.extend([0, 4, 8, 0xc].map(|register| (region(n, register), u32::MAX)));
    }
    for guard in [0x4211_0000u64, 0x4212_0000, 0x4213_0000] {
        writes
            .extend((0..32).flat_map(|page| [(guard + 0x100 + 4 * page, 0), (guard + 0xa00 + 4 * page, 0)]));
        let lists = (0..7).flat_map(|n| [0x808 + 0x20 * n, 0x810 + 0x20 * n]);
        writes.extend(lists.map(|list| (guard + list, u32::MAX)));
    }
    let values = |lab: &Lab| -> Vec<u32> {
        writes.iter().map(|(address, _)| lab.secure().read32(*address).unwrap()).collect()
    };
    let before = values(&lab);
    for (address, value) in &writes {
        for alias in [0, 0x1000_0000] {
            let error = lab.linux().write32(address + alias, *value).unwrap_err();
            assert!(matches!(error.cause, Cause::Firewall { .. }), "{error}");
        }
        // Not by halves or bytes either.
        assert!(lab.linux().write(*address, &[1]).is_err());
    }
    assert_eq!(values(&lab), before);
    assert_eq!(lab.board.drain_events().len(), 3 * writes.len());
    lab.board.run_for(std::time::Duration::from_millis(1));
    assert!(!lab.board.is_running());
    lab.assert_closed();
    // The running firmware can do none of it either.
    lab.run();
    for (address, value) in &writes {
        assert!(lab.board.port(Initiator::M33).write32(*address, *value).is_err(), "{address:#x}");
    }
    lab.service.stop(M33).unwrap();
    lab.service.release(M33).unwrap();
    lab.tee.drain_log();
    lab.assert_works(&forge::good());
}

#[test]
fn what_linux_left_in_memory_is_not_executed() {
    let mut lab = Lab::new(Policy::Strict);
    lab.poison();
    lab.load(&forge::good()).unwrap();
    lab::assert_zero_but(lab.board.bus(), &elf::ranges());
    lab.run();
    lab.service.stop(M33).unwrap();
    lab.service.release(M33).unwrap();
    lab.tee.drain_log();
    lab.assert_clean();
}

#[test]
fn what_ran_is_gone_when_the_next_image_is_refused() {
    let mut lab = Lab::new(Policy::Strict);
    lab.load(&forge::good()).unwrap();
    lab.run();
    // Secrets that the firmware made while it ran.
    lab.board.port(Initiator::M33).fill(elf::DATA, 0x10_0000, 0x5E).unwrap();
    lab.service.stop(M33).unwrap();
    lab.assert_closed();
    let mut bad = forge::good();
    *bad.last_mut().unwrap() ^= 1;
    bad[4] = 9;
    assert_eq!(lab.load(&bad).unwrap_err().reason, Reason::BadVersion);
    lab.tee.drain_log();
    lab.assert_clean();
}

#[test]
fn a_firewall_that_boot_firmware_locked_refuses_the_load() {
    let lab = Lab::new(Policy::Strict);
    lab.secure().write32(RISAF4, 1).unwrap();
    let refusal = lab.load(&forge::good()).unwrap_err();
    assert_eq!(refusal.reason, Reason::RegisterReadBack, "{refusal}");
    assert!(matches!(refusal.place, Place::Register { address } if address & !0xfff == RISAF4), "{refusal}");
    assert!(matches!((refusal.expected, refusal.found), (Fact::Address(a), Fact::Address(b)) if a != b));
    assert_eq!(lab.secure().read32(lab::CPUBOOTCR).unwrap() & 1, 0);
    lab::assert_zero(lab.board.bus());
    // It stays refused, with the same reason.
    assert_eq!(lab.load(&forge::good()).unwrap_err().reason, Reason::RegisterReadBack);
    assert_eq!(lab.service.start(M33).map_err(lab::refusal).unwrap_err().reason, Reason::NotLoaded);
}

#[test]
fn a_firewall_without_the_processors_regions_refuses_the_load() {
    let lab = Lab::new(Policy::Strict);
    // Region 2 of RISAF4 is cm33_cube_fw; it ends a page early.
    let end = lab.secure().read32(RISAF4 + 0x80 + 8).unwrap();
    lab.secure().write32(RISAF4 + 0x80 + 8, end - 0x1000).unwrap();
    let refusal = lab.load(&forge::good()).unwrap_err();
    assert_eq!(refusal.reason, Reason::FirewallOpen, "{refusal}");
    assert_eq!(refusal.expected, Fact::Range { start: elf::CODE, size: 0x80_0000 });
    lab.secure().write32(RISAF4 + 0x80 + 8, end).unwrap();
    lab.load(&forge::good()).unwrap();
}
