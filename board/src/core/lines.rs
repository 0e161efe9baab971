//! The interrupt inputs of a core, which devices drive from any thread and the core picks up between two instructions.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

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

/// Level-sensitive interrupt inputs.
#[derive(Debug, Default)]
pub struct InterruptLines {
    levels: [AtomicU32; WORDS],
    changed: AtomicBool,
}

impl InterruptLines {
    /// Drives one input. Returns whether that changed it.
    ///
    /// # Errors
    /// [`NoSuchInterrupt`] from 240 up, which the emulated core would ignore in silence.
    pub fn set(&self, number: u16, level: bool) -> Result<bool, NoSuchInterrupt> {
        let error = NoSuchInterrupt { number };
        if number >= INTERRUPTS {
            return Err(error);
        }
        let word = self.levels.get(usize::from(number) / 32).ok_or(error)?;
        let bit = 1 << (number % 32);
        let old =
            if level { word.fetch_or(bit, Ordering::AcqRel) } else { word.fetch_and(!bit, Ordering::AcqRel) };
        let changed = (old & bit != 0) != level;
        if changed {
            self.changed.store(true, Ordering::Release);
        }
        Ok(changed)
    }

    /// The level of every input, bit n of word n / 32.
    pub fn levels(&self) -> [u32; WORDS] {
        let mut levels = [0; WORDS];
        levels.iter_mut().zip(&self.levels).for_each(|(level, word)| *level = word.load(Ordering::Acquire));
        levels
    }

    /// Whether an input has changed that [`InterruptLines::take_changed`] has not told of.
    pub fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// Whether an input has changed since the last call.
    #[inline]
    pub fn take_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed) && self.changed.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_beyond_the_last_are_an_error() {
        let lines = InterruptLines::default();
        assert_eq!(lines.set(239, true), Ok(true));
        assert_eq!(lines.set(240, true), Err(NoSuchInterrupt { number: 240 }));
        assert_eq!(lines.levels()[7], 1 << 15);
    }

    #[test]
    fn only_a_change_is_a_change() {
        let lines = InterruptLines::default();
        lines.set(171, false).unwrap();
        assert!(!lines.take_changed());
        lines.set(171, true).unwrap();
        assert!(lines.take_changed());
        assert!(!lines.take_changed());
    }
}
