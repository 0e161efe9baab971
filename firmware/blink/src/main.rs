//! Blinks every 100 ms, says so on LPUART1 and in the trace buffer, and stops when the mailbox asks it to; asleep in between.
//!
//! For the Cortex-M0+ of an STM32MP25, with what the A side clocks for it: LPTIM3, LPUART1, GPIOZ and IPCC2. It never touches
//! the clock controller, which is not its own.
#![no_std]
#![no_main]

mod lptim;
mod lpuart;

use lptim::Timer;
use lpuart::say;
use rproc_runtime::events::Events;
use rproc_runtime::mmio::Register;
use rproc_runtime::{cortex_m, handler, ipcc};

rproc_runtime::entry!(main);
handler!(Interrupt, interrupt);

/// GPIOZ: mode, two bits a pin.
// SAFETY: an aligned register of the port, not memory.
const GPIOZ_MODE: Register = unsafe { Register::at(0x4620_0000) };
/// GPIOZ: sets the pins of bits 0 to 15, clears those of bits 16 to 31.
// SAFETY: an aligned register of the port, not memory.
const GPIOZ_SET_CLEAR: Register = unsafe { Register::at(0x4620_0018) };
/// Mode of pin 0: output.
const OUTPUT: u32 = 1;

/// Milliseconds between two changes of the light.
const PAUSE: u32 = 100;

/// What interrupts have reported: [`ipcc::SHUTDOWN`] and [`TIMER`].
static EVENTS: Events = Events::new();
const TIMER: u32 = 1 << 16;

fn main() -> ! {
    GPIOZ_MODE.modify(3, OUTPUT);
    say!("blink: ready");
    ipcc::listen(ipcc::SHUTDOWN);
    cortex_m::enable_interrupt(ipcc::RECEIVE_INTERRUPT);
    Timer::start(PAUSE);
    cortex_m::enable_interrupt(Timer::INTERRUPT);
    let mut count: u32 = 0;
    loop {
        let events = EVENTS.take();
        if events & ipcc::SHUTDOWN != 0 {
            shut_down();
        }
        if events & TIMER != 0 {
            count = count.wrapping_add(1);
            GPIOZ_SET_CLEAR.write(if count & 1 == 1 { 1 } else { 1 << 16 });
            say!("blink: {count}");
        }
        cortex_m::sleep_unless(|| EVENTS.pending() != 0);
    }
}

/// Light off, and nothing more after the host has been told: it may then stop the clocks.
fn shut_down() -> ! {
    Timer::stop();
    GPIOZ_SET_CLEAR.write(1 << 16);
    say!("blink: shut down");
    cortex_m::barrier();
    ipcc::acknowledge(ipcc::SHUTDOWN);
    cortex_m::stop()
}

/// The timer's interrupt and the mailbox's. A shutdown request stays until all is done, so until then it may not interrupt.
fn interrupt() {
    if Timer::take() {
        EVENTS.raise(TIMER);
    }
    let received = ipcc::received(ipcc::SHUTDOWN);
    ipcc::ignore(received);
    EVENTS.raise(received);
}
