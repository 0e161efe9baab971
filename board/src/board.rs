//! The board: a bus, its cores, and the loop that makes virtual time pass.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::boot_firmware;
use crate::bus::{AccessError, Bus, Initiator, Port};
use crate::clock::picoseconds;
use crate::core::{Core, CrashReport, Registers, RsemuCore, Stop, WorkArounds};
use crate::description::{Bank, Coprocessor, CoreName, Description};
use crate::log::{Event, Happening};
use crate::peripherals::CpuState;
use crate::ram::Ram;

/// A board that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// The host gave no memory.
    #[error("the host could not provide the board's memory: {0}")]
    Memory(#[from] io::Error),
    /// The description's boot policy cannot be programmed.
    #[error("boot firmware could not set the board up: {0}")]
    BootFirmware(#[from] AccessError),
    /// The emulator refused its configuration.
    #[error("the emulated core could not be made: {0}")]
    Core(String),
}

/// While several cores run, each runs for so long (picoseconds) before the others catch up.
const QUANTUM: u64 = 20_000_000;

/// Why [`Board::run_until`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// These enabled A-side interrupts (GIC SPI numbers) are high. They stay so until their source is served, and until then the board
    /// does not run: serve them, or disable them.
    Interrupt(BTreeSet<u16>),
    /// The deadline has come.
    Deadline,
    /// A coprocessor, which the report names, has just crashed. Reported once; it stays down until it is reset.
    Crashed(Box<CrashReport>),
    /// The deadline has come, and the board will never do anything again by itself: every coprocessor is held, has crashed, or
    /// waits for an interrupt that no timer will bring, and no register block will do anything.
    Idle,
}

/// What a coprocessor is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Held,
    Running,
    Crashed,
}

/// A coprocessor of the board.
struct Slot {
    description: Coprocessor,
    core: Box<dyn Core>,
    activity: Activity,
    /// The boot epoch that has been acted upon.
    epoch: u64,
    /// How far it has come, in picoseconds since power-on. While it runs that is never before the board's time, and less than a
    /// quantum after it.
    time: u64,
    /// It had nothing to do when it stopped last; its timer, if it has one, ends that.
    asleep: bool,
}

impl Slot {
    fn runs(&self) -> bool {
        self.activity == Activity::Running
    }

    /// Whether only an interrupt or its timer can wake it, and no interrupt has come.
    fn sleeps(&self, index: usize, bus: &Bus) -> bool {
        self.asleep && self.core.sleeps() && !bus.lines(index).is_some_and(|lines| lines.has_changed())
    }

    /// Lets a core that is asleep sleep on until `moment` or its timer, whichever comes first.
    fn sleep_until(&mut self, bus: &Bus, moment: u64) {
        bus.clock().set(self.time);
        let timer = self.core.timer();
        self.core.skip(timer.unwrap_or(moment).min(moment));
        self.time = bus.clock().picoseconds();
        self.asleep = timer.is_none_or(|timer| timer > moment);
    }
}

/// How a core's slice ended.
enum Slice {
    /// At its end, or before it because the core has nothing to do until then.
    Whole,
    /// Before, because the board must be looked at.
    Attention,
    /// The core has crashed.
    Crashed(Box<CrashReport>),
}

/// A look at one coprocessor.
#[derive(Clone, Copy)]
pub struct CoreView<'a> {
    slot: &'a Slot,
}

impl CoreView<'_> {
    /// Which one it is.
    pub fn name(&self) -> CoreName {
        self.slot.description.core()
    }

    /// Its registers, for diagnostics.
    pub fn registers(&self) -> Registers {
        self.slot.core.registers()
    }

    /// Instructions it has executed.
    pub fn instructions(&self) -> u64 {
        self.slot.core.instructions()
    }

    /// Whether it is out of its hold and has not crashed.
    pub fn is_running(&self) -> bool {
        self.slot.runs()
    }
}

/// A virtual board.
///
/// # Several cores and one time
/// A core that runs alone runs until the A side has to act. While several run, they advance in slices to common barriers, in the
/// order of the description: none is ever more than 20 us of virtual time ahead of another, and what they write to memory is seen
/// that much too late or too early at most. An interrupt is never seen before it is raised: a core that sleeps wakes at that moment,
/// one that is ahead takes it where it is. When one of them raises an interrupt for the A side or for another core, its slice ends
/// there and the others catch up to that moment before anyone acts on it. Same inputs, same timeline.
pub struct Board {
    bus: Arc<Bus>,
    slots: Vec<Slot>,
    disabled_spis: BTreeSet<u16>,
    /// Crashes that have not been told yet.
    crashes: VecDeque<Box<CrashReport>>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let activities: Vec<_> =
            self.slots.iter().map(|slot| (&slot.description.name, slot.activity, slot.epoch)).collect();
        f.debug_struct("Board")
            .field("name", &self.bus.description().name)
            .field("cores", &activities)
            .finish_non_exhaustive()
    }
}

impl Board {
    /// A board at the moment boot firmware hands over: guards programmed, coprocessors held, time zero.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn new(description: &Description) -> Result<Self, BoardError> {
        Self::with_otp(description, &[])
    }

    /// The same with one-time-programmable words from an earlier life (see [`Bus::otp`]).
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn with_otp(description: &Description, otp: &[u32]) -> Result<Self, BoardError> {
        Self::with_work_arounds(description, otp, WorkArounds::ALL)
    }

    /// For tests that show what a fault of the emulator does without its work-around.
    #[doc(hidden)]
    pub fn with_work_arounds(
        description: &Description,
        otp: &[u32],
        work_arounds: WorkArounds,
    ) -> Result<Self, BoardError> {
        Self::assemble(description, Bus::new(description, otp)?, work_arounds)
    }

    /// A board over memory from elsewhere (see [`Bus::over`]). Boot firmware programs the guards only: the memory's bytes stay.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn over(
        description: &Description,
        otp: &[u32],
        source: &mut dyn FnMut(&Bank) -> io::Result<Ram>,
    ) -> Result<Self, BoardError> {
        Self::assemble(description, Bus::over(description, otp, source)?, WorkArounds::ALL)
    }

    fn assemble(description: &Description, bus: Bus, work_arounds: WorkArounds) -> Result<Self, BoardError> {
        let bus = Arc::new(bus);
        boot_firmware::run(description, &Port::new(bus.clone(), Initiator::A35Secure))?;
        let mut slots = Vec::new();
        for (index, coprocessor) in description.coprocessors.iter().enumerate() {
            let core = RsemuCore::new(bus.clone(), index, coprocessor, work_arounds)
                .map_err(|error| BoardError::Core(error.to_string()))?;
            slots.push(Slot {
                description: coprocessor.clone(),
                core: Box::new(core),
                activity: Activity::Held,
                epoch: bus.boot(coprocessor).0.epoch,
                time: 0,
                asleep: false,
            });
        }
        let disabled_spis = description.iac_spi.into_iter().collect();
        Ok(Board { bus, slots, disabled_spis, crashes: VecDeque::new() })
    }

    /// An initiator's way to the bus.
    pub fn port(&self, initiator: Initiator) -> Port {
        Port::new(self.bus.clone(), initiator)
    }

    /// The bus.
    pub fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// Virtual time since power-on.
    pub fn now(&self) -> Duration {
        self.bus.now()
    }

    /// A-side interrupts whose line is high, enabled or not (GIC SPI numbers).
    pub fn pending_interrupts(&self) -> BTreeSet<u16> {
        self.bus.pending_interrupts()
    }

    /// Enables or disables an A-side interrupt as the GIC distributor would. At first all are enabled but the illegal-access
    /// controller's, which belongs to the secure world.
    pub fn set_interrupt_enabled(&mut self, spi: u16, enabled: bool) {
        if enabled {
            self.disabled_spis.remove(&spi);
        } else {
            self.disabled_spis.insert(spi);
        }
    }

    /// Takes every logged event, oldest first.
    pub fn drain_events(&mut self) -> Vec<Event> {
        self.bus.drain_events()
    }

    /// A coprocessor by its processor id.
    pub fn core(&self, id: u32) -> Option<CoreView<'_>> {
        self.cores().find(|core| core.name().id == id)
    }

    /// Every coprocessor, in the description's order.
    pub fn cores(&self) -> impl Iterator<Item = CoreView<'_>> {
        self.slots.iter().map(|slot| CoreView { slot })
    }

    /// Instructions that all coprocessors together have executed.
    pub fn instructions(&self) -> u64 {
        self.cores().map(|core| core.instructions()).sum()
    }

    /// Whether a coprocessor is out of its hold and has not crashed.
    pub fn is_running(&self) -> bool {
        self.slots.iter().any(Slot::runs)
    }

    /// Lets the board run for `time`. See [`Board::run_until`].
    pub fn run_for(&mut self, time: Duration) -> Wake {
        self.run_until(self.now().saturating_add(time))
    }

    /// Lets virtual time pass until `deadline` (since power-on) or until the A side has a reason to act.
    ///
    /// Same inputs, same timeline: nothing depends on the host's clock.
    pub fn run_until(&mut self, deadline: Duration) -> Wake {
        let end = picoseconds(deadline);
        // The A side may have changed memory since: nobody is known to be idle.
        let mut quiet = false;
        loop {
            quiet &= !self.bus.advance_devices();
            // What wanted attention until now is looked at from here on.
            self.bus.take_attention();
            self.follow_boot_states();
            if let Some(report) = self.crashes.pop_front() {
                return Wake::Crashed(report);
            }
            let interrupts = self.enabled_interrupts();
            if !interrupts.is_empty() {
                return Wake::Interrupt(interrupts);
            }
            let now = self.bus.clock().picoseconds();
            let event = self.bus.next_event();
            if !self.is_running() {
                self.bus.clock().set(now.max(event.unwrap_or(u64::MAX).min(end)));
                match event {
                    None => return Wake::Idle,
                    Some(event) if event > end => return Wake::Deadline,
                    Some(_) => continue,
                }
            }
            if now >= end {
                return Wake::Deadline;
            }
            let barrier = self.barrier(now, event.unwrap_or(u64::MAX).min(end), quiet);
            let before: Vec<u64> = self.slots.iter().map(|slot| slot.core.activity()).collect();
            let whole = self.round(now, barrier);
            quiet = whole && self.is_quiet(&before);
            if quiet && event.is_none() && self.timers().next().is_none() {
                // Another thread may have had something to say in the meantime.
                if self.bus.take_attention() {
                    quiet = false;
                    continue;
                }
                self.skip_to(end);
                return Wake::Idle;
            }
        }
    }

    /// Where the next round ends: at `latest`, or before, so that cores that run together stay together.
    fn barrier(&self, now: u64, latest: u64, quiet: bool) -> u64 {
        let running = || self.slots.iter().enumerate().filter(|(_, slot)| slot.runs());
        if running().count() < 2 {
            return latest;
        }
        let timers = self.timers().min().unwrap_or(u64::MAX);
        let latest = latest.min(timers.max(now + 1));
        let awake = running().filter(|(index, slot)| !slot.sleeps(*index, &self.bus)).count();
        if quiet || awake < 2 { latest } else { latest.min(now.saturating_add(QUANTUM)) }
    }

    /// When the timers of sleeping cores end that.
    fn timers(&self) -> impl Iterator<Item = u64> {
        let asleep = self.slots.iter().filter(|slot| slot.runs() && slot.asleep);
        // A core that is ahead counts from its own time.
        let now = self.bus.clock().picoseconds();
        asleep.filter_map(move |slot| Some(slot.core.timer()?.saturating_add(slot.time.saturating_sub(now))))
    }

    /// Lets every running core come to `barrier`, or to the moment at which one of them wants attention. Whether all came to the
    /// barrier.
    fn round(&mut self, now: u64, barrier: u64) -> bool {
        let mut moment = barrier;
        for slot in &mut self.slots {
            if !slot.runs() || slot.time >= moment {
                continue;
            }
            match run_slice(&self.bus, slot, moment) {
                Slice::Whole => {}
                Slice::Attention => moment = moment.min(slot.time),
                Slice::Crashed(report) => {
                    moment = moment.min(slot.time);
                    slot.activity = Activity::Crashed;
                    self.bus.flush_uarts();
                    self.bus.report(Happening::Crashed(report.clone()));
                    self.crashes.push_back(report);
                }
            }
        }
        // Who sleeps sleeps on, now that it is known how far: an interrupt that one of the others has raised is taken from there on.
        for slot in self.slots.iter_mut().filter(|slot| slot.runs() && slot.time < moment) {
            slot.sleep_until(&self.bus, moment);
        }
        let times = self.slots.iter().filter(|slot| slot.runs()).map(|slot| slot.time);
        self.bus.clock().set(times.min().unwrap_or(moment).max(now));
        moment == barrier
    }

    /// Lets time pass for cores that have nothing to do.
    fn skip_to(&mut self, end: u64) {
        for slot in self.slots.iter_mut().filter(|slot| slot.runs() && slot.time < end) {
            slot.sleep_until(&self.bus, end);
        }
        let times = self.slots.iter().filter(|slot| slot.runs()).map(|slot| slot.time);
        self.bus.clock().set(times.min().unwrap_or(end));
    }

    /// Whether no running core can do anything but by time: each sleeps with no interrupt for it, or goes round in circles while
    /// no other one has changed anything since each had the activity of `before`.
    fn is_quiet(&self, before: &[u64]) -> bool {
        let active = |index: usize| {
            let (now, then) = (self.slots.get(index).map(|slot| slot.core.activity()), before.get(index));
            now.as_ref() != then
        };
        self.slots.iter().enumerate().filter(|(_, slot)| slot.runs()).all(|(index, slot)| {
            slot.sleeps(index, &self.bus)
                || slot.asleep
                    && !slot.core.sleeps()
                    && (0..self.slots.len()).all(|other| other == index || !active(other))
        })
    }

    fn enabled_interrupts(&self) -> BTreeSet<u16> {
        self.bus.pending_interrupts().difference(&self.disabled_spis).copied().collect()
    }

    /// Does to the cores what RCC has been told since the last look.
    fn follow_boot_states(&mut self) {
        let now = self.bus.clock().picoseconds();
        for slot in &mut self.slots {
            let (boot, vector) = self.bus.boot(&slot.description);
            if boot.epoch == slot.epoch {
                continue;
            }
            slot.epoch = boot.epoch;
            self.bus.flush_uarts();
            slot.time = slot.time.max(now);
            slot.asleep = false;
            let core = slot.description.core();
            if boot.released {
                slot.activity = Activity::Running;
                self.bus.set_cpu_state(&slot.description, CpuState::Run);
                self.bus.report(Happening::Released {
                    core,
                    vector_table: vector.table,
                    secure: vector.secure,
                });
                self.bus.clock().set(slot.time);
                slot.core.reset(vector.table, vector.secure);
                slot.time = self.bus.clock().picoseconds();
            } else {
                slot.activity = Activity::Held;
                self.bus.set_cpu_state(&slot.description, CpuState::Off);
                self.bus.report(Happening::Held { core });
            }
        }
        let times = self.slots.iter().filter(|slot| slot.runs()).map(|slot| slot.time);
        self.bus.clock().set(times.min().unwrap_or(now).max(now));
    }
}

/// Runs one core until `moment`. Where it sleeps its timer may wake it before; without one it stays where it fell asleep.
fn run_slice(bus: &Bus, slot: &mut Slot, moment: u64) -> Slice {
    bus.clock().set(slot.time);
    slot.asleep = false;
    let ended = loop {
        match slot.core.run(moment) {
            Stop::Deadline => break Slice::Whole,
            Stop::Attention => break Slice::Attention,
            // Another thread has reset the core, and perhaps taken its memory away, while an instruction of it was under way.
            Stop::Crash(_) if bus.boot(&slot.description).0.epoch != slot.epoch => break Slice::Attention,
            Stop::Crash(report) => break Slice::Crashed(report),
            Stop::Asleep => {
                // Another thread may have had something to say in the meantime.
                if bus.take_attention() {
                    break Slice::Attention;
                }
                match slot.core.timer().filter(|timer| *timer <= moment) {
                    Some(timer) => slot.core.skip(timer),
                    None => {
                        slot.asleep = true;
                        break Slice::Whole;
                    }
                }
            }
            Stop::ResetRequest => {
                let core = slot.description.core();
                bus.report(Happening::ResetRequested { core });
                bus.reset_by_itself(core.id);
                break Slice::Attention;
            }
        }
    };
    slot.time = bus.clock().picoseconds();
    ended
}

#[cfg(test)]
mod tests;
