//! Every way in which a signed image can be wrong: each has its own refusal, and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod lab;

use lab::elf::{self, segment};
use lab::forge::{self, Forge};
use lab::{Lab, M33, strict};
use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_elf::testing::{ElfBuilder, Segment};
use rproc_image::TlvKind;
use rproc_service::Policy;

#[test]
fn the_good_image_is_good() {
    let (mut lab, good) = strict();
    for life in 0..3 {
        // Later there is nothing that Linux could poison but the shared region, which it could after the load too.
        if life == 0 {
            lab.poison();
        }
        lab.load(&good).unwrap();
        lab.assert_closed();
        for (address, bytes) in elf::contents() {
            assert_eq!(lab.memory(address..address + bytes.len() as u64), bytes);
        }
        lab::assert_zero_but(lab.board.bus(), &elf::ranges());
        let table = lab.service.resource_table(M33).unwrap().unwrap();
        assert_eq!((table.address, table.size), (elf::TABLE, elf::table().len() as u64));
        lab.service.release(M33).unwrap();
        lab.assert_works(&good);
    }
}

#[test]
fn cut_off_at_any_byte() {
    let (mut lab, good) = strict();
    for len in 0..good.len() {
        lab.refused_for(&good[..len], Reason::SizeMismatch);
    }
    lab.refused_for(&[&good[..], &[0; 8]].concat(), Reason::SizeMismatch);
    lab.assert_works(&good);
}

#[test]
fn any_bit_of_header_tlvs_or_signature_flipped() {
    use Reason::*;
    let (mut lab, good) = strict();
    let parts = forge::parts(&good);
    let tlvs = [
        BadTlv,
        MissingTlv,
        DuplicateTlv,
        UnsupportedSignature,
        SignatureSize,
        KeyTooSmall,
        UntrustedKey,
        SignatureInvalid,
    ];
    for bit in 0..8 * parts.signature.end {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refusal = lab.refused(&flipped);
        // What the TLVs ask for by a flipped bit may also be refused before the signature is looked at.
        let expected: &[Reason] = match bit / 8 {
            0..4 => &[BadMagic],
            4..8 => &[BadVersion],
            8..20 => &[SizeMismatch],
            at if at < parts.signature.start => &tlvs,
            _ => &[SignatureInvalid],
        };
        assert!(expected.contains(&refusal.reason), "bit {bit}: {refusal}");
    }
    lab.assert_works(&good);
}

#[test]
fn any_byte_of_a_segment_changed() {
    let (mut lab, good) = strict();
    let elf = elf::sample();
    for index in [0, 1, 2, 4] {
        let bytes = elf::segment_bytes(&elf, index);
        // Every byte of the small ones, a few of the code.
        let step = if bytes.len() > 200 { 97 } else { 1 };
        for at in bytes.clone().step_by(step).chain([bytes.end - 1]) {
            let mut changed = elf.clone();
            changed[at] ^= 0x10;
            let refusal = lab.refused_for(&forge::with_elf(&good, &changed), Reason::SegmentDigest);
            assert_eq!(refusal.place, Place::Segment { image: 0, index: index as u32 });
            assert_ne!(refusal.expected, refusal.found);
        }
    }
    lab.assert_works(&good);
}

#[test]
fn the_last_segment_of_a_large_image_changed_wipes_them_all() {
    let mut lab = Lab::new(Policy::Strict);
    let elf = elf::builder()
        .load(elf::DATA, &[0xDA; 300_000])
        .load(elf::SRAM, &[0xDB; 0x1_f000])
        .load(0x0a08_0000, &[0xDC; 16])
        .build();
    let good = Forge::bound_without_table(&elf).sign();
    let mut changed = elf.clone();
    changed[elf::segment_bytes(&elf, 3).end - 1] ^= 1;
    lab.poison();
    lab.refused_for(&forge::with_elf(&good, &changed), Reason::SegmentDigest);
    lab.assert_works(&good);
}

#[test]
fn any_word_of_a_program_header_changed() {
    let (mut lab, good) = strict();
    let elf = elf::sample();
    for index in 0..5 {
        for field in (0..32).step_by(4) {
            let at = elf::program_header(&elf, index) + field;
            for value in [0, 1, elf::word(&elf, at).wrapping_add(8), u32::MAX] {
                if value == elf::word(&elf, at) {
                    continue;
                }
                let mut changed = elf.clone();
                elf::set_word(&mut changed, at, value);
                let refusal = lab.refused_for(&forge::with_elf(&good, &changed), Reason::SegmentTableChanged);
                assert_eq!(refusal.place, Place::Segment { image: 0, index: index as u32 });
            }
        }
    }
    lab.assert_works(&good);
}

#[test]
fn program_headers_removed_added_moved_or_swapped() {
    let (mut lab, good) = strict();
    let elf = elf::sample();
    for count in [0u16, 1, 4, 6, 7, 0xfffe] {
        let mut changed = elf.clone();
        elf::set_half(&mut changed, elf::header::PROGRAM_HEADER_COUNT, count);
        let refusal = lab.refused(&forge::with_elf(&good, &changed));
        // A table of 65,534 headers is not even in the file.
        let reason = if count == 0xfffe { Reason::BadElf } else { Reason::SegmentTableChanged };
        // Fewer are all in the signed table; that they are not all of them is found by the digest of the metadata.
        let fewer = if count < 5 { Reason::ElfMetadataChanged } else { reason };
        assert!([reason, fewer].contains(&refusal.reason), "{count}: {refusal}");
    }
    for offset in [0, 1, 20, 84, 1000, u32::MAX - 31] {
        let mut changed = elf.clone();
        elf::set_word(&mut changed, elf::header::PROGRAM_HEADERS, offset);
        let refusal = lab.refused(&forge::with_elf(&good, &changed));
        assert!([Reason::SegmentTableChanged, Reason::BadElf].contains(&refusal.reason), "{refusal}");
    }
    let (a, b) = (elf::program_header(&elf, 0), elf::program_header(&elf, 1));
    let mut swapped = elf.clone();
    swapped[a..a + 32].copy_from_slice(&elf[b..b + 32]);
    swapped[b..b + 32].copy_from_slice(&elf[a..a + 32]);
    lab.refused_for(&forge::with_elf(&good, &swapped), Reason::SegmentTableChanged);
    lab.assert_works(&good);
}

#[test]
fn any_bit_of_the_elf_metadata_flipped() {
    use Reason::*;
    let (mut lab, good) = strict();
    let elf = elf::sample();
    let sections = elf::word(&elf, elf::header::SECTION_HEADERS) as usize;
    // ELF header, program headers, section names and section headers; the names stand right before their headers.
    let names =
        elf::section_headers(&elf).last().map(|at| elf::word(&elf, at + elf::section::OFFSET) as usize);
    let names =
        names.unwrap()..names.unwrap() + elf::word(&elf, elf.len() - 40 + elf::section::SIZE) as usize;
    for at in (0..52 + 5 * 32).chain(names).chain(sections..elf.len()) {
        for bit in 0..8 {
            let mut changed = elf.clone();
            changed[at] ^= 1 << bit;
            let refusal = lab.refused(&forge::with_elf(&good, &changed));
            let expected =
                [ElfMetadataChanged, SegmentTableChanged, BadElf, UnsupportedImage, MetadataTooLarge];
            assert!(expected.contains(&refusal.reason), "bit {bit} of byte {at:#x}: {refusal}");
        }
    }
    lab.assert_works(&good);
}

#[test]
fn the_entry_point_changed() {
    let (mut lab, good) = strict();
    let mut elf = elf::sample();
    elf::set_word(&mut elf, elf::header::ENTRY, 0x8010_0101);
    let refusal = lab.refused_for(&forge::with_elf(&good, &elf), Reason::ElfMetadataChanged);
    assert!(matches!((refusal.expected, refusal.found), (Fact::Digest(a), Fact::Digest(b)) if a != b));
    lab.assert_works(&good);
}

#[test]
fn a_section_header_moved_or_renamed() {
    let (mut lab, good) = strict();
    let elf = elf::sample();
    let table = elf::table_section(&elf);
    for field in [elf::section::NAME, elf::section::ADDRESS, elf::section::OFFSET, elf::section::SIZE] {
        let mut changed = elf.clone();
        let value = elf::word(&elf, table + field) + 4;
        elf::set_word(&mut changed, table + field, value);
        lab.refused_for(&forge::with_elf(&good, &changed), Reason::ElfMetadataChanged);
    }
    lab.assert_works(&good);
}

#[test]
fn nothing_to_load() {
    let (mut lab, good) = strict();
    let only_notes = ElfBuilder::elf32().segment(Segment::other(4, 0, b"note")).build();
    let empty = ElfBuilder::elf32().load(elf::CODE, &[]).build();
    for elf in [only_notes, empty] {
        lab.refused_for(
            &Forge::bound_without_table(&elf).without(TlvKind::BOOT_ADDRESS).sign(),
            Reason::NoLoadableSegment,
        );
    }
    // No program header at all: an empty table is not a table.
    let none = ElfBuilder::elf32().build();
    lab.refused_for(&Forge::bound_without_table(&none).sign(), Reason::InconsistentTlv);
    lab.assert_works(&good);
}

#[test]
fn any_tlv_twice_or_missing() {
    let (mut lab, good) = strict();
    let kinds = [
        TlvKind::SIGN_TYPE,
        TlvKind::NUM_IMG,
        TlvKind::IMG_TYPE,
        TlvKind::IMG_SIZE,
        TlvKind::HASH_TYPE,
        TlvKind::HASH_TABLE,
        TlvKind::BOOT_ADDRESS,
        TlvKind::TARGET,
        TlvKind::SECURITY_COUNTER,
        TlvKind::RESOURCE_TABLE,
        TlvKind::ELF_METADATA_DIGEST,
        TlvKind::KEY_FINGERPRINT,
    ];
    for kind in kinds {
        for value in [&[][..], &[1], &[0; 8]] {
            let twice = Forge::bound(&[&elf::sample()]).again(kind, value).sign();
            assert_eq!(lab.refused_for(&twice, Reason::DuplicateTlv).place, Place::Tlv { kind: kind.0 });
        }
    }
    for kind in &kinds[..6] {
        let missing = Forge::bound(&[&elf::sample()]).without(*kind).sign();
        assert_eq!(lab.refused_for(&missing, Reason::MissingTlv).place, Place::Tlv { kind: kind.0 });
    }
    for kind in &kinds[7..11] {
        let unbound = Forge::bound(&[&elf::sample()]).without(*kind).sign();
        assert_eq!(lab.refused_for(&unbound, Reason::NotBound).place, Place::Tlv { kind: kind.0 });
    }
    lab.refused_for(&forge::plain(), Reason::NotBound);
    lab.assert_works(&good);
}

#[test]
fn a_segment_twice() {
    let (mut lab, good) = strict();
    let elf = elf::builder().load(elf::DATA, &elf::data()).load(elf::DATA, &elf::data()).build();
    lab.refused_for(&Forge::bound_without_table(&elf).sign(), Reason::SegmentTwice);
    // An entry of the table that no program header has, or one less than there are.
    let elf = elf::sample();
    let added = Forge::bound(&[&elf]).edit_table(|table| table.extend_from_within(64..128)).sign();
    lab.refused_for(&added, Reason::SegmentTableChanged);
    let removed = Forge::bound(&[&elf]).edit_table(|table| table.truncate(4 * 64)).sign();
    lab.refused_for(&removed, Reason::SegmentTableChanged);
    let odd = Forge::bound(&[&elf]).edit_table(|table| table.truncate(4 * 64 + 32)).sign();
    lab.refused_for(&odd, Reason::InconsistentTlv);
    lab.assert_works(&good);
}

#[test]
fn overlapping_segments() {
    let (mut lab, good) = strict();
    let with = |address, bytes: &[u8]| elf::builder().load(elf::DATA, &[1; 64]).load(address, bytes).build();
    for (address, len) in [(elf::DATA + 63, 1), (elf::DATA, 65), (elf::DATA - 8, 200), (elf::DATA + 8, 8)] {
        lab.refused_for(
            &Forge::bound_without_table(&with(address, &vec![2; len])).sign(),
            Reason::SegmentOverlap,
        );
    }
    // Overlapping in memory only: one's zeros over the other's bytes.
    let zeros = elf::builder()
        .segment(Segment::load(elf::DATA, &[1; 8]).memory_size(0x100))
        .load(elf::DATA + 0x80, &[2; 8])
        .build();
    lab.refused_for(&Forge::bound_without_table(&zeros).sign(), Reason::SegmentOverlap);
    lab.assert_works(&Forge::bound_without_table(&with(elf::DATA + 64, &[2; 64])).sign());
    lab.assert_works(&good);
}

#[test]
fn a_segment_outside_the_processors_memory() {
    let (mut lab, good) = strict();
    let outside: [(u64, usize); 11] = [
        // Linux, OP-TEE, TF-M, other on-chip memory, registers, nothing at all.
        (0x8400_0000, 8),
        (0x8200_0000, 8),
        (0x8000_0000, 8),
        (0x0a00_0000, 8),
        (0x4420_0434, 4),
        (0, 8),
        // Across one's end, also into another region of the same processor.
        (0x808f_fffc, 8),
        (0x0a05_fffc, 8),
        (0x812f_fff8, 16),
        (0x800f_fff8, 8),
        (0x809f_fffc, 8),
    ];
    for (address, len) in outside {
        let elf = elf::builder().load(address, &vec![0xA5; len]).build();
        let refusal =
            lab.refused_for(&Forge::bound_without_table(&elf).sign(), Reason::SegmentOutsideRegions);
        assert_eq!(refusal.found, Fact::Range { start: address, size: len as u64 });
        assert_eq!(refusal.place, Place::Segment { image: 0, index: 1 });
    }
    let large = elf::builder().segment(Segment::load(elf::DATA, &[1]).memory_size(0x80_0000)).build();
    lab.refused_for(&Forge::bound_without_table(&large).sign(), Reason::SegmentOutsideRegions);
    lab.assert_works(&good);
}

#[test]
fn sizes_that_overflow() {
    let (mut lab, good) = strict();
    let elf = elf::builder().load(elf::DATA, &[1; 16]).build();
    let with = |field, value| Forge::bound_without_table(&elf::with_segment(&elf, 1, field, value)).sign();
    lab.refused_for(&with(segment::PHYSICAL, 0xffff_fff8), Reason::SegmentSize);
    lab.refused_for(&with(segment::MEMORY_SIZE, 0xffff_ffff), Reason::SegmentSize);
    lab.refused_for(&with(segment::MEMORY_SIZE, 15), Reason::SegmentSize);
    lab.refused_for(&with(segment::MEMORY_SIZE, 0), Reason::SegmentSize);
    lab.refused_for(&with(segment::FILE_SIZE, 17), Reason::SegmentSize);
    lab.refused_for(&with(segment::FILE_SIZE, 0xffff_ffff), Reason::SegmentSize);
    lab.refused_for(&with(segment::OFFSET, 0xffff_fff8), Reason::SegmentOutsideFile);
    lab.refused_for(&with(segment::OFFSET, elf.len() as u32 - 8), Reason::SegmentOutsideFile);
    let mut long = elf::with_segment(&elf, 1, segment::FILE_SIZE, 0xffff_fff0);
    elf::set_word(&mut long, elf::program_header(&elf, 1) + segment::MEMORY_SIZE, 0xffff_fff0);
    lab.refused_for(&Forge::bound_without_table(&long).sign(), Reason::SegmentSize);
    lab.assert_works(&good);
}

#[test]
fn what_is_no_signed_image() {
    let (mut lab, good) = strict();
    lab.refused_for(&elf::sample(), Reason::NotSigned);
    lab.refused_for(&[0; 4096], Reason::BadMagic);
    lab.refused_for(&[0xff; 100], Reason::BadMagic);
    let encrypted = Forge::bound(&[&elf::sample()]).set(TlvKind::ENC_TYPE, &[1]).sign();
    lab.refused_for(&encrypted, Reason::UnsupportedImage);
    let encrypted = Forge::bound(&[&elf::sample()]).set(TlvKind::IMG_TYPE, &[2]).sign();
    lab.refused_for(&encrypted, Reason::UnsupportedImage);
    let wide = Forge::bound_without_table(&ElfBuilder::elf32().load(elf::CODE, &elf::code()).build());
    let not_elf = Forge::bound(&[&[b"MZ".as_slice(), &elf::sample()[2..]].concat()]).sign();
    lab.refused_for(&not_elf, Reason::BadElf);
    lab.assert_works(&wide.sign());
    lab.assert_works(&good);
}

#[test]
fn metadata_that_is_too_much_for_a_small_heap() {
    let (mut lab, good) = strict();
    let large = Forge::bound(&[&elf::sample()]).set(TlvKind(0x1_0200), &vec![0; 65536]).sign();
    lab.refused_for(&large, Reason::MetadataTooLarge);
    let mut many = elf::builder();
    for _ in 0..1700 {
        many = many.section(".debug", 0, &[]);
    }
    lab.refused_for(&Forge::bound_without_table(&many.build()).sign(), Reason::MetadataTooLarge);
    lab.assert_works(&good);
}

#[test]
fn two_images_in_one_container() {
    let (mut lab, good) = strict();
    let first = elf::builder().resource_table(elf::TABLE, &elf::table()).build();
    let second = ElfBuilder::elf32().load(elf::SRAM, &elf::sram()).load(elf::DATA, &elf::data()).build();
    let both = Forge::bound(&[&first, &second]).sign();
    lab.load(&both).unwrap();
    for (address, bytes) in elf::contents() {
        assert_eq!(lab.memory(address..address + bytes.len() as u64), bytes);
    }
    lab.run();
    lab.service.stop(M33).unwrap();
    lab.service.release(M33).unwrap();
    lab.tee.drain_log();
    // The second one's segment over the first one's, and the second one changed.
    let over = ElfBuilder::elf32().load(elf::CODE + 16, &[0; 4]).build();
    let refusal = lab.refused_for(&Forge::bound(&[&first, &over]).sign(), Reason::SegmentOverlap);
    assert_eq!(refusal.place, Place::Segment { image: 1, index: 0 });
    let mut changed = both.clone();
    *changed.last_mut().unwrap() ^= 1;
    let at = forge::parts(&both).images.start + first.len().next_multiple_of(8);
    changed[at + elf::segment_bytes(&second, 0).start] ^= 1;
    let refusal = lab.refused_for(&changed, Reason::SegmentDigest);
    assert_eq!(refusal.place, Place::Segment { image: 1, index: 0 });
    // One that claims the other's program headers.
    let mut shifted = both;
    elf::set_half(&mut shifted[at..], elf::header::PROGRAM_HEADER_COUNT, 1);
    lab.refused(&shifted);
    lab.assert_works(&good);
}

#[test]
fn a_refusal_reads_as_a_sentence_with_a_next_step() {
    let (mut lab, good) = strict();
    let mut elf = elf::sample();
    elf[elf::segment_bytes(&elf::sample(), 0).start] ^= 1;
    let image = forge::with_elf(&good, &elf);
    let refusal: Refusal = lab.refused(&image);
    let text = refusal.to_string();
    assert!(
        text.starts_with("a segment's bytes are not those that were signed, in segment 0 of image 0"),
        "{text}"
    );
    let error = lab.service.load(M33, &image).unwrap_err().to_string();
    assert!(
        error.starts_with("the TEE would not load firmware for m33: ")
            && error.contains("TEE_ERROR_SECURITY")
    );
    assert!(!refusal.reason.next_step().is_empty());
}
