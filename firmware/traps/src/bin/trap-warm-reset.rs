//! Resets itself, then looks whether the reset cleared what it must clear.
//!
//! Counter 0 counts starts since the load (2 at the end). The others hold what the second start found: 1 NVIC enables, 2
//! interrupt priority, 3 SysTick control, 4 SysTick reload, 5 CPACR, 6 SHCSR; all must be 0.
#![no_std]
#![no_main]

use rproc_runtime::cortex_m::{
    CPACR, SHCSR, SYST_CSR, SYST_RVR, nvic_ipr, nvic_iser, request_reset, start_tick,
};
use rproc_runtime::mmio::Register;
use rproc_runtime::results::results;

rproc_runtime::entry!(main);
rproc_runtime::handler!(SysTick, tick);

/// The registers that a reset clears. SysTick's reload value is unknown after reset by the architecture (Armv8-M ARM,
/// SYST_RVR), zero on this core; it is reported but does not decide.
fn registers() -> [Register; 6] {
    [nvic_iser(5), nvic_ipr(42), SYST_CSR, SYST_RVR, CPACR, SHCSR]
}
const RELOAD: usize = 3;

fn main() -> ! {
    let results = results();
    results.start();
    if results.count(0) == 1 {
        nvic_iser(5).write(1 << (171 % 32));
        nvic_ipr(42).write(0x8000_0000);
        start_tick(1 << 24);
        CPACR.write(0x00F0_0000);
        SHCSR.modify(0, 7 << 16);
        request_reset();
    }
    let found = registers().map(Register::read);
    for (index, value) in found.iter().enumerate() {
        results.set(index + 1, *value);
    }
    let clean = found.iter().enumerate().all(|(index, value)| index == RELOAD || *value == 0);
    results.finish(clean && results.get(0) == 2)
}

fn tick() {}
