//! What every sample firmware shares: startup and vectors, registers and shared memory, trace buffer, resource table,
//! mailbox and watchdog. Which chip it is for is decided by the target it is built for; see [`chip`].
#![no_std]

pub mod chip;
pub mod cortex_m;
pub mod events;
pub mod ipcc;
pub mod mmio;
pub mod resource_table;
#[cfg(chip = "stm32mp25-m33")]
pub mod results;
pub mod startup;
pub mod tick;
pub mod trace;
pub mod watchdog;

/// Names the function that the firmware runs after startup; its type is `fn() -> !`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        // SAFETY: the linker script and the startup code expect this symbol exactly once, with this signature, and a
        // firmware names its entry once.
        #[unsafe(no_mangle)]
        extern "C" fn firmware_main() -> ! {
            let main: fn() -> ! = $main;
            main()
        }
    };
}

/// Puts a function into the vector table: `handler!(SysTick, tick)`. The names are those of the linker script: the
/// Cortex-M exceptions, `Interrupt0`, `Interrupt1`, and `Interrupt` for every other interrupt.
#[macro_export]
macro_rules! handler {
    ($vector:ident, $function:path) => {
        #[allow(non_snake_case, reason = "the vector's name is the symbol")]
        // SAFETY: the linker script offers this symbol to be defined once, as a handler without arguments.
        #[unsafe(no_mangle)]
        extern "C" fn $vector() {
            let handler: fn() = $function;
            handler()
        }
    };
}
