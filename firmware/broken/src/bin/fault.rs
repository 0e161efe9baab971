//! Reads where nothing is: a bus fault, which the default handler reports in the trace buffer before it spins.
#![no_std]
#![no_main]

use rproc_runtime::mmio::Register;
use rproc_runtime::{cortex_m, log};

rproc_runtime::resource_table!();
rproc_runtime::entry!(main);

fn main() -> ! {
    log!("fault: about to read 0x70000000");
    // SAFETY: an address that the board leaves empty; the processor faults instead of reading.
    let value = unsafe { Register::at(0x7000_0000) }.read();
    log!("fault: read {value:#010x}, though nothing is there");
    cortex_m::stop()
}
