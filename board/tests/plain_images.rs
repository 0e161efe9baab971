//! Images as OP-TEE's script signs them, under the compatible policy: what the signature does not cover has no effect on
//! what runs, nor on what Linux is told.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod lab;

use lab::elf::{self, section};
use lab::forge::{self, Forge};
use lab::{Lab, M33};
use rproc_abi::refusal::{Fact, Reason};
use rproc_abi::service::TableLocation;
use rproc_board::tee::SecureEvent;
use rproc_image::TlvKind;
use rproc_service::Policy;

/// Everything that an image decides: memory, the resource table's place and content, the boot address.
#[derive(Debug, PartialEq)]
struct Effect {
    segments: Vec<Vec<u8>>,
    table: Option<TableLocation>,
    boot_address: u64,
}

fn compatible() -> (Lab, Vec<u8>, Effect) {
    let mut lab = Lab::new(Policy::Compatible);
    let plain = forge::plain();
    let effect = effect(&mut lab, &plain).unwrap();
    let table = TableLocation { address: elf::TABLE, size: elf::table().len() as u64 };
    assert_eq!(effect.table, Some(table));
    assert_eq!(effect.boot_address, elf::CODE);
    assert_eq!(effect.segments, elf::contents().into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>());
    (lab, plain, effect)
}

/// Loads and starts an image, or says why not; afterwards the board is as before.
fn effect(lab: &mut Lab, image: &[u8]) -> Result<Effect, Reason> {
    lab.tee.drain_log();
    if let Err(refusal) = lab.load(image) {
        lab.assert_clean();
        return Err(refusal.reason);
    }
    lab::assert_zero_but(lab.board.bus(), &elf::ranges());
    let segments = elf::ranges().into_iter().map(|range| lab.memory(range)).collect();
    let table = lab.service.resource_table(M33).unwrap();
    lab.run();
    let log = lab.tee.drain_log();
    let boot_address = log.iter().find_map(|(_, event)| match event {
        SecureEvent::Released { boot_address } => Some(*boot_address),
        _ => None,
    });
    lab.service.stop(M33).unwrap();
    lab.service.release(M33).unwrap();
    lab.assert_clean();
    Ok(Effect { segments, table, boot_address: boot_address.unwrap() })
}

#[test]
fn cut_off_at_any_byte() {
    let (mut lab, plain, _) = compatible();
    for len in 0..plain.len() {
        lab.refused_for(&plain[..len], Reason::SizeMismatch);
    }
    lab.assert_works(&plain);
}

#[test]
fn any_bit_of_header_tlvs_or_signature_flipped() {
    let (mut lab, plain, _) = compatible();
    for bit in 0..8 * forge::parts(&plain).signature.end {
        let mut flipped = plain.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        lab.refused(&flipped);
    }
    lab.assert_works(&plain);
}

#[test]
fn any_bit_of_the_elf_file_flipped_is_refused_or_without_effect() {
    let (mut lab, plain, unchanged) = compatible();
    let start = forge::parts(&plain).images.start;
    let elf = elf::sample();
    let code = elf::segment_bytes(&elf, 0);
    let [mut refused, mut without_effect] = [0; 2];
    for at in (0..elf.len()).filter(|at| !code.contains(at) || at % 61 == 0) {
        // Every bit of the ELF header; of the rest, one bit of each byte.
        for bit in if at < 52 { 0..8 } else { at % 8..at % 8 + 1 } {
            let mut flipped = plain.clone();
            flipped[start + at] ^= 1 << bit;
            match effect(&mut lab, &flipped) {
                Ok(effect) => {
                    assert_eq!(effect, unchanged, "bit {bit} of byte {at:#x}");
                    without_effect += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 300 && without_effect > 300, "{refused} refused, {without_effect} without effect");
    lab.assert_works(&plain);
}

#[test]
fn a_section_header_moved_or_renamed_moves_no_resource_table() {
    let (mut lab, plain, unchanged) = compatible();
    let elf = elf::sample();
    let table = elf::table_section(&elf);
    for field in [section::NAME, section::KIND, section::ADDRESS, section::OFFSET, section::SIZE] {
        for value in [0, 1, elf::CODE as u32, elf::DATA as u32, 0x8400_0000, u32::MAX] {
            let mut changed = elf.clone();
            elf::set_word(&mut changed, table + field, value);
            assert_eq!(effect(&mut lab, &forge::with_elf(&plain, &changed)).as_ref(), Ok(&unchanged));
        }
    }
    // No section headers at all.
    let mut stripped = elf.clone();
    elf::set_word(&mut stripped, elf::header::SECTION_HEADERS, 0);
    stripped[elf::header::SECTION_HEADER_COUNT..52].fill(0);
    assert_eq!(effect(&mut lab, &forge::with_elf(&plain, &stripped)), Ok(unchanged));
}

#[test]
fn the_entry_point_changed() {
    let (mut lab, plain, unchanged) = compatible();
    for entry in [0, 0x8400_0000, elf::DATA as u32, u32::MAX] {
        let mut changed = elf::sample();
        elf::set_word(&mut changed, elf::header::ENTRY, entry);
        assert_eq!(effect(&mut lab, &forge::with_elf(&plain, &changed)).as_ref(), Ok(&unchanged));
    }
}

#[test]
fn any_word_of_a_program_header_changed() {
    let (mut lab, plain, _) = compatible();
    let elf = elf::sample();
    for index in 0..5 {
        for field in (0..32).step_by(4) {
            let value = elf::word(&elf, elf::program_header(&elf, index) + field) ^ 0x40;
            let changed = elf::with_segment(&elf, index, field, value);
            lab.refused_for(&forge::with_elf(&plain, &changed), Reason::SegmentTableChanged);
        }
    }
    lab.assert_works(&plain);
}

#[test]
fn program_headers_removed_added_or_moved() {
    let (mut lab, plain, unchanged) = compatible();
    let elf = elf::sample();
    for count in (0u16..5).chain(6..9) {
        let mut changed = elf.clone();
        elf::set_half(&mut changed, elf::header::PROGRAM_HEADER_COUNT, count);
        lab.refused_for(&forge::with_elf(&plain, &changed), Reason::SegmentTableChanged);
    }
    let mut beyond = elf.clone();
    elf::set_word(&mut beyond, elf::header::PROGRAM_HEADERS, 0xffff_0000);
    lab.refused_for(&forge::with_elf(&plain, &beyond), Reason::BadElf);
    // Moved elsewhere, unchanged, they still say the same: over the section headers, which nobody needs.
    let sections = elf::word(&elf, elf::header::SECTION_HEADERS) as usize;
    let mut moved = elf.clone();
    moved.copy_within(52..52 + 5 * 32, sections);
    moved[52..52 + 5 * 32].fill(0xEE);
    elf::set_word(&mut moved, elf::header::PROGRAM_HEADERS, sections as u32);
    moved[elf::header::SECTION_HEADER_COUNT..52].fill(0);
    elf::set_word(&mut moved, elf::header::SECTION_HEADERS, 0);
    assert_eq!(effect(&mut lab, &forge::with_elf(&plain, &moved)), Ok(unchanged));
}

#[test]
fn a_segment_changed() {
    let (mut lab, plain, _) = compatible();
    let elf = elf::sample();
    for index in [0, 1, 2, 4] {
        let bytes = elf::segment_bytes(&elf, index);
        for at in [bytes.start, bytes.start + bytes.len() / 2, bytes.end - 1] {
            let mut changed = elf.clone();
            changed[at] ^= 0x80;
            lab.refused_for(&forge::with_elf(&plain, &changed), Reason::SegmentDigest);
        }
    }
    lab.assert_works(&plain);
}

#[test]
fn more_than_one_resource_table() {
    let (mut lab, plain, _) = compatible();
    let twice = elf::builder()
        .resource_table(elf::TABLE, &elf::table())
        .load(elf::DATA, &[&[0xff; 32], &elf::table()[..]].concat())
        .build();
    let refusal = lab.refused_for(&Forge::plain(&[&twice]).sign(), Reason::AmbiguousResourceTable);
    assert_eq!(refusal.found, Fact::Range { start: elf::DATA + 32, size: elf::table().len() as u64 });
    // In one segment, and across the windows in which it is looked through.
    for gap in [4, 4000, 4096, 4097, 9000] {
        let both = [&elf::table()[..], &vec![0xff; gap / 4 * 4], &elf::table()].concat();
        let elf = elf::builder().load(elf::DATA, &both).build();
        lab.refused_for(&Forge::plain(&[&elf]).sign(), Reason::AmbiguousResourceTable);
    }
    // Bound to one of them, the other is data.
    let bound = Forge::bound(&[&twice]).sign();
    lab.load(&bound).unwrap();
    assert_eq!(lab.service.resource_table(M33).unwrap().unwrap().address, elf::TABLE);
    lab.service.release(M33).unwrap();
    lab.assert_works(&plain);
}

#[test]
fn a_resource_table_is_found_wherever_it_is() {
    let (mut lab, plain, _) = compatible();
    for offset in [0, 4, 400, 4092, 4096, 8188, 12_000] {
        let data = [&vec![0xff; offset], &elf::table()[..], &[0xff; 5]].concat();
        let elf = elf::builder().load(elf::DATA, &data).build();
        lab.load(&Forge::plain(&[&elf]).sign()).unwrap();
        let found = lab.service.resource_table(M33).unwrap();
        let size = elf::table().len() as u64;
        assert_eq!(found, Some(TableLocation { address: elf::DATA + offset as u64, size }));
        lab.service.release(M33).unwrap();
    }
    // A malformed one is none.
    let mut damaged = elf::table();
    damaged[16] = 0xff;
    let elf = elf::builder().load(elf::DATA, &damaged).build();
    lab.load(&Forge::plain(&[&elf]).sign()).unwrap();
    assert_eq!(lab.service.resource_table(M33).unwrap(), None);
    lab.service.release(M33).unwrap();
    lab.tee.drain_log();
    lab.assert_works(&plain);
}

#[test]
fn a_plain_image_without_a_boot_address_does_not_start() {
    let (mut lab, plain, _) = compatible();
    let missing = Forge::plain(&[&elf::sample()]).without(TlvKind::BOOT_ADDRESS).sign();
    lab.load(&missing).unwrap();
    let refusal = lab.service.start(M33).map_err(lab::refusal).unwrap_err();
    assert_eq!(refusal.reason, Reason::MissingBootAddress);
    lab.assert_clean();
    // Nor does the address of an image that was loaded before stand in for it.
    lab.load(&plain).unwrap();
    lab.service.release(M33).unwrap();
    lab.load(&missing).unwrap();
    lab.service.start(M33).unwrap_err();
    lab.tee.drain_log();
    lab.assert_works(&plain);
}

#[test]
fn bindings_count_under_the_compatible_policy_too() {
    let (mut lab, plain, _) = compatible();
    let plain_for = |processor, soc| Forge::plain(&[&elf::sample()]).target(processor, soc).sign();
    lab.refused_for(&plain_for(0, "stm32mp257"), Reason::WrongProcessor);
    lab.refused_for(&plain_for(1, "stm32mp157"), Reason::WrongSoc);
    lab.assert_works(&plain_for(1, "stm32mp257"));
    let mut changed = elf::sample();
    elf::set_word(&mut changed, elf::header::ENTRY, 1);
    lab.refused_for(&forge::with_elf(&forge::good(), &changed), Reason::ElfMetadataChanged);
    lab.assert_works(&plain);
}

#[test]
fn the_log_says_what_a_plain_image_leaves_open() {
    let (lab, plain, _) = compatible();
    lab.load(&plain).unwrap();
    let log = lab.tee.drain_log();
    let unbound = log.iter().find_map(|(_, event)| match event {
        SecureEvent::Authenticated { unbound, .. } => Some(*unbound),
        _ => None,
    });
    let unbound = unbound.unwrap();
    assert!(unbound.target && unbound.security_counter && unbound.elf_metadata && unbound.resource_table);
    assert!(log.iter().any(|(_, event)| matches!(event, SecureEvent::Loaded { derived: true, .. })));
}
