//! What a signed image says about who signed it, for which processor and version, and how to start it: each of it wrong
//! has its own refusal, and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod lab;

use lab::elf;
use lab::forge::{self, Forge};
use lab::{Lab, M33, strict};
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_board::tee::Counters;
use rproc_image::{BoundResourceTable, TlvKind};
use rproc_keys::{KeyKind, PrivateKey};
use rproc_service::Policy;

#[test]
fn a_boot_address_that_cannot_be_booted() {
    let (mut lab, good) = strict();
    let at = |address: u32| {
        Forge::bound(&[&elf::sample()]).set(TlvKind::BOOT_ADDRESS, &address.to_le_bytes()).sign()
    };
    let code = elf::CODE as u32;
    lab.refused_for(&at(code + 4), Reason::BootAddressAlignment);
    lab.refused_for(&at(code + 1), Reason::BootAddressAlignment);
    for outside in [code + 0x1000, 0x0a06_0000, 0x8400_0000, 0x8010_0000 - 128, 0xffff_ff80, 0] {
        lab.refused_for(&at(outside), Reason::BootAddressOutside);
    }
    lab.refused_for(&at(elf::TABLE as u32), Reason::BootAddressOutside);
    let missing = Forge::bound(&[&elf::sample()]).without(TlvKind::BOOT_ADDRESS).sign();
    lab.load(&missing).unwrap();
    let refusal = lab.service.start(M33).map_err(lab::refusal).unwrap_err();
    assert_eq!(refusal.reason, Reason::MissingBootAddress, "{refusal}");
    lab.assert_clean();
    lab.assert_works(&good);
}

#[test]
fn a_boot_address_changed_after_signing() {
    let (mut lab, good) = strict();
    let position = good.windows(4).position(|word| word == 0x1_0001u32.to_le_bytes()).unwrap();
    let mut changed = good.clone();
    elf::set_word(&mut changed, position + 8, elf::CODE as u32 + 0x80);
    lab.refused_for(&changed, Reason::SignatureInvalid);
    lab.assert_works(&good);
}

#[test]
fn the_secure_state() {
    let (mut lab, good) = strict();
    let with = |value: &[u8]| Forge::bound(&[&elf::sample()]).set(TlvKind::BOOT_SECURE, value).sign();
    lab.refused_for(&with(&[1]), Reason::SecureBootUnsupported);
    lab.refused_for(&with(&[1, 0, 0, 0]), Reason::SecureBootUnsupported);
    for bad in [&[2][..], &[0, 1, 0, 0], &[], &[0, 0]] {
        lab.refused_for(&with(bad), Reason::BadTlv);
    }
    // Asking for the non-secure state, in either form, is fine.
    lab.assert_works(&with(&[0]));
    lab.assert_works(&with(&[0; 4]));
    lab.assert_works(&good);
}

#[test]
fn an_image_for_somebody_else() {
    let (mut lab, good) = strict();
    let for_target = |processor, soc| Forge::bound(&[&elf::sample()]).target(processor, soc).sign();
    for processor in [0, 3, u32::MAX] {
        let refusal = lab.refused_for(&for_target(processor, "stm32mp257"), Reason::WrongProcessor);
        assert_eq!(refusal.expected, Fact::words("m33"));
    }
    for soc in ["stm32mp157", "stm32mp25", "stm32mp2577", "STM32MP257"] {
        let refusal = lab.refused_for(&for_target(1, soc), Reason::WrongSoc);
        assert_eq!((refusal.expected, refusal.found), ("stm32mp257".into(), soc.into()));
    }
    lab.assert_works(&good);
}

#[test]
fn an_image_for_a_processor_that_is_not_there() {
    let (mut lab, good) = strict();
    for processor in [0, 3, u32::MAX] {
        let error = lab.service.load(rproc_abi::ProcessorId(processor), &good).unwrap_err();
        assert_eq!(lab::refusal(error).reason, Reason::UnknownProcessor);
        lab.assert_clean();
    }
    lab.assert_works(&good);
}

#[test]
fn another_key() {
    let (mut lab, good) = strict();
    let other = || PrivateKey::generate(KeyKind::P256).unwrap();
    let refusal =
        lab.refused_for(&Forge::bound(&[&elf::sample()]).key(other()).sign(), Reason::SignatureInvalid);
    assert_eq!(refusal.expected, Fact::Digest(lab::key().public_key().fingerprint()));
    // An image that names its key is told which one was wanted.
    let other = other();
    let fingerprint = other.public_key().fingerprint();
    let named = Forge::bound(&[&elf::sample()]).set(TlvKind::KEY_FINGERPRINT, &fingerprint).key(other).sign();
    let refusal = lab.refused_for(&named, Reason::UntrustedKey);
    assert_eq!(refusal.found, Fact::Digest(fingerprint));
    assert_eq!(refusal.expected, Fact::Digest(lab::key().public_key().fingerprint()));
    let rsa = PrivateKey::generate(KeyKind::Rsa2048).unwrap();
    let rsa = Forge::bound(&[&elf::sample()]).set(TlvKind::SIGN_TYPE, &[1]).key(rsa).sign();
    lab.refused_for(&rsa, Reason::UntrustedKey);
    lab.assert_works(&good);
}

#[test]
fn a_key_of_a_kind_or_size_that_is_not_taken() {
    let (mut lab, good) = strict();
    let typed = |kind: u8| Forge::bound(&[&elf::sample()]).set(TlvKind::SIGN_TYPE, &[kind]);
    for kind in [0, 3, 4, 0x81, 0xff] {
        let refusal = lab.refused_for(&typed(kind).sign(), Reason::UnsupportedSignature);
        assert_eq!(refusal.found, Fact::Number(u64::from(kind)));
    }
    let refusal = lab.refused_for(&typed(1).sign_with(&[0x5A; 128]), Reason::KeyTooSmall);
    assert_eq!(refusal.found, Fact::Number(1024));
    lab.refused_for(&typed(2).sign_with(&[0x5A; 65]), Reason::SignatureSize);
    lab.refused_for(&typed(2).sign_with(&[0; 64]), Reason::SignatureInvalid);
    lab.refused_for(&typed(1).sign_with(&[0x5A; 513]), Reason::MetadataTooLarge);
    let hash = Forge::bound(&[&elf::sample()]).set(TlvKind::HASH_TYPE, &[2]);
    lab.refused_for(&hash.sign(), Reason::UnsupportedHash);
    let key_info = Forge::bound(&[&elf::sample()]).set(TlvKind::PKEY_INFO, &[0; 257]);
    let refusal = lab.refused_for(&key_info.sign(), Reason::BadTlv);
    assert_eq!(refusal.place, Place::Tlv { kind: TlvKind::PKEY_INFO.0 });
    lab.assert_works(&Forge::bound(&[&elf::sample()]).set(TlvKind::PKEY_INFO, &[0; 256]).sign());
    lab.assert_works(&good);
}

#[test]
fn an_older_version() {
    let counters = Counters::new();
    let version = |counter: u32| {
        Forge::bound(&[&elf::sample()]).set(TlvKind::SECURITY_COUNTER, &counter.to_le_bytes()).sign()
    };
    let mut lab = Lab::with(Policy::Strict, counters.clone());
    // Loaded is not yet run.
    lab.load(&version(7)).unwrap();
    lab.service.release(M33).unwrap();
    lab.tee.drain_log();
    lab.assert_works(&version(5));
    let refusal = lab.refused_for(&version(4), Reason::Rollback);
    assert_eq!((refusal.expected, refusal.found), (Fact::Number(5), Fact::Number(4)));
    lab.assert_works(&version(5));
    // Another board's life with the same counters, and one with new ones.
    let mut next = Lab::with(Policy::Strict, counters);
    next.refused_for(&version(4), Reason::Rollback);
    next.refused_for(&version(0), Reason::Rollback);
    next.assert_works(&version(6));
    next.refused_for(&version(5), Reason::Rollback);
    Lab::new(Policy::Strict).assert_works(&version(0));
    // An image without a counter counts as 0.
    let mut compatible = Lab::new(Policy::Compatible);
    compatible.assert_works(&forge::plain());
    compatible.assert_works(&version(1));
    compatible.refused_for(&forge::plain(), Reason::Rollback);
}

#[test]
fn a_resource_table_that_is_none_or_lies_elsewhere() {
    let (mut lab, good) = strict();
    let at = |address: u64, size: usize| {
        let table = BoundResourceTable::At { address: address as u32, size: size as u32 };
        Forge::bound(&[&elf::sample()]).set(TlvKind::RESOURCE_TABLE, &table.to_bytes()).sign()
    };
    let len = elf::table().len();
    for (address, size) in [
        // Code; outside every segment; in a segment's zeros; across the end; too large; too small; in Linux's memory.
        (elf::CODE, len),
        (elf::TABLE + 0x1000, len),
        (elf::DATA + 0x100, len),
        (elf::TABLE, len + 1),
        (elf::TABLE - 1, len),
        (elf::TABLE, 8192),
        (elf::TABLE, 8),
        (elf::TABLE, len - 1),
        (0x8400_0000, len),
    ] {
        let refusal = lab.refused_for(&at(address, size), Reason::BadResourceTable);
        assert_eq!(refusal.found, Fact::Range { start: address, size: size as u64 });
    }
    let wraps = Forge::bound(&[&elf::sample()]).set(TlvKind::RESOURCE_TABLE, &[0xff; 8]).sign();
    lab.refused_for(&wraps, Reason::BadResourceTable);
    // Every word of the table made nonsense, signed like that: taken or refused, but never with another place.
    let table = elf::table();
    for at in (0..table.len()).step_by(4) {
        let mut damaged = table.clone();
        damaged[at..at + 4].fill(0xff);
        let elf = elf::builder().resource_table(elf::TABLE, &damaged).build();
        match lab.load(&Forge::bound(&[&elf]).sign()) {
            Ok(()) => {
                let found = lab.service.resource_table(M33).unwrap().unwrap();
                assert_eq!((found.address, found.size), (elf::TABLE, len as u64));
                lab.service.release(M33).unwrap();
            }
            Err(refusal) => {
                assert_eq!(refusal.reason, Reason::BadResourceTable, "word {at}: {refusal}");
                lab.assert_clean();
            }
        }
    }
    lab.assert_works(&good);
}
