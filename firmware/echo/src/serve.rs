//! The main loop around the echo: the mailbox wakes it, and tells it to stop.

use crate::echo::{Echo, Next};
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

/// Channels of the rings.
const SIGNALS: u32 = ipcc::VQ0 | ipcc::VQ1;
/// Channels by which the host asks for something and waits.
const REQUESTS: u32 = ipcc::SHUTDOWN | ipcc::DETACH;

/// What a firmware does besides echoing.
pub trait Conduct {
    /// The channel that it announces, at most 31 bytes.
    const CHANNEL: &'static str;
    /// A message has come; it will be sent back whatever this does. True if [`Conduct::settled`] shall be called before the next one is
    /// heard.
    fn hear(&mut self, _message: &[u8]) -> bool {
        false
    }
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
    ipcc::listen(SIGNALS | REQUESTS);
    cortex_m::enable_interrupt(ipcc::RECEIVE_INTERRUPT);
    cortex_m::enable_interrupt(ipcc::FREE_INTERRUPT);

    loop {
        let remote = connect(&memory, &mut conduct);
        talk(Echo::new(C::CHANNEL, remote), &mut memory, &mut conduct);
        log!("echo: the host has left, or starts over");
    }
}

/// Echoes until the host leaves or starts over.
fn talk(mut echo: Echo, memory: &mut SharedMemory, conduct: &mut impl Conduct) {
    let mut unsignalled = 0;
    while !echo.is_over(&RESOURCE_TABLE.vdev(), memory) {
        // The host is signalled once for all that is there.
        let next = loop {
            match echo.step(memory, |message| conduct.hear(message)) {
                Next::Step => {}
                next => break next,
            }
        };
        if echo.must_notify(memory, Ring::ToHost) {
            unsignalled |= ipcc::VQ0;
        }
        if echo.must_notify(memory, Ring::ToRemote) {
            unsignalled |= ipcc::VQ1;
        }
        if unsignalled != 0 {
            unsignalled = ipcc::signal(unsignalled);
        }
        if unsignalled == 0 && !echo.owes() {
            conduct.settled();
        }
        let events = if next == Next::Wait { EVENTS.wait() } else { EVENTS.take() };
        obey(events, conduct);
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
        let events = EVENTS.wait();
        obey(events, conduct);
    }
}

/// Stops, if that was asked for and is this firmware's conduct. The last thing the host sees is that its request is
/// acknowledged; it may then cut the clock. A host that detaches has left the rings, and is told that this side knows.
fn obey(events: u32, conduct: &mut impl Conduct) {
    if events & ipcc::SHUTDOWN != 0 && conduct.shut_down() {
        log!("echo: shut down");
        cortex_m::barrier();
        ipcc::acknowledge(ipcc::SHUTDOWN);
        cortex_m::stop()
    }
    if events & ipcc::DETACH != 0 {
        log!("echo: the host detaches");
        ipcc::acknowledge(ipcc::DETACH);
        ipcc::heed(ipcc::DETACH);
    }
}

/// Both mailbox interrupts. Ring signals are acknowledged at once, before the rings are read: one that comes later
/// interrupts again. A request is acknowledged when all is done, so until then it may not interrupt.
fn mailbox_interrupt() {
    let received = ipcc::received(SIGNALS | REQUESTS);
    let signals = received & SIGNALS;
    if signals != 0 {
        ipcc::acknowledge(signals);
    } else {
        // Then it is the other interrupt, of a channel that has become free.
        ipcc::stop_free_interrupt();
    }
    if received & REQUESTS != 0 {
        ignore(received & REQUESTS);
    }
    EVENTS.raise(received | WAKE);
}

#[cold]
fn ignore(requests: u32) {
    ipcc::ignore(requests);
}

fn tick() {
    tick::count();
    EVENTS.raise(WAKE);
}
