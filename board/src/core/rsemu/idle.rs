//! Proof that a core goes round in circles: Brent's cycle search over the core's whole state.
//!
//! Two moments with the same registers, between which no memory changed, no device was written and no exception was taken, have the
//! same future. Only time and the outside can break the circle. What this cannot see: a loop that reads SysTick's current value or
//! the cycle counter and forgets it again before the circle closes.

use rsemu::cpu::arm::v7m::{ArmV7m, Regs};

/// Steps after the last activity before the first look.
const FIRST_WINDOW: u32 = 64;
/// A circle longer than this is not looked for: firmware that is that busy is not idle.
const LAST_WINDOW: u32 = 1 << 14;

struct Anchor {
    /// Where the instruction lies after which this was the state.
    executed: u32,
    registers: Regs,
    floating: [u32; 33],
}

/// The search.
pub struct CircleFinder {
    anchor: Option<Anchor>,
    /// Steps since the anchor was dropped, or since the last activity when there is none.
    steps: u32,
    window: u32,
    activity: u64,
}

impl CircleFinder {
    pub fn new() -> Self {
        CircleFinder { anchor: None, steps: 0, window: FIRST_WINDOW, activity: 0 }
    }

    /// Begins anew: something happened.
    pub fn disturb(&mut self) {
        self.anchor = None;
        self.steps = 0;
        self.window = FIRST_WINDOW;
    }

    /// Looks at the state after the instruction at `executed`. True when the core is proved to go round in circles.
    #[inline]
    pub fn look(&mut self, cpu: &ArmV7m, executed: u32, activity: u64) -> bool {
        if activity != self.activity {
            self.activity = activity;
            self.disturb();
            return false;
        }
        self.steps += 1;
        if let Some(anchor) = &self.anchor
            && anchor.executed == executed
            && anchor.registers == cpu.regs()
            && anchor.floating == floating(cpu)
        {
            return true;
        }
        if self.steps >= self.window {
            self.steps = 0;
            if self.window < LAST_WINDOW {
                self.window *= 2;
            }
            self.anchor = Some(Anchor { executed, registers: cpu.regs(), floating: floating(cpu) });
        }
        false
    }
}

fn floating(cpu: &ArmV7m) -> [u32; 33] {
    let mut all = [0; 33];
    all.iter_mut().zip(0u8..32).for_each(|(slot, index)| *slot = cpu.s(index));
    all[32] = cpu.fpscr();
    all
}
