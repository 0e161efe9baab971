//! `rproc run`: boots firmware on a virtual board through the TEE, talks to it, and says what happened.

mod boards;
mod coredumps;
mod event;
mod image;
mod pulse;
mod samples;
mod session;
mod sink;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rproc_abi::ProcessorId;
use rproc_board::system::{System, SystemConfig, SystemError};
use rproc_board::tee::{Counters, Services, TeeConfig, TrustedKeys};
use rproc_devicetree::Owner;
use rproc_platform::SecurityCounters as _;
use rproc_service::Policy;

pub use boards::{Board, DEFAULT as DEFAULT_BOARD};
pub use event::Outcome;

use crate::failure::Failure;
use crate::input::Identity;
use crate::interrupt::Interrupt;
use crate::keys::KeyFile;
use crate::output::OutputFile;
use crate::sign::Number;
use coredumps::Coredumps;
use image::{Prepared, Wanted};
use session::{Script, Session};
use sink::{Format, Sink};

/// Arguments of `rproc run`.
#[derive(Args)]
pub struct Arguments {
    /// A signed image, or an ELF file that is signed in memory; without it, the bundled echo sample
    file: Option<PathBuf>,
    /// The board
    #[arg(long, value_name = "NAME", default_value = boards::DEFAULT)]
    board: boards::Board,
    /// The processor: its name in the device tree; without it, the board's first one
    #[arg(long, value_name = "NAME")]
    core: Option<String>,
    /// Run a second processor of the board at the same time: its name, and the file that it runs; without a file, the
    /// bundled sample of that processor. May be repeated
    #[arg(long, value_name = "NAME[=FILE]", value_parser = parse_with)]
    with: Vec<With>,
    /// Who owns the processor, in both device trees: the TEE, or Linux, which loads an unsigned ELF file by itself
    #[arg(long, value_enum, default_value_t = OwnerName::Tee)]
    owner: OwnerName,
    /// The key that the platform trusts (PEM or DER); an ELF file is signed with it, which needs the private half.
    /// Without it, the built-in development key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Send a message of at most 496 bytes on the first channel that the firmware announces; may be repeated
    #[arg(long, value_name = "TEXT", value_parser = parse_message)]
    send: Vec<String>,
    /// The firmware must say this before it is asked to shut down, as a part of a message, a trace line or a UART line; may
    /// be repeated. Without --send and --expect the firmware runs until the time-out, and only a crash is a failure
    #[arg(long, value_name = "TEXT")]
    expect: Vec<String>,
    /// How long it may take, in the board's virtual time
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    timeout: Duration,
    /// How many instructions the processor may execute; a host emulates a few million a second
    #[arg(long, value_name = "NUMBER", default_value_t = 250_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    instructions: u64,
    /// Have the firmware crash after this virtual time: the bundled samples starve their watchdog (the M0+'s does not), of any
    /// other firmware a crash is reported to Linux, as with `crash` in its debugfs
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    crash_after: Option<Duration>,
    /// Whether a crash is recovered from: memory dumped, firmware loaded and started anew; else a crash ends the run
    #[arg(long, value_enum, default_value_t = Switch::Off)]
    recovery: Switch,
    /// Write the memory of a crashed processor to this file, an ELF core file, before it is recovered; those of later crashes
    /// of the run to files beside it, with -2, -3, … before the name's last dot
    #[arg(long, value_name = "FILE")]
    coredump: Option<PathBuf>,
    /// What the TEE wants an image to bind; without it, compatible
    #[arg(long, value_enum)]
    policy: Option<PolicyName>,
    /// The security counter that the device has stored for the processor: an image with a lower one is refused (see `rproc sign
    /// --counter`; an ELF file that is signed in memory has 0)
    #[arg(long, value_name = "NUMBER")]
    device_counter: Option<Number>,
    /// Print one JSON object a line (docs/run-events.md)
    #[arg(long)]
    json: bool,
    /// Let virtual time follow the wall clock
    #[arg(long)]
    real_time: bool,
}

/// The TEE's policy, as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PolicyName {
    /// Accept images that bind less than they could, such as those of upstream's script with a boot address
    Compatible,
    /// Refuse images that do not bind target, counter, ELF metadata and resource table
    Strict,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

/// Who owns a processor, as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OwnerName {
    /// The TEE authenticates, loads and starts it
    Tee,
    /// Linux loads and starts it; the TEE gives the rights away at boot
    Linux,
}

/// A further processor.
#[derive(Clone, Debug)]
struct With {
    core: String,
    file: Option<PathBuf>,
}

fn parse_with(text: &str) -> Result<With, String> {
    let (core, file) = match text.split_once('=') {
        Some((_, "")) => return Err("there is no file behind the =".to_owned()),
        Some((core, file)) => (core, Some(PathBuf::from(file))),
        None => (text, None),
    };
    match core {
        "" => Err("expected a processor's name, as in m0 or m0=m0.elf".to_owned()),
        core => Ok(With { core: core.to_owned(), file }),
    }
}

/// A message that fits the buffers of RPMsg: 512 bytes less a header of 16.
fn parse_message(text: &str) -> Result<String, String> {
    match text.len() {
        0..=496 => Ok(text.to_owned()),
        len => Err(format!("a message has at most 496 bytes, this one has {len}")),
    }
}

/// A number with a unit: `5s`, `250ms`, `2m`; a bare number is seconds.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: write 5s, 250ms, 2m or 1h");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    let seconds = match text.get(digits.len()..).unwrap_or_default() {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() && time <= Duration::from_secs(86_400) => Ok(time),
        _ => Err(format!("{text:?} is not between 1us and 24h")),
    }
}

/// Runs; the outcome decides the exit code.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::catch()?;
    let format = if arguments.json { Format::Json } else { Format::Timeline };
    let mut sink = Sink::new(std::io::stdout().lock(), format);
    let result = boot(arguments, &mut sink, interrupt);
    if let (Err(failure), Format::Json) = (&result, format) {
        // A reader of JSON learns the end there too, whatever came in between.
        sink.emit_failure(failure)?;
    }
    if let Ok(Outcome::Interrupted(signal)) = result {
        signal.end_process();
    }
    result
}

impl Arguments {
    /// Options that would change nothing, or that contradict each other.
    fn check(&self) -> Result<(), Failure> {
        let others = !self.with.is_empty();
        let only_tee = [
            ("--key", self.key.is_some() && !others),
            ("--policy", self.policy.is_some() && !others),
            ("--device-counter", self.device_counter.is_some()),
        ];
        let ignored = only_tee.into_iter().find(|(_, given)| *given && self.owner == OwnerName::Linux);
        if let Some((option, _)) = ignored {
            return Err(Failure::help(
                format!("{option} is the TEE's, and with --owner linux Linux loads the ELF file unsigned"),
                format!("leave out {option}, or --owner linux"),
            ));
        }
        if self.coredump.is_some() && self.recovery == Switch::Off {
            return Err(Failure::help(
                "a crashed processor's memory is dumped when it is recovered, and --recovery is off",
                "give --recovery on with --coredump",
            ));
        }
        match self.crash_after.filter(|after| *after >= self.timeout) {
            Some(after) => Err(Failure::help(
                format!("--crash-after {after:?} is not before the time-out of {:?}", self.timeout),
                "a number alone is seconds: give it a unit, such as 20ms, or give a longer --timeout",
            )),
            None => Ok(()),
        }
    }

    /// What the device remembers of the images that the processor has run.
    fn counters(&self, processor: Option<ProcessorId>) -> Result<Counters, Failure> {
        let mut counters = Counters::new();
        if let (Some(Number(stored)), Some(processor)) = (self.device_counter, processor) {
            counters.raise(processor, stored)?;
        }
        Ok(counters)
    }
}

fn boot(
    arguments: &Arguments,
    sink: &mut Sink<impl Write>,
    interrupt: Interrupt,
) -> Result<Outcome, Failure> {
    arguments.check()?;
    let board = &arguments.board;
    let inputs = arguments.file.iter().chain(&arguments.key);
    let inputs = Identity::of_files(
        inputs.chain(arguments.with.iter().filter_map(|with| with.file.as_ref())).map(PathBuf::as_path),
    );
    if let Some(path) = &arguments.coredump {
        OutputFile::new(path, &inputs)?;
    }
    let core = arguments.core.as_deref().unwrap_or_else(|| board.first_core());
    let owner = match arguments.owner {
        OwnerName::Tee => Owner::Tee,
        OwnerName::Linux => Owner::LinuxThroughTee,
    };
    let trees = board.trees(core, owner)?;
    let first = Wanted {
        core,
        id: trees.id(core),
        file: arguments.file.as_deref(),
        by_linux: owner != Owner::Tee,
        crashes: arguments.crash_after.is_some(),
    };
    let others = arguments.with.iter().map(|with| Wanted {
        core: &with.core,
        id: trees.id(&with.core),
        file: with.file.as_deref(),
        by_linux: false,
        crashes: false,
    });
    let wanted: Vec<Wanted<'_>> = std::iter::once(first).chain(others).collect();
    if wanted.len() > 1 {
        sink.name_cores();
    }
    let key = arguments.key.as_deref().map(KeyFile::read).transpose()?;
    let mut images: Vec<Prepared> = Vec::new();
    for one in &wanted {
        images.push(image::prepare(one, key.as_ref(), board)?);
    }
    let policy = match arguments.policy {
        None | Some(PolicyName::Compatible) => Policy::Compatible,
        Some(PolicyName::Strict) => Policy::Strict,
    };
    let tee = TeeConfig {
        keys: TrustedKeys::new(images.iter().map(|image| image.trusted.clone())),
        policy,
        services: Services::all(),
        counters: arguments.counters(trees.id(core))?,
    };
    let processors: Vec<&str> = wanted.iter().map(|one| one.core).collect();
    let system = System::start(SystemConfig {
        linux_tree: &trees.linux,
        secure_tree: &trees.secure,
        processors: &processors,
        tee,
        real_time: arguments.real_time,
    })
    .map_err(|error| match &error {
        SystemError::Processor(_) => Failure::help(
            error,
            "name one that it has, with --core or --with; `rproc board list` has those of every board",
        ),
        SystemError::Twice { .. } => Failure::help(error, "leave out one of its --core and --with"),
        _ => anyhow::Error::new(error).into(),
    })?;
    // Only now is it known that the board has these processors.
    for (one, image) in wanted.iter().zip(&images) {
        if let Some(signed) = &image.signed {
            sink.emit(Duration::ZERO, Some(one.core), signed)?;
        }
    }
    let echoes = images.first().is_some_and(|image| image.echoes);
    let mut script = Script {
        firmware: images.into_iter().map(|image| image.container).collect(),
        sends: arguments.send.iter().cloned().collect(),
        expects: arguments.expect.clone(),
        timeout: arguments.timeout,
        instructions: arguments.instructions,
        crash_after: arguments.crash_after,
        recovery: arguments.recovery == Switch::On,
        coredump: arguments.coredump.as_ref().map(|path| Coredumps::new(path, inputs)),
        again: (arguments.send.clone(), arguments.expect.clone()),
    };
    // The bundled sample is an echo: without other wishes it shows that.
    if echoes && script.sends.is_empty() && script.expects.is_empty() {
        let greeting = "hello from Linux";
        script.sends.push_back(greeting.to_owned());
        script.expects.push(greeting.to_owned());
        let again = vec!["hello again".to_owned()];
        script.again = (again.clone(), again);
    }
    Ok(Session::new(system, sink, script, interrupt).run()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(parse_time("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_time("1.5"), Ok(Duration::from_millis(1500)));
        for wrong in ["", "s", "-1s", "0", "1d", "25h", "5 s", "1e99s", "NaN", "inf"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }
}
