//! Work-around: rsemu drops the IT state from the program status that exception entry pushes.
//!
//! An interrupt inside an IT block would then return to unconditional execution of the block's rest.

use rsemu::cpu::arm::v7m::Regs;

use super::memory::CoreMemory;

/// IT[7:2] in bits 15:10 and IT[1:0] in bits 26:25 of xPSR (Arm DDI 0553, EPSR).
const IT_MASK: u32 = 0x3F << 10 | 3 << 25;
const SVCALL: u32 = 11;
const HARD_FAULT: u32 = 3;

/// The IT state after one more instruction of the block.
fn advanced(xpsr: u32) -> u32 {
    let it = (xpsr >> 10 & 0x3F) << 2 | (xpsr >> 25 & 3);
    let next = if it & 7 == 0 { 0 } else { it & 0xE0 | (it << 1) & 0x1F };
    (next >> 2) << 10 | (next & 3) << 25
}

/// Puts the IT state that `before` had into the frame that the step to `after` pushed, if it pushed one.
///
/// A frame was pushed by this step only if LR now holds an `EXC_RETURN` and the frame returns to where the step began; without that
/// test a conditional return that tail-chains would corrupt an older frame. An SVC returns behind itself, with the IT state
/// advanced.
pub fn restore(memory: &CoreMemory, before: &Regs, after: &Regs) {
    let it = before.xpsr & IT_MASK;
    let exception = after.xpsr & 0x1FF;
    let exc_return = after.r[14];
    if it == 0 || exception == 0 || exception == before.xpsr & 0x1FF || exc_return < 0xFFFF_FF00 {
        return;
    }
    let from_process_stack = exc_return & 0b1100 == 0b1100;
    let frame = if from_process_stack { after.psp } else { after.msp };
    let (Some(return_address), Some(stacked)) =
        (memory.peek32(frame.wrapping_add(24)), memory.peek32(frame.wrapping_add(28)))
    else {
        return;
    };
    let pc = before.r[15];
    let it = if return_address == pc {
        it
    } else if return_address == pc.wrapping_add(2) && matches!(exception, SVCALL | HARD_FAULT) {
        advanced(it)
    } else {
        return;
    };
    if stacked & IT_MASK == 0 {
        memory.poke32(frame.wrapping_add(28), stacked | it);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_advances_as_the_manual_says() {
        // ITTE EQ: 0b0000_0110 base condition EQ, mask 0b0110.
        let pack = |it: u32| (it >> 2) << 10 | (it & 3) << 25;
        assert_eq!(advanced(pack(0b0000_0110)), pack(0b0000_1100));
        assert_eq!(advanced(pack(0b0000_1100)), pack(0b0001_1000));
        assert_eq!(advanced(pack(0b0001_1000)), 0);
    }
}
