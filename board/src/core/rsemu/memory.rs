//! The core's window on the bus: one I/O region over its whole address space below the private peripherals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rsemu::core::error::BusError;
use rsemu::core::space::{AccessConstraints, AccessPurpose, MemAttrs, MemOps, MemResult};

use super::armv6m;
use crate::bus::{Bus, Direction, Initiator, Target};
use crate::description::{Coprocessor, CoreKind};
use crate::ram::Ram;

/// No instruction lies here.
const NO_ADDRESS: u64 = u64::MAX;
/// No packed [`Fetch`].
const NO_FETCH: u64 = u64::MAX;

/// The instruction that a step fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Where it lies.
    pub address: u32,
    /// Its first halfword.
    pub first: u16,
}

/// Reads and writes of the core, checked like everyone's.
#[derive(Debug)]
pub struct CoreMemory {
    bus: Arc<Bus>,
    core: Initiator,
    /// Only what Armv6-M has is executed.
    armv6m: bool,
    secure: AtomicBool,
    /// Armv6-M: where the second half of the instruction lies whose first was fetched last.
    second_half: AtomicU64,
    /// The first halfword fetched since [`CoreMemory::begin_step`]: its address in bits 47:16, itself in bits 15:0.
    fetched: AtomicU64,
    /// Grows with everything that could make two passes of a loop differ: a register write, a register read with a side effect, a
    /// store that changed memory.
    activity: AtomicU64,
}

impl CoreMemory {
    pub fn new(bus: Arc<Bus>, core: &Coprocessor) -> Self {
        CoreMemory {
            bus,
            core: core.initiator,
            armv6m: core.kind == CoreKind::CortexM0Plus,
            secure: AtomicBool::new(false),
            second_half: AtomicU64::new(NO_ADDRESS),
            fetched: AtomicU64::new(NO_FETCH),
            activity: AtomicU64::new(0),
        }
    }

    pub fn set_secure(&self, secure: bool) {
        self.secure.store(secure, Ordering::Relaxed);
    }

    #[inline]
    pub fn activity(&self) -> u64 {
        self.activity.load(Ordering::Relaxed)
    }

    /// Forgets what the last step fetched.
    #[inline]
    pub fn begin_step(&self) {
        self.fetched.store(NO_FETCH, Ordering::Relaxed);
    }

    /// The instruction that the step fetched; none when the step took an interrupt, slept or could not fetch.
    #[inline]
    pub fn fetched(&self) -> Option<Fetch> {
        let packed = self.fetched.load(Ordering::Relaxed);
        (packed != NO_FETCH).then_some(Fetch { address: (packed >> 16) as u32, first: packed as u16 })
    }

    /// A word of memory the core may read, without a trace.
    pub fn peek32(&self, address: u32) -> Option<u32> {
        let mut word = [0; 4];
        self.bus.peek(self.initiator(), u64::from(address), &mut word)?;
        Some(u32::from_le_bytes(word))
    }

    /// A halfword of memory the core may read, without a trace.
    pub fn peek16(&self, address: u32) -> Option<u16> {
        let mut half = [0; 2];
        self.bus.peek(self.initiator(), u64::from(address), &mut half)?;
        Some(u16::from_le_bytes(half))
    }

    /// Replaces a word that the core has just pushed.
    pub fn poke32(&self, address: u32, value: u32) {
        // If it has become inaccessible since, there is nothing to repair.
        let _ = self.bus.write32(self.initiator(), u64::from(address), value);
    }

    #[inline]
    fn initiator(&self) -> Initiator {
        if self.secure.load(Ordering::Relaxed) { Initiator::M33Secure } else { self.core }
    }

    #[inline]
    fn store(&self, ram: &Ram, at: u64, from: &[u8]) -> MemResult {
        if ram.replace(at, from).map_err(|_| BusError::Unassigned)? {
            self.note_activity();
        }
        Ok(())
    }

    #[inline]
    fn load(&self, offset: u64, into: &mut [u8]) -> MemResult {
        let by = self.initiator();
        if let Some((ram, at)) = self.bus.plain_ram(by, offset, into.len() as u64, Direction::Read) {
            return ram.read(at, into).map_err(|_| BusError::Unassigned);
        }
        match self
            .bus
            .resolve(by, offset, into.len() as u64, Direction::Read)
            .map_err(|_| BusError::Unassigned)?
        {
            Target::Ram(ram, at) => ram.read(at, into).map_err(|_| BusError::Unassigned),
            Target::Register(register) => {
                // Registers change by writes alone, so a loop that only reads them goes round in circles too.
                if self.bus.reading_changes(register) {
                    self.note_activity();
                }
                self.bus.read(by, offset, into).map_err(|_| BusError::Unassigned)
            }
        }
    }

    /// Fetches a halfword of code.
    #[inline]
    fn fetch(&self, offset: u64, into: &mut [u8]) -> MemResult {
        if self.armv6m {
            self.fetch_armv6m(offset, into)?;
        } else {
            self.load(offset, into)?;
        }
        if let &mut [low, high] = into
            && self.fetched.load(Ordering::Relaxed) == NO_FETCH
        {
            let first = u64::from(u16::from_le_bytes([low, high]));
            self.fetched.store(offset << 16 | first, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The same as an Armv6-M core sees it: an instruction that it lacks reads as an undefined one; what follows the first half of a
    /// wide one that it has is fetched as it is.
    fn fetch_armv6m(&self, offset: u64, into: &mut [u8]) -> MemResult {
        self.load(offset, into)?;
        let &mut [low, high] = into else { return Ok(()) };
        let wide = self.second_half.swap(NO_ADDRESS, Ordering::Relaxed);
        if wide == offset {
            return Ok(());
        }
        let first = u16::from_le_bytes([low, high]);
        let known = if armv6m::is_wide(first) {
            let second = self.peek16(offset.wrapping_add(2) as u32);
            self.second_half.store(offset.wrapping_add(2), Ordering::Relaxed);
            // A second half that cannot be read faults by itself.
            second.is_none_or(|second| armv6m::has_wide(first, second))
        } else {
            armv6m::has_narrow(first)
        };
        if !known {
            self.second_half.store(NO_ADDRESS, Ordering::Relaxed);
            into.copy_from_slice(&armv6m::UNDEFINED.to_le_bytes());
        }
        Ok(())
    }

    #[inline]
    fn note_activity(&self) {
        // Only the thread that runs the core gets here: a plain load and store.
        self.activity.store(self.activity().wrapping_add(1), Ordering::Relaxed);
    }
}

impl MemOps for CoreMemory {
    fn constraints(&self) -> AccessConstraints {
        AccessConstraints::ANY
    }

    #[inline]
    fn read(&self, offset: u64, into: &mut [u8], attributes: MemAttrs) -> MemResult {
        if attributes.purpose == AccessPurpose::FETCH {
            return self.fetch(offset, into);
        }
        self.load(offset, into)
    }

    #[inline]
    fn write(&self, offset: u64, from: &[u8], _: MemAttrs) -> MemResult {
        let by = self.initiator();
        if let Some((ram, at)) = self.bus.plain_ram(by, offset, from.len() as u64, Direction::Write) {
            return self.store(ram, at, from);
        }
        match self
            .bus
            .resolve(by, offset, from.len() as u64, Direction::Write)
            .map_err(|_| BusError::Unassigned)?
        {
            Target::Ram(ram, at) => self.store(ram, at, from),
            Target::Register(_) => {
                self.note_activity();
                self.bus.write(by, offset, from).map_err(|_| BusError::Unassigned)
            }
        }
    }
}
