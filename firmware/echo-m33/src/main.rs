//! RPMsg echo: announces `rproc-echo` and sends every message back to its sender, sleeping in between.
#![no_std]
#![no_main]

mod echo;

use core::sync::atomic::{AtomicU32, Ordering};
use echo::Echo;
use rproc_rpmsg::Ring;
use rproc_rpmsg::remote::{ConnectError, Remote};
use rproc_runtime::mmio::SharedMemory;
use rproc_runtime::{cortex_m, entry, handler, ipcc, log, resource_table};

resource_table!("m33_log");
entry!(main);
handler!(Interrupt, mailbox_interrupt);
handler!(SysTick, tick);

/// A millisecond at 400 MHz.
const TICK: u32 = 400_000;

/// What interrupts have reported and the main loop has not yet seen: IPCC channels, and [`WAKE`].
static EVENTS: AtomicU32 = AtomicU32::new(0);
/// Event: look again, though no channel was signalled.
const WAKE: u32 = 1 << 16;

fn main() -> ! {
    // SAFETY: ipc_shmem after this firmware's resource table, trace and result block; the linker script places nothing here.
    let mut memory = unsafe { SharedMemory::new(0x8122_0000..0x8130_0000) };
    ipcc::listen(ipcc::VQ0 | ipcc::VQ1 | ipcc::SHUTDOWN);
    cortex_m::enable_interrupt(ipcc::RECEIVE_INTERRUPT);
    cortex_m::enable_interrupt(ipcc::FREE_INTERRUPT);

    let mut echo = Echo::new(connect(&memory));
    let mut unsignalled = 0;
    loop {
        let progress = echo.step(&mut memory);
        if echo.must_notify(&memory, Ring::ToHost) {
            unsignalled |= ipcc::VQ0;
        }
        if echo.must_notify(&memory, Ring::ToRemote) {
            unsignalled |= ipcc::VQ1;
        }
        if unsignalled != 0 {
            unsignalled = cortex_m::without_interrupts(|| ipcc::signal(unsignalled));
        }
        let events = if progress { take_events() } else { next_events() };
        if events & ipcc::SHUTDOWN != 0 {
            shut_down();
        }
    }
}

/// Waits until the host has set DRIVER_OK. Linux kicks after that; the tick is for hosts that do not.
fn connect(memory: &SharedMemory) -> Remote {
    log!("echo: waiting for the host");
    cortex_m::start_tick(TICK);
    loop {
        match Remote::connect(&RESOURCE_TABLE.vdev(), memory.range()) {
            Ok(remote) => {
                cortex_m::stop_tick();
                return remote;
            }
            Err(ConnectError::NotReady { .. }) => {}
            Err(error) => {
                log!("echo: stopped: {error}");
                cortex_m::stop();
            }
        }
        if next_events() & ipcc::SHUTDOWN != 0 {
            shut_down();
        }
    }
}

/// Sleeps until there is at least one event, and takes them all.
fn next_events() -> u32 {
    loop {
        let events = take_events();
        if events != 0 {
            return events;
        }
        cortex_m::sleep_unless(|| EVENTS.load(Ordering::Acquire) != 0);
    }
}

fn take_events() -> u32 {
    EVENTS.swap(0, Ordering::AcqRel)
}

/// The last thing the host sees is that its request is acknowledged; it may then cut the clock.
fn shut_down() -> ! {
    log!("echo: shut down");
    cortex_m::barrier();
    ipcc::acknowledge(ipcc::SHUTDOWN);
    cortex_m::stop()
}

/// Both mailbox interrupts. Ring signals are acknowledged at once, before the rings are read: one that comes later
/// interrupts again. A shutdown request is acknowledged when all is done, so until then it may not interrupt.
fn mailbox_interrupt() {
    let received = ipcc::received(ipcc::VQ0 | ipcc::VQ1 | ipcc::SHUTDOWN);
    ipcc::acknowledge(received & !ipcc::SHUTDOWN);
    ipcc::ignore(received & ipcc::SHUTDOWN);
    ipcc::stop_free_interrupt();
    EVENTS.fetch_or(received | WAKE, Ordering::AcqRel);
}

fn tick() {
    EVENTS.fetch_or(WAKE, Ordering::AcqRel);
}
