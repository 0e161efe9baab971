//! What `rproc verify` refuses, by its stable name, and what `rproc inspect` says of the same files.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use common::Folder;
use rproc_elf::testing::ElfBuilder;
use rproc_image::{BoundResourceTable, ContainerBuilder, Header, Signer as _, Target, TlvKind};
use rproc_keys::PrivateKey;
use sha2::{Digest as _, Sha256};

fn key() -> PrivateKey {
    PrivateKey::from_file(&std::fs::read(common::data().join("p256.pem")).unwrap()).unwrap()
}

/// The reason that `verify` gives for a file, from its JSON output.
fn reason(folder: &Folder, file: &[u8]) -> String {
    folder.write("x.signed", file);
    let run = folder.rproc("verify x.signed --key p256.pub.pem --json");
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_eq!(json["verified"], false);
    assert!(run.stderr.starts_with("refused: ") && run.stderr.contains("next step: "), "{}", run.stderr);
    json["refusal"]["reason"].as_str().unwrap().to_owned()
}

/// Signs again what was changed in header and TLVs, as somebody who has the key would.
fn resign(file: &mut [u8]) {
    let layout = Header::of_file(file).unwrap().layout(file.len() as u64).unwrap();
    let digest = Sha256::digest(&file[..layout.header_and_tlvs.end as usize]).into();
    let signature = key().sign_digest(&digest).unwrap();
    file[layout.signature.start as usize..layout.signature.end as usize].copy_from_slice(&signature);
}

/// The offset of a TLV's value.
fn value_of(file: &[u8], kind: TlvKind) -> usize {
    let header = Header::of_file(file).unwrap();
    let area = &file[20..20 + header.tlv_len as usize];
    let tlvs = rproc_image::Tlvs::parse(area, header.tlv_len).unwrap();
    tlvs.iter().find(|tlv| tlv.kind == kind).unwrap().offset as usize + 8
}

fn build(elf: &[u8], change: impl FnOnce(&mut ContainerBuilder<'_>)) -> Vec<u8> {
    let mut builder = ContainerBuilder::new();
    builder.image(elf).unwrap();
    change(&mut builder);
    builder.sign::<Sha256, _>(&mut key()).unwrap().to_vec()
}

#[test]
fn damage_to_the_container_is_named() {
    let folder = Folder::new();
    let good = folder.signed();
    let with = |at: usize, byte: u8| {
        let mut file = good.clone();
        file[at] = byte;
        reason(&folder, &file)
    };
    assert_eq!(with(0, 0), "bad-magic");
    assert_eq!(with(4, 9), "bad-version");
    assert_eq!(with(8, 1), "size-mismatch");
    assert_eq!(with(27, 0xff), "bad-tlv", "the length of the first TLV");
    assert_eq!(with(20, 9), "missing-tlv", "SIGNTYPE");
    assert_eq!(with(28, 7), "unsupported-signature");
    assert_eq!(with(value_of(&good, TlvKind::SECURITY_COUNTER), 9), "signature-invalid");
    assert_eq!(reason(&folder, &good[..good.len() - 1]), "size-mismatch");
    assert_eq!(reason(&folder, &good[..7]), "size-mismatch");
    assert_eq!(reason(&folder, b""), "size-mismatch");
    assert_eq!(reason(&folder, &common::app()), "not-signed");
}

#[test]
fn damage_to_the_elf_file_is_named() {
    let folder = Folder::new();
    let good = folder.signed();
    let image = good.len() - common::app().len().next_multiple_of(8);
    let with = |at: usize| {
        let mut file = good.clone();
        file[image + at] ^= 1;
        reason(&folder, &file)
    };
    assert_eq!(with(0), "bad-elf", "magic");
    assert_eq!(with(24), "elf-metadata-changed", "entry point");
    assert_eq!(with(44), "elf-metadata-changed", "one program header less");
    assert_eq!(with(52 + 12), "segment-table-changed", "load address");
    assert_eq!(with(216), "segment-digest", "the first segment's first byte");
    assert_eq!(with(800), "segment-digest", "a segment that is not loaded");
    assert_eq!(with(common::app().len() - 30), "elf-metadata-changed", "section headers");
}

#[test]
fn signed_nonsense_is_refused_too() {
    let folder = Folder::new();
    let app = common::app();
    let m33 = || Target::new(1, "stm32mp257").unwrap();
    let refused =
        |change: &dyn Fn(&mut ContainerBuilder<'_>)| reason(&folder, &build(&app, |builder| change(builder)));
    let table = |builder: &mut ContainerBuilder<'_>, address, size| {
        builder.resource_table(BoundResourceTable::At { address, size }).unwrap();
    };
    assert_eq!(
        refused(&|builder| {
            builder.target(m33());
        }),
        "missing-boot-address"
    );
    assert_eq!(
        refused(&|builder| {
            builder.boot_address(0x9000_0000);
        }),
        "boot-address-outside"
    );
    assert_eq!(
        refused(&|builder| {
            builder.target(m33()).boot_address(0x8010_0004);
        }),
        "boot-address-alignment"
    );
    assert_eq!(
        refused(&|builder| {
            builder.target(m33()).boot_address(0x8010_0000).platform_tlv(TlvKind::BOOT_SECURE, &[1]).unwrap();
        }),
        "secure-boot-unsupported"
    );
    assert_eq!(refused(&|builder| table(builder, 0x8010_1000, 201)), "bad-resource-table");
    assert_eq!(refused(&|builder| table(builder, 0x8010_0100, 200)), "bad-resource-table");
    assert_eq!(refused(&|builder| table(builder, 0x8010_1000, 5000)), "bad-resource-table");

    let overlap = ElfBuilder::elf32().load(0x1000, &[1; 16]).load(0x1008, &[1; 16]).build();
    assert_eq!(reason(&folder, &build(&overlap, |_| {})), "segment-overlap");

    let one_table = rproc_elf::testing::resource_table::sample();
    let two_tables = ElfBuilder::elf32().load(0x1000, &one_table).load(0x2000, &one_table).build();
    assert_eq!(reason(&folder, &build(&two_tables, |_| {})), "ambiguous-resource-table");

    let mut file = build(&app, |_| {});
    let sizes = value_of(&file, TlvKind::IMG_SIZE);
    file[sizes] ^= 8;
    resign(&mut file);
    assert_eq!(reason(&folder, &file), "inconsistent-tlv");

    let mut file = build(&app, |_| {});
    let table = value_of(&file, TlvKind::HASH_TABLE);
    // A second image's entry, which no image claims: the first one announces one program header less.
    let image = file.len() - app.len();
    file[image + 44] = 4;
    file[table] = 1;
    resign(&mut file);
    assert_eq!(reason(&folder, &file), "segment-table-changed");
}

#[test]
fn metadata_that_the_service_has_no_room_for_is_refused() {
    let folder = Folder::new();
    let app = common::app();
    let file = build(&app, |builder| {
        builder.platform_tlv(TlvKind(0x1_1234), &vec![7; 70_000]).unwrap();
    });
    assert_eq!(reason(&folder, &file), "metadata-too-large");
}

#[test]
fn inspect_shows_damaged_images_and_never_calls_them_verified() {
    let folder = Folder::new();
    let mut file = folder.signed();
    let end = file.len() - 300;
    file.truncate(end);
    folder.write("cut.signed", &file);
    let run = folder.rproc("inspect cut.signed");
    assert_eq!(run.code, 2);
    for text in ["not verified", "HASHTABLE (0x10)", "SECURITY_COUNTER (0x10101)", "size-mismatch", "bad-elf"]
    {
        assert!(run.stdout.contains(text), "{text}:\n{}", run.stdout);
    }
    let json: serde_json::Value =
        serde_json::from_str(&folder.rproc("inspect cut.signed --json").stdout).unwrap();
    assert_eq!(json["verified"], false);
    assert_eq!(json["container"]["tlvs"].as_array().unwrap().len(), 12);

    let mut file = folder.signed();
    file[4] = 7;
    let at = file.len() - common::app().len() + 216;
    file[at] ^= 1;
    folder.write("odd.signed", &file);
    let run = folder.rproc("inspect odd.signed");
    for text in ["version 7", "DIFFERS", "bad-version", "segment-digest"] {
        assert!(run.stdout.contains(text), "{text}:\n{}", run.stdout);
    }
}
