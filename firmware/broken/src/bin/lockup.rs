//! Faults inside its HardFault handler, which locks the processor up.
#![no_std]
#![no_main]

use rproc_runtime::{cortex_m, handler, log};

rproc_runtime::resource_table!();
rproc_runtime::entry!(main);
handler!(HardFault, hard_fault);

fn main() -> ! {
    log!("lockup: about to fault twice");
    cortex_m::undefined_instruction()
}

fn hard_fault() {
    cortex_m::undefined_instruction()
}
