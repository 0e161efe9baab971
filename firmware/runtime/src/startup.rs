//! From reset to the firmware's entry: vector table, zeroed variables, and what happens after a fault nobody handles.

use crate::chip::INTERRUPTS;
use crate::{cortex_m, trace};
use core::fmt::Write;

/// One word of the vector table.
#[repr(C)]
union Vector {
    handler: unsafe extern "C" fn(),
    stack: *const u32,
    reserved: u32,
}

// SAFETY: the table is read by the processor only; none of its words is ever used as a Rust pointer.
unsafe impl Sync for Vector {}

unsafe extern "C" {
    static __stack_top: u32;
    fn Reset();
    fn NonMaskableInt();
    fn HardFault();
    fn MemoryManagement();
    fn BusFault();
    fn UsageFault();
    fn SecureFault();
    fn SVCall();
    fn DebugMonitor();
    fn PendSV();
    fn SysTick();
    fn Interrupt0();
    fn Interrupt1();
    fn Interrupt();
}

const RESERVED: Vector = Vector { reserved: 0 };
const INTERRUPT: Vector = Vector { handler: Interrupt };

#[repr(C)]
struct VectorTable {
    exceptions: [Vector; 16],
    first_interrupts: [Vector; 2],
    interrupts: [Vector; INTERRUPTS - 2],
}

// Vectors of exceptions that a processor has not are never fetched.
// SAFETY: the section is the linker script's, at the address where the processor looks for vectors.
#[used]
#[unsafe(link_section = ".isr_vectors")]
static VECTORS: VectorTable = VectorTable {
    exceptions: [
        Vector { stack: &raw const __stack_top },
        Vector { handler: Reset },
        Vector { handler: NonMaskableInt },
        Vector { handler: HardFault },
        Vector { handler: MemoryManagement },
        Vector { handler: BusFault },
        Vector { handler: UsageFault },
        Vector { handler: SecureFault },
        RESERVED,
        RESERVED,
        RESERVED,
        Vector { handler: SVCall },
        Vector { handler: DebugMonitor },
        RESERVED,
        Vector { handler: PendSV },
        Vector { handler: SysTick },
    ],
    first_interrupts: [Vector { handler: Interrupt0 }, Vector { handler: Interrupt1 }],
    interrupts: [INTERRUPT; INTERRUPTS - 2],
};

/// The instructions with which `Reset` begins: where the processor has it, MSPLIM turns a stack overflow into a fault.
#[cfg(chip = "stm32mp25-m33")]
macro_rules! limit_stack {
    () => {
        "    ldr   r0, =__stack_bottom\n    msr   msplim, r0"
    };
}
#[cfg(not(chip = "stm32mp25-m33"))]
macro_rules! limit_stack {
    () => {
        ""
    };
}

// Rust may not run before its variables are zero, so that is done here, in instructions that every Cortex-M has.
core::arch::global_asm!(
    ".section .text.Reset, \"ax\"",
    ".global Reset",
    ".type Reset, %function",
    ".thumb_func",
    "Reset:",
    limit_stack!(),
    "    ldr   r0, =__bss_start",
    "    ldr   r1, =__bss_end",
    "    movs  r2, #0",
    "1:  cmp   r0, r1",
    "    bhs   2f",
    "    stm   r0!, {{r2}}",
    "    b     1b",
    "2:  bl    firmware_main",
    "    udf   #0",
    ".global DefaultFault",
    ".type DefaultFault, %function",
    ".thumb_func",
    "DefaultFault:",
    "    mrs   r0, msp",
    "    mrs   r1, ipsr",
    "    bl    {report}",
    ".size Reset, . - Reset",
    report = sym report_fault,
);

/// Says in the trace buffer what happened, then spins: firmware in the field usually does just that, and it is for the
/// other side to notice.
extern "C" fn report_fault(frame: *const [u32; 8], exception: u32) -> ! {
    // SAFETY: the samples run on the main stack only, where the processor has just pushed eight words.
    let [.., lr, pc, _] = unsafe { frame.read() };
    // The trace drops what does not fit; there is nobody to tell of it.
    let _ = write!(trace::Log, "fault: exception {exception} at pc {pc:#010x} lr {lr:#010x}");
    report_status();
    #[expect(
        clippy::empty_loop,
        reason = "a firmware that spins in its fault handler is what is to be shown"
    )]
    loop {}
}

/// Ends the line with what the fault status registers say.
#[cfg(not(chip = "stm32mp25-m0"))]
fn report_status() {
    let (cfsr, hfsr, bfar) = (cortex_m::CFSR.read(), cortex_m::HFSR.read(), cortex_m::BFAR.read());
    let _ = writeln!(trace::Log, ", CFSR {cfsr:#010x} HFSR {hfsr:#010x} BFAR {bfar:#010x}");
}

/// Ends the line: Armv6-M has no fault status registers.
#[cfg(chip = "stm32mp25-m0")]
fn report_status() {
    let _ = writeln!(trace::Log);
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(trace::Log, "panic: {info}");
    cortex_m::undefined_instruction()
}
