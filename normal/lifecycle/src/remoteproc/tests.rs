//! The life of a processor against a simulated board, and against a model that only knows states and counts.

mod attach;
mod faults;
mod leave;
mod matrix;
mod supply;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use rproc_elf::resource_table::{EntryKind, ResourceTable};
use rproc_rpmsg::memory::Memory as _;

use super::*;
use crate::event::ChannelId;
use crate::machine::{Crash, Interrupts};
use crate::state::Request;
use crate::testing::{
    self, Board, ECHO, Failure, FakeLoader, FakeMachine, LOG, Ram, TABLE, description, processor,
};
use crate::{CrashKind, ResourceError, TableLocation};

const MOMENT: Duration = Duration::from_millis(10);

type Fake = Remoteproc<FakeLoader, FakeMachine>;

fn crash() -> Crash {
    Crash { kind: CrashKind::Watchdog, reason: "the watchdog ran out".to_owned() }
}

/// Waits until the processor has been quiet for a while, and gives what happened.
fn settle(processor: &mut Fake) -> Vec<Event> {
    let mut events = processor.poll();
    for _ in 0..8 {
        events.extend(processor.wait(MOMENT));
    }
    events
}

fn booted() -> (Fake, Rc<Board>, Ram) {
    let (mut processor, board, ram) = processor();
    processor.boot().unwrap();
    settle(&mut processor);
    (processor, board, ram)
}

fn calls(board: &Board) -> Vec<&'static str> {
    std::mem::take(&mut *board.calls.borrow_mut())
}

fn vdev_in(ram: &Ram) -> rproc_elf::resource_table::Vdev {
    let mut bytes = vec![0; testing::table().len()];
    ram.read(TABLE, &mut bytes).unwrap();
    match ResourceTable::parse(&bytes).unwrap().entry(0).unwrap().unwrap().kind {
        EntryKind::Vdev(vdev) => vdev,
        other => panic!("{other:?}"),
    }
}

#[test]
fn boot_takes_the_steps_in_order_and_completes_the_table() {
    let (mut processor, board, ram) = processor();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&seen);
    processor.observe(move |_, event| sink.borrow_mut().push(format!("{event:?}")));
    processor.boot().unwrap();
    assert_eq!(calls(&board), ["load", "table", "start"]);
    assert_eq!((processor.state(), processor.power()), (State::Running, 1));
    let vdev = vdev_in(&ram);
    assert_eq!((vdev.guest_features, vdev.status), (1, 7));
    assert_eq!(vdev.vrings.iter().map(|ring| ring.da).collect::<Vec<_>>(), [0x812f_8000, 0x812f_9000]);
    let names: Vec<String> = seen
        .borrow()
        .iter()
        .map(|event| event.split([' ', '{', '(']).next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "Loaded",
            "TableFound",
            "TraceFound",
            "VringPlaced",
            "VringPlaced",
            "BuffersPlaced",
            "Started",
            "RpmsgReady",
            "KickSent",
            "State"
        ]
    );
}

#[test]
fn firmware_announces_logs_and_echoes() {
    let (mut processor, _, _) = processor();
    processor.boot().unwrap();
    let events = settle(&mut processor);
    assert!(events.contains(&Event::TraceLine { trace: 0, line: "ready".to_owned() }), "{events:?}");
    let channel = processor.channel("rproc-echo").unwrap().clone();
    assert_eq!(channel, Channel { id: ChannelId(1024), name: "rproc-echo".to_owned(), remote: ECHO });
    for payload in [&b"hello"[..], b"", &[0xa5; 496]] {
        processor.send(channel.id, payload, MOMENT).unwrap();
        let events = settle(&mut processor);
        let echo = Event::MessageReceived { channel: channel.id, source: ECHO, payload: payload.to_vec() };
        assert_eq!(events.iter().filter(|event| **event == echo).count(), 1, "{events:?}");
    }
}

#[test]
fn many_more_messages_than_buffers_all_come_back_in_order() {
    let (mut processor, _, _) = booted();
    let channel = processor.channels()[0].id;
    for number in 0..100u8 {
        processor.send(channel, &[number], Duration::from_secs(15)).unwrap();
    }
    let echoes: Vec<u8> = settle(&mut processor)
        .into_iter()
        .filter_map(|event| match event {
            Event::MessageReceived { payload, .. } => payload.first().copied(),
            _ => None,
        })
        .collect();
    assert_eq!(echoes, (0..100).collect::<Vec<u8>>());
}

#[test]
fn sending_is_refused_when_nobody_can_read() {
    let (mut processor, board, _) = booted();
    let channel = processor.channels()[0].id;
    let unknown = processor.send(ChannelId(7), b"", MOMENT);
    assert!(matches!(unknown, Err(Error::UnknownChannel { channel: ChannelId(7) })));
    let long = processor.send(channel, &[0; 497], MOMENT);
    assert!(matches!(long, Err(Error::Send(rproc_rpmsg::SendError::TooLong { length: 497 }))));
    board.awake.set(false);
    for _ in 0..16 {
        processor.try_send(channel, b"x").unwrap();
    }
    let full = processor.try_send(channel, b"x");
    assert!(matches!(full, Err(Error::Send(rproc_rpmsg::SendError::Full))));
    let before = processor.machine().now();
    assert!(matches!(processor.send(channel, b"x", MOMENT), Err(Error::SendTimedOut { limit: MOMENT })));
    assert_eq!(processor.machine().now() - before, MOMENT);
    processor.shutdown().unwrap();
    let offline = processor.try_send(channel, b"x");
    assert!(matches!(offline, Err(Error::NoRpmsg { state: State::Offline })));
}

#[test]
fn shutdown_asks_politely_then_stops_and_releases() {
    let (mut processor, board, ram) = booted();
    calls(&board);
    processor.shutdown().unwrap();
    assert_eq!(calls(&board), ["stop", "release"]);
    assert_eq!((processor.state(), processor.power()), (State::Offline, 0));
    assert_eq!(vdev_in(&ram).status, 0);
    let events = processor.poll();
    let mailbox = Mailbox::Shutdown;
    assert!(
        events
            .iter()
            .any(|one| matches!(one, Event::LeaveAcknowledged { mailbox: one, .. } if *one == mailbox))
    );
    assert!(events.contains(&Event::TraceLine { trace: 0, line: "leaving".to_owned() }));
    assert!(processor.channels().is_empty());
}

#[test]
fn firmware_that_does_not_answer_is_stopped_after_500_ms() {
    let (mut processor, board, _) = booted();
    board.polite.set(false);
    let before = processor.machine().now();
    processor.shutdown().unwrap();
    assert_eq!(processor.machine().now() - before, SHUTDOWN_LIMIT);
    assert!(
        processor.poll().contains(&Event::LeaveTimedOut { mailbox: Mailbox::Shutdown, limit_us: 500_000 })
    );
    assert!(!board.is_running());
}

#[test]
fn power_is_counted() {
    let (mut processor, board, _) = booted();
    processor.boot().unwrap();
    calls(&board);
    processor.shutdown().unwrap();
    assert_eq!((processor.state(), processor.power(), calls(&board)), (State::Running, 1, vec![]));
    processor.shutdown().unwrap();
    assert_eq!(processor.state(), State::Offline);
    assert!(matches!(processor.shutdown(), Err(Error::Illegal(illegal)) if illegal.state == State::Offline));
}

#[test]
fn every_failing_step_of_a_boot_releases_and_keeps_its_error() {
    for (step, expected) in [
        ("load", &["load", "release"][..]),
        ("table", &["load", "table", "release"]),
        ("start", &["load", "table", "start", "release"]),
    ] {
        let (mut processor, board, _) = processor();
        // The release fails as well: it must not hide the first error.
        board.failing.borrow_mut().extend([step, "release"]);
        let error = processor.boot().unwrap_err();
        let source = match &error {
            Error::Load(source) | Error::TableLocation(source) | Error::Start(source) => *source,
            other => panic!("{other}"),
        };
        assert_eq!(source, Failure(step));
        assert_eq!(calls(&board), expected);
        assert_eq!((processor.state(), processor.power()), (State::Offline, 0));
        assert!(processor.poll().iter().any(|event| matches!(event, Event::ReleaseFailed { .. })));
    }
}

#[test]
fn a_table_that_asks_too_much_is_refused_before_start() {
    let (loader, machine) = testing::parts();
    let board = Rc::clone(&machine.board);
    let mut small = description();
    small.regions.retain(|region| region.name != "vdev0buffer");
    let mut processor = Remoteproc::new(small, loader, machine);
    assert!(matches!(processor.boot(), Err(Error::NoFirmware { .. })));
    calls(&board);
    processor.set_firmware(testing::table()).unwrap();
    let error = processor.boot().unwrap_err();
    assert!(
        matches!(&error, Error::Resources(ResourceError::RegionMissing { name, .. }) if name == "vdev0buffer")
    );
    assert_eq!(calls(&board), ["load", "table", "release"]);
}

#[test]
fn impossible_table_locations_are_refused() {
    for (location, memory) in [
        (TableLocation { address: TABLE, size: 15 }, false),
        (TableLocation { address: TABLE, size: u64::MAX }, false),
        (TableLocation { address: 0x4000, size: 64 }, true),
        (TableLocation { address: u64::MAX - 8, size: 64 }, true),
    ] {
        let (mut loader, machine) = testing::parts();
        loader.table = Some(location);
        let mut processor = Remoteproc::new(description(), loader, machine);
        processor.set_firmware(testing::table()).unwrap();
        let error = processor.boot().unwrap_err();
        assert_eq!(matches!(error, Error::Memory { .. }), memory, "{error}");
        assert_eq!(matches!(error, Error::TableSize { .. }), !memory, "{error}");
    }
}

#[test]
fn firmware_without_a_table_runs_without_rpmsg() {
    let (mut loader, machine) = testing::parts();
    loader.table = None;
    let mut processor = Remoteproc::new(description(), loader, machine);
    processor.set_firmware(b"code").unwrap();
    processor.boot().unwrap();
    assert!(processor.poll().contains(&Event::NoTable));
    assert!(matches!(
        processor.try_send(ChannelId(1024), b""),
        Err(Error::NoRpmsg { state: State::Running })
    ));
    assert!(matches!(processor.trace(0), Err(Error::UnknownTrace { count: 0, .. })));
    processor.shutdown().unwrap();
}

#[test]
fn missing_mailboxes_leave_the_device_without_driver() {
    let (loader, machine) = testing::parts();
    let mut deaf = description();
    deaf.mailboxes.clear();
    let mut processor = Remoteproc::new(deaf, loader, machine);
    processor.set_firmware(testing::table()).unwrap();
    processor.boot().unwrap();
    let events = settle(&mut processor);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::VdevIgnored { reason, .. } if reason.contains("`vq0`")))
    );
    processor.shutdown().unwrap();
}

#[test]
fn a_crash_is_recovered_from() {
    let (mut processor, board, _) = booted();
    let stale = processor.channels()[0].id;
    processor.boot().unwrap();
    calls(&board);
    *board.crash.borrow_mut() = Some(crash());
    let mut events = processor.wait(MOMENT);
    assert_eq!(calls(&board), ["stop", "coredump", "release", "load", "table", "start"]);
    assert_eq!((processor.state(), processor.power()), (State::Running, 2));
    assert_eq!(processor.coredump(), Some(&b"core"[..]));
    events.extend(settle(&mut processor));
    assert!(events.contains(&Event::Crashed(crash())) && events.contains(&Event::Recovered { count: 1 }));
    assert!(events.contains(&Event::TraceLine { trace: 0, line: "ready".to_owned() }), "the log starts over");
    let channel = processor.channel("rproc-echo").unwrap().id;
    assert_eq!(channel, stale, "the first channel of a run has the first address");
    processor.send(channel, b"again", MOMENT).unwrap();
    assert!(settle(&mut processor).iter().any(|event| matches!(event, Event::MessageReceived { .. })));
}

#[test]
fn a_failed_recovery_leaves_the_processor_off_and_bootable() {
    for step in ["load", "table", "start"] {
        let (mut processor, board, _) = booted();
        board.failing.borrow_mut().push(step);
        *board.crash.borrow_mut() = Some(crash());
        let events = processor.wait(MOMENT);
        assert!(
            events.iter().any(|event| matches!(event, Event::RecoveryFailed { .. })),
            "{step}: {events:?}"
        );
        assert_eq!((processor.state(), processor.power(), board.is_running()), (State::Offline, 0, false));
        processor.boot().unwrap();
        assert_eq!(processor.state(), State::Running);
    }
}

#[test]
fn firmware_that_was_not_released_is_released_before_the_next_load() {
    let (mut processor, board, _) = booted();
    board.failing.borrow_mut().extend(["release", "release"]);
    assert!(matches!(processor.shutdown(), Err(Error::Release(Failure("release")))));
    assert_eq!(processor.state(), State::Offline);
    calls(&board);
    assert!(matches!(processor.boot(), Err(Error::Release(_))));
    assert_eq!(calls(&board), ["release"]);
    processor.boot().unwrap();
    assert_eq!(calls(&board), ["release", "load", "table", "start"]);
}

#[test]
fn a_processor_that_cannot_be_stopped_stays_what_it_is() {
    let (mut processor, board, _) = booted();
    board.failing.borrow_mut().push("stop");
    assert!(matches!(processor.shutdown(), Err(Error::Stop(Failure("stop")))));
    assert_eq!((processor.state(), processor.power()), (State::Running, 1));
    processor.shutdown().unwrap();
    processor.boot().unwrap();
    board.failing.borrow_mut().push("stop");
    assert!(matches!(processor.report_crash(crash()), Err(Error::Stop(_))));
    assert_eq!(processor.state(), State::Crashed);
    processor.shutdown().unwrap();
    assert_eq!((processor.state(), board.is_running()), (State::Offline, false));
}

#[test]
fn without_recovery_a_crash_waits_for_a_shutdown() {
    let (mut processor, board, _) = booted();
    processor.set_recovery(false);
    processor.report_crash(crash()).unwrap();
    calls(&board);
    assert_eq!(processor.state(), State::Crashed);
    let before = processor.machine().now();
    processor.shutdown().unwrap();
    assert_eq!(calls(&board), ["stop", "release"]);
    assert_eq!(processor.machine().now(), before, "a crashed firmware is not asked for anything");
}

#[test]
fn attach_talks_to_running_firmware_and_detach_leaves_it_running() {
    let (loader, machine) = testing::parts();
    let (board, mut ram) = (Rc::clone(&machine.board), machine.ram.clone());
    ram.write(TABLE, &testing::table()).unwrap();
    board.run();
    let mut detaching = description();
    detaching.mailboxes.push(Mailbox::Detach);
    let mut processor = Remoteproc::new(detaching, loader, machine);
    assert_eq!(processor.probe(AutoBoot::No).unwrap(), State::Detached);
    for _ in 0..2 {
        processor.boot().unwrap();
        assert_eq!(calls(&board), ["table"]);
        assert_eq!(processor.state(), State::Attached);
        settle(&mut processor);
        let channel = processor.channel("rproc-echo").unwrap().id;
        processor.send(channel, b"hello", MOMENT).unwrap();
        assert!(settle(&mut processor).iter().any(|event| matches!(event, Event::MessageReceived { .. })));
        processor.detach().unwrap();
        assert_eq!((processor.state(), board.is_running()), (State::Detached, true));
        let mut table = vec![0; testing::table().len()];
        ram.read(TABLE, &mut table).unwrap();
        assert_eq!(table, testing::table(), "the table is as it was found");
    }
    processor.boot().unwrap();
    processor.shutdown().unwrap();
    assert_eq!((processor.state(), board.is_running()), (State::Offline, false));
}

#[test]
fn suspended_messages_wait() {
    let (mut processor, _, _) = booted();
    let channel = processor.channels()[0].id;
    processor.send(channel, b"late", MOMENT).unwrap();
    processor.suspend().unwrap();
    assert!(matches!(processor.boot(), Err(Error::Illegal(_))));
    let before = processor.machine().now();
    assert!(!settle(&mut processor).iter().any(|event| matches!(event, Event::MessageReceived { .. })));
    assert!(processor.machine().now() - before > MOMENT, "a pending signal stops the time");
    assert!(matches!(processor.try_send(channel, b""), Err(Error::NoRpmsg { state: State::Suspended })));
    processor.resume().unwrap();
    assert!(settle(&mut processor).iter().any(|event| matches!(event, Event::MessageReceived { .. })));
}

#[test]
fn firmware_that_damages_its_ring_loses_rpmsg_but_can_be_stopped() {
    let (mut processor, board, mut ram) = booted();
    let channel = processor.channels()[0].id;
    let layout = processor.resources().unwrap().vdevs[0].vrings[0].layout;
    ram.store_u16(layout.used() + 2, 0x7fff).unwrap();
    board.awake.set(false);
    board.kick_host(Mailbox::Queue0);
    let events = processor.poll();
    assert_eq!(
        events.iter().filter(|event| matches!(event, Event::RpmsgBroken { .. })).count(),
        1,
        "{events:?}"
    );
    assert!(matches!(processor.try_send(channel, b"x"), Err(Error::RpmsgBroken(_))));
    processor.shutdown().unwrap();
    board.awake.set(true);
    processor.boot().unwrap();
    settle(&mut processor);
    assert!(processor.channel("rproc-echo").is_some());
}

#[test]
fn trace_reads_only_what_is_new() {
    let (mut processor, board, mut ram) = booted();
    board.awake.set(false);
    ram.write(LOG + 6, b"one\ntwo\nthr\0").unwrap();
    assert_eq!(processor.trace(0).unwrap(), ["one", "two"]);
    assert!(processor.trace(0).unwrap().is_empty());
    assert!(matches!(processor.trace(1), Err(Error::UnknownTrace { trace: 1, count: 1 })));
}

#[test]
fn firmware_is_fixed_while_it_runs() {
    let (mut processor, _, _) = booted();
    let refused = processor.set_firmware(Vec::new());
    assert!(matches!(refused, Err(Error::FirmwareInUse { state: State::Running })));
}

/// What a user, or fate, can do.
#[derive(Debug, Clone, Copy)]
enum Act {
    Boot,
    Shutdown,
    Detach,
    Crash,
    Suspend,
    Resume,
    Wait,
    Send,
    Fail(&'static str),
    Recovery(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Boot),
        4 => Just(Act::Shutdown),
        1 => Just(Act::Detach),
        2 => Just(Act::Crash),
        1 => Just(Act::Suspend),
        1 => Just(Act::Resume),
        3 => Just(Act::Wait),
        2 => Just(Act::Send),
        2 => prop::sample::select(vec!["load", "table", "start", "stop", "release", "coredump"]).prop_map(Act::Fail),
        1 => any::<bool>().prop_map(Act::Recovery),
    ]
}

/// States and counts, and which loader calls fail: an independent restatement of the facts' table.
struct Model {
    state: State,
    power: u32,
    recovery: bool,
    failing: Vec<&'static str>,
    held: bool,
    /// The state to resume to.
    awake: State,
}

impl Model {
    fn fails(&mut self, call: &'static str) -> bool {
        let found = self.failing.iter().position(|failing| *failing == call);
        found.map(|index| self.failing.remove(index)).is_some()
    }

    fn releases(&mut self) -> bool {
        self.held = self.held && self.fails("release");
        !self.held
    }

    /// Whether loading and starting works out; a failure costs a release.
    fn brings_up(&mut self) -> bool {
        if !self.releases() {
            return false;
        }
        self.held = true;
        let up = ["load", "table", "start"].into_iter().all(|call| !self.fails(call));
        if !up {
            self.releases();
        }
        up
    }

    fn step(&mut self, act: Act) {
        match (act, self.state) {
            (Act::Boot, State::Running | State::Attached) => self.power += 1,
            (Act::Boot, State::Offline) if self.brings_up() => (self.state, self.power) = (State::Running, 1),
            (Act::Boot, State::Detached) if !self.fails("table") => {
                (self.state, self.power) = (State::Attached, 1)
            }
            (Act::Shutdown, State::Running | State::Attached | State::Crashed) if self.power > 1 => {
                self.power -= 1
            }
            (Act::Shutdown, State::Running | State::Attached | State::Crashed) if !self.fails("stop") => {
                self.held = true;
                self.releases();
                (self.state, self.power) = (State::Offline, 0);
            }
            (Act::Detach, State::Attached) if self.power > 1 => self.power -= 1,
            (Act::Detach, State::Attached) => (self.state, self.power) = (State::Detached, 0),
            (Act::Crash, State::Running | State::Suspended | State::Attached | State::Detached) => {
                self.state = State::Crashed;
                if self.recovery && !self.fails("stop") {
                    self.fails("coredump");
                    self.held = true;
                    if self.brings_up() {
                        (self.state, self.power) = (State::Running, self.power.max(1));
                    } else {
                        (self.state, self.power) = (State::Offline, 0);
                    }
                }
            }
            (Act::Suspend, State::Running | State::Attached) => {
                (self.state, self.awake) = (State::Suspended, self.state)
            }
            (Act::Resume, State::Suspended) => self.state = self.awake,
            (Act::Fail(call), _) => self.failing.push(call),
            (Act::Recovery(enabled), _) => self.recovery = enabled,
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn random_lives_agree_with_the_model(acts in prop::collection::vec(act(), 1..60), detached: bool) {
        let (loader, machine) = testing::parts();
        let (board, mut ram) = (Rc::clone(&machine.board), machine.ram.clone());
        if detached {
            ram.write(TABLE, &testing::table()).unwrap();
            board.run();
        }
        // A crash that does not wake the normal world waits, which the model knows nothing of.
        let wakeup = Interrupts { mailbox: false, crash: true };
        let mut processor = Remoteproc::new(Description { wakeup, ..description() }, loader, machine);
        processor.probe(AutoBoot::No).unwrap();
        processor.set_firmware(testing::table()).unwrap();
        let state = processor.state();
        let mut model = Model { state, power: 0, recovery: true, failing: Vec::new(), held: false, awake: state };
        for act in acts {
            match act {
                Act::Boot => drop(processor.boot()),
                Act::Shutdown => drop(processor.shutdown()),
                Act::Detach => drop(processor.detach()),
                Act::Crash => {
                    *board.crash.borrow_mut() = Some(crash());
                    processor.wait(MOMENT);
                }
                Act::Suspend => drop(processor.suspend()),
                Act::Resume => drop(processor.resume()),
                Act::Wait => drop(processor.wait(MOMENT)),
                Act::Send => {
                    let channel = processor.channels().first().map_or(ChannelId(0), |channel| channel.id);
                    drop(processor.send(channel, b"payload", MOMENT));
                }
                Act::Fail(call) => board.failing.borrow_mut().push(call),
                Act::Recovery(enabled) => processor.set_recovery(enabled),
            }
            model.step(act);
            prop_assert_eq!(processor.state(), model.state, "after {:?}", act);
            prop_assert_eq!(processor.power(), model.power, "after {:?}", act);
            if processor.state() == State::Offline {
                prop_assert!(!board.is_running(), "runs while offline after {:?}", act);
            }
        }
    }

    /// Whatever the firmware writes into the shared memory, and whenever: no panic, and it can be stopped.
    #[test]
    fn hostile_firmware_is_survived(
        writes in prop::collection::vec((0u64..0x8000, any::<[u8; 4]>(), any::<bool>()), 0..40),
        in_table in prop::collection::vec((0usize..200, any::<u8>()), 0..6),
    ) {
        let (mut processor, board, mut ram) = processor();
        let mut table = testing::table();
        let length = table.len();
        for (at, value) in in_table {
            table[at % length] = value;
        }
        processor.set_firmware(table).unwrap();
        // The simulated firmware trusts the host, so it sleeps while this test plays the firmware.
        board.awake.set(false);
        if processor.boot().is_ok() {
            for (at, bytes, kick) in writes {
                ram.write(0x812f_8000 + at.min(0x7ffc), &bytes).unwrap();
                if kick {
                    board.kick_host(Mailbox::Queue0);
                }
                processor.poll();
                let channel = processor.channels().first().map_or(ChannelId(1024), |channel| channel.id);
                drop(processor.try_send(channel, b"x"));
            }
            processor.shutdown().unwrap();
        }
        prop_assert!(!board.is_running());
        prop_assert_eq!(processor.state(), State::Offline);
    }
}
