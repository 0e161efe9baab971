//! How the normal world is interrupted: by the device's pin, or by its messages once they are switched on.

use std::collections::BTreeSet;

use rproc_aperture::{MAILBOX_MESSAGE, WATCHDOG_MESSAGE};

use super::messages::Messages;
use super::pin::Pin;
use crate::Bus;
use crate::description::Description;

/// Processor id of the Cortex-M33, whose mailbox is Linux's.
const SERVED: u32 = 1;

/// Both ways, and the board's lines that go them.
#[derive(Debug)]
pub struct Signals {
    /// The pin.
    pub pin: Pin,
    /// The messages.
    pub messages: Messages,
    /// SPI numbers of each message.
    lines: [(u32, BTreeSet<u16>); 2],
}

impl Signals {
    /// With nothing connected.
    pub fn new(description: &Description) -> Self {
        let mailbox = description.mailbox_of(SERVED).map(|mailbox| mailbox.spi);
        let mailbox = mailbox.iter().flat_map(|spi| [spi.rx, spi.tx]).collect();
        let watchdogs = description.watchdogs.iter().map(|watchdog| watchdog.spi).collect();
        let lines = [(MAILBOX_MESSAGE, mailbox), (WATCHDOG_MESSAGE, watchdogs)];
        Signals { pin: Pin::default(), messages: Messages::default(), lines }
    }

    /// Whether a line is high that interrupts Linux.
    pub fn high(&self, bus: &Bus) -> bool {
        let high = bus.pending_interrupts();
        self.lines.iter().any(|(_, lines)| !lines.is_disjoint(&high))
    }

    /// These lines have risen.
    pub fn rose(&self, bus: &Bus, rose: &BTreeSet<u16>) {
        self.pin.update(|| self.high(bus));
        self.send(rose);
    }

    /// Sends the messages of lines.
    pub fn send(&self, lines: &BTreeSet<u16>) {
        for (message, _) in self.lines.iter().filter(|(_, known)| !known.is_disjoint(lines)) {
            self.messages.send(*message, 1);
        }
    }
}
