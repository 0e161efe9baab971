//! The A side's accesses, counted, and one of them made to fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rproc_board::bus::Faults;
use rproc_board::{AccessError, Bus, Cause, Description, Direction, Initiator};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    RegisterRead,
    RegisterWrite,
    /// Copies into memory, and fills of it: the coprocessor's own, and what it shares with Linux.
    MemoryWrite,
}

/// How an access fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bus refuses this access.
    Refused,
    /// And every later one of its class there.
    RefusedEver,
    /// A write that is lost, which nobody is told.
    Lost,
    /// And every later one there: a locked guard, a hold or a reset that is stuck, a message that never arrives.
    LostEver,
    /// A read gives zero.
    Zero,
    /// So does every later one there: a message is never seen, a reset never seen to begin.
    ZeroEver,
    /// A read gives every bit wrong.
    Inverted,
    /// So does every later one there: a message is never free, a reset never seen to end.
    InvertedEver,
    /// Every read from here on gives what this one found.
    Frozen,
    /// One bit arrives in memory wrong.
    Flipped,
}

impl Class {
    /// Every way in which an access of this class fails.
    pub fn faults(self) -> &'static [Fault] {
        use Fault::*;
        match self {
            Self::RegisterRead => &[Refused, RefusedEver, Zero, ZeroEver, Inverted, InvertedEver, Frozen],
            Self::RegisterWrite => &[Refused, RefusedEver, Lost, LostEver],
            Self::MemoryWrite => &[Refused, RefusedEver, Lost, Flipped],
        }
    }
}

impl Fault {
    /// Whether a register says something wrong for good.
    pub fn lies_on(self) -> bool {
        matches!(self, Self::ZeroEver | Self::InvertedEver | Self::Frozen)
    }

    fn lasts(self) -> bool {
        matches!(
            self,
            Self::RefusedEver | Self::LostEver | Self::ZeroEver | Self::InvertedEver | Self::Frozen
        )
    }
}

/// One access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub class: Class,
    pub by: Initiator,
    pub address: u64,
}

/// Which access fails, counted in its class from 0, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub class: Class,
    pub nth: usize,
    pub fault: Fault,
}

#[derive(Default)]
struct State {
    plan: Option<Plan>,
    counts: BTreeMap<Class, usize>,
    seen: Vec<Access>,
    failing: Option<Access>,
    frozen: Option<Vec<u8>>,
    repaired: bool,
}

/// Shared between the bus and the test.
#[derive(Clone, Default)]
pub struct Injector(Arc<Mutex<State>>);

/// A lasting fault of memory is one of a page.
const PAGE: u64 = 0x1000;

impl Injector {
    pub fn new(plan: Option<Plan>) -> Self {
        Self(Arc::new(Mutex::new(State { plan, ..State::default() })))
    }

    /// Everything works from here on, and nothing is counted.
    pub fn repair(&self) {
        let mut state = self.0.lock().unwrap();
        state.repaired = true;
    }

    /// Whether a guard's register was read wrong, for once or for good: nobody can know what it does then.
    pub fn lied_of_a_guard(&self, board: &Description) -> Option<Fault> {
        let state = self.0.lock().unwrap();
        let (failing, plan) = (state.failing?, state.plan?);
        let page = failing.address & !0xFFF;
        let mut guards: Vec<u64> = board.risafs.iter().map(|site| site.registers).collect();
        guards.extend(board.risabs.iter().map(|site| site.registers));
        guards.extend(board.risals.iter().map(|site| site.registers & !0xFFF));
        guards.extend(board.etzpc.iter().map(|site| site.registers));
        (failing.class == Class::RegisterRead && guards.contains(&page)).then_some(plan.fault)
    }

    /// The access that failed first.
    pub fn failed(&self) -> Option<Access> {
        self.0.lock().unwrap().failing
    }

    /// Every access until now.
    pub fn seen(&self) -> Vec<Access> {
        self.0.lock().unwrap().seen.clone()
    }

    /// Counts an access and says how it fails.
    fn meet(&self, access: Access) -> Option<Fault> {
        let mut state = self.0.lock().unwrap();
        if state.repaired {
            return None;
        }
        let count = state.counts.entry(access.class).or_default();
        let now = *count;
        *count += 1;
        let plan = state.plan;
        if plan.is_none() {
            state.seen.push(access);
        }
        let Plan { class, nth, fault } = plan?;
        if (class, nth) == (access.class, now) {
            state.failing = Some(access);
            return Some(fault);
        }
        let place = |access: Access| match access.class {
            Class::MemoryWrite => access.address / PAGE,
            _ => access.address,
        };
        let same = state
            .failing
            .is_some_and(|failing| failing.class == access.class && place(failing) == place(access));
        (fault.lasts() && same).then_some(fault)
    }

    fn write_with(
        &self,
        bus: &Bus,
        by: Initiator,
        address: u64,
        length: u64,
        write: impl FnOnce() -> Result<(), AccessError>,
    ) -> Result<(), AccessError> {
        let register = register(bus, address);
        let class = if register.is_some() { Class::RegisterWrite } else { Class::MemoryWrite };
        match self.meet(Access { class, by, address: register.unwrap_or(address) }) {
            Some(Fault::Refused | Fault::RefusedEver) => Err(refused(by, address, length, Direction::Write)),
            Some(Fault::Lost | Fault::LostEver) => Ok(()),
            Some(Fault::Flipped) => {
                write()?;
                let (middle, mut byte) = (address + length / 2, [0]);
                bus.read(by, middle, &mut byte)?;
                bus.write(by, middle, &[byte[0] ^ 0x10])
            }
            _ => write(),
        }
    }
}

/// The address of a register in the non-secure alias; nothing where there is memory.
fn register(bus: &Bus, address: u64) -> Option<u64> {
    let span = bus.description().peripherals;
    let bases = [Some(span.base), span.secure_base].into_iter().flatten();
    let offset = bases.map(|base| address.wrapping_sub(base)).find(|offset| *offset < span.size)?;
    Some(span.base + offset)
}

fn refused(initiator: Initiator, address: u64, length: u64, direction: Direction) -> AccessError {
    AccessError { initiator, address, length, direction, cause: Cause::Unmapped }
}

impl Faults for Injector {
    fn read(&self, bus: &Bus, by: Initiator, address: u64, into: &mut [u8]) -> Result<(), AccessError> {
        let Some(register) = register(bus, address) else { return bus.read(by, address, into) };
        let fault = self.meet(Access { class: Class::RegisterRead, by, address: register });
        if matches!(fault, Some(Fault::Refused | Fault::RefusedEver)) {
            return Err(refused(by, address, into.len() as u64, Direction::Read));
        }
        bus.read(by, address, into)?;
        let mut state = self.0.lock().unwrap();
        match fault {
            Some(Fault::Zero | Fault::ZeroEver) => into.fill(0),
            Some(Fault::Inverted | Fault::InvertedEver) => into.iter_mut().for_each(|byte| *byte = !*byte),
            Some(Fault::Frozen) => into.copy_from_slice(state.frozen.get_or_insert_with(|| into.to_vec())),
            _ => {}
        }
        Ok(())
    }

    fn write(&self, bus: &Bus, by: Initiator, address: u64, from: &[u8]) -> Result<(), AccessError> {
        self.write_with(bus, by, address, from.len() as u64, || bus.write(by, address, from))
    }

    fn fill(
        &self,
        bus: &Bus,
        by: Initiator,
        address: u64,
        length: u64,
        value: u8,
    ) -> Result<(), AccessError> {
        self.write_with(bus, by, address, length, || bus.fill(by, address, length, value))
    }
}
