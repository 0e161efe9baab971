//! Work-around: rsemu never sets the event register on exception entry or return, so WFE may sleep for ever.
//!
//! The architecture lets WFE return at any time (Arm DDI 0553, "Wait For Event"), so here it yields. rsemu has no call that wakes a
//! core, but a pending interrupt does: one that is made to look already active at the highest priority wakes the core without being
//! taken, while the core executes one NOP that we put outside the guest's memory.

use std::sync::Arc;

use rsemu::core::error::Error;
use rsemu::core::space::{MemAttrs, MemOps, MemResult, Region, TopologyGuard};
use rsemu::cpu::arm::v7m::ArmV7m;
use rsemu::cpu::arm::v7m::Regs;
use rsemu::cpu::arm::v7m::sys::Exception;

use super::memory::CoreMemory;

/// In the system region above the private peripherals, which no board maps.
const SCRATCH: u32 = 0xF000_0000;
const NOP: u16 = 0xBF00;
const WFE: u16 = 0xBF20;
const WFE_WIDE: [u16; 2] = [0xF3AF, 0x8002];
/// External interrupt 239, the last one, which no board wires.
const SPARE: Exception = Exception(255);

#[derive(Debug)]
struct Nops;

impl MemOps for Nops {
    fn read(&self, offset: u64, into: &mut [u8], _: MemAttrs) -> MemResult {
        let [low, high] = NOP.to_le_bytes();
        for (lane, byte) in into.iter_mut().enumerate() {
            *byte = if (offset + lane as u64).is_multiple_of(2) { low } else { high };
        }
        Ok(())
    }

    fn write(&self, _: u64, _: &[u8], _: MemAttrs) -> MemResult {
        Ok(())
    }
}

/// Maps the NOP.
pub fn map_scratch(topology: &mut TopologyGuard<'_>) -> Result<(), Error> {
    topology.map(Region::io("wfe", 4, Arc::new(Nops)), u64::from(SCRATCH))?;
    Ok(())
}

/// Whether the instruction before the program counter, in which the core sleeps, is WFE (and not WFI).
pub fn sleeps_in_wfe(memory: &CoreMemory, registers: &Regs) -> bool {
    let half = |back: u32| memory.peek16(registers.r[15].wrapping_sub(back));
    match half(2) {
        Some(WFE) => true,
        Some(second) if second == WFE_WIDE[1] => half(4) == Some(WFE_WIDE[0]),
        _ => false,
    }
}

/// Wakes a sleeping core, leaving its state as it was. Returns the cycles that took.
///
/// Does nothing when an interrupt is pending, which wakes the core anyway.
pub fn wake(cpu: &ArmV7m) -> u64 {
    if cpu.with_sys(|sys| sys.highest_pending().is_some()) {
        return 0;
    }
    let registers = cpu.regs();
    let spare = usize::from(SPARE.0);
    let (priority, enabled, active, mpu) = cpu.with_sys(|sys| {
        let saved =
            (sys.priority.get(spare).copied(), sys.is_enabled(SPARE), sys.is_active(SPARE), sys.mpu_ctrl);
        sys.priority.iter_mut().skip(spare).for_each(|priority| *priority = 0);
        sys.set_enable(SPARE, true);
        sys.set_active(SPARE, true);
        sys.set_pending(SPARE, true);
        sys.mpu_ctrl = 0;
        saved
    });
    cpu.set_pc(SCRATCH);
    // Thumb, no IT block, the same exception.
    cpu.set_xpsr(registers.xpsr & 0x1FF | 1 << 24);
    let cycles = cpu.step();
    cpu.with_sys(|sys| {
        sys.set_pending(SPARE, false);
        sys.set_active(SPARE, active);
        sys.set_enable(SPARE, enabled);
        sys.mpu_ctrl = mpu;
        if let (Some(slot), Some(priority)) = (sys.priority.get_mut(spare), priority) {
            *slot = priority;
        }
    });
    cpu.set_regs(registers);
    cycles
}
