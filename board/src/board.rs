//! The board: a bus, a core, and the loop that makes virtual time pass.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::boot_firmware;
use crate::bus::{AccessError, Bus, Initiator, Port};
use crate::core::{Core, CrashReport, Registers, RsemuCore, Stop, WorkArounds};
use crate::description::{Bank, Description};
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

/// Why [`Board::run_until`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// These enabled A-side interrupts (GIC SPI numbers) are high. They stay so until their source is served, and until then the board
    /// does not run: serve them, or disable them.
    Interrupt(BTreeSet<u16>),
    /// The deadline has come.
    Deadline,
    /// The M33 has just crashed. Reported once; it stays down until it is reset.
    Crashed(Box<CrashReport>),
    /// The deadline has come, and the board will never do anything again by itself: the M33 is held, has crashed, or waits for an
    /// interrupt that no timer will bring.
    Idle,
}

/// What the M33 is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Held,
    Running,
    Crashed,
}

/// A virtual board.
pub struct Board {
    bus: Arc<Bus>,
    core: Box<dyn Core>,
    activity: Activity,
    /// The boot epoch that has been acted upon.
    epoch: u64,
    disabled_spis: BTreeSet<u16>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Board { activity, epoch, bus, .. } = self;
        let name = &bus.description().name;
        f.debug_struct("Board")
            .field("name", name)
            .field("activity", activity)
            .field("epoch", epoch)
            .finish_non_exhaustive()
    }
}

impl Board {
    /// A board at the moment boot firmware hands over: guards programmed, M33 held, time zero.
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
        let core =
            RsemuCore::new(bus.clone(), work_arounds).map_err(|error| BoardError::Core(error.to_string()))?;
        let epoch = bus.boot().0.epoch;
        Ok(Board {
            bus,
            core: Box::new(core),
            activity: Activity::Held,
            epoch,
            disabled_spis: description.iac_spi.into_iter().collect(),
        })
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

    /// The M33's registers, for diagnostics.
    pub fn registers(&self) -> Registers {
        self.core.registers()
    }

    /// Instructions the M33 has executed.
    pub fn instructions(&self) -> u64 {
        self.core.instructions()
    }

    /// Whether the M33 is out of its hold and has not crashed.
    pub fn is_running(&self) -> bool {
        self.activity == Activity::Running
    }

    /// Lets the board run for `time`. See [`Board::run_until`].
    pub fn run_for(&mut self, time: Duration) -> Wake {
        self.run_until(self.now().saturating_add(time))
    }

    /// Lets virtual time pass until `deadline` (since power-on) or until the A side has a reason to act.
    ///
    /// Same inputs, same timeline: nothing depends on the host's clock.
    pub fn run_until(&mut self, deadline: Duration) -> Wake {
        let end = self.bus.clock().cycles_at(deadline);
        loop {
            self.follow_boot_state();
            let interrupts = self.enabled_interrupts();
            if !interrupts.is_empty() {
                return Wake::Interrupt(interrupts);
            }
            let left = end.saturating_sub(self.bus.clock().cycles());
            if self.activity != Activity::Running {
                self.bus.clock().advance(left);
                return Wake::Idle;
            }
            if left == 0 {
                return Wake::Deadline;
            }
            match self.core.run(left).stop {
                Stop::Budget | Stop::Attention => {}
                Stop::Asleep => {
                    // Another thread may have had something to say in the meantime.
                    if self.bus.take_attention() {
                        continue;
                    }
                    let timer = self.core.cycles_to_timer();
                    let left = end.saturating_sub(self.bus.clock().cycles());
                    self.core.skip(timer.unwrap_or(u64::MAX).min(left));
                    if timer.is_none() {
                        return Wake::Idle;
                    }
                }
                Stop::Crash(report) => {
                    self.activity = Activity::Crashed;
                    self.bus.flush_uarts();
                    self.bus.report(Happening::Crashed(report.clone()));
                    return Wake::Crashed(report);
                }
                Stop::ResetRequest => {
                    self.bus.report(Happening::ResetRequested);
                    let (_, vector) = self.bus.boot();
                    self.core.reset(vector.table, vector.secure);
                }
            }
        }
    }

    fn enabled_interrupts(&self) -> BTreeSet<u16> {
        self.bus.pending_interrupts().difference(&self.disabled_spis).copied().collect()
    }

    /// Does to the core what RCC has been told since the last look.
    fn follow_boot_state(&mut self) {
        let (boot, vector) = self.bus.boot();
        if boot.epoch == self.epoch {
            return;
        }
        self.epoch = boot.epoch;
        self.bus.flush_uarts();
        if boot.released {
            self.activity = Activity::Running;
            self.bus.set_cpu_state(CpuState::Run);
            self.bus.report(Happening::Released { vector_table: vector.table, secure: vector.secure });
            self.core.reset(vector.table, vector.secure);
        } else {
            self.activity = Activity::Held;
            self.bus.set_cpu_state(CpuState::Off);
            self.bus.report(Happening::Held);
        }
    }
}
