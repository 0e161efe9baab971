//! What a register block is to the bus: registers, interrupt lines, and things it does by itself when time passes.

use std::fmt;
use std::time::Duration;

use super::RegisterWrite;
use crate::bus::Initiator;

/// Circumstances of a register access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Who.
    pub by: Initiator,
    /// Virtual time since power-on.
    pub now: Duration,
}

/// An interrupt input somewhere on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Line {
    /// Of the A side's GIC (SPI number).
    Spi(u16),
    /// Of a coprocessor's NVIC.
    Nvic {
        /// Processor id.
        coprocessor: u32,
        /// External interrupt number.
        number: u16,
    },
}

/// A reset of a coprocessor that a block asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetPulse {
    /// Processor id.
    pub coprocessor: u32,
    /// Name of the block, for reports.
    pub source: &'static str,
    /// The bit that RCC's reset-cause register of that coprocessor gets, where there is such a register.
    pub cause: Option<u8>,
}

/// A register block that is plugged into a board (see [`super::plugged`]).
///
/// # Time
/// A block that does something by itself says when in [`Peripheral::next_event`], in virtual time. The board's run loop calls
/// [`Peripheral::advance`] when that moment has come, also while every core sleeps or is held, and looks at
/// [`Peripheral::next_event`] again after each write to the block and each [`Peripheral::advance`]. `advance` is called with a
/// time that is not before the event; a moment may come a few cycles late, never early, so work from the stored deadline and not
/// from `now`. A block with nothing to do returns `None`: then a board without work is idle.
///
/// Registers that count (a watchdog's counter) are computed from [`Access::now`] when they are read; there are no ticks.
pub trait Peripheral: fmt::Debug + Send {
    /// Register read at a word-aligned offset.
    fn read(&mut self, offset: u32, access: Access) -> u32;

    /// The block's clock stops, or goes on: nothing of it is read or written in between. For blocks that do something by
    /// themselves on that clock.
    fn set_clock(&mut self, _on: bool, _now: Duration) {}

    /// Whether reading the register at this offset changes something. A core's loop that reads only registers of which this is
    /// false counts as idle.
    fn reading_changes(&self, _offset: u32) -> bool {
        false
    }

    /// Register write at a word-aligned offset.
    fn write(&mut self, offset: u32, write: RegisterWrite, access: Access);

    /// When it will next do something by itself (virtual time since power-on), unless it is written before.
    fn next_event(&self) -> Option<Duration> {
        None
    }

    /// Does what was to be done until `now`.
    fn advance(&mut self, _now: Duration) {}

    /// Gives the level of every line it drives, high or low, to `drive`. Called after each write and each advance; where several
    /// blocks drive one line, it is high when one of them says so.
    fn lines(&self, _drive: &mut dyn FnMut(Line, bool)) {}

    /// Takes the reset it asks for. Asked after each write and each advance.
    fn take_reset(&mut self) -> Option<ResetPulse> {
        None
    }

    /// A coprocessor was reset, by whomever: blocks in its reset domain start anew.
    fn coprocessor_reset(&mut self, _coprocessor: u32, _now: Duration) {}
}
