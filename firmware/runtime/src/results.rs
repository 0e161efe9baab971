//! The result block: 16 words at a fixed address in which a test firmware tells what it found, without any protocol.

use core::sync::atomic::{AtomicU32, Ordering};

/// First word of a block whose firmware has started: "TRAP" in ASCII, read as a little-endian word.
pub const MAGIC: u32 = u32::from_le_bytes(*b"TRAP");
/// Verdict: what was tested works.
pub const PASS: u32 = 1;
/// Verdict: it does not; the counters say how.
pub const FAIL: u32 = 2;

/// The block at 0x81210000. The loader zeroes it, a warm reset does not.
#[repr(C)]
pub struct Results {
    /// [`MAGIC`] once the firmware runs.
    pub magic: AtomicU32,
    /// 1 once nothing more will change, or, where a test never ends, once it is under way.
    pub done: AtomicU32,
    /// 0 while not known, then [`PASS`] or [`FAIL`].
    pub verdict: AtomicU32,
    /// What the firmware counted; each firmware's own documentation says what.
    pub counters: [AtomicU32; 13],
}

// SAFETY: the section is the linker script's, at the address where tests look, and nothing else is placed there.
#[unsafe(link_section = ".results")]
static RESULTS: Results = Results {
    magic: AtomicU32::new(0),
    done: AtomicU32::new(0),
    verdict: AtomicU32::new(0),
    counters: [const { AtomicU32::new(0) }; 13],
};

/// The block.
pub fn results() -> &'static Results {
    &RESULTS
}

impl Results {
    /// Says that the firmware runs.
    pub fn start(&self) {
        self.magic.store(MAGIC, Ordering::Release);
    }
    /// Says that the test is over, and how it went; then stops the processor.
    pub fn finish(&self, pass: bool) -> ! {
        self.verdict.store(if pass { PASS } else { FAIL }, Ordering::Release);
        self.done.store(1, Ordering::Release);
        crate::cortex_m::stop()
    }
    /// Sets counter `index` (0 to 12) to `value`.
    pub fn set(&self, index: usize, value: u32) {
        if let Some(counter) = self.counters.get(index) {
            counter.store(value, Ordering::Release);
        }
    }
    /// Adds one to counter `index` and returns the sum.
    pub fn count(&self, index: usize) -> u32 {
        self.counters.get(index).map_or(0, |counter| counter.fetch_add(1, Ordering::AcqRel).wrapping_add(1))
    }
    /// Counter `index`.
    pub fn get(&self, index: usize) -> u32 {
        self.counters.get(index).map_or(0, |counter| counter.load(Ordering::Acquire))
    }
}
