//! SysTick on its external reference: rsemu counts the processor's clock whatever `CLKSOURCE` says (Arm DDI 0419, B3.3).
//!
//! After each step the counter is put back to what it was before, and counts the whole reference periods that have passed.

use rsemu::cpu::arm::v7m::sys::{Exception, Sys};

/// SYST_CSR: counting, interrupting, on the processor's clock, wrapped since the last look.
const ENABLE: u32 = 1 << 0;
const INTERRUPT: u32 = 1 << 1;
const PROCESSOR_CLOCK: u32 = 1 << 2;
const WRAPPED: u32 = 1 << 16;
const COUNTER: u32 = 0x00FF_FFFF;

/// The divider between processor and reference.
#[derive(Debug, Clone, Copy)]
pub struct ReferenceClock {
    /// Cycles of the processor in one of the reference.
    ratio: u64,
    /// Cycles that have passed of the reference period that is not over.
    passed: u64,
    /// The counter as it was before the step, and whether it had wrapped, and its interrupt was pending.
    counter: u32,
    wrapped: bool,
    pending: bool,
}

impl ReferenceClock {
    /// A reference of a `ratio`-th of the processor's clock; at least 1.
    pub fn new(ratio: u64) -> Self {
        ReferenceClock { ratio: ratio.max(1), passed: 0, counter: 0, wrapped: false, pending: false }
    }

    /// Begins anew, at a reset.
    pub fn reset(&mut self) {
        *self = Self::new(self.ratio);
    }

    /// Whether SysTick counts the reference.
    pub fn is_chosen(sys: &Sys) -> bool {
        sys.syst_csr & (ENABLE | PROCESSOR_CLOCK) == ENABLE && sys.syst_rvr != 0
    }

    /// Puts right what rsemu counted in a step of `cycles`. `taken` says that the step began SysTick's exception.
    pub fn after_step(&mut self, sys: &mut Sys, cycles: u64, taken: bool) {
        if Self::is_chosen(sys) {
            let mut imagined = (self.counter, false);
            count(&mut imagined, sys.syst_rvr, cycles);
            if imagined.0 == sys.syst_cvr & COUNTER {
                sys.syst_cvr = self.counter;
                if imagined.1 {
                    if !self.wrapped {
                        sys.syst_csr &= !WRAPPED;
                    }
                    sys.set_pending(Exception::SYSTICK, self.pending && !taken);
                }
            } else {
                // The firmware wrote the counter in this step, which clears it; or it has just chosen the reference.
                sys.syst_cvr = 0;
                self.passed = 0;
            }
            self.pass(sys, cycles);
        } else {
            self.passed = 0;
        }
        self.remember(sys);
    }

    /// Lets cycles pass in which nothing was executed.
    pub fn pass(&mut self, sys: &mut Sys, cycles: u64) {
        self.passed += cycles;
        let ticks = self.passed / self.ratio;
        self.passed %= self.ratio;
        if ticks > 0 && sys.tick_systick(ticks) && sys.syst_csr & INTERRUPT != 0 {
            sys.set_pending(Exception::SYSTICK, true);
        }
        self.remember(sys);
    }

    /// Cycles of the processor until so many of the reference are over.
    pub fn cycles_until(&self, ticks: u64) -> u64 {
        ticks.saturating_mul(self.ratio).saturating_sub(self.passed)
    }

    /// Keeps the counter as it is, for the next step.
    pub fn remember(&mut self, sys: &Sys) {
        self.counter = sys.syst_cvr & COUNTER;
        self.wrapped = sys.syst_csr & WRAPPED != 0;
        self.pending = sys.is_pending(Exception::SYSTICK);
    }
}

/// Counts a counter down as rsemu does; whether it came to zero.
fn count(counter: &mut (u32, bool), reload: u32, mut cycles: u64) {
    while cycles > 0 {
        if counter.0 == 0 {
            counter.0 = reload & COUNTER;
            cycles -= 1;
            continue;
        }
        let step = cycles.min(u64::from(counter.0));
        counter.0 -= step as u32;
        cycles -= step;
        counter.1 |= counter.0 == 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_on_the_reference_counts_a_five_hundredth() {
        let mut sys = Sys { syst_rvr: 31, syst_csr: ENABLE | INTERRUPT, ..Sys::default() };
        let mut clock = ReferenceClock::new(500);
        clock.remember(&sys);
        let mut interrupts = 0;
        for _ in 0..16_000 * 10 {
            // What rsemu does after each instruction.
            if sys.tick_systick(1) {
                sys.set_pending(Exception::SYSTICK, true);
            }
            clock.after_step(&mut sys, 1, false);
            if sys.is_pending(Exception::SYSTICK) {
                interrupts += 1;
                sys.set_pending(Exception::SYSTICK, false);
                clock.remember(&sys);
            }
        }
        assert_eq!(interrupts, 10, "once a millisecond at 16 MHz");
    }

    #[test]
    fn on_the_processors_clock_nothing_is_changed() {
        let mut sys = Sys { syst_rvr: 1000, syst_csr: ENABLE | PROCESSOR_CLOCK, ..Sys::default() };
        let mut clock = ReferenceClock::new(500);
        for _ in 0..10 {
            sys.tick_systick(3);
            clock.after_step(&mut sys, 3, false);
        }
        assert_eq!(sys.syst_cvr, 1000 - 29);
    }
}
