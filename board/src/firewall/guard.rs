//! What every guard of memory or registers has in common: RISAF, RISAB and ETZPC are three kinds of it.

use std::fmt;

use super::permissions::PermissionMap;
use crate::bus::{Direction, Initiator};
use crate::peripherals::RegisterWrite;

/// The permission maps of a board's memories, into which a guard compiles what its registers say.
pub trait Maps {
    /// The map over an A-side address and the byte offset in it; none where no RAM is.
    fn map_at(&self, address: u64) -> Option<(&PermissionMap, u64)>;
}

/// A guard with registers.
///
/// The bus never asks a guard about an access to memory: the guard keeps the rights of its memory compiled in the permission
/// maps. It does ask about registers ([`Guard::refuses_register`]), which are rare.
pub trait Guard: fmt::Debug + Send {
    /// Name for reports, such as `RISAF4`.
    fn name(&self) -> &'static str;

    /// First address and size in bytes of its own registers (non-secure alias).
    fn registers(&self) -> (u64, u64);

    /// Its bit in the illegal-access controller, where there is one.
    fn iac_id(&self) -> Option<u8>;

    /// Whether an initiator may write its registers.
    fn may_configure(&self, by: Initiator) -> bool {
        by == Initiator::A35Secure
    }

    /// Register read at a word-aligned offset.
    fn read(&mut self, offset: u32) -> u32;

    /// Register write by someone entitled to it, at a word-aligned offset; recompiles what changed.
    fn write(&mut self, offset: u32, write: RegisterWrite, maps: &dyn Maps);

    /// Puts the rights of everything it guards into the maps: what power-on does.
    fn compile(&self, maps: &dyn Maps);

    /// Whether the memory at an A-side address is under it.
    fn guards(&self, address: u64) -> bool;

    /// Latches a refused access to its memory at an A-side address. Returns the region or page that refused.
    fn capture(&mut self, by: Initiator, direction: Direction, address: u64) -> Option<u8>;

    /// Latches a refused write to its own registers.
    fn capture_configuration(&mut self) {}

    /// Whether it refuses an access to a *peripheral's* register (non-secure alias), and under which name.
    fn refuses_register(
        &self,
        _by: Initiator,
        _direction: Direction,
        _register: u64,
    ) -> Option<&'static str> {
        None
    }
}
