//! What the builder makes, the verifier reads; what anybody changed in it, the verifier refuses.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use common::{Ecdsa, Refusal, authenticate, firmware, second};
use proptest::prelude::*;
use rproc_elf::testing::{ElfBuilder, Segment};
use rproc_image::header::Header;
use rproc_image::{
    BoundResourceTable, BuildError, ContainerBuilder, Error, ImageKind, Metadata, SignError,
    SignatureAlgorithm, Signer, Target, TlvKind,
};
use sha2::{Digest, Sha256};

/// A container with everything in it.
fn full() -> Vec<u8> {
    let (first, second) = (firmware(), second());
    ContainerBuilder::new()
        .image(&first)
        .unwrap()
        .image(&second)
        .unwrap()
        .key_info(b"key 3")
        .platform_tlv(TlvKind(0x1_abcd), b"odd")
        .unwrap()
        .platform_tlv(TlvKind::BOOT_SECURE, &[1, 0, 0, 0])
        .unwrap()
        .boot_address(0x8010_0000)
        .target(Target::new(1, "stm32mp25").unwrap())
        .security_counter(42)
        .resource_table(BoundResourceTable::At { address: 0x8120_0000, size: 140 })
        .unwrap()
        .key_fingerprint(&[0xf1; 32])
        .bind_elf_metadata()
        .sign::<Sha256, _>(&mut Ecdsa::new(7))
        .unwrap()
        .to_vec()
}

#[test]
fn everything_that_goes_in_comes_out() {
    let (file, first, second) = (full(), firmware(), second());
    let metadata = Metadata::of_file(&file).unwrap();
    assert_eq!(metadata.signature_algorithm(), SignatureAlgorithm::EcdsaP256Sha256);
    assert_eq!(metadata.key_info(), Ok(Some(&b"key 3"[..])));
    assert_eq!(metadata.claimed_key_fingerprint(), Ok(Some(&[0xf1; 32])));

    let image = authenticate(&file, &mut Ecdsa::new(7)).unwrap();
    assert_eq!((image.target().unwrap().processor, image.target().unwrap().soc()), (1, "stm32mp25"));
    assert_eq!((image.security_counter(), image.boot_address()), (Some(42), Some(0x8010_0000)));
    assert_eq!(image.boot_secure(), Some(true));
    assert_eq!(image.resource_table(), Some(BoundResourceTable::At { address: 0x8120_0000, size: 140 }));
    assert_eq!(image.platform_tlvs().count(), 8);

    let images: Vec<_> = image.images().collect();
    assert_eq!(images.len(), 2);
    for (image, elf) in images.iter().zip([&first, &second]) {
        assert_eq!((image.kind, image.size as usize), (ImageKind::Elf, elf.len().next_multiple_of(8)));
        let start = image.offset as usize;
        assert_eq!(&file[start..start + elf.len()], elf);
    }
    let mut entries = image.hash_table().entries();
    for elf in [&first, &second] {
        let elf = rproc_elf::ElfFile::parse(elf).unwrap();
        for header in elf.segments() {
            let entry = entries.next().unwrap();
            assert_eq!(entry.header, header);
            assert_eq!(entry.digest[..], Sha256::digest(elf.segment_bytes(&header).unwrap())[..]);
        }
    }
    assert_eq!(entries.next(), None);
    for (index, elf) in [&first, &second].into_iter().enumerate() {
        let pieces = rproc_elf::ElfFile::parse(elf).unwrap().metadata().concat();
        assert_eq!(image.elf_metadata_digest(index).unwrap()[..], Sha256::digest(pieces)[..]);
    }
    assert_eq!(image.elf_metadata_digest(2), None);
}

#[test]
fn a_plain_container_binds_nothing() {
    let elf = second();
    let file =
        ContainerBuilder::new().image(&elf).unwrap().sign::<Sha256, _>(&mut Ecdsa::new(7)).unwrap().to_vec();
    let image = authenticate(&file, &mut Ecdsa::new(7)).unwrap();
    assert!(image.target().is_none() && image.security_counter().is_none() && image.boot_address().is_none());
    assert!(image.resource_table().is_none() && image.elf_metadata_digest(0).is_none());
    assert_eq!(image.platform_tlvs().count(), 0);
    assert_eq!(authenticate(&file, &mut Ecdsa::new(8)).unwrap_err(), Refusal::Signature);
}

#[test]
fn every_flipped_bit_of_header_tlvs_and_signature_is_refused() {
    let mut file = full();
    let end = Metadata::of_file(&file).unwrap().signature().as_ptr() as usize - file.as_ptr() as usize + 64;
    let images = Header::of_file(&file).unwrap().layout(file.len() as u64).unwrap().images;
    assert_eq!(images.start as usize, end);
    let mut verifier = Ecdsa::new(7);
    for at in 0..end {
        for bit in 0..8 {
            file[at] ^= 1 << bit;
            assert!(authenticate(&file, &mut verifier).is_err(), "bit {bit} of byte {at}");
            file[at] ^= 1 << bit;
        }
    }
    assert!(authenticate(&file, &mut verifier).is_ok());
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let mut file = full();
    let mut verifier = Ecdsa::new(7);
    for len in 0..file.len() {
        assert!(matches!(authenticate(&file[..len], &mut verifier), Err(Refusal::Format(_))), "{len} bytes");
    }
    let expected = file.len() as u64;
    for extra in 1..9 {
        file.push(0);
        assert_eq!(
            authenticate(&file, &mut verifier).unwrap_err(),
            Refusal::Format(Error::FileLength { expected, found: expected + extra })
        );
    }
}

#[test]
fn what_the_caller_cut_out_must_be_what_the_header_says() {
    let file = full();
    let layout = Header::of_file(&file).unwrap().layout(file.len() as u64).unwrap();
    let cut = |range: std::ops::Range<u64>| &file[range.start as usize..range.end as usize];
    let (signed, signature) = (cut(layout.header_and_tlvs.clone()), cut(layout.signature.clone()));
    let len = file.len() as u64;
    assert!(Metadata::parse(signed, signature, len).is_ok());
    assert!(Metadata::parse(&signed[..signed.len() - 8], signature, len).is_err());
    assert!(Metadata::parse(signed, &signature[1..], len).is_err());
    assert!(Metadata::parse(&file, signature, len).is_err());
}

/// Signs TLVs of the test's choice for an image area of `img_len` bytes.
fn signed(tlvs: &[(u32, &[u8])], img_len: u32) -> Vec<u8> {
    let mut area = Vec::new();
    for (kind, value) in tlvs {
        area.extend(kind.to_le_bytes());
        area.extend((value.len() as u32).to_le_bytes());
        area.extend(*value);
        area.resize(area.len().next_multiple_of(8), 0);
    }
    let mut file = Header { tlv_len: area.len() as u32, sign_len: 64, img_len }.to_bytes().to_vec();
    file.extend(area);
    let digest: [u8; 32] = Sha256::digest(&file).into();
    file.extend(Ecdsa::new(7).sign_digest(&digest).unwrap());
    file.resize(file.len() + img_len as usize, 0);
    file
}

const TLVS: [(u32, &[u8]); 6] =
    [(1, &[2]), (2, &[1]), (3, &[1]), (4, &[1]), (5, &[24, 0, 0, 0]), (16, &[0; 64])];

fn refusal(tlvs: &[(u32, &[u8])]) -> Refusal {
    authenticate(&signed(tlvs, 24), &mut Ecdsa::new(7)).unwrap_err()
}

/// [`TLVS`] with another value for a type, or with one more.
fn with<'a>(kind: u32, value: &'a [u8]) -> Vec<(u32, &'a [u8])> {
    let mut tlvs: Vec<(u32, &'a [u8])> = TLVS.to_vec();
    match tlvs.iter_mut().find(|(known, _)| *known == kind) {
        Some(tlv) => tlv.1 = value,
        None => tlvs.push((kind, value)),
    }
    tlvs
}

#[test]
fn the_order_of_the_tlvs_has_no_meaning() {
    for rotation in 0..TLVS.len() {
        let mut tlvs = TLVS.to_vec();
        tlvs.rotate_left(rotation);
        let file = signed(&tlvs, 24);
        assert_eq!(authenticate(&file, &mut Ecdsa::new(7)).unwrap().images().len(), 1);
        tlvs.reverse();
        let file = signed(&tlvs, 24);
        assert!(authenticate(&file, &mut Ecdsa::new(7)).is_ok());
    }
}

#[test]
fn missing_and_repeated_tlvs_are_refused() {
    for (index, (kind, value)) in TLVS.into_iter().enumerate() {
        let mut tlvs = TLVS.to_vec();
        tlvs.remove(index);
        let missing = Error::MissingTlv { kind: TlvKind(kind) };
        let expected = if kind == 1 { Refusal::Format(missing) } else { Refusal::Content(missing) };
        assert_eq!(refusal(&tlvs), expected);
        let mut tlvs = TLVS.to_vec();
        tlvs.push((kind, value));
        let (Refusal::Format(error) | Refusal::Content(error)) = refusal(&tlvs) else { panic!() };
        assert!(
            matches!(error, Error::DuplicateTlv { kind: k, first, second } if k.0 == kind && first < second)
        );
    }
    let mut tlvs = TLVS.to_vec();
    tlvs.extend([(0x1_5555, &[1][..]), (0x1_5555, &[2])]);
    assert!(matches!(refusal(&tlvs), Refusal::Content(Error::DuplicateTlv { .. })), "nor unknown ones");
}

#[test]
fn signed_nonsense_is_refused_by_name() {
    let content = |tlvs: &[(u32, &[u8])]| match refusal(tlvs) {
        Refusal::Content(error) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(&with(1, &[3])), Refusal::Format(Error::SignatureAlgorithm { found: 3 }));
    assert_eq!(content(&with(2, &[2])), Error::HashAlgorithm { found: 2 });
    assert_eq!(content(&with(3, &[0])), Error::NoImages);
    assert_eq!(content(&with(3, &[2])), Error::TlvLength { kind: TlvKind::IMG_TYPE, expected: 2, found: 1 });
    assert_eq!(
        content(&with(3, &[1, 0])),
        Error::TlvLength { kind: TlvKind::NUM_IMG, expected: 1, found: 2 }
    );
    assert_eq!(content(&with(4, &[2])), Error::Encrypted { kind: TlvKind::IMG_TYPE });
    assert_eq!(content(&with(4, &[9])), Error::ImageType { index: 0, found: 9 });
    assert_eq!(content(&with(6, &[1])), Error::Encrypted { kind: TlvKind::ENC_TYPE });
    assert_eq!(content(&with(18, &[0; 80])), Error::Encrypted { kind: TlvKind::ENC_TABLE });
    assert_eq!(
        content(&with(5, &[24; 5])),
        Error::TlvLength { kind: TlvKind::IMG_SIZE, expected: 4, found: 5 }
    );
    assert_eq!(content(&with(5, &[23, 0, 0, 0])), Error::ImageSize { index: 0, found: 23 });
    assert_eq!(content(&with(5, &[0, 0, 0, 0])), Error::ImageSize { index: 0, found: 0 });
    assert_eq!(content(&with(5, &[16, 0, 0, 0])), Error::ImagesLength { expected: 24, found: 16 });
    assert_eq!(content(&with(16, &[0; 63])), Error::HashTableLength { found: 63 });
    assert_eq!(content(&with(16, &[])), Error::HashTableLength { found: 0 });
    assert_eq!(
        content(&with(TlvKind::ELF_METADATA_DIGEST.0, &[0; 64])),
        Error::TlvLength { kind: TlvKind::ELF_METADATA_DIGEST, expected: 32, found: 64 }
    );
    assert_eq!(content(&with(TlvKind::TARGET.0, &[1, 0, 0, 0])), Error::TargetLength { found: 4 });
    assert_eq!(
        content(&with(TlvKind::BOOT_ADDRESS.0, b"80100000")),
        Error::TlvLength { kind: TlvKind::BOOT_ADDRESS, expected: 4, found: 8 }
    );
}

#[test]
fn the_builder_names_what_cannot_be_signed() {
    let refuse = |file: &[u8]| ContainerBuilder::new().image(file).map(|_| ()).unwrap_err();
    assert_eq!(refuse(&full()), BuildError::AlreadySigned { image: 0 });
    assert!(matches!(refuse(b"hello, this is no ELF file"), BuildError::Elf { image: 0, .. }));
    assert!(matches!(
        refuse(
            b"hello, this is no ELF file, and it is longer than the header of one: so it has another error"
        ),
        BuildError::Elf { error: rproc_elf::Error::NotElf { .. }, .. }
    ));
    assert_eq!(refuse(&ElfBuilder::elf64().load(0, &[1]).build()), BuildError::NotElf32 { image: 0 });
    assert_eq!(
        refuse(&ElfBuilder::elf32().machine(243).load(0, &[1]).build()),
        BuildError::NotArm { image: 0, found: 243 }
    );
    assert_eq!(refuse(&ElfBuilder::elf32().build()), BuildError::NoLoadSegment { image: 0, segments: 0 });
    assert_eq!(
        refuse(&ElfBuilder::elf32().segment(Segment::other(4, 0, &[1])).build()),
        BuildError::NoLoadSegment { image: 0, segments: 1 }
    );
    let past_the_end = Segment::load(0x1000, &[1; 8]).file_size(9).memory_size(16);
    assert!(matches!(
        refuse(&ElfBuilder::elf32().load(0, &[1]).segment(past_the_end).build()),
        BuildError::Segment { image: 0, segment: 1, error: rproc_elf::Error::OutsideFile { .. } }
    ));
    let too_big = Segment::load(0x1000, &[1; 8]).memory_size(7);
    assert!(matches!(
        refuse(&ElfBuilder::elf32().segment(too_big).build()),
        BuildError::Segment { segment: 0, .. }
    ));

    let mut builder = ContainerBuilder::new();
    assert!(matches!(
        builder.sign::<Sha256, _>(&mut Ecdsa::new(7)),
        Err(SignError::Build(BuildError::NoImages))
    ));
    assert_eq!(
        builder.platform_tlv(TlvKind(0x2_0000), &[]).map(|_| ()),
        Err(BuildError::NotPlatformTlv { kind: TlvKind(0x2_0000) })
    );
    assert!(matches!(
        builder.platform_tlv(TlvKind::SECURITY_COUNTER, b"12345").map(|_| ()),
        Err(BuildError::TlvValue(Error::TlvLength { expected: 4, found: 5, .. }))
    ));
    let elf = second();
    let unsigned =
        builder.image(&elf).unwrap().prepare::<Sha256>(SignatureAlgorithm::RsaPkcs1Sha256, 256).unwrap();
    assert_eq!(
        unsigned.with_signature(vec![0; 255]).map(|_| ()),
        Err(BuildError::SignatureLength { expected: 256, found: 255 })
    );
    let mut many = ContainerBuilder::new();
    for _ in 0..255 {
        many.image(&elf).unwrap();
    }
    assert_eq!(many.image(&elf).map(|_| ()), Err(BuildError::TooManyImages));
    let file = many.sign::<Sha256, _>(&mut Ecdsa::new(7)).unwrap().to_vec();
    assert_eq!(authenticate(&file, &mut Ecdsa::new(7)).unwrap().images().len(), 255);
}

#[test]
fn the_pieces_are_the_file_and_the_images_are_not_copied() {
    let (first, second) = (firmware(), second());
    let mut builder = ContainerBuilder::new();
    builder.image(&first).unwrap().image(&second).unwrap();
    let container = builder.sign::<Sha256, _>(&mut Ecdsa::new(7)).unwrap();
    assert!(container.pieces().any(|piece| std::ptr::eq(piece, first.as_slice())));
    assert_eq!(container.file_len(), container.to_vec().len() as u64);
    let mut written = Vec::new();
    container
        .write_to(|piece| {
            written.extend_from_slice(piece);
            Ok::<_, ()>(())
        })
        .unwrap();
    assert_eq!(written, container.to_vec());
    let mut calls = 0;
    assert_eq!(
        container.write_to(|_| {
            calls += 1;
            Err("disk full")
        }),
        Err("disk full")
    );
    assert_eq!(calls, 1);
}

fn read_all(file: &[u8]) {
    struct AnySignature;
    impl rproc_image::Verifier for AnySignature {
        type Error = ();
        fn verify(&mut self, _: SignatureAlgorithm, _: &[u8], _: &[u8; 32], _: &[u8]) -> Result<(), ()> {
            Ok(())
        }
    }
    let Ok(metadata) = Metadata::of_file(file) else { return };
    let _ = (metadata.key_info(), metadata.claimed_key_fingerprint());
    let Ok(image) = metadata.authenticate::<Sha256, _>(&mut AnySignature) else { return };
    let area = image.layout().images.clone();
    for part in image.images() {
        assert!(part.offset >= area.start && part.offset + u64::from(part.size) <= area.end);
    }
    assert_eq!(image.hash_table().entries().count(), image.hash_table().len());
}

proptest! {
    #[test]
    fn whatever_is_bound_comes_back(
        processor: u32,
        soc in "[!-~]{1,27}",
        counter: u32,
        boot: u32,
        address in 0u32..0x8000_0000,
        size in 0u32..0x8000_0000,
        info in proptest::collection::vec(any::<u8>(), 0..40),
        content in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let elf = ElfBuilder::elf32().load(0x1000, &content).build();
        let table = if size == 0 { BoundResourceTable::Absent } else { BoundResourceTable::At { address, size } };
        let mut builder = ContainerBuilder::new();
        builder.image(&elf).unwrap().key_info(&info).target(Target::new(processor, &soc).unwrap());
        builder.security_counter(counter).boot_address(boot).resource_table(table).unwrap();
        let file = builder.sign::<Sha256, _>(&mut Ecdsa::new(9)).unwrap().to_vec();
        let image = authenticate(&file, &mut Ecdsa::new(9)).unwrap();
        prop_assert_eq!(image.target(), Some(Target::new(processor, &soc).unwrap()));
        prop_assert_eq!((image.security_counter(), image.boot_address()), (Some(counter), Some(boot)));
        prop_assert_eq!(image.resource_table(), Some(table));
    }

    #[test]
    fn no_panic_on_a_mutated_container(changes in proptest::collection::vec((0usize..2000, any::<u8>()), 1..10)) {
        let mut file = full();
        let len = file.len();
        for (at, value) in changes {
            file[at % len] = value;
        }
        read_all(&file);
    }

    #[test]
    fn no_panic_on_random_bytes(tail in proptest::collection::vec(any::<u8>(), 0..400), tlv in 0u32..100, sign in 0u32..100) {
        read_all(&tail);
        let rest = (tail.len() as u32).saturating_sub(tlv.next_multiple_of(8) + sign.next_multiple_of(8));
        let mut file = Header { tlv_len: tlv, sign_len: sign, img_len: rest }.to_bytes().to_vec();
        file.extend(tail);
        file.resize(20 + (file.len() - 20).next_multiple_of(8), 0);
        read_all(&file);
    }
}
