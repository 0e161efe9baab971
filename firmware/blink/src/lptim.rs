//! LPTIM3, on the 32 kHz clock, as a periodic interrupt (RM0457).

use rproc_runtime::mmio::Register;

/// A register of LPTIM3; `offset` is below 0x20.
const fn register(offset: u32) -> Register {
    // SAFETY: an aligned register of the timer for every value of the masked offset, not memory.
    unsafe { Register::at(0x4605_0000 + (offset & 0x1C)) }
}

const STATUS: Register = register(0x00);
const CLEAR: Register = register(0x04);
const INTERRUPTS: Register = register(0x08);
const CONTROL: Register = register(0x10);
const AUTO_RELOAD: Register = register(0x18);

/// Status, clear and enable bit: the counter has reached the reload value.
const MATCH: u32 = 1 << 1;
/// Status and clear bit: the reload value has arrived in the timer's clock domain.
const RELOADED: u32 = 1 << 4;
/// Status and clear bit: so has the interrupt enable register.
const ENABLED: u32 = 1 << 24;
const ON: u32 = 1 << 0;
const CONTINUOUS: u32 = 1 << 2;

/// Counts a millisecond.
const MILLISECOND: u32 = 32;

/// LPTIM3.
pub struct Timer;

impl Timer {
    /// Its NVIC line at the Cortex-M0+.
    pub const INTERRUPT: u32 = 18;

    /// Interrupts every so many milliseconds (1 to 2047) from now on.
    pub fn start(milliseconds: u32) {
        CONTROL.write(ON);
        INTERRUPTS.write(MATCH);
        while STATUS.read() & ENABLED == 0 {}
        AUTO_RELOAD.write((milliseconds * MILLISECOND - 1) & 0xFFFF);
        while STATUS.read() & RELOADED == 0 {}
        CLEAR.write(ENABLED | RELOADED);
        CONTROL.write(ON | CONTINUOUS);
    }

    /// Stops it.
    pub fn stop() {
        CONTROL.write(0);
    }

    /// Whether the time has passed since the last call.
    pub fn take() -> bool {
        let passed = STATUS.read() & MATCH != 0;
        CLEAR.write(MATCH);
        passed
    }
}
