//! A crashed core, told as a firmware engineer would want to hear it (Arm DDI 0553, fault status registers).

use std::fmt;

use super::Registers;
use crate::description::CoreName;

/// How the core came to a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashKind {
    /// A fault at a priority that no handler can preempt, or a vector that could not be read.
    Lockup,
    /// The handler of this fault (2 NMI, 3 HardFault, 4 MemManage, 5 BusFault, 6 UsageFault) does not come back.
    StuckInFaultHandler(u16),
}

/// What exception entry pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackedFrame {
    /// R0 to R3 and R12.
    pub r: [u32; 5],
    /// LR of the interrupted code.
    pub lr: u32,
    /// The instruction that faulted.
    pub pc: u32,
    /// Its program status.
    pub xpsr: u32,
}

/// Everything known about a crash. Its [`fmt::Display`] is the story in sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashReport {
    /// Whose.
    pub core: CoreName,
    /// How it ended.
    pub kind: CrashKind,
    /// The registers when it was noticed.
    pub registers: Registers,
    /// Configurable fault status register.
    pub cfsr: u32,
    /// HardFault status register.
    pub hfsr: u32,
    /// Address of the last precise bus fault, valid when CFSR bit 15 is set.
    pub bfar: u32,
    /// Address of the last MPU violation, valid when CFSR bit 7 is set.
    pub mmfar: u32,
    /// The frame of the code that faulted, when it could be read.
    pub frame: Option<StackedFrame>,
    /// The vector table in use.
    pub vector_table: u32,
}

/// CFSR bits and what they mean. `{bfar}` and `{mmfar}` stand for the addresses.
const CFSR: [(u32, &str); 18] = [
    (0, "the instruction lies where the MPU forbids execution"),
    (1, "the MPU forbids the data access to {mmfar}"),
    (3, "the MPU forbade unstacking on exception return"),
    (4, "the MPU forbade stacking on exception entry"),
    (5, "the MPU forbade saving floating-point state"),
    (8, "an instruction could not be fetched: nothing is mapped there or the firewall forbids it"),
    (9, "the data access to {bfar} was refused: nothing is mapped there or the firewall forbids it"),
    (10, "a write was refused after the instruction had finished"),
    (11, "the stack could not be read on exception return"),
    (
        12,
        "the stack could not be written on exception entry: is the stack pointer inside the firmware's memory?",
    ),
    (13, "floating-point state could not be saved"),
    (16, "the instruction is undefined"),
    (17, "the processor was asked to leave Thumb state: a function pointer without its low bit?"),
    (18, "the EXC_RETURN value is not legal here"),
    (19, "the coprocessor is off: floating point used before CPACR enabled it?"),
    (20, "the stack pointer passed its limit: stack overflow"),
    (24, "an access was not aligned"),
    (25, "division by zero"),
];

const INVPC: u32 = 1 << 18;
const HFSR_VECTTBL: u32 = 1 << 1;
const HFSR_DEBUGEVT: u32 = 1 << 31;

impl CrashReport {
    /// The name of a fault exception.
    pub const fn fault_name(exception: u16) -> &'static str {
        match exception {
            2 => "NMI",
            3 => "HardFault",
            4 => "MemManage fault",
            5 => "BusFault",
            6 => "UsageFault",
            _ => "exception",
        }
    }

    /// Whether the firmware returned through an `EXC_RETURN` that only a core with TrustZone-M understands: bit 6 (secure
    /// stack) or bit 0 (taken to secure state) set, as in 0xFFFFFFFD.
    pub fn is_secure_image(&self) -> bool {
        let secure_return =
            |value: u32| value & 0xFFFF_FF80 == 0xFFFF_FF80 && value & 0x41 != 0 && value != !0;
        let frame_has_one =
            self.frame.is_some_and(|frame| secure_return(frame.lr) || frame.r.into_iter().any(secure_return));
        self.cfsr & INVPC != 0 && frame_has_one
    }
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            CrashKind::Lockup => write!(f, "locked up: a fault happened where no fault handler can run")?,
            CrashKind::StuckInFaultHandler(exception) => {
                write!(f, "{}, whose handler does not return", Self::fault_name(exception))?;
            }
        }
        if let Some(frame) = self.frame {
            write!(f, "; it happened at pc {:#010x} (lr {:#010x})", frame.pc, frame.lr)?;
        } else {
            write!(f, "; pc is {:#010x} (lr {:#010x})", self.registers.pc(), self.registers.r[14])?;
        }
        for (bit, meaning) in CFSR {
            if self.cfsr >> bit & 1 != 0 {
                let meaning = meaning
                    .replace("{bfar}", &format!("{:#010x}", self.bfar))
                    .replace("{mmfar}", &format!("{:#010x}", self.mmfar));
                write!(f, "; {meaning}")?;
            }
        }
        if self.hfsr & HFSR_VECTTBL != 0 {
            write!(f, "; the vector table at {:#010x} could not be read", self.vector_table)?;
        }
        if self.hfsr & HFSR_DEBUGEVT != 0 {
            write!(f, "; a breakpoint instruction was executed without a debugger")?;
        }
        if self.is_secure_image() {
            write!(
                f,
                "; the image returns from exceptions as Secure code does, but this core has no TrustZone-M: \
                 build the firmware for the non-secure state"
            )?;
        }
        write!(f, " [CFSR {:#010x}, HFSR {:#010x}]", self.cfsr, self.hfsr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> CrashReport {
        CrashReport {
            core: CoreName { id: 1, kind: crate::description::CoreKind::CortexM33F },
            kind: CrashKind::StuckInFaultHandler(3),
            registers: Registers::default(),
            cfsr: 0,
            hfsr: 1 << 30,
            bfar: 0,
            mmfar: 0,
            frame: Some(StackedFrame { r: [0; 5], lr: 0x8010_0201, pc: 0x8010_0400, xpsr: 1 << 24 }),
            vector_table: 0x8010_0000,
        }
    }

    #[test]
    fn a_bus_fault_names_the_address() {
        let text = CrashReport { cfsr: 0x8200, bfar: 0x8400_0000, ..report() }.to_string();
        assert_eq!(
            text,
            "HardFault, whose handler does not return; it happened at pc 0x80100400 (lr 0x80100201); the data access to \
             0x84000000 was refused: nothing is mapped there or the firewall forbids it [CFSR 0x00008200, HFSR 0x40000000]"
        );
    }

    #[test]
    fn a_secure_image_is_recognised_by_its_return_value() {
        let mut crash = CrashReport { cfsr: INVPC, ..report() };
        assert!(!crash.is_secure_image());
        crash.frame = crash.frame.map(|frame| StackedFrame { lr: 0xFFFF_FFFD, ..frame });
        assert!(crash.is_secure_image());
        assert!(crash.to_string().contains("no TrustZone-M"));
        crash.frame = crash.frame.map(|frame| StackedFrame { lr: 0xFFFF_FFBC, ..frame });
        assert!(!crash.is_secure_image(), "the non-secure EXC_RETURN is legal");
    }
}
