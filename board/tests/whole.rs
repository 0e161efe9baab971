//! Whole systems: every processor of the boards, both owners, several processors at once, crashes and recoveries.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod signing;

use std::time::Duration;

use rproc_abi::ProcessorId;
use rproc_abi::refusal::Reason;
use rproc_board::boards::{BOARDS, BundledBoard};
use rproc_board::system::{Moment, System, SystemConfig, SystemError};
use rproc_board::tee::SecureEvent;
use rproc_devicetree::{Owner, Tree, assign};
use rproc_elf::ElfFile;
use rproc_lifecycle::{Crash, CrashKind, Error, Event, Mailbox, State};

use signing::{firmware, sign_for};

const M4: ProcessorId = ProcessorId::CORTEX_M4;
const M33: ProcessorId = ProcessorId::CORTEX_M33;
const M0: ProcessorId = ProcessorId::CORTEX_M0_PLUS;
const SECOND: Duration = Duration::from_secs(1);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Linux's tree of a bundled board, and the secure side's.
fn trees(name: &str) -> (Tree, Tree) {
    let board: BundledBoard = BOARDS.into_iter().find(|board| board.name == name).unwrap();
    (Tree::parse(board.linux_tree).unwrap(), Tree::parse(board.secure_tree).unwrap())
}

fn start(linux_tree: &Tree, secure_tree: &Tree, processors: &[&str]) -> Result<System, SystemError> {
    System::start(SystemConfig { linux_tree, secure_tree, processors, tee: signing::tee(), real_time: false })
}

/// A bundled board with these processors, all the TEE's.
fn system(name: &str, processors: &[&str]) -> System {
    let (linux, secure) = trees(name);
    start(&linux, &secure, processors).unwrap()
}

/// A bundled board with a processor given to an owner.
fn owned(name: &str, processor: &str, id: ProcessorId, owner: Owner) -> Result<System, SystemError> {
    let (linux, secure) = trees(name);
    let (linux, secure) = assign(&linux, &secure, id.0, owner).unwrap();
    start(&linux, &secure, &[processor])
}

fn boot(system: &mut System, place: usize, image: Vec<u8>) {
    system.processors[place].set_firmware(image).unwrap();
    if let Err(error) = system.processors[place].boot() {
        panic!("{error}: {:?}", system.drain());
    }
}

/// Waits for something that a processor tells, at most a virtual second.
fn until<T>(system: &mut System, place: usize, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let end = system.now() + SECOND;
    let mut seen = Vec::new();
    while system.now() < end {
        for (from, event) in system.wait(ms(10)) {
            if from == place
                && let Some(found) = wanted(&event)
            {
                return found;
            }
            seen.push(event);
        }
    }
    panic!("it did not happen: {seen:#?}")
}

/// Sends a message on the processor's first channel and waits for it to come back.
fn echo(system: &mut System, place: usize, text: &str) {
    let channel = match system.processors[place].channels().first() {
        Some(channel) => channel.id,
        None => until(system, place, |event| match event {
            Event::ChannelAnnounced(channel) => Some(channel.id),
            _ => None,
        }),
    };
    system.processors[place].send(channel, text.as_bytes(), SECOND).unwrap();
    let answer = until(system, place, |event| match event {
        Event::MessageReceived { payload, .. } => Some(payload.clone()),
        _ => None,
    });
    assert_eq!(answer, text.as_bytes());
}

fn crash(system: &mut System, place: usize) -> Crash {
    until(system, place, |event| match event {
        Event::Crashed(crash) => Some(crash.clone()),
        _ => None,
    })
}

/// What a processor's firmware has logged since the last time.
fn lines(system: &mut System, processor: &str) -> Vec<String> {
    let entries = system.drain().into_iter().filter(|entry| entry.processor.as_deref() == Some(processor));
    entries
        .filter_map(|entry| match entry.moment {
            Moment::Lifecycle(Event::TraceLine { line, .. }) => Some(line),
            _ => None,
        })
        .collect()
}

fn m4(sample: &str) -> Vec<u8> {
    sign_for(&firmware(sample), M4, "stm32mp157")
}

fn m33(sample: &str) -> Vec<u8> {
    sign_for(&firmware(sample), M33, "stm32mp257")
}

fn m0(sample: &str) -> Vec<u8> {
    sign_for(&firmware(sample), M0, "stm32mp257")
}

#[test]
fn the_m4_of_the_dk2_boots_from_zero_echoes_and_leaves_nothing_behind() {
    let mut system = system("stm32mp157f-dk2", &["m4"]);
    boot(&mut system, 0, m4("echo-m4.elf"));
    echo(&mut system, 0, "hello");
    let linux = system.board.get().port(rproc_board::Initiator::A35NonSecure);
    assert!(linux.read32(0x1000_0000).is_err() && linux.read32(0x3800_0000).is_err(), "closed while it runs");
    system.processors[0].shutdown().unwrap();
    let secure = system.board.get().port(rproc_board::Initiator::A35Secure);
    for address in [0x3800_0000, 0x1000_0000, 0x1004_8000] {
        assert_eq!(secure.read32(address).unwrap(), 0, "{address:#x}");
    }
    system.wait(ms(1));
    assert!(!system.board.get().core(0).unwrap().is_running());
    boot(&mut system, 0, m4("echo-m4.elf"));
    echo(&mut system, 0, "again");
}

#[test]
fn two_processors_run_at_once_and_the_crash_of_one_does_not_disturb_the_other() {
    let mut system = system("stm32mp257f-ev1", &["m33", "m0"]);
    boot(&mut system, 0, m33("obey-m33.elf"));
    boot(&mut system, 1, m0("blink-m0.elf"));
    system.processors[0].set_recovery(false);
    echo(&mut system, 0, "hello");
    echo(&mut system, 0, "fault");
    let told = crash(&mut system, 0);
    assert_eq!(told.kind, CrashKind::FatalError);
    assert_eq!(
        (system.processors[0].state(), system.processors[1].state()),
        (State::Crashed, State::Running)
    );
    let end = system.now() + ms(350);
    while system.now() < end {
        system.wait(ms(10));
    }
    assert!(system.board.get().core(2).unwrap().is_running());
    let blinks = system.drain().into_iter().filter(|entry| match &entry.moment {
        Moment::Board(rproc_board::Happening::UartLine { line, .. }) => line.starts_with("blink: "),
        _ => false,
    });
    assert!(blinks.count() >= 4, "ready, and three changes of the light");
    system.processors[0].shutdown().unwrap();
    system.processors[1].shutdown().unwrap();
    system.wait(ms(1));
    let acknowledged = system.drain().into_iter().any(|entry| {
        entry.processor.as_deref() == Some("m0")
            && matches!(entry.moment, Moment::Lifecycle(Event::LeaveAcknowledged { .. }))
    });
    assert!(acknowledged, "the M0+ has answered its own mailbox");
    assert!(!system.board.get().is_running());
}

#[test]
fn one_processors_wait_keeps_the_others_events() {
    let mut system = system("stm32mp257f-ev1", &["m33", "m0"]);
    boot(&mut system, 0, m33("echo-m33.elf"));
    boot(&mut system, 1, m0("starve-m0.elf"));
    // The M33 announces its channel, and the M0+ is bitten, while only the other one is waited for.
    let early: Vec<Event> = system.processors[1].wait(ms(1));
    assert!(!early.iter().any(|event| matches!(event, Event::ChannelAnnounced(_))), "{early:?}");
    let end = system.now() + ms(700);
    while system.now() < end {
        let events = system.processors[0].wait(ms(50));
        assert!(!events.iter().any(|event| matches!(event, Event::Crashed(_))), "not its crash: {events:?}");
    }
    assert_eq!(system.processors[0].channels().len(), 1, "its announcement was kept");
    let events = system.processors[1].wait(Duration::ZERO);
    let crash = events.iter().find_map(|event| match event {
        Event::Crashed(crash) => Some(crash.clone()),
        _ => None,
    });
    let crash = crash.unwrap_or_else(|| panic!("{events:?}"));
    assert_eq!(crash.kind, CrashKind::Watchdog);
    assert!(crash.reason.starts_with("IWDG5 "), "{}", crash.reason);
    echo(&mut system, 0, "still here");
}

#[test]
fn a_starved_watchdog_is_dumped_recovered_from_and_the_firmware_echoes_again() {
    for (name, processor, image, code) in [
        ("stm32mp157f-dk2", "m4", m4("obey-m4.elf"), 0x1000_0000),
        ("stm32mp257f-ev1", "m33", m33("obey-m33.elf"), 0x8010_0000),
    ] {
        let mut system = system(name, &[processor]);
        boot(&mut system, 0, image);
        for round in 1..=3 {
            echo(&mut system, 0, "starve");
            let count = until(&mut system, 0, |event| match event {
                Event::Recovered { count } => Some(*count),
                _ => None,
            });
            assert_eq!((count, system.processors[0].state()), (round, State::Running), "{name}");
            let crashes: Vec<_> = system
                .drain()
                .into_iter()
                .filter_map(|entry| match entry.moment {
                    Moment::Lifecycle(Event::Crashed(crash)) => Some(crash.kind),
                    _ => None,
                })
                .collect();
            assert_eq!(crashes, [CrashKind::Watchdog], "{name}: one crash is told once");
            let core = ElfFile::parse(system.processors[0].coredump().unwrap()).unwrap();
            let code = core.segments().find(|segment| segment.physical_address == code);
            assert!(code.is_some_and(|code| code.file_size > 0), "{name}");
            echo(&mut system, 0, "hello again");
        }
        system.processors[0].shutdown().unwrap();
        assert!(system.board.get().pending_interrupts().is_empty(), "{name}");
    }
}

#[test]
fn a_shutdown_that_is_answered_late_or_never_is_taken_by_the_next_run() {
    for order in ["late", "deaf"] {
        let mut system = system("stm32mp157f-dk2", &["m4"]);
        boot(&mut system, 0, m4("obey-m4.elf"));
        echo(&mut system, 0, order);
        let told = |system: &mut System, event: &Event| {
            let wanted = Moment::Lifecycle(event.clone());
            system.drain().iter().any(|entry| entry.moment == wanted)
        };
        system.processors[0].shutdown().unwrap();
        let timed_out = Event::LeaveTimedOut { mailbox: Mailbox::Shutdown, limit_us: 500_000 };
        assert!(told(&mut system, &timed_out), "{order}");
        assert_eq!(system.processors[0].state(), State::Offline);
        // The request is still in the mailbox: only its receiver can clear it.
        boot(&mut system, 0, m4("echo-m4.elf"));
        until(&mut system, 0, |event| {
            matches!(event, Event::LateAcknowledgement { mailbox: Mailbox::Shutdown }).then_some(())
        });
        system.processors[0].shutdown().unwrap();
        assert_eq!(system.processors[0].state(), State::Offline, "{order}");
    }
}

#[test]
fn linux_boots_and_stops_a_processor_of_its_own() {
    for owner in [Owner::Linux, Owner::LinuxThroughTee] {
        for (name, processor, id, sample) in [
            ("stm32mp157f-dk2", "m4", M4, "echo-m4.elf"),
            ("stm32mp257f-ev1", "m33", M33, "echo-m33.elf"),
            ("stm32mp215f-dk", "m33", M33, "hang.elf"),
        ] {
            let mut system = owned(name, processor, id, owner).unwrap();
            assert!(system.processors[0].loader().is_linux());
            for round in 0..2 {
                boot(&mut system, 0, firmware(sample));
                if sample != "hang.elf" {
                    echo(&mut system, 0, "hello");
                }
                system.wait(ms(1));
                assert!(system.board.get().core(id.0).unwrap().is_running(), "{name} {round}");
                system.processors[0].shutdown().unwrap();
                system.wait(ms(1));
                assert!(!system.board.get().core(id.0).unwrap().is_running(), "{name} {round}");
            }
            let secure = system.drain().into_iter().any(|entry| {
                matches!(
                    entry.moment,
                    Moment::Secure(SecureEvent::Authenticated { .. } | SecureEvent::Wiped { .. })
                )
            });
            assert!(!secure, "{name}: the TEE has no part in it");
        }
    }
}

#[test]
fn linux_recovers_a_processor_of_its_own() {
    let mut system = owned("stm32mp157f-dk2", "m4", M4, Owner::Linux).unwrap();
    boot(&mut system, 0, firmware("obey-m4.elf"));
    echo(&mut system, 0, "starve");
    until(&mut system, 0, |event| matches!(event, Event::Recovered { count: 1 }).then_some(()));
    echo(&mut system, 0, "hello again");
    assert!(lines(&mut system, "m4").iter().any(|line| line.contains("hello") || line.contains("bytes")));
}

#[test]
fn what_one_owner_loads_the_other_refuses_in_words() {
    let mut system = owned("stm32mp257f-ev1", "m33", M33, Owner::Linux).unwrap();
    system.processors[0].set_firmware(m33("echo-m33.elf")).unwrap();
    let error = system.processors[0].boot().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("signed image") && text.contains("owned by Linux"), "{text}");

    let mut system = self::system("stm32mp257f-ev1", &["m33"]);
    system.processors[0].set_firmware(firmware("echo-m33.elf")).unwrap();
    let error = system.processors[0].boot().unwrap_err();
    let Error::Load(refused) = &error else { panic!("{error}") };
    assert_eq!(refused.refusal().map(|refusal| refusal.reason), Some(Reason::NotSigned), "{error}");
    assert_eq!(system.processors[0].state(), State::Offline);
}

#[test]
fn contradictions_are_told_before_anything_runs() {
    let (linux, secure) = trees("stm32mp257f-ev1");
    let both = linux.with_string("/ahb@a040000/m33@a041000", "status", "okay").unwrap();
    let error = start(&both, &secure, &["m0"]).err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, SystemError::Contradiction(_)), "{text}");
    assert!(
        text.contains("contradict") && text.contains("set status = \"disabled\" in one of them"),
        "{text}"
    );

    let error = owned("stm32mp257f-ev1", "m0", M0, Owner::Linux).err().unwrap();
    assert!(matches!(error, SystemError::NotLinuxs { .. }), "{error}");
    let error = owned("stm32mp257f-ev1", "m33", M33, Owner::Nobody).err().unwrap();
    assert!(error.to_string().contains("is disabled"), "{error}");
    let error = start(&linux, &secure, &["m33", "1"]).err().unwrap();
    assert!(error.to_string().contains("given twice"), "{error}");
    let error = start(&linux, &secure, &["m4"]).err().unwrap();
    assert!(error.to_string().contains("m33 (1), m0 (2)"), "{error}");
    let (_, other) = trees("stm32mp215f-dk");
    let error = start(&linux, &other, &["m33"]).err().unwrap();
    assert!(!error.to_string().is_empty(), "trees of two boards");
}
