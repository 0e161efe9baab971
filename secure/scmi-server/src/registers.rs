//! A SoC whose clocks, resets and power domains are bits of registers, by table.

use rproc_abi::Refusal;
use rproc_abi::refusal::{Fact, Place, Reason};
use rproc_platform::{Hardware, write_checked};
use rproc_scmi::Status;
use rproc_scmi::clock::Rounding;

use crate::{Clocks, PowerDomains, Resets};

/// A bit of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bit {
    /// Physical address of the 32-bit register.
    pub register: u64,
    /// 0 to 31.
    pub bit: u8,
}

impl Bit {
    const fn mask(self) -> u32 {
        1 << (self.bit & 31)
    }
}

/// What switches a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Nothing: it runs as long as the SoC does, and asking for its end changes nothing.
    Always,
    /// A bit that is 1 while it runs.
    Bit(Bit),
    /// A bit to write 1 to in one register to start it and in another to stop it; the first reads 1 while it runs.
    SetClear {
        /// Starts it.
        set: Bit,
        /// Address of the register that stops it, by the same bit.
        clear: u64,
    },
}

/// A clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// SCMI number.
    pub id: u32,
    /// At most 15 characters.
    pub name: &'static str,
    /// Its one rate, in hertz.
    pub rate: [u64; 1],
    /// What switches it.
    pub gate: Gate,
}

/// What a reset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A bit that is 0 in reset, such as a boot hold's.
    ActiveLow(Bit),
    /// A bit that is 1 in reset.
    ActiveHigh(Bit),
    /// A bit that starts a reset and clears itself when the reset is over, so that there is nothing to undo.
    Pulse(Bit, Option<Cause>),
}

/// What remembers that a reset has happened, which a bit that clears itself does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The bit that the reset sets.
    pub bit: Bit,
    /// The register in which a 1 in its place clears it.
    pub clear: u64,
}

/// A reset domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// SCMI number.
    pub id: u32,
    /// At most 15 characters.
    pub name: &'static str,
    /// What it is.
    pub line: Line,
}

/// A power domain without a register of its own: what the agent wants is kept, and can be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Power {
    /// SCMI number, below 32.
    pub id: u32,
    /// At most 15 characters.
    pub name: &'static str,
}

/// The clocks, resets and power domains of a SoC, each in ascending order of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Clocks.
    pub clocks: &'static [Clock],
    /// Reset domains.
    pub resets: &'static [Reset],
    /// Power domains.
    pub powers: &'static [Power],
}

/// A SoC by table.
pub struct RegisterSoc<H> {
    hardware: H,
    tables: &'static Tables,
    /// Bit n: power domain n is off.
    off: u32,
    refusal: Option<Refusal>,
}

/// A reset pulse takes a few clock cycles; one that has not ended after this many reads never will.
const PATIENCE: u32 = 1000;

impl<H: Hardware> RegisterSoc<H> {
    /// The SoC of these tables; every power domain is on.
    pub const fn new(hardware: H, tables: &'static Tables) -> Self {
        Self { hardware, tables, off: 0, refusal: None }
    }

    /// Why the hardware last did not do what it was told; an SCMI status cannot say it.
    pub const fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// The same, told once.
    pub const fn take_refusal(&mut self) -> Option<Refusal> {
        self.refusal.take()
    }

    fn find_clock(&self, id: u32) -> Result<&'static Clock, Status> {
        self.tables.clocks.iter().find(|clock| clock.id == id).ok_or(Status::NOT_FOUND)
    }

    fn find_reset(&self, id: u32) -> Result<&'static Reset, Status> {
        self.tables.resets.iter().find(|reset| reset.id == id).ok_or(Status::NOT_FOUND)
    }

    fn find_power(&self, id: u32) -> Result<u32, Status> {
        let power = self.tables.powers.iter().find(|power| power.id == id).ok_or(Status::NOT_FOUND)?;
        Ok(1 << (power.id & 31))
    }

    fn done<T>(&mut self, result: Result<T, Refusal>) -> Result<T, Status> {
        result.map_err(|refusal| {
            self.refusal = Some(refusal);
            Status::HARDWARE_ERROR
        })
    }

    fn read(&mut self, register: u64) -> Result<u32, Status> {
        let read = self.hardware.read32(register).map_err(|_| no_access(register));
        self.done(read)
    }

    fn write(&mut self, register: u64, value: u32) -> Result<(), Status> {
        let written = self.hardware.write32(register, value).map_err(|_| no_access(register));
        self.done(written)
    }

    fn set(&mut self, bit: Bit, on: bool) -> Result<(), Status> {
        let value = if on { bit.mask() } else { 0 };
        let written = write_checked(&mut self.hardware, bit.register, bit.mask(), value);
        self.done(written)
    }

    /// Waits until a bit of a register has a value; else the write to `written` had no effect.
    fn wait(&mut self, bit: Bit, on: bool, written: u64) -> Result<(), Status> {
        for _ in 0..PATIENCE {
            if (self.read(bit.register)? & bit.mask() != 0) == on {
                return Ok(());
            }
        }
        let (expected, found) = if on { (bit.mask(), 0) } else { (0, bit.mask()) };
        let refusal = Refusal::new(Reason::RegisterReadBack)
            .expected(Fact::Address(u64::from(expected)))
            .found(Fact::Address(u64::from(found)))
            .at(Place::Register { address: written });
        self.done(Err(refusal))
    }
}

fn no_access(address: u64) -> Refusal {
    Refusal::new(Reason::RegisterAccess).at(Place::Register { address })
}

/// One above the highest number.
fn count(highest: Option<u32>) -> u16 {
    highest.map_or(0, |id| u16::try_from(id).unwrap_or(u16::MAX).saturating_add(1))
}

impl<H: Hardware> Clocks for RegisterSoc<H> {
    fn count(&self) -> u16 {
        count(self.tables.clocks.last().map(|clock| clock.id))
    }

    fn name(&self, clock: u32) -> Option<&str> {
        self.find_clock(clock).ok().map(|clock| clock.name)
    }

    fn enabled(&mut self, clock: u32) -> Result<bool, Status> {
        match self.find_clock(clock)?.gate {
            Gate::Always => Ok(true),
            Gate::Bit(bit) | Gate::SetClear { set: bit, .. } => {
                Ok(self.read(bit.register)? & bit.mask() != 0)
            }
        }
    }

    fn set_enabled(&mut self, clock: u32, on: bool) -> Result<(), Status> {
        match self.find_clock(clock)?.gate {
            Gate::Always => Ok(()),
            Gate::Bit(bit) => self.set(bit, on),
            Gate::SetClear { set, clear } => {
                let register = if on { set.register } else { clear };
                self.write(register, set.mask())?;
                self.wait(set, on, register)
            }
        }
    }

    fn rates(&self, clock: u32) -> &[u64] {
        self.find_clock(clock).map(|clock| &clock.rate[..]).unwrap_or_default()
    }

    fn rate(&mut self, clock: u32) -> Result<u64, Status> {
        let [rate] = self.find_clock(clock)?.rate;
        Ok(rate)
    }

    fn set_rate(&mut self, clock: u32, rate: u64, rounding: Rounding) -> Result<(), Status> {
        let [only] = self.find_clock(clock)?.rate;
        let reached = match rounding {
            Rounding::Down => only <= rate,
            Rounding::Up => only >= rate,
            Rounding::Auto => true,
        };
        if reached { Ok(()) } else { Err(Status::OUT_OF_RANGE) }
    }
}

impl<H: Hardware> Resets for RegisterSoc<H> {
    fn count(&self) -> u16 {
        count(self.tables.resets.last().map(|reset| reset.id))
    }

    fn name(&self, domain: u32) -> Option<&str> {
        self.find_reset(domain).ok().map(|reset| reset.name)
    }

    fn assert(&mut self, domain: u32) -> Result<(), Status> {
        match self.find_reset(domain)?.line {
            Line::ActiveLow(bit) => self.set(bit, false),
            Line::ActiveHigh(bit) => self.set(bit, true),
            Line::Pulse(bit, cause) => {
                if let Some(Cause { bit, clear }) = cause {
                    self.write(clear, bit.mask())?;
                    self.wait(bit, false, clear)?;
                }
                self.write(bit.register, bit.mask())?;
                if let Some(cause) = cause {
                    self.wait(cause.bit, true, bit.register)?;
                }
                self.wait(bit, false, bit.register)
            }
        }
    }

    fn deassert(&mut self, domain: u32) -> Result<(), Status> {
        match self.find_reset(domain)?.line {
            Line::ActiveLow(bit) => self.set(bit, true),
            Line::ActiveHigh(bit) => self.set(bit, false),
            Line::Pulse(..) => Ok(()),
        }
    }
}

impl<H: Hardware> PowerDomains for RegisterSoc<H> {
    fn count(&self) -> u16 {
        count(self.tables.powers.last().map(|power| power.id))
    }

    fn name(&self, domain: u32) -> Option<&str> {
        self.tables.powers.iter().find(|power| power.id == domain).map(|power| power.name)
    }

    fn is_on(&mut self, domain: u32) -> Result<bool, Status> {
        Ok(self.off & self.find_power(domain)? == 0)
    }

    fn set_on(&mut self, domain: u32, on: bool) -> Result<(), Status> {
        let mask = self.find_power(domain)?;
        self.off = if on { self.off & !mask } else { self.off | mask };
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
