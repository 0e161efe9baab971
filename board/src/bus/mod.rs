//! The bus: every access of every initiator goes through here, is checked, and is carried out or refused and reported.

mod access;
mod devices;
#[cfg(feature = "faults")]
mod faults;
mod listener;
mod memory;
mod port;

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use access::{AccessError, Cause, Direction, Initiator};
#[cfg(feature = "faults")]
pub use faults::Faults;
pub use memory::MemoryBank;
pub use port::Port;

use crate::clock::{Clock, picoseconds};
use crate::core::InterruptLines;
use crate::description::{Bank, Coprocessor, Description};
use crate::log::{Event, EventLog, Happening};
use crate::peripherals::{Access, BootState, BootVector, CpuState, RegisterWrite};
use crate::ram::Ram;
use devices::{Devices, Driven, Effects};
use listener::Listener;
use memory::Memories;

/// Memory, firewall and registers of a board. Share it with [`std::sync::Arc`]; drivers get a [`Port`].
#[derive(Debug)]
pub struct Bus {
    description: Description,
    clock: Clock,
    memories: Memories,
    devices: Mutex<Devices>,
    /// Interrupt inputs of the coprocessors, in the description's order.
    lines: Vec<InterruptLines>,
    attention: AtomicBool,
    a_side: Listener,
    log: Mutex<EventLog>,
    #[cfg(feature = "faults")]
    injector: faults::Injector,
}

/// Where a permitted access goes.
pub(crate) enum Target<'a> {
    /// RAM, at this byte offset.
    Ram(&'a Ram, u64),
    /// The register at this address of the non-secure alias.
    Register(u64),
}

impl Bus {
    /// A board's bus at power-on: RAM zero, guards closed to everyone but the secure world.
    ///
    /// # Errors
    /// The host refuses the backing memory.
    pub fn new(description: &Description, otp: &[u32]) -> io::Result<Self> {
        Self::over(description, otp, &mut |bank| Ram::new(&bank.name, bank.size))
    }

    /// The same over memory from elsewhere, whose bytes stay as they are. `source` gives the RAM of each bank; a RAM that is
    /// smaller than its bank ends the bank there.
    ///
    /// # Errors
    /// Those of `source`.
    pub fn over(
        description: &Description,
        otp: &[u32],
        source: &mut dyn FnMut(&Bank) -> io::Result<Ram>,
    ) -> io::Result<Self> {
        let memories = Memories::new(description, source)?;
        let devices = Mutex::new(Devices::new(description, &memories, otp));
        Ok(Bus {
            description: description.clone(),
            clock: Clock::default(),
            memories,
            devices,
            lines: description.coprocessors.iter().map(|_| InterruptLines::default()).collect(),
            attention: AtomicBool::new(false),
            a_side: Listener::default(),
            log: Mutex::new(EventLog::default()),
            #[cfg(feature = "faults")]
            injector: faults::Injector::default(),
        })
    }

    /// What the board was built from.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Virtual time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The RAM banks, in the description's order.
    pub fn banks(&self) -> &[MemoryBank] {
        self.memories.banks()
    }

    /// A coprocessor's interrupt inputs, by its place in the description.
    pub(crate) fn lines(&self, index: usize) -> Option<&InterruptLines> {
        self.lines.get(index)
    }

    /// Reads bytes. Registers take naturally aligned reads of 1, 2 or 4 bytes, memory takes any.
    ///
    /// # Errors
    /// [`AccessError`]; `into` is unchanged then, and the refusal has been logged and latched in its guard.
    pub fn read(&self, initiator: Initiator, address: u64, into: &mut [u8]) -> Result<(), AccessError> {
        let length = into.len() as u64;
        match self.resolve(initiator, address, length, Direction::Read)? {
            Target::Ram(ram, offset) => ram
                .read(offset, into)
                .map_err(|_| self.refuse(initiator, address, length, Direction::Read, Cause::Unmapped)),
            Target::Register(register) => {
                let word = self.register_read(initiator, address, register, length)?.to_le_bytes();
                let lane = (register & 3) as usize;
                if let Some(bytes) = word.get(lane..lane + into.len()) {
                    into.copy_from_slice(bytes);
                }
                Ok(())
            }
        }
    }

    /// Writes bytes. Registers take naturally aligned writes of 1, 2 or 4 bytes, memory takes any.
    ///
    /// # Errors
    /// [`AccessError`]; nothing has been written then, and the refusal has been logged and latched in its guard.
    pub fn write(&self, initiator: Initiator, address: u64, from: &[u8]) -> Result<(), AccessError> {
        let length = from.len() as u64;
        match self.resolve(initiator, address, length, Direction::Write)? {
            Target::Ram(ram, offset) => ram
                .write(offset, from)
                .map_err(|_| self.refuse(initiator, address, length, Direction::Write, Cause::Unmapped)),
            Target::Register(register) => self.register_write(initiator, address, register, from),
        }
    }

    /// Sets `length` bytes of memory to `value`.
    ///
    /// # Errors
    /// [`AccessError`] as for [`Bus::write`]; registers cannot be filled.
    pub fn fill(
        &self,
        initiator: Initiator,
        address: u64,
        length: u64,
        value: u8,
    ) -> Result<(), AccessError> {
        let refuse = |cause| self.refuse(initiator, address, length, Direction::Write, cause);
        match self.resolve(initiator, address, length, Direction::Write)? {
            Target::Ram(ram, offset) => ram.fill(offset, length, value).map_err(|_| refuse(Cause::Unmapped)),
            Target::Register(_) => Err(refuse(Cause::Alignment)),
        }
    }

    /// Reads a little-endian word.
    ///
    /// # Errors
    /// As [`Bus::read`].
    pub fn read32(&self, initiator: Initiator, address: u64) -> Result<u32, AccessError> {
        let mut word = [0; 4];
        self.read(initiator, address, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    /// Writes a little-endian word.
    ///
    /// # Errors
    /// As [`Bus::write`].
    pub fn write32(&self, initiator: Initiator, address: u64, value: u32) -> Result<(), AccessError> {
        self.write(initiator, address, &value.to_le_bytes())
    }

    /// A-side interrupts whose line is high (GIC SPI numbers).
    pub fn pending_interrupts(&self) -> BTreeSet<u16> {
        self.devices().high_spis().clone()
    }

    /// Has `listener` called whenever A-side interrupt lines rise, with those (SPI numbers), on the thread whose access raised them. It
    /// may use the bus. There can be one; false when there was one already, which stays.
    pub fn listen(&self, listener: impl Fn(&Bus, &BTreeSet<u16>) + Send + Sync + 'static) -> bool {
        self.a_side.set(Box::new(listener))
    }

    /// Takes every logged event, oldest first.
    pub fn drain_events(&self) -> Vec<Event> {
        lock(&self.log).drain()
    }

    /// Events lost because nobody drained the log.
    pub fn dropped_events(&self) -> u64 {
        lock(&self.log).dropped()
    }

    /// The one-time-programmable words, to keep for the board's next life.
    pub fn otp(&self) -> Vec<u32> {
        self.devices().otp().to_vec()
    }

    /// Where a permitted access to memory inside one granule of its guard goes: what nearly every access of a core is. None says only
    /// that [`Bus::resolve`] must decide.
    #[inline]
    pub(crate) fn plain_ram(
        &self,
        initiator: Initiator,
        address: u64,
        length: u64,
        direction: Direction,
    ) -> Option<(&Ram, u64)> {
        let place = self.memories.place(initiator, address)?;
        let bank = self.memories.bank(place.bank)?;
        let permitted = (!place.secure || initiator.may_be_secure())
            && bank.permissions.allow_inside_granule(initiator, direction, place.offset, length);
        permitted.then_some((&bank.ram, place.offset))
    }

    /// Checks an access and says where it goes.
    pub(crate) fn resolve(
        &self,
        initiator: Initiator,
        address: u64,
        length: u64,
        direction: Direction,
    ) -> Result<Target<'_>, AccessError> {
        if let Some(place) = self.memories.place(initiator, address)
            && let Some(bank) = self.memories.bank(place.bank)
        {
            if place.secure && !initiator.may_be_secure() {
                return Err(self.refuse_alias(initiator, address, length, direction));
            }
            if length > bank.ram.size() - place.offset {
                return Err(self.refuse(initiator, address, length, direction, Cause::Unmapped));
            }
            return match bank.permissions.check(initiator, direction, place.offset, length) {
                Ok(()) => Ok(Target::Ram(&bank.ram, place.offset)),
                Err(at) => {
                    let into = at.saturating_sub(place.offset);
                    Err(self.refuse_memory(initiator, address, length, direction, Some(bank.base + at), into))
                }
            };
        }
        let span = self.description.peripherals;
        if address.wrapping_sub(span.base) < span.size {
            return Ok(Target::Register(address));
        }
        if let Some(offset) = span.secure_base.and_then(|base| address.checked_sub(base))
            && offset < span.size
        {
            if !initiator.may_be_secure() {
                return Err(self.refuse_alias(initiator, address, length, direction));
            }
            return Ok(Target::Register(span.base + offset));
        }
        Err(self.refuse(initiator, address, length, direction, Cause::Unmapped))
    }

    /// Whether reading a register (address in the non-secure alias) may change something.
    pub(crate) fn reading_changes(&self, register: u64) -> bool {
        self.devices().reading_changes(register)
    }

    /// Reads memory for diagnostics: checked like any access, but a refusal leaves no trace, and registers are not touched.
    pub(crate) fn peek(&self, initiator: Initiator, address: u64, into: &mut [u8]) -> Option<()> {
        let place = self.memories.place(initiator, address)?;
        let bank = self.memories.bank(place.bank)?;
        bank.permissions.check(initiator, Direction::Read, place.offset, into.len() as u64).ok()?;
        bank.ram.read(place.offset, into).ok()
    }

    /// Whether the run loop must look at the board; asking resets it.
    #[inline]
    pub(crate) fn take_attention(&self) -> bool {
        self.attention.load(Ordering::Relaxed) && self.attention.swap(false, Ordering::AcqRel)
    }

    /// A coprocessor's boot state and where it would boot.
    pub(crate) fn boot(&self, core: &Coprocessor) -> (BootState, BootVector) {
        self.devices().boot(core)
    }

    pub(crate) fn set_cpu_state(&self, core: &Coprocessor, state: CpuState) {
        self.devices().set_cpu_state(core, state);
    }

    /// Plugs in one more block, at power-on.
    #[cfg(test)]
    pub(crate) fn plug(&self, block: crate::peripherals::Plugged) {
        self.devices().plug(block);
    }

    /// When a register block will next do something by itself (picoseconds since power-on).
    pub(crate) fn next_event(&self) -> Option<u64> {
        self.devices().next_event().map(picoseconds)
    }

    /// Lets the register blocks do what was to be done until now. Whether there was anything.
    pub(crate) fn advance_devices(&self) -> bool {
        let now = self.clock.now();
        self.happen(|devices, effects| devices.advance(now, effects))
    }

    /// Resets a coprocessor that asked for it itself.
    pub(crate) fn reset_by_itself(&self, coprocessor: u32) {
        let now = self.clock.now();
        self.happen(|devices, effects| devices.reset_by_itself(coprocessor, now, effects));
    }

    /// Something that no access did.
    fn happen<T>(&self, what: impl FnOnce(&mut Devices, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let (outcome, driven) = {
            let mut devices = self.devices();
            let outcome = what(&mut devices, &mut effects);
            (outcome, self.drive_lines(&mut devices, None))
        };
        self.driven(driven);
        self.tell(effects);
        outcome
    }

    fn drive_lines(&self, devices: &mut Devices, by: Option<Initiator>) -> Driven {
        devices.drive_lines(&self.lines, by, self.clock.picoseconds())
    }

    /// Adds to the log, with the current virtual time.
    pub(crate) fn report(&self, what: Happening) {
        lock(&self.log).push(Event { at: self.clock.now(), what });
    }

    /// Reports what UARTs hold of unfinished lines.
    pub(crate) fn flush_uarts(&self) {
        let lines = self.devices().take_lines();
        for (uart, line) in lines {
            self.report(Happening::UartLine { uart, line });
        }
    }

    /// Virtual time now.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    fn devices(&self) -> MutexGuard<'_, Devices> {
        lock(&self.devices)
    }

    fn register_read(
        &self,
        initiator: Initiator,
        address: u64,
        register: u64,
        length: u64,
    ) -> Result<u32, AccessError> {
        let direction = Direction::Read;
        if !aligned(register, length) {
            return Err(self.refuse(initiator, address, length, direction, Cause::Alignment));
        }
        let mut effects = Effects::default();
        let access = self.access(initiator);
        let outcome = self.devices().read(access, register & !3, &mut effects);
        self.apply(initiator, register, direction, effects);
        outcome
            .map_err(|refusal| self.refuse_register(initiator, address, register, length, direction, refusal))
    }

    fn register_write(
        &self,
        initiator: Initiator,
        address: u64,
        register: u64,
        from: &[u8],
    ) -> Result<(), AccessError> {
        let (direction, length) = (Direction::Write, from.len() as u64);
        if !aligned(register, length) {
            return Err(self.refuse(initiator, address, length, direction, Cause::Alignment));
        }
        let mut effects = Effects::default();
        let write = RegisterWrite::from_bytes(register, from);
        let access = self.access(initiator);
        let (outcome, driven) = {
            let mut devices = self.devices();
            let outcome = devices.write(access, register & !3, write, &self.memories, &mut effects);
            (outcome, self.drive_lines(&mut devices, Some(initiator)))
        };
        self.driven(driven);
        self.apply(initiator, register, direction, effects);
        outcome
            .map_err(|refusal| self.refuse_register(initiator, address, register, length, direction, refusal))
    }

    fn access(&self, by: Initiator) -> Access {
        Access { by, now: self.clock.now() }
    }

    /// Tells the run loop what it must look at, and the listener that an A-side line rose.
    fn driven(&self, driven: Driven) {
        if !driven.rose.is_empty() || driven.another_core {
            self.attention.store(true, Ordering::Release);
        }
        if !driven.rose.is_empty() {
            self.a_side.call(self, &driven.rose);
        }
    }

    fn apply(&self, initiator: Initiator, address: u64, direction: Direction, effects: Effects) {
        if effects.unmodelled {
            self.report(Happening::Unmodelled { address, initiator, direction });
        }
        self.tell(effects);
    }

    fn tell(&self, effects: Effects) {
        if effects.attention {
            self.attention.store(true, Ordering::Release);
        }
        if let Some((uart, line)) = effects.line {
            self.report(Happening::UartLine { uart, line });
        }
        for pulse in effects.resets {
            if let Some(core) = self.description.coprocessor(pulse.coprocessor) {
                self.report(Happening::WatchdogReset { core: core.core(), watchdog: pulse.source });
            }
        }
    }

    #[cold]
    fn refuse(
        &self,
        initiator: Initiator,
        address: u64,
        length: u64,
        direction: Direction,
        cause: Cause,
    ) -> AccessError {
        let error = AccessError { initiator, address, length, direction, cause };
        self.report(Happening::IllegalAccess(error));
        error
    }

    #[cold]
    fn refuse_memory(
        &self,
        initiator: Initiator,
        address: u64,
        length: u64,
        direction: Direction,
        refused: Option<u64>,
        into: u64,
    ) -> AccessError {
        let ((guard, region), driven) = {
            let mut devices = self.devices();
            let found = devices.capture_memory(initiator, direction, refused);
            (found, self.drive_lines(&mut devices, Some(initiator)))
        };
        self.driven(driven);
        let address = address.saturating_add(into);
        self.refuse(initiator, address, length, direction, Cause::Firewall { guard, region })
    }

    #[cold]
    fn refuse_alias(
        &self,
        initiator: Initiator,
        address: u64,
        length: u64,
        direction: Direction,
    ) -> AccessError {
        self.refuse_memory(initiator, address, length, direction, None, 0)
    }

    #[cold]
    fn refuse_register(
        &self,
        initiator: Initiator,
        address: u64,
        register: u64,
        length: u64,
        direction: Direction,
        refusal: devices::Refusal,
    ) -> AccessError {
        let driven = {
            let mut devices = self.devices();
            devices.capture_refusal(register & !3, refusal);
            self.drive_lines(&mut devices, Some(initiator))
        };
        self.driven(driven);
        let cause = Cause::Firewall { guard: refusal.guard, region: None };
        self.refuse(initiator, address, length, direction, cause)
    }
}

fn aligned(address: u64, length: u64) -> bool {
    matches!(length, 1 | 2 | 4) && address.is_multiple_of(length)
}

/// Locks, and goes on after a panic elsewhere: every critical section leaves the data whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
