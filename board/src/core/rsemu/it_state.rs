//! Work-arounds: rsemu loses the IT state on exception entry, and moves it on by one on a conditional exception return.
//!
//! Entry pushes a program status without it, so that an interrupt inside an IT block returns to unconditional execution of the
//! block's rest. A return that is itself in an IT block (`bxeq lr`) advances the state it has just popped, so that the interrupted
//! block skips a slot.

use rsemu::cpu::arm::v7m::Regs;

use super::memory::CoreMemory;

/// IT[7:2] in bits 15:10 and IT[1:0] in bits 26:25 of xPSR (Arm DDI 0553, EPSR).
pub const IT_MASK: u32 = 0x3F << 10 | 3 << 25;
const SVCALL: u32 = 11;
const HARD_FAULT: u32 = 3;
/// The exception being handled, bits 8:0 of xPSR (IPSR).
const EXCEPTION: u32 = 0x1FF;
/// CONTROL.FPCA: the context that runs now has floating-point state. An exception return sets it from the frame it popped.
const FPCA: u32 = 1 << 2;
/// Bytes of a frame without and with floating-point registers (Arm DDI 0553, "Exception entry, context stacking").
const BASIC_FRAME: u32 = 0x20;
const EXTENDED_FRAME: u32 = 0x68;
/// In a stacked xPSR: a word of padding lies above the frame.
const PADDED: u32 = 1 << 9;

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
pub fn restore_on_entry(memory: &CoreMemory, before: &Regs, after: &Regs) {
    let it = before.xpsr & IT_MASK;
    let exception = after.xpsr & EXCEPTION;
    let exc_return = after.r[14];
    if it == 0 || exception == 0 || exception == before.xpsr & EXCEPTION || exc_return < 0xFFFF_FF00 {
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

/// The program status that the step to `after` should have left, if it was an exception return inside an IT block and left another.
///
/// Whether a step returned, and from which frame, is read off its result, whatever instruction did it (`bx`, `pop`, `ldr`): the frame
/// lies right below the stack pointer, and its words are the registers now. A tail-chained handler does not find itself there.
pub fn status_after_return(memory: &CoreMemory, before: &Regs, after: &Regs) -> Option<u32> {
    if before.xpsr & IT_MASK == 0 || before.xpsr & EXCEPTION == 0 {
        return None;
    }
    let size = if after.control & FPCA == 0 { BASIC_FRAME } else { EXTENDED_FRAME };
    let unpadded = after.r[13].wrapping_sub(size);
    let stacked = popped_status(memory, after, unpadded, 0)
        .or_else(|| popped_status(memory, after, unpadded.wrapping_sub(4), PADDED))?;
    let right = after.xpsr & !IT_MASK | stacked & IT_MASK;
    (right != after.xpsr).then_some(right)
}

/// The stacked xPSR of the frame at `frame`, if that is what the core has just popped.
fn popped_status(memory: &CoreMemory, after: &Regs, frame: u32, padded: u32) -> Option<u32> {
    let word = |index: u32| memory.peek32(frame.wrapping_add(4 * index));
    let [r0, r1, r2, r3, .., r12, _, lr, pc] = after.r;
    for (index, register) in (0u32..).zip([r0, r1, r2, r3, r12, lr]) {
        if word(index)? != register {
            return None;
        }
    }
    let status = word(7)?;
    let same = word(6)? & !1 == pc && (status ^ after.xpsr) & EXCEPTION == 0 && status & PADDED == padded;
    same.then_some(status)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bus::{Bus, Initiator, Port};

    #[test]
    fn the_state_advances_as_the_manual_says() {
        // ITTE EQ: 0b0000_0110 base condition EQ, mask 0b0110.
        let pack = |it: u32| (it >> 2) << 10 | (it & 3) << 25;
        assert_eq!(advanced(pack(0b0000_0110)), pack(0b0000_1100));
        assert_eq!(advanced(pack(0b0000_1100)), pack(0b0001_1000));
        assert_eq!(advanced(pack(0b0001_1000)), 0);
    }

    const RAM: u32 = 0x8010_0000;
    const T: u32 = 1 << 24;
    /// Two slots to go of an ITT NE block, packed.
    const TWO_LEFT: u32 = (0b0001_0100 >> 2) << 10;

    fn memory() -> CoreMemory {
        let description = crate::boards::stm32mp257f_ev1();
        let bus = Arc::new(Bus::new(description, &[]).unwrap());
        crate::boot_firmware::run(description, &Port::new(bus.clone(), Initiator::A35Secure)).unwrap();
        CoreMemory::new(bus, &description.coprocessors[0])
    }

    /// A conditional return from exception 16 to Thread mode through a frame at [`RAM`]: the registers before and after, where the
    /// emulator has advanced the IT state to `left`.
    fn returned(memory: &CoreMemory, size: u32, padded: bool, left: u32) -> (Regs, Regs) {
        let stacked = T | TWO_LEFT | if padded { PADDED } else { 0 };
        for (index, word) in (0u32..).zip([10, 11, 12, 13, 22, 24, RAM + 0x400, stacked]) {
            memory.poke32(RAM + 4 * index, word);
        }
        let mut before = Regs { xpsr: T | 1 << 10 | 16, ..Regs::default() };
        before.r[13] = RAM;
        let mut after = Regs { xpsr: T | left, ..Regs::default() };
        for (register, value) in [(0, 10), (1, 11), (2, 12), (3, 13), (12, 22), (14, 24), (15, RAM + 0x400)] {
            after.r[register] = value;
        }
        after.r[13] = RAM + size + if padded { 4 } else { 0 };
        after.control = if size == EXTENDED_FRAME { FPCA } else { 0 };
        (before, after)
    }

    #[test]
    fn every_kind_of_frame_gives_its_state_back() {
        let memory = memory();
        for size in [BASIC_FRAME, EXTENDED_FRAME] {
            for padded in [false, true] {
                let (before, after) = returned(&memory, size, padded, advanced(TWO_LEFT));
                let right = status_after_return(&memory, &before, &after);
                assert_eq!(right, Some(T | TWO_LEFT), "{size:#x} {padded}");
            }
        }
    }

    #[test]
    fn what_needs_no_repair_is_left_alone() {
        let memory = memory();
        let (before, after) = returned(&memory, BASIC_FRAME, false, TWO_LEFT);
        assert_eq!(status_after_return(&memory, &before, &after), None, "already right");
        let (before, after) = returned(&memory, BASIC_FRAME, false, advanced(TWO_LEFT));
        assert_eq!(
            status_after_return(&memory, &Regs { xpsr: T | 16, ..before }, &after),
            None,
            "not in a block"
        );
        let chained = Regs { xpsr: after.xpsr | 17, ..after };
        assert_eq!(status_after_return(&memory, &before, &chained), None, "a tail-chained handler");
        let mut elsewhere = after;
        elsewhere.r[15] += 2;
        assert_eq!(status_after_return(&memory, &before, &elsewhere), None, "another frame");
        let mut nowhere = after;
        nowhere.r[13] = 0x8400_0000;
        assert_eq!(status_after_return(&memory, &before, &nowhere), None, "a frame that cannot be read");
    }
}
