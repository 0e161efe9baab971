//! The processor itself: its system registers (Armv8-M Architecture Reference Manual, DDI 0553, B11 and D1) and sleeping.
//!
//! Armv7-M and Armv6-M have the same registers at the same places, as far as they have them: Armv6-M has no fault status
//! registers, no coprocessors and no software-triggered interrupts.

use crate::mmio::Register;
use core::arch::asm;

macro_rules! register {
    ($(#[$doc:meta])* $name:ident = $address:literal) => {
        $(#[$doc])*
        // SAFETY: an aligned register of the system control space, which is not memory.
        pub const $name: Register = unsafe { Register::at($address) };
    };
}

register!(/// SysTick control and status: bit 0 counts, bit 1 interrupts, bit 2 processor clock.
    SYST_CSR = 0xE000_E010);
register!(/// SysTick reload value, 24 bits.
    SYST_RVR = 0xE000_E014);
register!(/// SysTick current value; any write clears it.
    SYST_CVR = 0xE000_E018);
register!(/// Interrupt control and state.
    ICSR = 0xE000_ED04);
register!(/// Application interrupt and reset control.
    AIRCR = 0xE000_ED0C);
register!(/// System handler control and state: bit 16 MemManage, bit 17 BusFault, bit 18 UsageFault enabled.
    SHCSR = 0xE000_ED24);
register!(/// Configurable fault status, write 1 to clear.
    CFSR = 0xE000_ED28);
register!(/// HardFault status, write 1 to clear.
    HFSR = 0xE000_ED2C);
register!(/// Address of the last precise bus fault, if CFSR bit 15 says so.
    BFAR = 0xE000_ED38);
register!(/// Coprocessor access control: bits 20 to 23 open the FPU.
    CPACR = 0xE000_ED88);
register!(/// Software-triggered interrupt: the number written is pended.
    STIR = 0xE000_EF00);

/// Set-enable register for interrupts 32 × `word` to 32 × `word` + 31; `word` is below 16.
pub const fn nvic_iser(word: u32) -> Register {
    // SAFETY: an aligned register of the interrupt controller for every value of the masked word.
    unsafe { Register::at(0xE000_E100 + 4 * (word & 15)) }
}

/// Priorities of interrupts 4 × `word` to 4 × `word` + 3, a byte each; `word` is below 120.
pub const fn nvic_ipr(word: u32) -> Register {
    // SAFETY: an aligned register of the interrupt controller for every value of the masked word.
    unsafe { Register::at(0xE000_E400 + 4 * (word & 127)) }
}

/// Lets interrupt `number` (0 to 479) through.
pub fn enable_interrupt(number: u32) {
    nvic_iser(number / 32).write(1 << (number % 32));
}

/// Interrupts every `cycles` processor cycles (2 to 2^24), starting now.
pub fn start_tick(cycles: u32) {
    SYST_RVR.write(cycles.wrapping_sub(1) & 0x00FF_FFFF);
    SYST_CVR.write(0);
    SYST_CSR.write(7);
}

/// Stops the tick.
pub fn stop_tick() {
    SYST_CSR.write(0);
}

/// Runs `work` with interrupts held back, so that no handler sees a half-done change.
pub fn without_interrupts<T>(work: impl FnOnce() -> T) -> T {
    let before: u32;
    // SAFETY: only remembers whether interrupts are held back, and holds them back.
    unsafe { asm!("mrs {}, primask", "cpsid i", out(reg) before) };
    let result = work();
    // SAFETY: holds interrupts back or lets them through as on entry.
    unsafe { asm!("msr primask, {}", "isb", in(reg) before) };
    result
}

/// Sleeps until an interrupt, unless `awake` says there is work. An interrupt between the question and the sleep is not
/// lost: WFI wakes for a pending interrupt that is held back.
pub fn sleep_unless(awake: impl FnOnce() -> bool) {
    without_interrupts(|| {
        if !awake() {
            sleep();
        }
    });
}

/// Sleeps until an interrupt, be it held back or not.
pub fn sleep() {
    // SAFETY: waits; touches nothing.
    unsafe { asm!("dsb", "wfi") };
}

/// Waits until earlier accesses have reached memory and their faults, if any, have come.
pub fn barrier() {
    // SAFETY: barriers touch nothing.
    unsafe { asm!("dsb", "isb") };
}

/// Stops for good, at the least cost.
pub fn stop() -> ! {
    // SAFETY: only holds interrupts back; this never returns.
    unsafe { asm!("cpsid i") };
    stop_tick();
    loop {
        // SAFETY: waits; touches nothing.
        unsafe { asm!("dsb", "wfi") };
    }
}

/// Executes an instruction that is undefined by definition, which faults.
pub fn undefined_instruction() -> ! {
    // SAFETY: the exception does not return here.
    unsafe { asm!("udf #0", options(noreturn)) }
}

/// Asks the system to reset this processor (SYSRESETREQ).
pub fn request_reset() -> ! {
    barrier();
    AIRCR.write(0x05FA_0004);
    barrier();
    loop {
        core::hint::spin_loop();
    }
}
