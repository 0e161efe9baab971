//! What the board asks of an emulated Cortex-M core, and the one emulator there is today.

mod crash;
mod lines;
mod rsemu;

pub use self::rsemu::{RsemuCore, WorkAround, WorkArounds};
pub use crash::{CrashKind, CrashReport, StackedFrame};
pub use lines::{INTERRUPTS, InterruptLines, Levels, NoSuchInterrupt};

/// The visible register file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Registers {
    /// R0 to R12, SP (the selected one), LR, PC.
    pub r: [u32; 16],
    /// Program status: flags, IT state, exception number in bits 8:0.
    pub xpsr: u32,
    /// Main stack pointer.
    pub msp: u32,
    /// Process stack pointer.
    pub psp: u32,
    /// CONTROL.
    pub control: u32,
}

impl Registers {
    /// The instruction about to be executed.
    pub const fn pc(&self) -> u32 {
        self.r[15]
    }

    /// The exception being handled; 0 is Thread mode.
    pub const fn exception(&self) -> u16 {
        (self.xpsr & 0x1FF) as u16
    }
}

/// Why [`Core::run`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The time has come.
    Deadline,
    /// The bus wants the board's attention: an A-side interrupt rose or the core's boot state was changed.
    Attention,
    /// Nothing but an interrupt or a memory change from outside can change the core's state: it sleeps (WFI) or goes round
    /// a loop that has proved to come back to the same state.
    Asleep,
    /// The core has crashed and will not do anything useful until it is reset.
    Crash(Box<CrashReport>),
    /// The firmware wrote `AIRCR.SYSRESETREQ`.
    ResetRequest,
}

/// An emulated processor on the bus. It moves the board's clock by the cycles it uses.
pub trait Core: Send {
    /// Power-on reset, then the first vectors from `vector_table` (128-byte aligned). With `secure` its transactions are those
    /// of the TrustZone-enabled core.
    fn reset(&mut self, vector_table: u32, secure: bool);

    /// Runs until the clock shows `deadline` (picoseconds since power-on) or something else stops it. The last instruction may
    /// end a little later.
    fn run(&mut self, deadline: u64) -> Stop;

    /// When the core's own timer changes something (picoseconds since power-on), for a core that came back [`Stop::Asleep`].
    fn timer(&self) -> Option<u64>;

    /// Lets time pass until `deadline` (picoseconds since power-on) without executing, for a core that came back
    /// [`Stop::Asleep`]. The last cycle may end a little later.
    fn skip(&mut self, deadline: u64);

    /// Whether it sleeps so that only an interrupt or its own timer can wake it; a core that goes round in circles may also be
    /// woken by a change of memory.
    fn sleeps(&self) -> bool;

    /// Grows with every register write and every store that changes memory.
    fn activity(&self) -> u64;

    /// The registers, for diagnostics.
    fn registers(&self) -> Registers;

    /// Instructions executed since the core was made.
    fn instructions(&self) -> u64;
}
