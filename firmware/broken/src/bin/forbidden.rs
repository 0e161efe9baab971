//! Reads and writes Linux's memory, and tells in the trace buffer whether it could.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};
use rproc_runtime::mmio::Register;
use rproc_runtime::{cortex_m, log};

rproc_runtime::resource_table!();
rproc_runtime::entry!(main);

/// First word of Linux's memory on the STM32MP257F-EV1.
const LINUX_MEMORY: u32 = 0x8400_0000;
const PATTERN: u32 = 0xDEAD_BEEF;
/// BusFault exceptions go to their own handler (SHCSR.BUSFAULTENA).
const BUS_FAULT_ENABLE: u32 = 1 << 17;
/// The fault came with its instruction, whose address is stacked (CFSR.PRECISERR).
const PRECISE: u32 = 1 << 9;

static FAULTS: AtomicU32 = AtomicU32::new(0);
static STATUS: AtomicU32 = AtomicU32::new(0);
static ADDRESS: AtomicU32 = AtomicU32::new(0);

// The handler gets the stacked frame; the samples run on the main stack only.
core::arch::global_asm!(
    ".section .text.BusFault, \"ax\"",
    ".global BusFault",
    ".type BusFault, %function",
    ".thumb_func",
    "BusFault:",
    "    mrs   r0, msp",
    "    b     {skip}",
    skip = sym skip_faulting_access,
);

fn main() -> ! {
    cortex_m::SHCSR.modify(0, BUS_FAULT_ENABLE);
    // SAFETY: Linux's memory, in which Rust has nothing on this processor. That it is not ours is the point.
    let word = unsafe { Register::at(LINUX_MEMORY) };
    let value = attempt("read", || word.read());
    attempt("write", || word.write(PATTERN));
    let after = attempt("read", || word.read());
    let refused = FAULTS.load(Ordering::Acquire);
    log!("forbidden: {refused} of 3 accesses refused, word was {value:#010x}, is {after:#010x}");
    cortex_m::stop()
}

/// Tries an access and logs how it ended. What a refused read returns has no meaning.
fn attempt<T>(what: &str, access: impl FnOnce() -> T) -> T {
    let before = FAULTS.load(Ordering::Acquire);
    let result = access();
    cortex_m::barrier();
    if FAULTS.load(Ordering::Acquire) == before {
        log!("forbidden: {what} of {LINUX_MEMORY:#010x} was allowed");
    } else {
        let (status, address) = (STATUS.load(Ordering::Acquire), ADDRESS.load(Ordering::Acquire));
        log!(
            "forbidden: {what} of {LINUX_MEMORY:#010x} was refused, CFSR {status:#010x} BFAR {address:#010x}"
        );
    }
    result
}

extern "C" fn skip_faulting_access(frame: &mut [u32; 8]) {
    let status = cortex_m::CFSR.read();
    STATUS.store(status, Ordering::Release);
    ADDRESS.store(cortex_m::BFAR.read(), Ordering::Release);
    FAULTS.fetch_add(1, Ordering::AcqRel);
    cortex_m::CFSR.write(status);
    if status & PRECISE != 0 {
        let [.., pc, _] = frame;
        // SAFETY: the stacked address of an instruction that was just executed.
        let first_half = unsafe { core::ptr::with_exposed_provenance::<u16>(*pc as usize).read_volatile() };
        // A first half-word from 0b11101 up starts a 32-bit instruction (Armv8-M ARM, C2.1).
        *pc += if first_half >> 11 >= 0b11101 { 4 } else { 2 };
    }
}
