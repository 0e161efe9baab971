//! The interrupt inputs of a core, which devices drive from any thread and the core picks up between two instructions.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// External interrupts the emulated NVIC implements: 0 to 239.
pub const INTERRUPTS: u16 = 240;
const WORDS: usize = INTERRUPTS.div_ceil(32) as usize;

/// An external interrupt number the core does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the core has external interrupts 0 to 239, not {number}: the emulated NVIC ends there although the silicon's may not"
)]
pub struct NoSuchInterrupt {
    /// The number asked for.
    pub number: u16,
}

/// A level for every interrupt input; all low at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Levels([u32; WORDS]);

impl Levels {
    /// Raises one input.
    ///
    /// # Errors
    /// [`NoSuchInterrupt`] from 240 up, which the emulated core would ignore in silence.
    pub fn raise(&mut self, number: u16) -> Result<(), NoSuchInterrupt> {
        let error = NoSuchInterrupt { number };
        if number >= INTERRUPTS {
            return Err(error);
        }
        let word = self.0.get_mut(usize::from(number) / 32).ok_or(error)?;
        *word |= 1 << (number % 32);
        Ok(())
    }

    /// The inputs whose level is another than in `earlier`, with their level.
    pub fn changes_since(self, earlier: Levels) -> impl Iterator<Item = (u16, bool)> {
        let words = self.0.into_iter().zip(earlier.0).enumerate().filter(|(_, (now, then))| now != then);
        words.flat_map(|(index, (now, then))| {
            let bits = (0..32).filter(move |bit| (now ^ then) >> bit & 1 != 0);
            bits.map(move |bit| (index as u16 * 32 + bit, now >> bit & 1 != 0))
        })
    }
}

/// Level-sensitive interrupt inputs.
#[derive(Debug, Default)]
pub struct InterruptLines {
    levels: [AtomicU32; WORDS],
    changed: AtomicBool,
    /// When the last change happened, in picoseconds since power-on.
    since: AtomicU64,
}

impl InterruptLines {
    /// Drives every input, at a time in picoseconds since power-on. Returns whether that changed any. One thread at a time may drive.
    pub fn drive(&self, levels: Levels, now: u64) -> bool {
        let mut changed = false;
        for (word, level) in self.levels.iter().zip(levels.0) {
            changed |= word.swap(level, Ordering::AcqRel) != level;
        }
        if changed {
            self.since.store(now, Ordering::Relaxed);
            self.changed.store(true, Ordering::Release);
        }
        changed
    }

    /// The level of every input.
    pub fn levels(&self) -> Levels {
        let mut levels = Levels::default();
        levels.0.iter_mut().zip(&self.levels).for_each(|(level, word)| *level = word.load(Ordering::Acquire));
        levels
    }

    /// Whether an input has changed that [`InterruptLines::take_changed`] has not told of.
    pub fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// Whether an input has changed since the last call, for a core that has come to `now`. A change from a time to which the core has
    /// yet to come is told then.
    #[inline]
    pub fn take_changed(&self, now: u64) -> bool {
        self.changed.load(Ordering::Acquire)
            && self.since.load(Ordering::Relaxed) <= now
            && self.changed.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn high(numbers: &[u16]) -> Levels {
        let mut levels = Levels::default();
        numbers.iter().for_each(|number| levels.raise(*number).unwrap());
        levels
    }

    #[test]
    fn inputs_beyond_the_last_are_an_error() {
        let mut levels = Levels::default();
        assert_eq!(levels.raise(239), Ok(()));
        assert_eq!(levels.raise(240), Err(NoSuchInterrupt { number: 240 }));
        assert_eq!(levels, high(&[239]));
    }

    #[test]
    fn what_differs_is_told_with_its_level() {
        let changes: Vec<_> = high(&[3, 31, 32]).changes_since(high(&[3, 33, 171])).collect();
        assert_eq!(changes, [(31, true), (32, true), (33, false), (171, false)]);
    }

    #[test]
    fn only_a_change_is_a_change() {
        let lines = InterruptLines::default();
        assert!(!lines.drive(high(&[]), 0));
        assert!(!lines.take_changed(0));
        assert!(lines.drive(high(&[171]), 0) && !lines.drive(high(&[171]), 0));
        assert_eq!(lines.levels(), high(&[171]));
        assert!(lines.take_changed(0));
        assert!(!lines.take_changed(0));
    }

    #[test]
    fn a_core_sees_a_change_when_it_has_come_to_it() {
        let lines = InterruptLines::default();
        lines.drive(high(&[1]), 100);
        assert!(lines.has_changed() && !lines.take_changed(99));
        assert!(lines.take_changed(100));
    }
}
