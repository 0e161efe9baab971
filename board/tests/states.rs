//! The service's commands in every state, by every session, and with every wrong parameter.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod lab;

use lab::elf;
use lab::forge::{self, Forge};
use lab::{Lab, M33};
use proptest::prelude::*;
use rproc_abi::refusal::Reason;
use rproc_abi::service::{Request, TableLocation, buffer_size, open_params};
use rproc_abi::{Login, Origin, Outputs, Param, ProcessorId, TeeResult, Uuid, Value};
use rproc_board::Initiator;
use rproc_elf::ElfFile;
use rproc_service::Policy;
use rproc_tee::{MemRef, RemoteprocService, SessionId, TeeClient, TeeError};

/// What a processor is, as a client can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing loaded.
    Off,
    /// After a run: nothing loaded, but memory to dump.
    Stopped,
    Loaded,
    Started,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Load,
    LoadBad,
    Start,
    Stop,
    Table,
    Dump,
    Release,
}

const COMMANDS: [Command; 7] = [
    Command::Load,
    Command::LoadBad,
    Command::Start,
    Command::Stop,
    Command::Table,
    Command::Dump,
    Command::Release,
];

/// The whole protocol: what each command does in each state, or why not.
fn model(state: State, command: Command) -> Result<State, Reason> {
    use State::*;
    match (command, state) {
        (Command::Load, Off | Stopped | Loaded) => Ok(Loaded),
        (Command::LoadBad, Loaded) => Ok(Loaded),
        (Command::LoadBad, Off | Stopped) => Err(Reason::SegmentDigest),
        (Command::Load | Command::LoadBad, Started) => Err(Reason::AlreadyStarted),
        (Command::Start, Loaded | Started) => Ok(Started),
        (Command::Start, Off | Stopped) => Err(Reason::NotLoaded),
        (Command::Stop, Off) => Ok(Off),
        (Command::Stop, Stopped | Started) => Ok(Stopped),
        (Command::Stop, Loaded) => Err(Reason::NotStarted),
        (Command::Table, Loaded | Started) => Ok(state),
        (Command::Table, Off | Stopped) => Err(Reason::NotLoaded),
        (Command::Dump, Loaded | Stopped) => Ok(state),
        (Command::Dump, Off) => Err(Reason::NotLoaded),
        (Command::Dump, Started) => Err(Reason::AlreadyStarted),
        (Command::Release, Off | Stopped | Loaded) => Ok(Off),
        (Command::Release, Started) => Err(Reason::AlreadyStarted),
    }
}

/// What a state is after a command that was refused: a load that fails leaves nothing to dump.
fn after_refusal(state: State, command: Command) -> State {
    match (state, command) {
        (State::Stopped, Command::LoadBad) => State::Off,
        _ => state,
    }
}

struct Images {
    good: Vec<u8>,
    bad: Vec<u8>,
}

fn images() -> Images {
    let good = forge::good();
    let mut bad = good.clone();
    let start = forge::parts(&good).images.start;
    bad[start + elf::segment_bytes(&elf::sample(), 2).start] ^= 1;
    Images { good, bad }
}

type Service = RemoteprocService<std::sync::Arc<rproc_board::tee::HostTee>>;

/// Does a command and returns its reason where it was refused.
fn act(service: &Service, images: &Images, command: Command) -> Result<(), Reason> {
    let outcome = match command {
        Command::Load => service.load(M33, &images.good),
        Command::LoadBad => service.load(M33, &images.bad),
        Command::Start => service.start(M33),
        Command::Stop => service.stop(M33),
        Command::Table => service.resource_table(M33).map(|table| {
            assert_eq!(table, Some(TableLocation { address: elf::TABLE, size: elf::table().len() as u64 }));
        }),
        Command::Dump => service.coredump(M33).map(|dump| assert!(ElfFile::parse(&dump).is_ok())),
        Command::Release => service.release(M33),
    };
    outcome.map_err(|error| lab::refusal(error).reason)
}

/// What the board shows of a state.
fn check(lab: &mut Lab, state: State) {
    let running = lab.secure().read32(lab::CPUBOOTCR).unwrap() & 1 == 1;
    assert_eq!(running, state == State::Started);
    if state == State::Off {
        lab::assert_zero(lab.board.bus());
        lab.assert_open_or_closed();
        return;
    }
    lab.assert_closed();
    // While it runs, its memory is its own.
    let holder = if running { Initiator::M33 } else { Initiator::A35Secure };
    let mut code = vec![0; elf::code().len()];
    lab.board.port(holder).read(elf::CODE, &mut code).unwrap();
    assert!(code == elf::code());
}

/// Brings a new board into a state.
fn lab_in(state: State, images: &Images) -> Lab {
    let lab = Lab::new(Policy::Strict);
    let way: &[Command] = match state {
        State::Off => &[],
        State::Loaded => &[Command::Load],
        State::Started => &[Command::Load, Command::Start],
        State::Stopped => &[Command::Load, Command::Start, Command::Stop],
    };
    for command in way {
        act(&lab.service, images, *command).unwrap();
    }
    lab
}

#[test]
fn every_command_in_every_state() {
    let images = images();
    for state in [State::Off, State::Stopped, State::Loaded, State::Started] {
        for command in COMMANDS {
            let mut lab = lab_in(state, &images);
            check(&mut lab, state);
            let expected = model(state, command);
            let found = act(&lab.service, &images, command);
            assert_eq!(found, expected.map(|_| ()), "{command:?} in {state:?}");
            check(&mut lab, expected.unwrap_or(after_refusal(state, command)));
        }
    }
}

#[test]
fn a_client_can_tell_what_runs() {
    let images = images();
    for state in [State::Off, State::Stopped, State::Loaded, State::Started] {
        let mut lab = lab_in(state, &images);
        assert_eq!(lab.service.is_started(M33).unwrap(), state == State::Started, "{state:?}");
        check(&mut lab, state);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn any_sequence_from_two_sessions_follows_the_model(
        steps in proptest::collection::vec((0usize..2, prop::sample::select(&COMMANDS), any::<bool>()), 1..25),
    ) {
        let images = images();
        let mut lab = Lab::new(Policy::Strict);
        let open = || RemoteprocService::open(lab.tee.clone(), Login::ReeKernel, M33).unwrap();
        let mut sessions = [open(), open()];
        let mut state = State::Off;
        for (who, command, reopen) in steps {
            if reopen {
                // A client that goes takes nothing with it.
                sessions[who] = RemoteprocService::open(lab.tee.clone(), Login::ReeKernel, M33).unwrap();
            }
            let expected = model(state, command);
            prop_assert_eq!(act(&sessions[who], &images, command), expected.map(|_| ()));
            state = expected.unwrap_or(after_refusal(state, command));
            check(&mut lab, state);
        }
    }
}

/// A kernel's session without the comfort of [`RemoteprocService`].
struct Raw {
    lab: Lab,
    session: SessionId,
}

impl Raw {
    fn new() -> Self {
        let lab = Lab::new(Policy::Strict);
        let session = lab.tee.open_session(Uuid::REMOTEPROC_TA, Login::ReeKernel, open_params(M33)).unwrap();
        Self { lab, session }
    }

    fn call(&self, command: u32, params: [Param<MemRef>; 4]) -> Result<Outputs, TeeError> {
        self.lab.tee.invoke(self.session, command, params)
    }

    fn request(&self, request: Request<MemRef>) -> Result<Outputs, TeeError> {
        let (command, params) = request.into_params();
        self.call(command, params)
    }
}

#[test]
fn an_unknown_command_or_parameters_of_another_kind() {
    let raw = Raw::new();
    let buffer = raw.lab.tee.share(64).unwrap();
    let id = Param::ValueInput(Value { a: M33.0, b: 0 });
    for command in [0, 7, 8, 0x8000_0000, 0x8000_0002, u32::MAX] {
        let error = raw.call(command, [id, Param::None, Param::None, Param::None]).unwrap_err();
        assert_eq!((error.result, error.origin), (TeeResult::BAD_PARAMETERS, Origin::TrustedApp));
    }
    let kinds = [
        Param::None,
        Param::ValueInput(Value::default()),
        Param::ValueOutput,
        Param::ValueInout(Value::default()),
        Param::MemrefInput(buffer.whole()),
        Param::MemrefOutput(buffer.whole()),
        Param::MemrefInout(buffer.whole()),
    ];
    for command in (1..=6).chain([0x8000_0001]) {
        let right = match command {
            1 => Request::LoadFirmware { processor: M33, image: buffer.whole() },
            2 => Request::StartFirmware { processor: M33 },
            3 => Request::StopFirmware { processor: M33 },
            4 => Request::GetResourceTable { processor: M33 },
            5 => Request::GetCoredump { processor: M33, buffer: buffer.whole() },
            6 => Request::ReleaseFirmware { processor: M33 },
            _ => Request::GetRefusal { processor: M33, buffer: buffer.whole() },
        };
        let (_, params) = right.into_params();
        for index in 0..4 {
            for wrong in kinds.iter().filter(|wrong| wrong.kind() != params[index].kind()) {
                let mut params = params;
                params[index] = *wrong;
                let error = raw.call(command, params).unwrap_err();
                assert_eq!(error.result, TeeResult::BAD_PARAMETERS, "{command} {index} {wrong:?}");
            }
        }
    }
    // Nothing of it changed anything.
    let mut lab = raw.lab;
    lab.assert_clean();
}

#[test]
fn memory_that_is_not_shared_or_not_all_of_it() {
    let raw = Raw::new();
    let buffer = raw.lab.tee.share(100).unwrap();
    for (offset, size) in [(0, 101), (101, 0), (100, 1), (usize::MAX, 1), (1, usize::MAX)] {
        let image = MemRef { buffer, offset, size };
        let error = raw.request(Request::LoadFirmware { processor: M33, image }).unwrap_err();
        assert_eq!((error.result, error.origin), (TeeResult::BAD_PARAMETERS, Origin::Comms));
    }
    raw.lab.tee.unshare(buffer);
    let error = raw.request(Request::LoadFirmware { processor: M33, image: buffer.whole() }).unwrap_err();
    assert_eq!(error.result, TeeResult::BAD_PARAMETERS);
    raw.lab.tee.close_session(raw.session);
    let error = raw.request(Request::StopFirmware { processor: M33 }).unwrap_err();
    assert_eq!((error.result, error.origin), (TeeResult::BAD_PARAMETERS, Origin::Tee));
}

#[test]
fn an_image_inside_a_larger_buffer() {
    let raw = Raw::new();
    let good = forge::good();
    let buffer = raw.lab.tee.share(good.len() + 1001).unwrap();
    raw.lab.tee.write_shared(buffer, 1000, &good).unwrap();
    let at = |size| Request::LoadFirmware { processor: M33, image: MemRef { buffer, offset: 1000, size } };
    assert_eq!(raw.request(at(good.len() + 1)).unwrap_err().result, TeeResult::BAD_PARAMETERS);
    raw.request(at(good.len())).unwrap();
}

#[test]
fn a_processor_that_is_not_there_has_no_state() {
    let lab = Lab::new(Policy::Strict);
    let good = forge::good();
    for id in [0, 3, 0x8000_0001, u32::MAX].map(ProcessorId) {
        let opened = RemoteprocService::open(lab.tee.clone(), Login::ReeKernel, id);
        assert_eq!(opened.err().unwrap().tee.result, TeeResult::NOT_SUPPORTED);
        let outcomes = [
            lab.service.load(id, &good),
            lab.service.start(id),
            lab.service.stop(id),
            lab.service.resource_table(id).map(drop),
            lab.service.coredump(id).map(drop),
            lab.service.release(id),
        ];
        for outcome in outcomes {
            assert_eq!(lab::refusal(outcome.unwrap_err()).reason, Reason::UnknownProcessor);
        }
    }
}

#[test]
fn only_the_kernel_gets_a_session_and_nobody_the_platform_service() {
    let lab = Lab::new(Policy::Strict);
    // While a kernel's session is open, and firmware of it runs.
    lab.load(&forge::good()).unwrap();
    lab.service.start(M33).unwrap();
    for login in [
        Login::Public,
        Login::User,
        Login::Group,
        Login::TrustedApp,
        Login::Other(3),
        Login::Other(0x8000_0001),
    ] {
        let error = RemoteprocService::open(lab.tee.clone(), login, M33).err().unwrap();
        assert_eq!((error.tee.result, error.tee.origin), (TeeResult::ACCESS_DENIED, Origin::TrustedApp));
        assert_eq!(error.refusal.unwrap().reason, Reason::NotKernel);
    }
    for login in [Login::Public, Login::User, Login::ReeKernel, Login::TrustedApp] {
        let error = lab.tee.open_session(Uuid::REMOTEPROC_PTA, login, open_params(M33)).unwrap_err();
        assert_eq!((error.result, error.origin), (TeeResult::ACCESS_DENIED, Origin::Tee));
    }
    // The number of somebody else's session is not a session with the remoteproc service either.
    let bus = lab.tee.open_session(Uuid::DEVICE_ENUMERATION, Login::Public, [Param::None; 4]).unwrap();
    let (command, params) = Request::StopFirmware { processor: M33 }.into_params();
    assert_eq!(lab.tee.invoke(bus, command, params).unwrap_err().result, TeeResult::BAD_PARAMETERS);
    assert_eq!(lab.secure().read32(lab::CPUBOOTCR).unwrap() & 1, 1, "it still runs");
    lab.service.stop(M33).unwrap();
}

#[test]
fn a_dump_takes_as_much_room_as_it_says_and_holds_the_firmware() {
    let raw = Raw::new();
    raw.lab.load(&forge::good()).unwrap();
    raw.lab.service.start(M33).unwrap();
    raw.lab.service.stop(M33).unwrap();
    let ask = |size: usize| {
        let buffer = raw.lab.tee.share(size).unwrap();
        let answer = raw.request(Request::GetCoredump { processor: M33, buffer: buffer.whole() });
        let mut bytes = vec![0; size];
        raw.lab.tee.read_shared(buffer, 0, &mut bytes).unwrap();
        raw.lab.tee.unshare(buffer);
        (answer, bytes)
    };
    let needed = |answer: Result<Outputs, TeeError>| {
        let error = answer.unwrap_err();
        assert_eq!(error.result, TeeResult::SHORT_BUFFER);
        buffer_size(&error.outputs).unwrap()
    };
    let size = needed(ask(0).0);
    for short in [1, 51, 52, size - 1] {
        let (answer, bytes) = ask(short);
        assert_eq!(needed(answer), size);
        assert!(bytes.iter().all(|byte| *byte == 0), "nothing is written to a buffer that is too small");
    }
    let (answer, exact) = ask(size);
    assert_eq!(buffer_size(&answer.unwrap()), Some(size));
    let (answer, roomy) = ask(size + 100);
    assert_eq!(buffer_size(&answer.unwrap()), Some(size));
    assert_eq!((&roomy[..size], &roomy[size..]), (&exact[..], &[0; 100][..]));

    let dump = ElfFile::parse(&exact).unwrap();
    assert_eq!(dump.header().kind(), 4, "a core file");
    for (address, bytes) in elf::contents() {
        let segment = dump
            .segments()
            .find(|segment| {
                (segment.physical_address..segment.physical_address + segment.memory_size).contains(&address)
            })
            .unwrap();
        // A reader takes what the file leaves out for zeros.
        let mut found = dump.segment_bytes(&segment).unwrap().to_vec();
        found.resize(segment.memory_size as usize, 0);
        let start = (address - segment.physical_address) as usize;
        assert_eq!(&found[start..start + bytes.len()], bytes, "{address:#x}");
    }
    let regions: u64 = dump.segments().map(|segment| segment.memory_size).sum();
    assert_eq!(regions, lab::regions().map(|region| region.size).sum::<u64>());
    // What was dumped is gone with the next load, and with a release.
    raw.lab.service.release(M33).unwrap();
    assert_eq!(ask(size).0.unwrap_err().result, TeeResult::BAD_STATE);
}

#[test]
fn a_second_load_does_nothing() {
    let mut lab = Lab::new(Policy::Strict);
    lab.load(&forge::good()).unwrap();
    // Whatever it is given: what is loaded stays, and is what starts.
    let other = elf::builder().load(elf::DATA, &[0xEE; 64]).build();
    lab.load(&Forge::bound_without_table(&other).sign()).unwrap();
    lab.load(b"nonsense").unwrap();
    for (address, bytes) in elf::contents() {
        assert_eq!(lab.memory(address..address + bytes.len() as u64), bytes);
    }
    lab.run();
    assert_eq!(lab.load(&forge::good()).unwrap_err().reason, Reason::AlreadyStarted);
    lab.service.stop(M33).unwrap();
    lab.service.release(M33).unwrap();
}

#[test]
fn there_is_an_end_to_sessions() {
    let lab = Lab::new(Policy::Strict);
    let mut sessions = Vec::new();
    let error = loop {
        match RemoteprocService::open(lab.tee.clone(), Login::ReeKernel, M33) {
            Ok(session) => sessions.push(session),
            Err(error) => break error,
        }
    };
    assert_eq!(error.tee.result, TeeResult::OUT_OF_MEMORY);
    sessions.pop();
    RemoteprocService::open(lab.tee.clone(), Login::ReeKernel, M33).unwrap();
}
