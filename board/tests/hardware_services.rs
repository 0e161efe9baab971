//! Clocks, resets, power and random numbers as services of the TEE, from Linux's side of a virtual STM32MP257F-EV1.

use std::sync::Arc;

use rproc_abi::enumeration::Scope;
use rproc_abi::refusal::{Place, Reason};
use rproc_abi::{Login, Param, ProcessorId, TeeResult, Uuid};
use rproc_board::clocks::LinuxClocks;
use rproc_board::description::Family;
use rproc_board::tee::{Counters, HostTee, Presence, SecureEvent, Services, TeeConfig, TrustedKeys};
use rproc_board::{Board, Initiator, boards};
use rproc_clocks::{ClaimError, ClockRef, stm32mp25};
use rproc_devicetree::ProviderRef;
use rproc_scmi::Status;
use rproc_scmi_client::ScmiClient;
use rproc_service::Policy;
use rproc_tee::{HwRng, TeeBus, TeeClient};

const RCC: u64 = 0x4420_0000;
const CPUBOOTCR: u64 = RCC + 0x434;

struct Machine {
    board: Board,
    tee: Arc<HostTee>,
}

fn machine(services: Services) -> Machine {
    let board = Board::new(boards::stm32mp257f_ev1()).expect("the host has memory for a board");
    let config =
        TeeConfig { keys: TrustedKeys::new([]), policy: Policy::Strict, services, counters: Counters::new() };
    let tee = Arc::new(HostTee::new(board.bus().clone(), config));
    Machine { board, tee }
}

impl Machine {
    fn agent(&self) -> ScmiClient<Arc<HostTee>> {
        ScmiClient::open(self.tee.clone(), 0).expect("the TEE has the service")
    }

    fn register(&self, address: u64) -> u32 {
        self.board.port(Initiator::A35NonSecure).read32(address).expect("Linux may read the RCC")
    }

    fn clocks(&self) -> LinuxClocks {
        LinuxClocks::new(self.tee.clone(), self.board.port(Initiator::A35NonSecure), RCC)
            .expect("the platform answers")
    }
}

#[test]
fn each_service_has_a_presence_of_its_own() {
    let machine = machine(Services {
        remoteproc: Presence::WithSupplicant,
        scmi: Presence::Always,
        hwrng: Presence::Absent,
        ..Services::all()
    });
    let mut bus = TeeBus::new(machine.tee.clone());
    let found = |bus: &TeeBus<_>| bus.devices().iter().map(|device| device.uuid).collect::<Vec<_>>();
    assert!(bus.scan(Scope::Always).is_ok());
    assert_eq!(found(&bus), [Uuid::SCMI_PTA]);
    machine.tee.start_supplicant();
    assert!(bus.scan(Scope::Supplicant).is_ok());
    assert_eq!(found(&bus), [Uuid::SCMI_PTA, Uuid::REMOTEPROC_TA]);
    assert!(HwRng::open(machine.tee.clone()).is_err());

    let all = self::machine(Services::all());
    let mut bus = TeeBus::new(all.tee.clone());
    assert!(bus.scan(Scope::Always).is_ok());
    assert_eq!(found(&bus), [Uuid::REMOTEPROC_TA, Uuid::SCMI_PTA, Uuid::HWRNG_PTA]);
}

#[test]
fn a_platform_without_the_service_has_the_clocks_of_the_rcc_alone() {
    let machine = machine(Services { scmi: Presence::Absent, ..Services::all() });
    assert!(matches!(ScmiClient::open_if_present(machine.tee.clone(), 0), Ok(None)));
    let clocks = machine.clocks();
    assert!(clocks.scmi.is_none());
    assert!(clocks.clocks.summary().iter().all(|state| state.clock.provider == clocks.rcc));
}

#[test]
fn the_agent_learns_who_the_platform_is() {
    let platform = machine(Services::all()).agent().discover().expect("the platform answers");
    assert_eq!((platform.vendor.as_str(), platform.agent.as_str()), ("rproc", "linux"));
    assert_eq!(platform.protocols, [0x11, 0x14, 0x16]);
}

#[test]
fn a_clock_asked_for_runs_and_one_let_go_stops() {
    let machine = machine(Services::all());
    let agent = machine.agent();
    assert_eq!(machine.register(RCC + 0x574), 2, "as boot firmware leaves it");
    assert!(agent.disable_clock(106).is_ok());
    assert_eq!(machine.register(RCC + 0x574), 0);
    assert!(agent.enable_clock(106).is_ok());
    assert_eq!(machine.register(RCC + 0x574), 2);
    let clock = agent.clock(106).expect("the platform answers").expect("there is such a clock");
    assert_eq!((clock.name.as_str(), clock.enabled), ("ck_bus_ipcc2", true));
    assert!(agent.disable_clock(106).is_ok());
    assert_eq!(machine.register(RCC + 0x574), 0);
    assert!(matches!(agent.clock(86), Ok(None)));
    assert_eq!(agent.clock_rate(0).ok(), Some(400_000_000));
}

#[test]
fn linux_pulls_the_resets_of_its_own_processor_and_of_no_other() {
    let machine = machine(Services::all());
    let agent = machine.agent();
    for domain in 0..4 {
        for refused in [agent.assert_reset(domain), agent.deassert_reset(domain), agent.pulse_reset(domain)] {
            assert_eq!(refused.err().and_then(|error| error.status()), Some(Status::DENIED), "{domain}");
        }
    }
    assert_eq!(machine.register(CPUBOOTCR), 0, "the M33 is still held");

    let owns = self::machine(Services { owned: vec![], ..Services::all() });
    let agent = owns.agent();
    assert!(agent.deassert_reset(3).is_ok());
    assert_eq!(owns.register(CPUBOOTCR), 1, "the M33 may boot");
    assert!(agent.assert_reset(3).is_ok());
    assert!(agent.pulse_reset(1).is_ok());
    assert_eq!(owns.register(CPUBOOTCR), 0);
    let cluster = agent.pulse_reset(0).err().and_then(|error| error.status());
    assert_eq!(cluster, Some(Status::DENIED), "nobody resets the whole Cortex-A35");
}

#[test]
fn power_domains_remember_what_linux_wants() {
    let agent = machine(Services::all()).agent();
    assert_eq!(agent.is_powered(1).ok(), Some(true));
    assert!(agent.set_power(1, false).is_ok());
    assert_eq!((agent.is_powered(0).ok(), agent.is_powered(1).ok()), (Some(true), Some(false)));
    assert_eq!(agent.is_powered(9).err().and_then(|error| error.status()), Some(Status::NOT_FOUND));
}

#[test]
fn hardware_services_check_logins_as_op_tee_does() {
    let machine = machine(Services::all());
    let open = |uuid, login| {
        let none = [Param::None, Param::None, Param::None, Param::None];
        machine.tee.open_session(uuid, login, none).map_err(|error| error.result)
    };
    assert_eq!(open(Uuid::SCMI_PTA, Login::Public), Err(TeeResult::ACCESS_DENIED));
    assert!(open(Uuid::SCMI_PTA, Login::ReeKernel).is_ok());
    assert!(open(Uuid::HWRNG_PTA, Login::Public).is_ok());
}

#[test]
fn random_numbers_fill_what_was_asked_for_and_differ() {
    let rng = HwRng::open(machine(Services::all()).tee).expect("the TEE has the service");
    assert_eq!(rng.info().quality, 1024);
    let mut drawn = [[0; 64]; 2];
    for bytes in &mut drawn {
        assert_eq!(rng.read(bytes).ok(), Some(64));
    }
    assert_ne!(drawn[0], drawn[1]);
    let mut much = vec![0; 5000];
    assert_eq!(rng.read(&mut much).ok(), Some(4096));
    assert!(much[4096..].iter().all(|byte| *byte == 0) && much[4000..4096].iter().any(|byte| *byte != 0));
    assert_eq!(rng.read(&mut []).ok(), Some(0));
}

fn reference(provider: &str, number: u32) -> ProviderRef {
    ProviderRef { name: None, provider: provider.to_owned(), arguments: vec![number] }
}

/// The clocks of the proposal's Cortex-M0+ node that Linux may switch, as a device tree refers to them, in its order.
fn m0(clocks: &LinuxClocks) -> Vec<ClockRef> {
    let scmi = |number| reference("/firmware/scmi/protocol@14", number);
    let rcc = |number| reference("/soc@0/clock-controller@44200000", number);
    let list = [
        scmi(128),
        scmi(100),
        scmi(106),
        scmi(129),
        rcc(stm32mp25::LPTIM3_AM),
        rcc(stm32mp25::LPUART1_AM),
        rcc(300),
        rcc(301),
        scmi(100),
        scmi(106),
    ];
    list.iter().map(|reference| clocks.find(reference).expect("the board has the provider")).collect()
}

/// Registers of the list: GPIOZ, IPCC2, LPTIM3, LPUART1; each with its bus clock and its autonomous mode.
const GATES: [u64; 4] = [RCC + 0x558, RCC + 0x574, RCC + 0x74c, RCC + 0x7a0];

#[test]
fn the_clocks_of_the_m0_stay_on_with_its_claim_and_go_off_without() {
    let machine = machine(Services::all());
    let linux = machine.board.port(Initiator::A35NonSecure);
    let all_on = || GATES.iter().for_each(|gate| linux.write32(*gate, 0xa).expect("Linux may write it"));
    let gates = || GATES.map(|gate| machine.register(gate));

    // A boot loader has started the processor and left its clocks on.
    all_on();
    let clocks = machine.clocks();
    let unused = clocks.clocks.disable_unused();
    assert!(unused.errors.is_empty());
    assert_eq!(gates(), [0; 4], "nobody has claimed them");

    all_on();
    let clocks = machine.clocks();
    let claim = clocks.clocks.claim("m0", &m0(&clocks)).expect("all of them can be had");
    let unused = clocks.clocks.disable_unused();
    assert_eq!(gates(), [0xa; 4]);
    assert!(unused.off.iter().all(|(_, name)| !name.contains("gpioz") && !name.contains("ipcc2")));
    let buses = machine.agent().clock(64).expect("the platform answers").expect("there is such a clock");
    assert!(buses.enabled, "the bus of everything goes on without a claim");

    drop(claim);
    assert_eq!(gates(), [0; 4], "its clocks go off with the processor");
    assert!(clocks.clocks.take_faults().is_empty());
}

#[test]
fn a_claim_that_fails_late_leaves_no_clock_on_in_either_provider() {
    let machine = machine(Services::all());
    let clocks = machine.clocks();
    // The processor's own gate is in RCC_C3CFGR, which the firewall keeps from Linux.
    let mut list = m0(&clocks);
    list.push(ClockRef { provider: clocks.rcc, number: stm32mp25::CPU3 });
    let error = clocks.clocks.claim("m0", &list).err().expect("Linux may not write it");
    assert!(matches!(&error, ClaimError::Enable { index: 10, .. }), "{error}");
    assert_eq!(GATES.map(|gate| machine.register(gate)), [0; 4]);
    assert!(clocks.clocks.summary().iter().all(|state| state.consumers.is_empty()));
    assert!(clocks.find(&reference("/clocks/ck-hse", 0)).is_none());
}

#[test]
fn a_register_that_does_not_obey_is_an_error_for_linux_and_a_sentence_in_the_log() {
    // An STM32MP15's SCMI tables on another chip, whose registers there are plain words: what is written to stop a clock
    // changes nothing in the one that tells whether it runs.
    let mut description = boards::stm32mp257f_ev1().clone();
    description.family = Family::Stm32mp15;
    let board = Board::new(&description).expect("the host has memory for a board");
    let (keys, services) = (TrustedKeys::new([]), Services::all());
    let config = TeeConfig { keys, policy: Policy::Strict, services, counters: Counters::new() };
    let tee = Arc::new(HostTee::new(board.bus().clone(), config));
    let agent = ScmiClient::open(tee.clone(), 0).expect("the TEE has the service");
    assert!(agent.enable_clock(16).is_ok());
    assert!(tee.drain_log().is_empty());
    let error = agent.disable_clock(16).err().expect("it cannot be stopped");
    assert_eq!(error.status(), Some(Status::HARDWARE_ERROR));
    let log = tee.drain_log();
    let told: Vec<_> = log
        .iter()
        .filter_map(|(_, event)| match event {
            SecureEvent::RegisterRefused { refusal } => Some((refusal.reason, refusal.place)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(Reason::RegisterReadBack, Place::Register { address: 0x5000_0214 })]);
    assert!(tee.drain_log().is_empty(), "told once");
}

#[test]
fn processors_are_owned_by_number() {
    let machine = machine(Services { owned: vec![ProcessorId::CORTEX_M0_PLUS], ..Services::all() });
    assert!(machine.agent().deassert_reset(3).is_ok(), "the M33 is not the TEE's, the M0+ is");
    let opened = |machine: &Machine| {
        machine.tee.drain_log().iter().any(|(_, event)| *event == SecureEvent::FirewallOpened)
    };
    assert!(opened(&machine), "the M33's memory was given to Linux when the TEE booted");
    assert!(!opened(&self::machine(Services::all())));
}
