//! Our containers are those of OP-TEE's own script, byte for byte.
//!
//! The digests below are of what `scripts/sign_rproc_fw.py` of OP-TEE made (commit
//! d5001fe0af66a4c059dc6816a7be08d7fb83ff1a, with pyelftools and pycryptodomex). The keys were generated for these tests
//! with openssl and nothing trusts them. To reproduce them, write the inputs and run the script on them:
//!
//! ```text
//! cargo test -p rproc-image --test upstream -- --ignored
//! cd target/tmp; keys=../../contract/image/tests/keys
//! sign_rproc_fw.py --in first.elf --out a.bin --key $keys/rsa2048.pem
//! sign_rproc_fw.py --in first.elf --in second.elf --out b.bin --key $keys/rsa3072.pem --key_info info.bin \
//!     --plat-tlv 0x10001 0x80100000 --plat-tlv 0x1abcd text --plat-tlv 0x10001 0x80200000
//! sign_rproc_fw.py --in second.elf --out c.bin --key $keys/rsa4096.pem
//! sha256sum ?.bin
//! ```
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod common;

use common::{Rsa, authenticate, firmware, second};
use rproc_image::{ContainerBuilder, TlvKind};
use sha2::{Digest, Sha256};

const KEY_INFO: &[u8] = b"production key 3";

fn check(builder: &ContainerBuilder<'_>, pem: &str, expected: &str) {
    let mut key = Rsa::new(pem);
    let file = builder.sign::<Sha256, _>(&mut key).unwrap().to_vec();
    assert!(authenticate(&file, &mut key).is_ok());
    let digest: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, expected);
}

#[test]
fn one_image_with_rsa_2048() {
    let first = firmware();
    let mut builder = ContainerBuilder::new();
    builder.image(&first).unwrap();
    check(
        &builder,
        include_str!("keys/rsa2048.pem"),
        "b18c9b82b058dc62bac9c8017c596525715462dd0e2396d16c338e74d1fae20a",
    );
}

#[test]
fn two_images_key_info_and_a_repeated_platform_tlv_with_rsa_3072() {
    let (first, second) = (firmware(), second());
    let mut builder = ContainerBuilder::new();
    builder.image(&first).unwrap().image(&second).unwrap().key_info(KEY_INFO);
    builder
        .boot_address(0x8010_0000)
        .platform_tlv(TlvKind(0x1_abcd), b"text")
        .unwrap()
        .boot_address(0x8020_0000);
    check(
        &builder,
        include_str!("keys/rsa3072.pem"),
        "eb6884a56b1599765e3b7eb8b671e9e4180176674c4bd7ffdd3f22ce9a2af429",
    );
}

#[test]
fn one_image_with_rsa_4096() {
    let second = second();
    let mut builder = ContainerBuilder::new();
    builder.image(&second).unwrap();
    check(
        &builder,
        include_str!("keys/rsa4096.pem"),
        "d4a81ad68505d4e0cb5daf83e4679fa39281ff6defb22dfee9f9eb6b7df64ad9",
    );
}

#[test]
#[ignore = "writes the inputs for OP-TEE's script"]
fn write_inputs() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, bytes) in [("first.elf", &firmware()[..]), ("second.elf", &second()), ("info.bin", KEY_INFO)] {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}
