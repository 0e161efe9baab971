//! Orders of calls, good and bad, on each processor; what a processor is given away means.

use rproc_abi::platform::Command;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_abi::{Placement, PlatformTlvs, PtaMemory, TeeResult};
use sha2::{Digest, Sha256};

use super::life::{ALL, Life, M0, M4, M4_BY_MONITOR, M33, Step};
use crate::testing::{Bytes, Fault, Point};

#[test]
fn closed_from_before_the_first_byte_and_for_good() {
    for case in ALL {
        let mut life = Life::new(case);
        assert!(life.any_open());
        life.act(Step::BootAddress).unwrap();
        assert!(life.any_open());
        life.act(Step::Load(case.code)).unwrap();
        assert!(!life.any_open() && life.fake().open(case.table), "{}", case.name);
        life.act(Step::Start).unwrap();
        assert!(life.fake().reaches(case.id, case.table), "{}", case.name);
        life.act(Step::Stop).unwrap();
        assert!(!life.any_open() && !life.fake().is_zero());
        let code = if case.id == M4.id { 0x3800_0000 } else { case.code };
        assert!(!life.fake().reaches(case.id, code), "{} is held and keeps its memory", case.name);
        life.act(Step::Release).unwrap();
        assert!(!life.any_open() && life.fake().open(case.table) && life.fake().is_zero());
    }
}

#[test]
fn a_wrong_digest_leaves_nothing_that_could_be_started() {
    for case in ALL {
        let mut life = Life::new(case);
        life.act(Step::BootAddress).unwrap();
        life.act(Step::Load(case.code)).unwrap();
        let command = Command::LoadSegment {
            data: PtaMemory::Shared(Bytes::new(&[1, 2, 3])),
            address: case.data,
            digest: PtaMemory::Private(&[0; 32]),
        };
        assert_eq!(life.invoke(command), TeeResult::SECURITY);
        assert_eq!(life.act(Step::Start).unwrap_err().reason, Reason::NotLoaded);
        // The next load begins from nothing.
        life.act(Step::Load(case.data)).unwrap();
        let mut bytes = [0xff; 8];
        let buffer = PtaMemory::PrivateMut(&mut bytes);
        assert_eq!(life.invoke(Command::ReadMemory { address: case.code, buffer }), TeeResult::SUCCESS);
        assert_eq!(bytes, [0; 8]);
    }
}

/// A container of two segments of 100 bytes each, and how to place them.
fn two_segments(code: u64, data: u64) -> ([u8; 200], [Placement; 2]) {
    let mut container = [0x11; 200];
    container[100..].fill(0x22);
    let placement = |index: u32, address| {
        let offset = 100 * index as usize;
        let digest = Sha256::digest(&container[offset..offset + 100]).into();
        Placement {
            image: 3,
            index,
            offset: offset as u64,
            address,
            file_size: 100,
            memory_size: 132,
            digest,
        }
    };
    (container, [placement(0, code), placement(1, data)])
}

fn place(life: &mut Life, container: &[u8], placements: &[u8], tlvs: &[u8]) -> TeeResult {
    life.invoke(Command::LoadSegments {
        container: PtaMemory::Shared(Bytes::new(container)),
        placements: PtaMemory::Private(placements),
        tlvs: PtaMemory::Private(tlvs),
    })
}

#[test]
fn segments_are_placed_together_as_they_are_one_by_one() {
    for case in ALL {
        let mut life = Life::new(case);
        let (container, placements) = two_segments(case.code, case.data);
        let placements = placements.map(|placement| placement.encode()).concat();
        let boot_address = (case.code as u32).to_le_bytes();
        let tlvs = [&PlatformTlvs::head(0x1_0001, 4), &boot_address[..]].concat();
        for cut in 1..tlvs.len() {
            let result = place(&mut life, &container, &placements, &tlvs[..cut]);
            assert_eq!(result, Reason::BadTlv.result());
            assert!(life.any_open(), "nothing was begun");
        }
        assert_eq!(place(&mut life, &container, &placements, &tlvs), TeeResult::SUCCESS);
        for (address, byte) in [(case.code, 0x11), (case.data, 0x22)] {
            let mut bytes = [0xff; 132];
            let buffer = PtaMemory::PrivateMut(&mut bytes);
            assert_eq!(life.invoke(Command::ReadMemory { address, buffer }), TeeResult::SUCCESS);
            assert!(bytes[..100] == [byte; 100] && bytes[100..] == [0; 32], "{}", case.name);
        }
        life.act(Step::Start).unwrap();
        assert_eq!(place(&mut life, &container, &placements, &[]), Reason::AlreadyStarted.result());
        assert!(life.running());
    }
}

#[test]
fn a_segment_that_cannot_be_placed_with_others_is_named() {
    for case in ALL {
        let (container, good) = two_segments(case.code, case.data);
        let second = |change: fn(&mut Placement)| {
            let mut placements = good;
            change(&mut placements[1]);
            placements.map(|placement| placement.encode()).concat()
        };
        for (placements, reason) in [
            (second(|placement| placement.digest[31] ^= 1), Reason::SegmentDigest),
            (second(|placement| placement.address = 0x4000_0000), Reason::AddressOutsideRegions),
            (second(|placement| placement.offset = 101), Reason::SharedMemory),
            (second(|placement| placement.offset = u64::MAX), Reason::SharedMemory),
            (second(|placement| placement.memory_size = u64::MAX), Reason::AddressOutsideRegions),
        ] {
            let mut life = Life::new(case);
            life.act(Step::BootAddress).unwrap();
            assert_eq!(place(&mut life, &container, &placements, &[]), reason.result(), "{reason:?}");
            let refusal = life.refusal();
            assert_eq!((refusal.reason, refusal.place), (reason, Place::Segment { image: 3, index: 1 }));
            life.act(Step::Release).unwrap();
            assert!(life.fake().is_zero());
        }
        let mut life = Life::new(case);
        let whole = second(|_| {});
        assert!(!place(&mut life, &container, &whole[..whole.len() - 1], &[]).is_success());
        let private = Command::LoadSegments {
            container: PtaMemory::Private(&container),
            placements: PtaMemory::Private(&whole),
            tlvs: PtaMemory::Private(&[]),
        };
        assert_eq!(life.invoke(private), Reason::BadRequest.result());
        assert!(life.any_open(), "nothing was begun");
    }
}

#[test]
fn an_order_of_calls_that_no_good_ta_makes() {
    for case in ALL {
        let mut life = Life::new(case);
        for step in [Step::Start, Step::Dump] {
            assert_eq!(life.act(step).unwrap_err().reason, Reason::NotLoaded, "{step:?} first");
        }
        life.act(Step::Stop).unwrap();
        life.act(Step::Release).unwrap();
        life.act(Step::Load(case.code)).unwrap();
        life.act(Step::BootAddress).unwrap();
        life.act(Step::Start).unwrap();
        // While it runs, its memory and its start are its own.
        let steps =
            [Step::Load(case.data), Step::Zero(case.data), Step::Dump, Step::Start, Step::BootAddress];
        for step in steps {
            assert_eq!(life.act(step).unwrap_err().reason, Reason::AlreadyStarted, "{step:?}");
            assert!(life.running());
        }
        life.act(Step::Stop).unwrap();
        assert_eq!(life.act(Step::Start).unwrap_err().reason, Reason::NotLoaded);
        life.act(Step::Release).unwrap();
    }
}

#[test]
fn a_cortex_m33_is_told_where_it_begins() {
    let mut life = Life::new(M33);
    life.act(Step::Load(M33.code)).unwrap();
    assert_eq!(life.act(Step::Start).unwrap_err().reason, Reason::MissingBootAddress);
    life.act(Step::BootAddress).unwrap();
    life.act(Step::Start).unwrap();
}

#[test]
fn the_others_begin_where_they_always_do() {
    for case in [M0, M4] {
        let mut life = Life::new(case);
        let kind = 0x1_0001;
        for address in [case.code as u32 + 0x80, 0x0800_0000] {
            let value = address.to_le_bytes();
            life.invoke(Command::PlatformTlv { kind, value: PtaMemory::Private(&value) });
            let refusal = life.refusal();
            assert_eq!(refusal.reason, Reason::BootAddressOutside);
            assert_eq!(refusal.expected, Fact::Address(case.code));
            assert_eq!((refusal.found, refusal.place), (Fact::Address(address.into()), Place::Tlv { kind }));
        }
        for (value, reason) in [(&[1][..], Reason::SecureBootUnsupported), (&[1, 2], Reason::BadTlv)] {
            let kind = 0x1_0002;
            life.invoke(Command::PlatformTlv { kind, value: PtaMemory::Private(value) });
            assert_eq!(life.refusal().reason, reason);
        }
        // Nothing is loaded there: neither beside it, nor when what was there is wiped again.
        for elsewhere in [case.code + 4, case.data, case.table] {
            life.act(Step::Load(elsewhere)).unwrap();
            let refusal = life.act(Step::Start).unwrap_err();
            assert_eq!(
                (refusal.reason, refusal.expected),
                (Reason::VectorsNotLoaded, Fact::Address(case.code))
            );
        }
        life.act(Step::Load(case.code)).unwrap();
        life.act(Step::Release).unwrap();
        life.act(Step::Zero(case.code)).unwrap();
        assert_eq!(life.act(Step::Start).unwrap_err().reason, Reason::VectorsNotLoaded);
        life.act(Step::Load(case.code)).unwrap();
        life.act(Step::Start).unwrap();
    }
}

#[test]
fn a_processor_that_is_given_away_is_linux_s_until_the_next_boot() {
    for case in ALL {
        let mut life = Life::new(case);
        // The boot chain had closed something.
        life.fake().preset(0x5c00_7024, 0);
        life.fake().preset(0x4208_0900, 0x111);
        life.fake().preset(0x4211_0100, 0xff);
        life.fake().preset(0x4880_2088, 3);
        life.fake().preset(0x5000_0000, 3);
        life.give_away().unwrap();
        life.give_away().unwrap();
        assert!(life.fake().all_open(case.id), "{}", case.name);
        let protected = life.fake().register(0x5000_0000) & 2 != 0;
        // With an SCMI server RCC stays the secure world's.
        let by_registers = [M4.name, M4_BY_MONITOR.name].contains(&case.name);
        assert_eq!(protected, !by_registers, "{}: MCKPROT", case.name);
        if case.id == M33.id {
            assert_eq!(life.fake().register(0x4880_2088), 0, "M33_ACCESS_CR");
        }
        let accesses = (life.fake().writes.len(), life.fake().reads);
        for step in [
            Step::BootAddress,
            Step::Load(case.code),
            Step::Zero(case.code),
            Step::Start,
            Step::Stop,
            Step::Dump,
            Step::Release,
        ] {
            assert_eq!(life.act(step).unwrap_err().reason, Reason::OwnedByLinux, "{step:?}");
        }
        assert_eq!(life.invoke(Command::Capabilities), TeeResult::NOT_SUPPORTED);
        assert_eq!(accesses, (life.fake().writes.len(), life.fake().reads), "nothing is touched any more");
    }
}

#[test]
fn a_processor_that_the_tee_uses_is_not_given_away() {
    for case in ALL {
        let mut life = Life::new(case);
        life.act(Step::BootAddress).unwrap();
        life.act(Step::Load(case.code)).unwrap();
        assert_eq!(life.give_away().unwrap_err().reason, Reason::WrongState);
        life.act(Step::Start).unwrap();
        assert_eq!(life.give_away().unwrap_err().reason, Reason::WrongState);
        life.act(Step::Stop).unwrap();
        assert_eq!(life.give_away().unwrap_err().reason, Reason::WrongState);
        assert!(!life.any_open());
        life.act(Step::Release).unwrap();
        life.give_away().unwrap();
    }
}

#[test]
fn what_a_failed_load_left_is_not_given_away() {
    for case in ALL {
        let mut life = Life::new(case);
        life.act(Step::Load(case.code)).unwrap();
        let command = Command::LoadSegment {
            data: PtaMemory::Shared(Bytes::new(&[1, 2, 3])),
            address: case.data,
            digest: PtaMemory::Private(&[0; 32]),
        };
        assert_eq!(life.invoke(command), TeeResult::SECURITY);
        assert!(!life.fake().is_zero());
        life.give_away().unwrap();
        assert!(life.fake().is_zero() && life.fake().all_open(case.id));
    }
}

#[test]
fn a_processor_that_cannot_be_given_away_is_not() {
    for case in ALL {
        let closed = |life: &mut Life| {
            life.fake().preset(0x5c00_7024, 0);
            life.fake().preset(0x4208_0900, 0x111);
            life.fake().preset(0x4880_2088, 3);
            life.fake().preset(0x5000_0000, 3);
        };
        let mut life = Life::new(case);
        closed(&mut life);
        life.give_away().unwrap();
        let writes = life.fake().writes.len();
        for at in 0..writes {
            let mut life = Life::new(case);
            closed(&mut life);
            life.fake().fault = Some((Point::Write(at), Fault::Stuck));
            let refused = life.give_away();
            if refused.is_ok() {
                assert!(!life.fake().bitten, "{}, write {at}", case.name);
                continue;
            }
            life.fake().repair();
            // Neither Linux's nor lost to the TEE.
            life.act(Step::BootAddress).unwrap();
            life.act(Step::Load(case.code)).unwrap();
            life.act(Step::Start).unwrap();
            life.act(Step::Stop).unwrap();
            life.act(Step::Release).unwrap();
            life.give_away().unwrap();
        }
    }
}
