//! Firmware that goes wrong after it was started: what the normal world learns of it, and that it harms nobody.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod signing;

use std::time::Duration;

use rproc_board::system::{Moment, System};
use rproc_board::{Happening, Initiator};
use rproc_elf::ElfFile;
use rproc_lifecycle::{CrashKind, Event, State};
use signing::system;

/// Waits for a second and returns what the lifecycle told, from the boot on.
fn run(system: &mut System) -> Vec<Event> {
    system.processors[0].boot().unwrap();
    for _ in 0..100 {
        system.processors[0].wait(Duration::from_millis(10));
    }
    lifecycle(system)
}

fn lifecycle(system: &mut System) -> Vec<Event> {
    let entries = system.drain().into_iter();
    entries
        .filter_map(|entry| match entry.moment {
            Moment::Lifecycle(event) => Some(event),
            _ => None,
        })
        .collect()
}

fn crash(events: &[Event]) -> &rproc_lifecycle::Crash {
    let mut crashes = events.iter().filter_map(|event| match event {
        Event::Crashed(crash) => Some(crash),
        _ => None,
    });
    let crash = crashes.next().unwrap();
    assert_eq!(crashes.next(), None, "told once");
    crash
}

fn trace(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::TraceLine { line, .. } => Some(line.as_str()),
            _ => None,
        })
        .collect()
}

/// Shuts down and checks that the memory is wiped, and closed to Linux.
fn shut_down(system: &mut System) -> Vec<Event> {
    system.processors[0].shutdown().unwrap();
    system.board.get_mut().run_for(Duration::from_micros(1));
    let board = system.board.get();
    assert!(!board.is_running());
    for address in [0x8010_0000, 0x80a0_0000, 0x0a04_1000] {
        assert_eq!(board.port(Initiator::A35Secure).read32(address).unwrap(), 0, "{address:#x}");
        assert!(board.port(Initiator::A35NonSecure).read32(address).is_err(), "{address:#x}");
    }
    drop(board);
    assert_eq!(system.processors[0].state(), State::Offline);
    lifecycle(system)
}

#[test]
fn a_fault_is_told_with_its_address_and_its_trace() {
    let mut system = system("fault.elf");
    system.processors[0].set_recovery(false);
    let events = run(&mut system);
    let crash = crash(&events);
    assert_eq!(crash.kind, CrashKind::FatalError);
    assert!(crash.reason.contains("the data access to 0x70000000 was refused"), "{}", crash.reason);
    let [before, handler] = trace(&events)[..] else { panic!("{events:?}") };
    assert_eq!(before, "fault: about to read 0x70000000");
    assert!(handler.contains("BFAR 0x70000000"), "{handler}");
    let place = |event: &Event| events.iter().position(|found| found == event);
    let last = Event::TraceLine { trace: 0, line: handler.into() };
    assert!(place(&last) < place(&Event::Crashed(crash.clone())), "its last words come before the crash");
    assert_eq!(system.processors[0].state(), State::Crashed);
    let events = shut_down(&mut system);
    assert!(
        !events.iter().any(|event| matches!(event, Event::LeaveRequested { .. })),
        "a crashed one is not asked"
    );
}

#[test]
fn a_lockup_is_told() {
    let mut system = system("lockup.elf");
    system.processors[0].set_recovery(false);
    let events = run(&mut system);
    let crash = crash(&events);
    assert!(crash.reason.starts_with("locked up") && crash.reason.contains("undefined"), "{}", crash.reason);
    assert_eq!(trace(&events), ["lockup: about to fault twice"]);
    shut_down(&mut system);
}

#[test]
fn a_hang_is_no_crash_but_does_not_answer() {
    let mut system = system("hang.elf");
    let events = run(&mut system);
    assert!(!events.iter().any(|event| matches!(event, Event::Crashed(_) | Event::ChannelAnnounced(_))));
    assert_eq!(trace(&events), [""; 0]);
    assert_eq!(system.processors[0].state(), State::Running);
    let before = system.processors[0].machine().board().now();
    let events = shut_down(&mut system);
    let limit = Event::LeaveTimedOut { mailbox: rproc_lifecycle::Mailbox::Shutdown, limit_us: 500_000 };
    assert!(events.contains(&limit), "{events:?}");
    let waited = system.processors[0].machine().board().now() - before;
    assert!((500..510).contains(&waited.as_millis()), "{waited:?}");
}

#[test]
fn linuxs_memory_is_out_of_the_firmwares_reach() {
    const SECRET: u32 = 0x5EC2_E700;
    let mut system = system("forbidden.elf");
    let linux = system.processors[0].machine().board().port(Initiator::A35NonSecure);
    linux.write32(0x8400_0000, SECRET).unwrap();
    system.processors[0].boot().unwrap();
    for _ in 0..10 {
        system.processors[0].wait(Duration::from_millis(10));
    }
    assert_eq!(linux.read32(0x8400_0000).unwrap(), SECRET, "nothing was written");
    let entries = system.drain();
    let illegal: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.moment {
            Moment::Board(Happening::IllegalAccess(error)) => Some(error),
            _ => None,
        })
        .collect();
    assert_eq!(illegal.len(), 3, "{illegal:?}");
    for error in illegal {
        assert_eq!((error.initiator, error.address), (Initiator::M33, 0x8400_0000));
    }
    let events: Vec<Event> = entries
        .into_iter()
        .filter_map(|entry| match entry.moment {
            Moment::Lifecycle(event) => Some(event),
            _ => None,
        })
        .collect();
    let lines = trace(&events);
    for (line, what) in lines.iter().zip(["read", "write", "read"]) {
        assert!(line.starts_with(&format!("forbidden: {what} of 0x84000000 was refused")), "{line}");
    }
    assert!(lines[3].starts_with("forbidden: 3 of 3 accesses refused"), "{}", lines[3]);
    assert!(!lines[3].contains("5ec2e700"), "what was refused was not read");
    assert_eq!(system.processors[0].state(), State::Running, "it handled the faults itself");
    shut_down(&mut system);
}

#[test]
fn a_crash_is_dumped_and_recovered_from() {
    let mut system = system("fault.elf");
    system.processors[0].boot().unwrap();
    let mut events = Vec::new();
    while !events.iter().any(|event| matches!(event, Event::Recovered { count: 2 })) {
        system.processors[0].wait(Duration::from_millis(10));
        events.extend(lifecycle(&mut system));
        assert!(system.processors[0].machine().board().now() < Duration::from_secs(2), "{events:?}");
    }
    let dump = system.processors[0].coredump().unwrap();
    let core = ElfFile::parse(dump).unwrap();
    // The code that crashed, and the trace that it left.
    let firmware = signing::firmware("fault.elf");
    let elf = ElfFile::parse(&firmware).unwrap();
    let code = elf.segments().find(|segment| segment.physical_address == 0x8010_0000).unwrap();
    let code = elf.segment_bytes(&code).unwrap();
    let dumped = core.segments().find(|segment| segment.physical_address == 0x8010_0000).unwrap();
    assert!(core.segment_bytes(&dumped).unwrap().starts_with(code));
    assert!(dump.windows(20).any(|bytes| bytes == b"fault: about to read"));
    let order: Vec<usize> = [
        events.iter().position(|event| matches!(event, Event::Crashed(_))),
        events.iter().position(|event| matches!(event, Event::Stopped)),
        events.iter().position(|event| matches!(event, Event::CoredumpTaken { .. })),
        events.iter().position(|event| matches!(event, Event::Released)),
        events.iter().position(|event| matches!(event, Event::Recovered { count: 1 })),
    ]
    .map(Option::unwrap)
    .into();
    assert!(order.is_sorted(), "{events:?}");
    shut_down(&mut system);
}
