//! The main loop around the echo: the mailbox wakes it, and tells it to stop.

use crate::echo::Echo;
use rproc_rpmsg::Ring;
use rproc_rpmsg::remote::{ConnectError, Remote};
use rproc_runtime::events::Events;
use rproc_runtime::mmio::SharedMemory;
use rproc_runtime::{chip, cortex_m, handler, ipcc, log, resource_table, tick};

resource_table!();
handler!(Interrupt, mailbox_interrupt);
handler!(SysTick, tick);

/// What interrupts have reported and the main loop has not yet seen: IPCC channels, and [`WAKE`].
static EVENTS: Events = Events::new();
/// Event: look again, though no channel was signalled.
const WAKE: u32 = 1 << 16;

/// What a firmware does besides echoing.
pub trait Conduct {
    /// The channel that it announces, at most 31 bytes.
    const CHANNEL: &'static str;
    /// A message has come; it will be sent back whatever this does.
    fn hear(&mut self, _message: &[u8]) {}
    /// Everything owed has been sent, and the host has been signalled.
    fn settled(&mut self) {}
    /// The host asks the firmware to stop. True if the firmware shall say that it has, and stop.
    fn shut_down(&mut self) -> bool {
        true
    }
}

/// Echoes for ever.
pub fn serve<C: Conduct>(mut conduct: C) -> ! {
    // SAFETY: the chip gives this range to vrings and buffers; the linker script places nothing there.
    let mut memory = unsafe { SharedMemory::new(chip::SHARED) };
    ipcc::listen(ipcc::VQ0 | ipcc::VQ1 | ipcc::SHUTDOWN);
    cortex_m::enable_interrupt(ipcc::RECEIVE_INTERRUPT);
    cortex_m::enable_interrupt(ipcc::FREE_INTERRUPT);

    let mut echo = Echo::new(C::CHANNEL, connect(&memory, &mut conduct));
    let mut unsignalled = 0;
    loop {
        let progress = echo.step(&mut memory, |message| conduct.hear(message));
        if echo.must_notify(&memory, Ring::ToHost) {
            unsignalled |= ipcc::VQ0;
        }
        if echo.must_notify(&memory, Ring::ToRemote) {
            unsignalled |= ipcc::VQ1;
        }
        if unsignalled != 0 {
            unsignalled = cortex_m::without_interrupts(|| ipcc::signal(unsignalled));
        }
        if unsignalled == 0 && !echo.owes() {
            conduct.settled();
        }
        let events = if progress { EVENTS.take() } else { next_events() };
        obey_shutdown(events, &mut conduct);
    }
}

/// Waits until the host has set DRIVER_OK. Linux kicks after that; the tick is for hosts that do not.
fn connect(memory: &SharedMemory, conduct: &mut impl Conduct) -> Remote {
    log!("echo: waiting for the host");
    tick::start();
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
        let events = next_events();
        obey_shutdown(events, conduct);
    }
}

/// Sleeps until there is at least one event, and takes them all.
fn next_events() -> u32 {
    loop {
        let events = EVENTS.take();
        if events != 0 {
            return events;
        }
        cortex_m::sleep_unless(|| EVENTS.pending() != 0);
    }
}

/// Stops, if that was asked for and is this firmware's conduct. The last thing the host sees is that its request is
/// acknowledged; it may then cut the clock.
fn obey_shutdown(events: u32, conduct: &mut impl Conduct) {
    if events & ipcc::SHUTDOWN != 0 && conduct.shut_down() {
        log!("echo: shut down");
        cortex_m::barrier();
        ipcc::acknowledge(ipcc::SHUTDOWN);
        cortex_m::stop()
    }
}

/// Both mailbox interrupts. Ring signals are acknowledged at once, before the rings are read: one that comes later
/// interrupts again. A shutdown request is acknowledged when all is done, so until then it may not interrupt.
fn mailbox_interrupt() {
    let received = ipcc::received(ipcc::VQ0 | ipcc::VQ1 | ipcc::SHUTDOWN);
    ipcc::acknowledge(received & !ipcc::SHUTDOWN);
    ipcc::ignore(received & ipcc::SHUTDOWN);
    ipcc::stop_free_interrupt();
    EVENTS.raise(received | WAKE);
}

fn tick() {
    tick::count();
    EVENTS.raise(WAKE);
}
