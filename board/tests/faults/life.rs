//! A processor's life from power-on to shutdown, what must hold at its end, and a second life once the fault is gone.

use std::time::Duration;

use rproc_abi::ProcessorId;
use rproc_board::boards::BOARDS;
use rproc_board::boot_stage::Protection;
use rproc_board::system::{Moment, System, SystemConfig};
use rproc_board::{Board, Bus, Happening, Initiator};
use rproc_devicetree::{Owner, Tree, assign};
use rproc_lifecycle::{Event, State};

use crate::injector::{Fault, Injector};
use crate::signing;

const MS: Duration = Duration::from_millis(1);
/// How long firmware has for anything.
const LIMIT: Duration = Duration::from_millis(200);
const PAGE: usize = 0x1000;

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As without a fault.
    Worked,
    /// With this reason.
    Refused(String),
    /// The firmware ran and was not heard: a signal or a byte of a message is gone, which nobody can know.
    Silent,
}

impl End {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Worked => "worked",
            Self::Refused(_) => "refused",
            Self::Silent => "silent",
        }
    }
}

/// A board, one of its processors and its firmware.
pub struct Scene {
    pub name: &'static str,
    linux: Tree,
    secure: Tree,
    processor: &'static str,
    id: u32,
    image: Vec<u8>,
    /// What its firmware prints when it runs; nothing when it echoes.
    prints: Option<&'static str>,
    /// Nobody but Linux has a part in it: its memory is open.
    open: bool,
    /// The bundled firmware that a boot stage has started before the TEE.
    started: Option<&'static str>,
}

impl Scene {
    pub fn m33() -> Self {
        Self::new("stm32mp257f-ev1", "m33", ProcessorId::CORTEX_M33, "echo-m33.elf", "stm32mp257", None)
    }

    pub fn m0() -> Self {
        let prints = Some("blink: 1");
        Self::new("stm32mp257f-ev1", "m0", ProcessorId::CORTEX_M0_PLUS, "blink-m0.elf", "stm32mp257", prints)
    }

    pub fn m4() -> Self {
        Self::new("stm32mp157f-dk2", "m4", ProcessorId::CORTEX_M4, "echo-m4.elf", "stm32mp157", None)
    }

    /// The same, which Linux loads by itself.
    pub fn m4_of_linux() -> Self {
        let m4 = Self::m4();
        let (linux, secure) = assign(&m4.linux, &m4.secure, m4.id, Owner::Linux).unwrap();
        Self { linux, secure, image: signing::firmware("echo-m4.elf"), open: true, ..m4 }
    }

    /// The Cortex-M33 that runs before the TEE does.
    pub fn m33_before_tee() -> Self {
        Self::m33().before_tee("/ahb@a040000/m33@a041000", "echo-m33.elf")
    }

    /// The Cortex-M4 that runs before the TEE does.
    pub fn m4_before_tee() -> Self {
        Self::m4().before_tee("/ahb@10000000/m4@10000000", "echo-m4.elf")
    }

    fn before_tee(self, node: &str, sample: &'static str) -> Self {
        let secure = self.secure.with_property(node, "st,started-before-tee", Some(&[])).unwrap();
        Self { secure, started: Some(sample), ..self }
    }

    fn new(
        name: &'static str,
        processor: &'static str,
        id: ProcessorId,
        sample: &str,
        soc: &str,
        prints: Option<&'static str>,
    ) -> Self {
        let board = BOARDS.into_iter().find(|board| board.name == name).unwrap();
        let (linux, secure) =
            (Tree::parse(board.linux_tree).unwrap(), Tree::parse(board.secure_tree).unwrap());
        let image = signing::sign_for(&signing::firmware(sample), id, soc);
        Self { name, linux, secure, processor, id: id.0, image, prints, open: false, started: None }
    }

    /// Lives one life with the injector's fault, and another one on the same board without. An error is what must not be.
    pub fn live(&self, injector: &Injector) -> Result<End, String> {
        let config = SystemConfig {
            linux_tree: &self.linux,
            secure_tree: &self.secure,
            processors: &[self.processor],
            tee: signing::tee(),
            real_time: false,
        };
        let started = System::start_on(config, |description| {
            let board = Board::new(description)?;
            if let Some(sample) = self.started {
                signing::boot_stage(&board, ProcessorId(self.id), sample, Protection::Closed);
            }
            assert!(board.bus().inject(injector.clone()));
            Ok(board)
        });
        let mut system = match started {
            Ok(system) => system,
            // Nothing was loaded: the next life is that of a new board.
            Err(error) => return reason(error.to_string()),
        };
        let mut told = Vec::new();
        let lied = |system: &System| injector.lied_of_a_guard(system.board.get().bus().description());
        let (first, deceived) = match self.life(&mut system, &mut told) {
            // A guard that says for good that it is closed and is not: whoever has nothing but its word believes it.
            Err(_) if lied(&system).is_some_and(Fault::lies_on) => {
                (End::Refused("a guard lies".to_owned()), true)
            }
            first => (first?, false),
        };
        // What Linux alone owns is open, and what it cannot hold it does not wipe.
        if !self.open && !deceived {
            self.check(&mut system).map_err(|what| format!("{what}, after {first:?}"))?;
        }
        injector.repair();
        let after = |what: String| format!("{what}, once all works, after {first:?}");
        if system.processors[0].state() == State::Detached {
            // Linux could not attach, and it runs on.
            system.processors[0].boot().map_err(|error| after(error.to_string()))?;
        }
        if system.processors[0].state() != State::Offline {
            system.processors[0].shutdown().map_err(|error| after(error.to_string()))?;
        }
        if !self.open {
            self.check(&mut system).map_err(after)?;
        }
        match self.life(&mut system, &mut told)? {
            End::Worked => {}
            End::Refused(why) if self.may_stay(&why) => return Ok(first),
            next => return Err(after(format!("{next:?} in the next life"))),
        }
        self.check(&mut system).map_err(after)?;
        Ok(first)
    }

    /// Whether a reason may outlive its fault until the next power-on.
    fn may_stay(&self, why: &str) -> bool {
        // Linux asks for its clocks once, when it starts; and the TEE gives a processor away when it starts, or never.
        why.contains("cannot be claimed: m0 wants clock")
            || self.open
                && ["the TEE keeps it to itself", "is it Linux's by the firewall"]
                    .iter()
                    .any(|it| why.contains(it))
    }

    /// Boots, hears from the firmware and shuts down.
    fn life(&self, system: &mut System, told: &mut Vec<Event>) -> Result<End, String> {
        if system.processors[0].state() == State::Offline {
            system.processors[0].set_firmware(self.image.clone()).map_err(|error| error.to_string())?;
        }
        collect(system, told);
        told.clear();
        if let Err(error) = system.processors[0].boot() {
            return reason(error.to_string());
        }
        let bus = system.board.get().bus().clone();
        if !self.open
            && let Some((address, _)) = self.readable(&bus).next()
        {
            return Err(format!("it runs with memory open at {address:#x}"));
        }
        let heard = match self.prints {
            Some(line) => self.printed(system, line, told),
            None => self.echoed(system, told),
        };
        let heard = match heard {
            Ok(heard) => heard,
            Err(error) => return reason(error),
        };
        if let Err(error) = system.processors[0].shutdown() {
            return reason(error.to_string());
        }
        collect(system, told);
        if heard {
            return Ok(End::Worked);
        }
        let why = told.iter().find_map(|event| match event {
            Event::RpmsgBroken { reason } | Event::TraceUnreadable { reason, .. } => Some(reason.clone()),
            Event::Crashed(crash) => Some(crash.reason.clone()),
            _ => None,
        });
        Ok(why.map_or(End::Silent, End::Refused))
    }

    /// Whether the firmware prints a line.
    fn printed(&self, system: &mut System, wanted: &str, told: &mut Vec<Event>) -> Result<bool, String> {
        let end = system.now() + LIMIT;
        while system.now() < end {
            system.wait(10 * MS);
            if collect(system, told).iter().any(|line| line == wanted) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a message comes back.
    fn echoed(&self, system: &mut System, told: &mut Vec<Event>) -> Result<bool, String> {
        let end = system.now() + LIMIT;
        while system.processors[0].channels().is_empty() && system.now() < end {
            system.wait(10 * MS);
        }
        let Some(channel) = system.processors[0].channels().first().map(|channel| channel.id) else {
            return Ok(false);
        };
        if let Err(error) = system.processors[0].send(channel, b"hello", LIMIT) {
            return Err(error.to_string());
        }
        let end = system.now() + LIMIT;
        while system.now() < end {
            system.wait(10 * MS);
            collect(system, told);
            let back = |event: &Event| matches!(event, Event::MessageReceived { payload, .. } if payload == b"hello");
            if told.iter().any(back) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What must hold between two lives: nothing runs that is said to be off, and what the normal world can read is zero.
    fn check(&self, system: &mut System) -> Result<(), String> {
        system.board.get_mut().run_for(MS);
        if system.processors[0].state() == State::Offline
            && system.board.get().core(self.id).unwrap().is_running()
        {
            return Err("it runs and is called offline".to_owned());
        }
        let bus = system.board.get().bus().clone();
        match self.readable(&bus).find(|(_, bytes)| bytes.iter().any(|byte| *byte != 0)) {
            Some((address, _)) => Err(format!("firmware is left in the open at {address:#x}")),
            None => Ok(()),
        }
    }

    /// The pages of the firmware's memory that the normal world can read now.
    fn readable<'a>(&self, bus: &'a Bus) -> impl Iterator<Item = (u64, Vec<u8>)> + use<'a> {
        let core = bus.description().coprocessor(self.id).unwrap();
        let firmware = core.regions.iter().filter(|region| !region.shared);
        let pages =
            firmware.flat_map(|region| (region.physical..region.physical + region.size).step_by(PAGE));
        pages.filter_map(|page| {
            let mut bytes = vec![0; PAGE];
            bus.look(Initiator::A35NonSecure, page, &mut bytes).then_some((page, bytes))
        })
    }
}

/// Adds what the lifecycle has told since, and gives the lines that were printed.
fn collect(system: &mut System, told: &mut Vec<Event>) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in system.drain() {
        match entry.moment {
            Moment::Lifecycle(event) => told.push(event),
            Moment::Board(Happening::UartLine { line, .. }) => lines.push(line),
            _ => {}
        }
    }
    lines
}

fn reason(text: String) -> Result<End, String> {
    if text.is_empty() { Err("no reason".to_owned()) } else { Ok(End::Refused(text)) }
}
