//! Processors that run before the TEE does: kept where the secure tree says that they may and the hardware says that they are
//! protected, and stopped, wiped and told why everywhere else.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod signing;

use std::sync::Arc;
use std::time::Duration;

use rproc_abi::refusal::Reason;
use rproc_abi::{Login, ProcessorId};
use rproc_board::boards::BOARDS;
use rproc_board::boot_stage::Protection;
use rproc_board::system::{Hardware, Moment, System, SystemConfig};
use rproc_board::tee::{HostTee, SecureEvent};
use rproc_board::{Board, Happening, Initiator};
use rproc_devicetree::Tree;
use rproc_lifecycle::{Event, State};
use rproc_tee::RemoteprocService;

use signing::{firmware, sign_for};

const SECOND: Duration = Duration::from_secs(1);

/// A processor of a board, and what a boot stage and Linux load to it.
#[derive(Clone, Copy)]
struct Scene {
    board: &'static str,
    soc: &'static str,
    name: &'static str,
    id: ProcessorId,
    sample: &'static str,
    /// Its nodes in the secure tree and in Linux's.
    node: &'static str,
    linux_node: &'static str,
    /// Where its firmware begins, physical.
    code: u64,
    /// The register with its resource table's address.
    table: u64,
    /// Its shared region: the first device address, and the first behind it.
    shared: (u32, u32),
}

const M33: Scene = Scene {
    board: "stm32mp257f-ev1",
    soc: "stm32mp257",
    name: "m33",
    id: ProcessorId::CORTEX_M33,
    sample: "echo-m33.elf",
    node: "/ahb@a040000/m33@a041000",
    linux_node: "/firmware/optee/rproc-service@0/m33@1",
    code: 0x8010_0000,
    table: 0x4601_0144,
    shared: (0x8120_0000, 0x8130_0000),
};

const M4: Scene = Scene {
    board: "stm32mp157f-dk2",
    soc: "stm32mp157",
    name: "m4",
    id: ProcessorId::CORTEX_M4,
    sample: "echo-m4.elf",
    node: "/ahb@10000000/m4@10000000",
    linux_node: "/firmware/optee/rproc-service@0/m4@0",
    code: 0x3800_0000,
    table: 0x5c00_a144,
    shared: (0x1004_0000, 0x1005_0000),
};

const M0: Scene = Scene {
    name: "m0",
    id: ProcessorId::CORTEX_M0_PLUS,
    sample: "blink-m0.elf",
    node: "/ahb@200c0000/m0@200c0000",
    linux_node: "/firmware/optee/rproc-service@0/m0@2",
    code: 0x200c_0000,
    ..M33
};

/// State of the Cortex-M4, in TAMP's backup register 18.
const M4_STATE: u64 = 0x5c00_a148;

impl Scene {
    fn trees(&self) -> (Tree, Tree) {
        let board = BOARDS.into_iter().find(|board| board.name == self.board).unwrap();
        (Tree::parse(board.linux_tree).unwrap(), Tree::parse(board.secure_tree).unwrap())
    }

    /// The trees, the secure one with the word that the processor may run before the TEE.
    fn told(&self) -> (Tree, Tree) {
        let (linux, secure) = self.trees();
        (linux, secure.with_property(self.node, "st,started-before-tee", Some(&[])).unwrap())
    }

    /// A system on whose board `boot` has done something before its TEE.
    fn start(&self, (linux, secure): &(Tree, Tree), boot: impl FnOnce(&Board)) -> System {
        let config = SystemConfig {
            linux_tree: linux,
            secure_tree: secure,
            processors: &[self.name],
            tee: signing::tee(),
            real_time: false,
        };
        let make = |description: &_| {
            let mut board = Board::new(description)?;
            boot(&board);
            board.run_for(Duration::from_millis(1));
            Ok(board)
        };
        System::start_on(config, make).unwrap()
    }

    /// What the first-stage loader does.
    fn loads(&self, board: &Board, protection: Protection) {
        signing::boot_stage(board, self.id, self.sample, protection);
    }

    fn signed(&self) -> Vec<u8> {
        sign_for(&firmware(self.sample), self.id, self.soc)
    }

    fn runs(&self, system: &System) -> bool {
        system.board.get_mut().run_for(Duration::from_millis(1));
        system.board.get().core(self.id.0).unwrap().is_running()
    }

    /// It is off, wiped, closed, and the secure world has said why; a signed firmware starts on it.
    fn assert_taken_over(&self, system: &mut System, reason: Reason) {
        assert_eq!(system.processors[0].state(), State::Offline);
        let log = secure_log(system);
        let told = log.iter().find_map(|event| match event {
            SecureEvent::TakenOver { refusal } => Some(refusal.reason),
            _ => None,
        });
        assert_eq!(told, Some(reason), "{log:?}");
        assert!(!self.runs(system), "{log:?}");
        assert_eq!(read(system, Initiator::A35Secure, self.code), Some(0), "wiped");
        assert_eq!(read(system, Initiator::A35NonSecure, self.code), None, "closed");
        self.boots_anew(system);
    }

    fn boots_anew(&self, system: &mut System) {
        system.processors[0].set_firmware(self.signed()).unwrap();
        if let Err(error) = system.processors[0].boot() {
            panic!("{error}: {:?}", system.drain());
        }
        self.answers(system, "from the start");
        system.processors[0].shutdown().unwrap();
        assert!(!self.runs(system));
    }

    /// It echoes, or where it has no RPMsg it prints.
    fn answers(&self, system: &mut System, text: &str) {
        if self.id == ProcessorId::CORTEX_M0_PLUS {
            system.drain();
            let end = system.now() + SECOND;
            while system.now() < end {
                system.wait(SECOND / 10);
            }
            let blinks = |entry: rproc_board::system::Entry| matches!(&entry.moment, Moment::Board(Happening::UartLine { line, .. }) if line.starts_with("blink: "));
            assert!(system.drain().into_iter().any(blinks));
            return;
        }
        let channel = match system.processors[0].channels().first() {
            Some(channel) => channel.id,
            None => until(system, |event| match event {
                Event::ChannelAnnounced(channel) => Some(channel.id),
                _ => None,
            }),
        };
        system.processors[0].send(channel, text.as_bytes(), SECOND).unwrap();
        let answer = until(system, |event| match event {
            Event::MessageReceived { payload, .. } => Some(payload.clone()),
            _ => None,
        });
        assert_eq!(answer, text.as_bytes());
    }
}

fn until<T>(system: &mut System, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let end = system.now() + SECOND;
    let mut seen = Vec::new();
    while system.now() < end {
        for (_, event) in system.wait(SECOND / 100) {
            if let Some(found) = wanted(&event) {
                return found;
            }
            seen.push(event);
        }
    }
    panic!("it did not happen: {seen:#?}")
}

fn secure_log(system: &mut System) -> Vec<SecureEvent> {
    let secure = |entry: rproc_board::system::Entry| match entry.moment {
        Moment::Secure(event) => Some(event),
        _ => None,
    };
    system.drain().into_iter().filter_map(secure).collect()
}

fn read(system: &System, by: Initiator, address: u64) -> Option<u32> {
    system.board.get().port(by).read32(address).ok()
}

fn linux_writes(hardware: &Hardware, address: u64, value: u32) {
    hardware.board.get().port(Initiator::A35NonSecure).write32(address, value).unwrap();
}

/// The TEE begins anew on a board that stays up, and then Linux.
fn restart(scene: &Scene, trees: &(Tree, Tree), hardware: Hardware) -> System {
    let Hardware { board, .. } = hardware;
    let mut config = signing::tee();
    config.services.owned = vec![scene.id];
    let tee = Arc::new(HostTee::new(board.get().bus().clone(), config));
    System::restart(Hardware { board, tee }, &trees.0, &trees.1, &[scene.name]).unwrap()
}

#[test]
fn linux_attaches_talks_detaches_and_stops_what_a_boot_stage_has_started() {
    for scene in [M33, M4] {
        let mut system = scene.start(&scene.told(), |board| scene.loads(board, Protection::Closed));
        assert_eq!(system.processors[0].state(), State::Detached, "{}", scene.name);
        assert!(scene.runs(&system));
        let log = secure_log(&mut system);
        let table = log.iter().find_map(|event| match event {
            SecureEvent::FoundRunning { resource_table, .. } => *resource_table,
            _ => None,
        });
        let table = table.unwrap_or_else(|| panic!("{log:?}"));
        let known = log.iter().any(|event| {
            matches!(event, SecureEvent::Inherited { resource_table: Some(one) } if one.address == table)
        });
        assert!(known && !log.iter().any(|event| matches!(event, SecureEvent::TakenOver { .. })), "{log:?}");
        assert_eq!(read(&system, Initiator::A35NonSecure, scene.code), None, "closed to Linux");

        system.processors[0].boot().unwrap();
        assert_eq!(system.processors[0].state(), State::Attached);
        scene.answers(&mut system, "hello");
        system.processors[0].detach().unwrap();
        assert_eq!((system.processors[0].state(), scene.runs(&system)), (State::Detached, true));
        system.processors[0].boot().unwrap();
        assert_eq!(system.processors[0].state(), State::Attached);
        system.processors[0].shutdown().unwrap();
        assert_eq!((system.processors[0].state(), scene.runs(&system)), (State::Offline, false));
        assert_eq!(read(&system, Initiator::A35Secure, scene.code), Some(0), "wiped");
        assert_eq!(read(&system, Initiator::A35Secure, scene.table), Some(0), "no word is left of it");
        scene.boots_anew(&mut system);
    }
}

#[test]
fn an_m0_has_no_table_and_is_attached_to_without() {
    let mut system = M0.start(&M0.told(), |board| M0.loads(board, Protection::Closed));
    assert_eq!(system.processors[0].state(), State::Detached);
    system.processors[0].boot().unwrap();
    M0.answers(&mut system, "");
    system.processors[0].shutdown().unwrap();
    assert!(!M0.runs(&system));
    M0.boots_anew(&mut system);
}

#[test]
fn what_runs_is_the_services_to_stop_and_to_dump_and_not_to_load_over() {
    for scene in [M33, M4] {
        let system = scene.start(&scene.told(), |board| scene.loads(board, Protection::Closed));
        let service = RemoteprocService::open(system.tee.clone(), Login::ReeKernel, scene.id).unwrap();
        let reason = |error: rproc_tee::ServiceError| error.refusal.unwrap().reason;
        let signed = scene.signed();
        assert_eq!(reason(service.load(scene.id, &signed).unwrap_err()), Reason::AlreadyStarted);
        assert_eq!(reason(service.release(scene.id).unwrap_err()), Reason::AlreadyStarted);
        assert!(service.coredump(scene.id).is_err(), "it runs");
        service.start(scene.id).unwrap();
        assert!(scene.runs(&system));
        service.stop(scene.id).unwrap();
        assert!(!scene.runs(&system));
        let dump = service.coredump(scene.id).unwrap();
        let code = read(&system, Initiator::A35Secure, scene.code).unwrap().to_le_bytes();
        assert!(code != [0; 4] && dump.windows(4).any(|bytes| bytes == code));
        service.load(scene.id, &signed).unwrap();
    }
}

#[test]
fn without_a_word_in_the_tree_it_is_stopped_and_wiped() {
    for scene in [M33, M4, M0] {
        let mut system = scene.start(&scene.trees(), |board| scene.loads(board, Protection::Closed));
        scene.assert_taken_over(&mut system, Reason::RunsUnasked);
    }
}

#[test]
fn with_the_word_and_open_memory_it_is_stopped_and_wiped() {
    for scene in [M33, M4, M0] {
        let mut system = scene.start(&scene.told(), |board| scene.loads(board, Protection::Open));
        scene.assert_taken_over(&mut system, Reason::Unprotected);
    }
}

#[test]
fn with_the_word_and_nothing_running_it_is_off() {
    for scene in [M33, M4, M0] {
        let mut system = scene.start(&scene.told(), |_| {});
        assert_eq!(system.processors[0].state(), State::Offline);
        let log = secure_log(&mut system);
        assert!(log.contains(&SecureEvent::FoundHeld), "{log:?}");
        scene.boots_anew(&mut system);
    }
}

#[test]
fn a_table_that_linux_cannot_reach_anyway_is_refused() {
    for scene in [M33, M4] {
        let trees = scene.told();
        let (start, end) = scene.shared;
        for lie in [scene.code as u32, start - 4, end - 12, end, 0xffff_fff0] {
            let hardware = scene.start(&trees, |board| scene.loads(board, Protection::Closed)).abandon();
            linux_writes(&hardware, scene.table, lie);
            let mut system = restart(&scene, &trees, hardware);
            scene.assert_taken_over(&mut system, Reason::BadResourceTable);
        }
    }
}

#[test]
fn a_place_without_a_table_is_refused() {
    for scene in [M33, M4] {
        let trees = scene.told();
        let (_, end) = scene.shared;
        let hardware = scene.start(&trees, |board| scene.loads(board, Protection::Closed)).abandon();
        linux_writes(&hardware, scene.table, end - 16);
        let mut system = restart(&scene, &trees, hardware);
        scene.assert_taken_over(&mut system, Reason::BadResourceTable);
    }
}

#[test]
fn linux_that_calls_a_held_m4_running_gets_nothing() {
    // Its own code, in memory that nobody has closed, started by nobody whom the TEE knows.
    let trees = M4.told();
    let hardware = M4.start(&trees, |_| {}).abandon();
    linux_writes(&hardware, M4.code, 0x1234_5678);
    linux_writes(&hardware, M4_STATE, 2);
    let mut system = restart(&M4, &trees, hardware);
    M4.assert_taken_over(&mut system, Reason::Unprotected);
}

#[test]
fn what_a_tee_has_started_goes_on_when_that_tee_begins_anew() {
    for scene in [M33, M4] {
        let (linux, secure) = scene.told();
        // A first Linux that knows nothing of RPMsg: of the mailboxes it has the third, `shutdown`.
        let shutdown = linux.node(scene.linux_node).unwrap().raw("mboxes").unwrap()[16..24].to_vec();
        let first = linux.with_property(scene.linux_node, "mboxes", Some(&shutdown)).unwrap();
        let first = first.with_property(scene.linux_node, "mbox-names", Some(b"shutdown\0")).unwrap();
        let trees = (linux, secure);
        let mut system = scene.start(&(first, trees.1.clone()), |_| {});
        system.processors[0].set_firmware(scene.signed()).unwrap();
        system.processors[0].boot().unwrap();
        assert!(scene.runs(&system));
        let mut system = restart(&scene, &trees, system.abandon());
        assert_eq!(system.processors[0].state(), State::Detached, "{:?}", secure_log(&mut system));
        system.processors[0].boot().unwrap();
        scene.answers(&mut system, "the TEE was away");
        system.processors[0].shutdown().unwrap();
        let mut system = restart(&scene, &trees, system.abandon());
        assert_eq!(system.processors[0].state(), State::Offline);
        assert!(secure_log(&mut system).contains(&SecureEvent::FoundHeld), "stopped, it left no word");
    }
}
