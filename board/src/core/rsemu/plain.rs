//! Which steps need no look at the registers afterwards: asking the emulator for them costs a tenth of a step.
//!
//! The work-arounds act where an exception begins or ends, inside IT blocks, in fault handlers and asleep. Whether a step had to do with
//! any of these shows in what it fetched and how long it took.

use rsemu::cpu::arm::v7m::Regs;

use super::fault_of;
use super::it_state::IT_MASK;
use super::memory::Fetch;

/// A step that took fewer cycles neither began nor ended an exception: beside the instruction's own cycle, rsemu takes 12 for an entry,
/// 10 for a return and 6 for a return into the next handler.
const EXCEPTION: u64 = 7;

/// Whether a step that fetched this in this many cycles left exception number and IT state as they were. `seen` are registers with that
/// exception number and IT state.
#[inline]
pub fn is_plain(seen: &Regs, fetch: Fetch, cycles: u64) -> bool {
    cycles < EXCEPTION && seen.xpsr & IT_MASK == 0 && !begins_block(fetch.first) && fault_of(seen).is_none()
}

/// Whether an instruction is IT; the hints, which have its encoding but for an empty mask, are not.
const fn begins_block(first: u16) -> bool {
    first & 0xFF00 == 0xBF00 && first & 0xF != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: Fetch = Fetch { address: 0x8010_0000, first: 0x1840 };

    #[test]
    fn what_a_work_around_may_be_needed_for_is_not_plain() {
        let thread = Regs { xpsr: 1 << 24, ..Regs::default() };
        let with = |xpsr: u32| Regs { xpsr: xpsr | 1 << 24, ..Regs::default() };
        assert!(is_plain(&thread, ADD, 1));
        assert!(is_plain(&with(171 + 16), ADD, 6), "an interrupt handler is as good as Thread mode");
        assert!(!is_plain(&thread, ADD, 7), "`bx lr` into the next handler");
        assert!(!is_plain(&with(3), ADD, 1), "a HardFault handler, whose patience ends");
        assert!(!is_plain(&with(1 << 10), ADD, 1), "in an IT block");
        assert!(!is_plain(&with(1 << 25), ADD, 1), "in an IT block");
    }

    #[test]
    fn it_is_told_from_the_hints() {
        for (instruction, it) in
            [(0xBF08, true), (0xBF14, true), (0xBF00, false), (0xBF30, false), (0xB108, false)]
        {
            assert_eq!(begins_block(instruction), it, "{instruction:#x}");
            let fetch = Fetch { first: instruction, ..ADD };
            assert_eq!(is_plain(&Regs::default(), fetch, 1), !it);
        }
    }
}
