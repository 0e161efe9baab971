//! All commands in every state, for processors that are not there, and with wrong parameters.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rproc_abi::refusal::Reason;
use rproc_abi::service::open_params;
use rproc_abi::{Origin, Param, ProcessorId, TeeResult, Value};
use rproc_tee::{RemoteprocService, ServiceError, TeeClient as _};

use crate::firmware::Firmware;
use crate::report::Report;
use crate::service::{Service, Target, expect};

#[derive(Clone, Copy, Debug)]
enum State {
    Off,
    /// After a run: nothing loaded, but memory to dump.
    Stopped,
    Loaded,
    Started,
}

#[derive(Clone, Copy, Debug)]
enum Command {
    Load,
    LoadBad,
    Start,
    Stop,
    Table,
    Dump,
    Release,
}

const STATES: [State; 4] = [State::Off, State::Stopped, State::Loaded, State::Started];
const COMMANDS: [Command; 7] = [
    Command::Load,
    Command::LoadBad,
    Command::Start,
    Command::Stop,
    Command::Table,
    Command::Dump,
    Command::Release,
];

/// Why a command is refused in a state, if it is; the table of docs/protocol.md.
fn refused(state: State, command: Command) -> Option<Reason> {
    use State::{Loaded, Off, Started, Stopped};
    match (command, state) {
        (Command::LoadBad, Off | Stopped) => Some(Reason::SegmentDigest),
        (Command::Load | Command::LoadBad | Command::Dump | Command::Release, Started) => {
            Some(Reason::AlreadyStarted)
        }
        (Command::Start | Command::Table, Off | Stopped) | (Command::Dump, Off) => Some(Reason::NotLoaded),
        (Command::Stop, Loaded) => Some(Reason::NotStarted),
        _ => None,
    }
}

struct Images {
    good: Vec<u8>,
    bad: Vec<u8>,
}

/// Runs the suite.
pub fn run(image: &Path, target: &Target, report: &mut Report) -> Result<()> {
    let firmware = Firmware::read(image)?;
    let images = Images { bad: firmware.damaged()?, good: firmware.image };
    let service = target.fresh()?;
    for state in STATES {
        for command in COMMANDS {
            let name = format!("{state:?}.{command:?}").to_lowercase();
            report.test(name, || one(&service, target, &images, state, command));
        }
    }
    target.reset(&service)?;
    for id in [0, 3, u32::MAX].map(ProcessorId).into_iter().filter(|id| *id != target.core()) {
        report.test(format!("processor-{:#x}.open", id.0), || {
            expect(RemoteprocService::open(target.tee()?, target.login(), id), TeeResult::NOT_SUPPORTED)
        });
        for command in COMMANDS {
            let name = format!("processor-{:#x}.{command:?}", id.0).to_lowercase();
            report.test(name, || expect(act(&service, id, &images, command), TeeResult::NOT_SUPPORTED));
        }
    }
    report.test("unknown-command", || {
        let tee = target.tee()?;
        let session =
            tee.open_session(rproc_abi::Uuid::REMOTEPROC_TA, target.login(), open_params(target.core()))?;
        for command in [0, 7, 8, 0x8000_0000, u32::MAX] {
            let id = Param::ValueInput(Value { a: target.core().0, b: 0 });
            let error = tee
                .invoke(session, command, [id, Param::None, Param::None, Param::None])
                .err()
                .with_context(|| format!("command {command:#x} succeeded"))?;
            ensure!(
                (error.result, error.origin) == (TeeResult::BAD_PARAMETERS, Origin::TrustedApp),
                "command {command:#x}: {error}"
            );
        }
        tee.close_session(session);
        Ok("five refused")
    });
    Ok(())
}

fn one(
    service: &Service,
    target: &Target,
    images: &Images,
    state: State,
    command: Command,
) -> Result<String> {
    target.reset(service)?;
    let way: &[Command] = match state {
        State::Off => &[],
        State::Stopped => &[Command::Load, Command::Start, Command::Stop],
        State::Loaded => &[Command::Load],
        State::Started => &[Command::Load, Command::Start],
    };
    for command in way {
        act(service, target.core(), images, *command).with_context(|| format!("{command:?} on the way"))?;
    }
    let outcome = act(service, target.core(), images, command);
    let reason = outcome.as_ref().err().and_then(|error| error.refusal).map(|refusal| refusal.reason);
    let expected = refused(state, command);
    let words = expect(outcome, expected.map_or(TeeResult::SUCCESS, Reason::result))?;
    ensure!(reason == expected, "the reason is {reason:?} instead of {expected:?}");
    Ok(words)
}

fn act(service: &Service, core: ProcessorId, images: &Images, command: Command) -> Result<(), ServiceError> {
    match command {
        Command::Load => service.load(core, &images.good),
        Command::LoadBad => service.load(core, &images.bad),
        Command::Start => service.start(core),
        Command::Stop => service.stop(core),
        Command::Table => service.resource_table(core).map(drop),
        Command::Dump => service.coredump(core).map(drop),
        Command::Release => service.release(core),
    }
}
