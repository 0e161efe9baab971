//! The guards' registers compiled to one permission word per granule, so that a check costs one load.

use std::sync::atomic::{AtomicU16, Ordering};

use crate::bus::{Direction, Initiator};

/// What each initiator may do: bit 2·view is read, bit 2·view + 1 is write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u16);

impl Rights {
    /// Nothing for anyone.
    pub const NONE: Rights = Rights(0);
    /// Everything for everyone: memory without a guard.
    pub const ALL: Rights = Rights(0xFFF);

    /// The rights for which `allowed` answers yes.
    pub fn from_rule(allowed: impl Fn(Initiator, Direction) -> bool) -> Rights {
        let mut bits = 0;
        for initiator in Initiator::ALL {
            for direction in [Direction::Read, Direction::Write] {
                if allowed(initiator, direction) {
                    bits |= Rights::bit(initiator, direction);
                }
            }
        }
        Rights(bits)
    }

    /// Whether this access is among them.
    pub const fn allow(self, initiator: Initiator, direction: Direction) -> bool {
        self.0 & Rights::bit(initiator, direction) != 0
    }

    const fn bit(initiator: Initiator, direction: Direction) -> u16 {
        1 << (2 * initiator.view() + matches!(direction, Direction::Write) as u32)
    }
}

/// The compiled rights of one RAM bank.
///
/// Each granule is one atomic word, so a check on one thread and a change on another need no lock. A change takes effect for
/// the next access.
#[derive(Debug)]
pub struct PermissionMap {
    granule_shift: u32,
    cells: Box<[AtomicU16]>,
}

impl PermissionMap {
    /// A map for `size` bytes in granules of `1 << granule_shift` bytes, all with `rights`.
    pub fn new(size: u64, granule_shift: u32, rights: Rights) -> Self {
        let count = usize::try_from(size >> granule_shift).unwrap_or(usize::MAX);
        PermissionMap { granule_shift, cells: (0..count).map(|_| AtomicU16::new(rights.0)).collect() }
    }

    /// Bytes under it.
    pub fn size(&self) -> u64 {
        (self.cells.len() as u64) << self.granule_shift
    }

    /// Bytes per granule.
    pub fn granule(&self) -> u64 {
        1 << self.granule_shift
    }

    /// The rights at a byte offset; none outside the bank.
    pub fn at(&self, offset: u64) -> Rights {
        let index = usize::try_from(offset >> self.granule_shift).unwrap_or(usize::MAX);
        Rights(self.cells.get(index).map_or(0, |cell| cell.load(Ordering::Relaxed)))
    }

    /// Gives the granules of `offset..end` (granule-aligned) these rights.
    pub fn set(&self, offset: u64, end: u64, rights: Rights) {
        let first = usize::try_from(offset >> self.granule_shift).unwrap_or(usize::MAX);
        let last = usize::try_from(end >> self.granule_shift).unwrap_or(usize::MAX).min(self.cells.len());
        for cell in self.cells.get(first..last).unwrap_or_default() {
            cell.store(rights.0, Ordering::Relaxed);
        }
    }

    /// Whether a transfer lies inside one granule and is allowed.
    #[inline]
    pub fn allow_inside_granule(
        &self,
        by: Initiator,
        direction: Direction,
        offset: u64,
        length: u64,
    ) -> bool {
        let granule = self.granule();
        length <= granule - (offset & (granule - 1)) && self.at(offset).allow(by, direction)
    }

    /// Checks a whole transfer.
    ///
    /// # Errors
    /// The offset of the first byte that may not be accessed.
    #[inline]
    pub fn check(&self, by: Initiator, direction: Direction, offset: u64, length: u64) -> Result<(), u64> {
        let granule = self.granule();
        let mut at = offset;
        loop {
            if !self.at(at).allow(by, direction) {
                return Err(at);
            }
            let next = (at & !(granule - 1)).saturating_add(granule);
            if next >= offset.saturating_add(length) {
                return Ok(());
            }
            at = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_is_refused_at_its_first_forbidden_granule() {
        let map = PermissionMap::new(0x4000, 12, Rights::ALL);
        map.set(0x2000, 0x3000, Rights::from_rule(|by, _| by == Initiator::A35Secure));
        let read = |by, offset, length| map.check(by, Direction::Read, offset, length);
        assert_eq!(read(Initiator::M33, 0x1FFC, 4), Ok(()));
        assert_eq!(read(Initiator::M33, 0x1FFC, 5), Err(0x2000));
        assert_eq!(read(Initiator::M33, 0x2800, 1), Err(0x2800));
        assert_eq!(read(Initiator::A35Secure, 0, 0x4000), Ok(()));
        assert_eq!(read(Initiator::A35Secure, 0, 0x4001), Err(0x4000));
    }

    #[test]
    fn the_quick_check_never_allows_what_the_full_one_refuses() {
        let map = PermissionMap::new(0x4000, 12, Rights::ALL);
        map.set(0x2000, 0x3000, Rights::from_rule(|by, _| by == Initiator::A35Secure));
        let quick = |by, offset, length| map.allow_inside_granule(by, Direction::Read, offset, length);
        for by in Initiator::ALL {
            for offset in
                [0, 0x1000, 0x1FFC, 0x1FFD, 0x2000, 0x2FFD, 0x2FFF, 0x3000, 0x3FFE, 0x4000, u64::MAX]
            {
                for length in [1, 2, 4] {
                    let full = map.check(by, Direction::Read, offset, length);
                    assert!(!quick(by, offset, length) || full == Ok(()), "{by} {offset:#x} {length}");
                }
            }
        }
        assert!(quick(Initiator::M33, 0x1FFC, 4) && !quick(Initiator::M33, 0x1FFD, 4));
    }
}
