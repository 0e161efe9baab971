//! Linux as a whole on a board: it sleeps and is woken, it is gone and another one attaches, and it holds a processor by each of
//! the three ways that a tree can name.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod signing;

use std::sync::Arc;
use std::time::Duration;

use rproc_abi::ProcessorId;
use rproc_board::Initiator;
use rproc_board::boards::BOARDS;
use rproc_board::system::{Hardware, Moment, System, SystemConfig, SystemError};
use rproc_board::tee::HostTee;
use rproc_devicetree::{Owner, Tree, assign};
use rproc_lifecycle::{Event, Mailbox, State};
use rproc_scmi_client::ScmiClient;

use signing::{firmware, sign_for};

const DK2: &str = "stm32mp157f-dk2";
const EV1: &str = "stm32mp257f-ev1";
const M33_NODE: &str = "/firmware/optee/rproc-service@0/m33@1";
const M4_NODE: &str = "/ahb@10000000/m4@10000000";
const IPCC1: u64 = 0x4049_0000;
/// `TOSR` of the IPCC's second processor, the remote one: what it has signalled and Linux has not taken.
const SENT_BY_REMOTE: u64 = 0x1c;
/// `RCC_TZCR` of an STM32MP15: bit 0 TrustZone, bit 1 keeps the reset and hold of the Cortex-M4 for the secure world.
const TZCR: u64 = 0x5000_0000;
/// Backup registers of TAMP: the Cortex-M4's resource table and state.
const TABLE: u64 = 0x5c00_a144;
const STATE: u64 = 0x5c00_a148;
const SECOND: Duration = Duration::from_secs(1);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn trees(name: &str) -> (Tree, Tree) {
    let board = BOARDS.into_iter().find(|board| board.name == name).unwrap();
    (Tree::parse(board.linux_tree).unwrap(), Tree::parse(board.secure_tree).unwrap())
}

/// The DK2's trees with the Cortex-M4 given to Linux.
fn linux_owned() -> (Tree, Tree) {
    let (linux, secure) = trees(DK2);
    assign(&linux, &secure, ProcessorId::CORTEX_M4.0, Owner::Linux).unwrap()
}

fn with(tree: &Tree, path: &str, property: &str, value: Option<&[u8]>) -> Tree {
    tree.with_property(path, property, value).unwrap()
}

fn start(linux_tree: &Tree, secure_tree: &Tree, processors: &[&str]) -> Result<System, SystemError> {
    System::start(SystemConfig { linux_tree, secure_tree, processors, tee: signing::tee(), real_time: false })
}

fn boot(system: &mut System, place: usize, image: Vec<u8>) {
    system.processors[place].set_firmware(image).unwrap();
    if let Err(error) = system.processors[place].boot() {
        panic!("{error}: {:?}", system.drain());
    }
}

fn m33(sample: &str) -> Vec<u8> {
    sign_for(&firmware(sample), ProcessorId::CORTEX_M33, "stm32mp257")
}

fn m0(sample: &str) -> Vec<u8> {
    sign_for(&firmware(sample), ProcessorId::CORTEX_M0_PLUS, "stm32mp257")
}

/// Lets time pass; everything that happened meanwhile.
fn pass(system: &mut System, time: Duration) -> Vec<Event> {
    let end = system.now() + time;
    let mut events = Vec::new();
    while system.now() < end {
        let rest = end.saturating_sub(system.now());
        events.extend(system.wait(rest).into_iter().map(|(_, event)| event));
    }
    events
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

fn received(event: &Event) -> Option<Vec<u8>> {
    match event {
        Event::MessageReceived { payload, .. } => Some(payload.clone()),
        _ => None,
    }
}

fn send(system: &mut System, place: usize, text: &str) {
    let channel = match system.processors[place].channels().first() {
        Some(channel) => channel.id,
        None => until(system, place, |event| match event {
            Event::ChannelAnnounced(channel) => Some(channel.id),
            _ => None,
        }),
    };
    system.processors[place].send(channel, text.as_bytes(), SECOND).unwrap();
}

fn echo(system: &mut System, place: usize, text: &str) {
    send(system, place, text);
    assert_eq!(until(system, place, received), text.as_bytes());
}

fn states(system: &System) -> Vec<State> {
    system.processors.iter().map(|processor| processor.state()).collect()
}

fn runs(system: &System, id: ProcessorId) -> bool {
    system.board.get().core(id.0).unwrap().is_running()
}

fn register(system: &System, address: u64) -> u32 {
    system.board.get().port(Initiator::A35Secure).read32(address).unwrap()
}

#[test]
fn a_suspended_m33_goes_on_in_its_sleep_domain_and_answers_after_resume() {
    let (linux, secure) = trees(EV1);
    let mut system = start(&linux, &secure, &["m33"]).unwrap();
    boot(&mut system, 0, m33("echo-m33.elf"));
    echo(&mut system, 0, "hello");
    pass(&mut system, ms(5));
    let agent = ScmiClient::open(system.tee.clone(), 0).unwrap();
    let powered = || [0, 1].map(|domain| agent.is_powered(domain).unwrap());

    send(&mut system, 0, "while you sleep");
    system.suspend().unwrap();
    assert_eq!((powered(), states(&system)), ([false, true], vec![State::Suspended]));
    assert_eq!(register(&system, IPCC1 + SENT_BY_REMOTE), 0, "it has not run yet");
    let events = pass(&mut system, ms(50));
    assert!(system.is_asleep() && !events.iter().any(|event| received(event).is_some()), "{events:?}");
    assert_ne!(register(&system, IPCC1 + SENT_BY_REMOTE), 0, "it has answered, and nobody took the signal");

    system.resume().unwrap();
    assert_eq!((powered(), states(&system)), ([true, false], vec![State::Running]));
    assert_eq!(until(&mut system, 0, received), b"while you sleep");
    echo(&mut system, 0, "good morning");
    system.processors[0].shutdown().unwrap();
}

#[test]
fn a_processor_that_would_lose_its_power_keeps_linux_and_the_others_awake() {
    let (linux, secure) = trees(EV1);
    let domains = linux.node(M33_NODE).unwrap().raw("power-domains").unwrap()[..4].to_vec();
    let linux = with(&linux, M33_NODE, "power-domains", Some(&domains));
    let linux = with(&linux, M33_NODE, "power-domain-names", Some(b"default\0"));
    let mut system = start(&linux, &secure, &["m0", "m33"]).unwrap();
    boot(&mut system, 0, m0("blink-m0.elf"));
    boot(&mut system, 1, m33("echo-m33.elf"));
    let error = system.suspend().unwrap_err();
    assert!(matches!(&error, SystemError::Awake { processor, .. } if processor == "m33"), "{error}");
    assert!(error.to_string().contains("domain `sleep`"), "{error}");
    assert_eq!((states(&system), system.is_asleep()), (vec![State::Running; 2], false));
    echo(&mut system, 1, "still awake");
    system.processors[1].shutdown().unwrap();
    system.suspend().unwrap();
    assert_eq!(states(&system), [State::Suspended, State::Offline]);
    system.resume().unwrap();
    system.processors[0].shutdown().unwrap();
}

#[test]
fn a_signal_wakes_linux_and_every_processor_where_its_mailbox_says_so() {
    let (linux, secure) = trees(EV1);
    let linux = with(&linux, "/soc@0/mailbox@40490000", "wakeup-source", Some(&[]));
    let mut system = start(&linux, &secure, &["m0", "m33"]).unwrap();
    boot(&mut system, 0, m0("blink-m0.elf"));
    boot(&mut system, 1, m33("echo-m33.elf"));
    echo(&mut system, 1, "hello");
    pass(&mut system, ms(5));
    send(&mut system, 1, "wake me");
    system.suspend().unwrap();
    system.suspend().unwrap();
    assert_eq!(states(&system), [State::Suspended; 2]);
    until(&mut system, 1, |event| matches!(event, Event::WokenUp { .. }).then_some(()));
    assert_eq!((states(&system), system.is_asleep()), (vec![State::Running; 2], false));
    echo(&mut system, 1, "awake");
}

#[test]
fn a_watchdog_wakes_linux_where_its_processor_says_so_and_waits_elsewhere() {
    let (linux, secure) = trees(EV1);
    for wakes in [false, true] {
        let tree = with(&linux, M33_NODE, "wakeup-source", wakes.then_some(&[][..]));
        let mut system = start(&tree, &secure, &["m33"]).unwrap();
        boot(&mut system, 0, m33("starve-m33.elf"));
        system.suspend().unwrap();
        let slept = system.now();
        let recovered = |event: &Event| matches!(event, Event::Recovered { count: 1 }).then_some(());
        if wakes {
            until(&mut system, 0, recovered);
            assert!(system.now() < slept + ms(750), "half a second of food, and 100 ms without");
        } else {
            let events = pass(&mut system, ms(900));
            assert!(!events.iter().any(|event| matches!(event, Event::Crashed(_))), "{events:?}");
            assert_eq!(states(&system), [State::Suspended]);
            system.resume().unwrap();
            until(&mut system, 0, recovered);
        }
        assert_eq!((states(&system), system.is_asleep()), (vec![State::Running], false));
    }
}

/// A board on which something has started the processor that knows nothing of RPMsg, as boot loaders do: of the mailboxes it
/// has the third, `shutdown`.
fn started_by_a_boot_loader(trees: (&Tree, &Tree), node: &str, processor: &str, image: Vec<u8>) -> Hardware {
    let (linux, secure) = trees;
    let shutdown = linux.node(node).unwrap().raw("mboxes").unwrap()[16..24].to_vec();
    let tree = with(linux, node, "mboxes", Some(&shutdown));
    let tree = with(&tree, node, "mbox-names", Some(b"shutdown\0"));
    let mut loader = start(&tree, secure, &[processor]).unwrap();
    boot(&mut loader, 0, image);
    pass(&mut loader, ms(5));
    loader.abandon()
}

#[test]
fn linux_attaches_to_an_m33_that_runs_talks_to_it_and_stops_it() {
    let (linux, secure) = trees(EV1);
    let hardware = started_by_a_boot_loader((&linux, &secure), M33_NODE, "m33", m33("echo-m33.elf"));
    let mut system = System::restart(hardware, &linux, &secure, &["m33"]).unwrap();
    assert_eq!(states(&system), [State::Detached]);
    system.processors[0].boot().unwrap();
    assert_eq!(states(&system), [State::Attached]);
    echo(&mut system, 0, "hello");
    system.suspend().unwrap();
    system.resume().unwrap();
    assert_eq!(states(&system), [State::Attached]);
    echo(&mut system, 0, "hello again");
    system.processors[0].shutdown().unwrap();
    pass(&mut system, ms(1));
    assert!(!runs(&system, ProcessorId::CORTEX_M33));
    assert_eq!(register(&system, 0x8010_0000), 0, "wiped");
    boot(&mut system, 0, m33("echo-m33.elf"));
    echo(&mut system, 0, "from the start");

    // This Linux is gone in mid-talk. The next one finds the processor, talks to it, and can stop it in peace.
    let mut system = System::restart(system.abandon(), &linux, &secure, &["m33"]).unwrap();
    assert_eq!(states(&system), [State::Detached]);
    assert!(runs(&system, ProcessorId::CORTEX_M33));
    system.processors[0].boot().unwrap();
    echo(&mut system, 0, "hello, whoever you are");
    system.processors[0].shutdown().unwrap();
    let told = |entry: rproc_board::system::Entry| {
        matches!(entry.moment, Moment::Lifecycle(Event::LeaveAcknowledged { .. }))
    };
    assert!(system.drain().into_iter().any(told), "the firmware was asked");
    pass(&mut system, ms(1));
    assert!(!runs(&system, ProcessorId::CORTEX_M33));
}

#[test]
fn a_tee_that_starts_anew_takes_a_running_processor_over_from_the_start() {
    let (linux, secure) = trees(EV1);
    let Hardware { board, .. } =
        started_by_a_boot_loader((&linux, &secure), M33_NODE, "m33", m33("echo-m33.elf"));
    let tee = Arc::new(HostTee::new(board.get().bus().clone(), signing::tee()));
    let mut system = System::restart(Hardware { board, tee }, &linux, &secure, &["m33"]).unwrap();
    // The tree does not say that it may run before this TEE, so there is nothing to attach to (`before_tee.rs` has the rest).
    pass(&mut system, ms(1));
    assert_eq!((states(&system), runs(&system, ProcessorId::CORTEX_M33)), (vec![State::Offline], false));
    boot(&mut system, 0, m33("obey-m33.elf"));
    echo(&mut system, 0, "from the start");
    assert_eq!(system.processors[0].channels()[0].name, "rproc-obey");
    system.processors[0].shutdown().unwrap();
    pass(&mut system, ms(1));
    assert!(!runs(&system, ProcessorId::CORTEX_M33));
}

#[test]
fn linux_attaches_to_a_processor_of_its_own_by_the_backup_registers_and_leaves_it_running() {
    let (linux, secure) = linux_owned();
    let hardware = started_by_a_boot_loader((&linux, &secure), M4_NODE, "m4", firmware("echo-m4.elf"));
    let boot_loader = hardware.board.get().port(Initiator::A35NonSecure);
    boot_loader.write32(TABLE, 0x1004_8000).unwrap();
    boot_loader.write32(STATE, 2).unwrap();
    let mut system = System::restart(hardware, &linux, &secure, &["m4"]).unwrap();
    assert_eq!(states(&system), [State::Detached]);
    system.processors[0].boot().unwrap();
    echo(&mut system, 0, "hello");
    system.drain();
    system.processors[0].detach().unwrap();
    let told = |entry: rproc_board::system::Entry| matches!(entry.moment, Moment::Lifecycle(Event::LeaveAcknowledged { mailbox, .. }) if mailbox == Mailbox::Detach);
    assert!(system.drain().into_iter().any(told), "the firmware has heard it");
    pass(&mut system, ms(1));
    assert_eq!((states(&system), runs(&system, ProcessorId::CORTEX_M4)), (vec![State::Detached], true));
    system.processors[0].boot().unwrap();
    assert_eq!(states(&system), [State::Attached]);
    echo(&mut system, 0, "hello again");
    system.processors[0].shutdown().unwrap();
    pass(&mut system, ms(1));
    assert_eq!((register(&system, STATE), runs(&system, ProcessorId::CORTEX_M4)), (0, false));
    boot(&mut system, 0, firmware("echo-m4.elf"));
    echo(&mut system, 0, "from the start");
}

#[test]
fn an_m0_that_runs_keeps_its_clocks_by_the_list_in_the_tree_and_stops_dead_without() {
    const M0_NODE: &str = "/firmware/optee/rproc-service@0/m0@2";
    const LPTIM3CFGR: u64 = 0x4420_074c;
    const LPUART1CFGR: u64 = 0x4420_07a0;
    let (linux, secure) = trees(EV1);
    for listed in [true, false] {
        let mut first = start(&linux, &secure, &["m0"]).unwrap();
        boot(&mut first, 0, m0("blink-m0.elf"));
        pass(&mut first, ms(250));
        let tree = if listed { linux.clone() } else { with(&linux, M0_NODE, "clocks", None) };
        let mut system = System::restart(first.abandon(), &tree, &secure, &["m0"]).unwrap();
        assert_eq!(states(&system), [State::Detached]);
        system.processors[0].boot().unwrap();
        system.drain();
        pass(&mut system, ms(350));
        let blinks = system.drain().into_iter().filter(|entry| match &entry.moment {
            Moment::Board(rproc_board::Happening::UartLine { line, .. }) => line.starts_with("blink: "),
            _ => false,
        });
        let expected = if listed { 3..=4 } else { 0..=0 };
        assert!(expected.contains(&blinks.count()), "{listed}");
        for gate in [LPTIM3CFGR, LPUART1CFGR] {
            assert_eq!(register(&system, gate) & 2 != 0, listed, "{gate:#x}");
        }
        assert!(runs(&system, ProcessorId::CORTEX_M0_PLUS), "its own clock is the TEE's");
        system.processors[0].shutdown().unwrap();
        let answered = system
            .drain()
            .into_iter()
            .any(|entry| matches!(entry.moment, Moment::Lifecycle(Event::LeaveAcknowledged { .. })));
        assert_eq!(answered, listed, "without LPUART1 it never gets through its last word");
    }
}

#[test]
fn what_linux_itself_drives_keeps_its_clocks_and_the_rest_goes_off_at_the_end_of_its_boot() {
    let (linux, secure) = trees(EV1);
    // IPCC1, HSEM, IPCC2, LPTIM3.
    let gates =
        |system: &System| [0x570, 0x56c, 0x574, 0x74c].map(|gate| register(system, 0x4420_0000 + gate) & 2);
    let mut system = start(&linux, &secure, &["m33"]).unwrap();
    assert_eq!(gates(&system), [2, 2, 0, 0]);
    let told = system.drain().into_iter().find_map(|entry| match entry.moment {
        Moment::UnusedClocks { off, errors } => Some((off, errors)),
        _ => None,
    });
    let (off, errors) = told.unwrap();
    assert!(off.iter().any(|name| name == "ck_bus_ipcc2") && errors.is_empty(), "{off:?} {errors:?}");
    let mut system = start(&linux, &secure, &["m0"]).unwrap();
    assert_eq!(gates(&system), [0, 2, 2, 0]);
    boot(&mut system, 0, m0("blink-m0.elf"));
    assert_eq!(gates(&system), [0, 2, 2, 2]);
    system.processors[0].shutdown().unwrap();
    assert_eq!(gates(&system), [0, 2, 2, 0], "the mailbox's driver is still there");
    let silent = with(&linux, "/soc@0/mailbox@40490000", "clocks", None);
    let mut system = start(&silent, &secure, &["m33"]).unwrap();
    assert_eq!(gates(&system), [0, 2, 0, 0]);
    boot(&mut system, 0, m33("echo-m33.elf"));
    pass(&mut system, ms(50));
    assert!(system.processors[0].channels().is_empty(), "a mailbox without a clock carries nothing");
}

/// Which of the ways of the boot hold a tree names.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Hold {
    Reset,
    Monitor,
    Register,
}

/// The DK2's trees with the Cortex-M4 given to Linux and its boot hold named so.
fn held_by(way: Hold) -> (Tree, Tree) {
    let (linux, secure) = linux_owned();
    if way == Hold::Reset {
        return (linux, secure);
    }
    let first = linux.node(M4_NODE).unwrap().raw("resets").unwrap()[..8].to_vec();
    let linux = with(&linux, M4_NODE, "resets", Some(&first));
    let linux = with(&linux, M4_NODE, "reset-names", Some(b"mcu_rst\0"));
    match way {
        Hold::Register => (with(&linux, M4_NODE, "st,syscfg-tz", None), secure),
        _ => (linux, secure),
    }
}

#[test]
fn the_tree_chooses_how_linux_holds_an_m4() {
    // With MCKPROT only the secure world reaches the hold: the two ways through it still work.
    for (way, protected) in [
        (Hold::Reset, false),
        (Hold::Reset, true),
        (Hold::Monitor, false),
        (Hold::Monitor, true),
        (Hold::Register, false),
        (Hold::Register, true),
    ] {
        let (linux, secure) = held_by(way);
        let mut system = start(&linux, &secure, &["m4"]).unwrap();
        if protected {
            system.board.get().port(Initiator::A35Secure).write32(TZCR, 3).unwrap();
        }
        system.processors[0].set_firmware(firmware("echo-m4.elf")).unwrap();
        if (way, protected) == (Hold::Register, true) {
            let error = system.processors[0].boot().unwrap_err().to_string();
            assert!(error.contains("0x5000010c"), "{error}");
            continue;
        }
        system.processors[0].boot().unwrap();
        echo(&mut system, 0, "hello");
        system.processors[0].shutdown().unwrap();
        pass(&mut system, ms(1));
        assert!(!runs(&system, ProcessorId::CORTEX_M4), "{way:?} {protected}");
    }
}

#[test]
fn without_trustzone_the_same_tree_means_the_register() {
    let (linux, secure) = held_by(Hold::Monitor);
    let hardware = start(&linux, &secure, &[]).unwrap().abandon();
    hardware.board.get().port(Initiator::A35Secure).write32(TZCR, 0).unwrap();
    let mut system = System::restart(hardware, &linux, &secure, &["m4"]).unwrap();
    // The driver has looked once: what comes later does not change its way.
    system.board.get().port(Initiator::A35Secure).write32(TZCR, 3).unwrap();
    system.processors[0].set_firmware(firmware("echo-m4.elf")).unwrap();
    let error = system.processors[0].boot().unwrap_err().to_string();
    assert!(error.contains("0x5000010c"), "{error}");
    system.board.get().port(Initiator::A35Secure).write32(TZCR, 0).unwrap();
    system.processors[0].boot().unwrap();
    echo(&mut system, 0, "hello");

    let none = with(&linux, M4_NODE, "st,syscfg-holdboot", None);
    let error = start(&none, &secure, &["m4"]).err().unwrap().to_string();
    assert!(error.contains("hold_boot") && error.contains("st,syscfg-holdboot"), "{error}");
}

#[test]
fn the_monitor_writes_the_hold_of_a_processor_that_is_linuxs_and_nothing_else() {
    const RCC: u32 = 0x8200_1000;
    let (linux, secure) = linux_owned();
    let given = start(&linux, &secure, &[]).unwrap();
    let call = |function, arguments| given.tee.monitor_call(function, arguments);
    assert_eq!(call(RCC, [1, 0x10c, 1]), 0);
    assert_eq!(register(&given, TZCR + 0x10c), 1);
    for wrong in [[2, 0x10c, 0], [1, 0x404, 2], [1, 0x10c, 2], [1, 0, 0]] {
        assert_eq!(call(RCC, wrong), 0xffff_fffd, "{wrong:x?}");
    }
    assert_eq!(call(RCC + 1, [1, 0x10c, 0]), 0xffff_ffff);
    assert_eq!(register(&given, TZCR + 0x10c), 1);

    let (linux, secure) = trees(DK2);
    let kept = start(&linux, &secure, &[]).unwrap();
    assert_eq!(kept.tee.monitor_call(RCC, [1, 0x10c, 1]), 0xffff_fffe);
    assert_eq!(register(&kept, TZCR + 0x10c), 0);
    let (linux, secure) = trees(EV1);
    assert_eq!(start(&linux, &secure, &[]).unwrap().tee.monitor_call(RCC, [1, 0x10c, 1]), 0xffff_ffff);
}

#[test]
fn a_linux_owned_m0_is_refused_in_a_sentence_before_there_is_a_board() {
    let (linux, secure) = trees(EV1);
    let (linux, secure) = assign(&linux, &secure, ProcessorId::CORTEX_M0_PLUS.0, Owner::Linux).unwrap();
    // A board without a clock controller cannot be powered on.
    let secure = secure.with_string("/soc@0/rcc@44200000", "compatible", "none").unwrap();
    let error = start(&linux, &secure, &["m0"]).err().unwrap();
    assert!(matches!(error, SystemError::NotLinuxs { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("RCC_C3CFGR, which only the secure world may write; make it the TEE's"), "{text}");
    let error = start(&linux, &secure, &["m33"]).err().unwrap();
    assert!(matches!(error, SystemError::Description(_)), "{error}");
}
