//! The normal world's hands on the board for one processor: non-secure memory, its IPCC as Linux's mailbox driver uses it, and
//! waiting.

use std::cell::{Ref, RefMut};
use std::time::Duration;

use rproc_lifecycle::{Crash, CrashKind, Interrupts, Machine, Mailbox, Wake};
use rproc_rpmsg::memory::{Fault, Memory};

use super::memory::LinuxMemory;
use super::shared::{Ended, SharedBoard};
use crate::Board;
use crate::bus::Initiator;
use crate::description::MailboxSite;
use crate::peripherals::Side;

/// Registers of one processor's bank of an IPCC (RM0457, IPCC).
mod ipcc {
    pub const CONTROL: u64 = 0x00;
    pub const RECEIVE_INTERRUPT: u32 = 1 << 0;
    pub const FREE_INTERRUPT: u32 = 1 << 16;
    pub const MASK: u64 = 0x04;
    /// Low half: clear what I received; high half: set what I send.
    pub const SET_CLEAR: u64 = 0x08;
    /// Flags that this processor set and the other one has not cleared.
    pub const SENT: u64 = 0x0c;
}

/// The Cortex-A's normal world on a virtual board, as the driver of one processor has it.
pub struct NormalWorld {
    board: SharedBoard,
    memory: LinuxMemory,
    processor: u32,
    mailbox: Option<MailboxSite>,
    channels: Vec<(Mailbox, u32)>,
    /// Channels on which something was sent and "free" was not yet seen.
    awaited: u32,
    /// Channels that stay occupied though they were cleared. What they say means nothing until they are seen free.
    stuck: u32,
}

impl NormalWorld {
    /// A board for one of its coprocessors (a processor id), with these channels of the mailbox between the two.
    pub fn new(board: SharedBoard, processor: u32, channels: &[(Mailbox, u32)]) -> Self {
        let memory = LinuxMemory::new(board.get().port(Initiator::A35NonSecure));
        let mailbox = board.get().bus().description().mailbox_of(processor).copied();
        let channels = channels.to_vec();
        let mut world = Self { board, memory, processor, mailbox, channels, awaited: 0, stuck: 0 };
        world.board.listen(processor, Interrupts::ALL);
        world.set_register(ipcc::CONTROL, ipcc::RECEIVE_INTERRUPT | ipcc::FREE_INTERRUPT);
        world.mask();
        world
    }

    /// The board. Nobody may wait while this is held.
    pub fn board(&self) -> Ref<'_, Board> {
        self.board.get()
    }

    /// The board, for tests that do to it what a normal world should not.
    pub fn board_mut(&mut self) -> RefMut<'_, Board> {
        self.board.get_mut()
    }

    /// The processor's id.
    pub fn processor(&self) -> u32 {
        self.processor
    }

    fn bit(&self, mailbox: Mailbox) -> u32 {
        self.channels.iter().find(|(known, _)| *known == mailbox).map_or(0, |(_, channel)| 1 << channel)
    }

    /// The flags that one side set and the other has not cleared; none without a mailbox, and where the access is refused.
    fn flags(&self, side: impl FnOnce(&MailboxSite) -> Side) -> Option<u32> {
        let site = self.mailbox?;
        self.memory.port().read32(site.bank(side(&site)) + ipcc::SENT).ok()
    }

    /// Flags that we set and the other side has not cleared.
    fn sent(&self) -> Option<u32> {
        self.flags(|site| site.a_side)
    }

    /// Flags that the other side set and we have not cleared.
    fn received(&self) -> u32 {
        self.occupied() & !self.stuck
    }

    fn occupied(&self) -> u32 {
        self.flags(|site| site.a_side.other()).unwrap_or(0)
    }

    fn set_register(&mut self, register: u64, value: u32) {
        if let Some(site) = self.mailbox {
            // A refusal is in the board's log.
            let _ = self.memory.port().write32(site.bank(site.a_side) + register, value);
        }
    }

    /// Listens to the mailboxes, and to "free" where it was awaited.
    fn mask(&mut self) {
        let listened = self.channels.iter().fold(0u32, |bits, (_, channel)| bits | 1 << channel);
        self.set_register(ipcc::MASK, !(listened & !self.stuck | self.awaited << 16));
    }

    /// Clears once more what could not be cleared.
    fn retry(&mut self) {
        if self.stuck != 0 {
            self.set_register(ipcc::SET_CLEAR, self.stuck);
            self.stuck &= self.occupied();
            self.mask();
        }
    }

    /// A signal that came, or one of ours that was taken since we last looked.
    fn signal(&mut self) -> Option<Mailbox> {
        self.retry();
        let received = self.received();
        let freed = self.awaited & !self.sent().unwrap_or(u32::MAX);
        if freed != 0 {
            self.awaited &= !freed;
            self.mask();
        }
        self.channels.iter().find(|(_, channel)| (received | freed) >> channel & 1 != 0).map(|(m, _)| *m)
    }
}

impl Machine for NormalWorld {
    fn kick(&mut self, mailbox: Mailbox) {
        let bit = self.bit(mailbox);
        self.set_register(ipcc::SET_CLEAR, bit << 16);
        self.awaited |= bit;
        self.mask();
    }

    fn is_unacknowledged(&mut self, mailbox: Mailbox) -> bool {
        let bit = self.bit(mailbox);
        // What cannot be read is not known to be taken.
        bit != 0 && self.sent().is_none_or(|sent| sent & bit != 0)
    }

    fn is_pending(&mut self, mailbox: Mailbox) -> bool {
        self.retry();
        self.received() & self.bit(mailbox) != 0
    }

    fn acknowledge(&mut self, mailbox: Mailbox) {
        let bit = self.bit(mailbox);
        // The board stands still meanwhile: what is occupied afterwards is not the firmware's next signal.
        for _ in 0..2 {
            self.set_register(ipcc::SET_CLEAR, bit);
            if self.received() & bit == 0 {
                return;
            }
        }
        self.stuck |= bit;
        self.mask();
        let reason = format!("its mailbox {} stays occupied though it was cleared", mailbox.name());
        self.board.report_crash(self.processor, Crash { kind: CrashKind::FatalError, reason });
    }

    fn wait(&mut self, limit: Duration) -> Wake {
        let deadline = self.now().saturating_add(limit);
        loop {
            let heard = self.board.heard(self.processor);
            // The interrupt of a crash comes with the last message before it: the lifecycle takes both.
            if heard.crash
                && let Some(crash) = self.board.take_crash(self.processor)
            {
                return Wake::Crash(crash);
            }
            if heard.mailbox
                && let Some(mailbox) = self.signal()
            {
                return Wake::Mailbox(mailbox);
            }
            if heard.mailbox {
                self.board.quench(self.processor);
            }
            if self.board.run_until(deadline, &[self.processor]) == Ended::Over {
                return Wake::TimedOut;
            }
        }
    }

    fn listen(&mut self, to: Interrupts) {
        self.board.listen(self.processor, to);
    }

    fn now(&self) -> Duration {
        self.board.get().now()
    }
}

impl Memory for NormalWorld {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.memory.read(address, buffer)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.memory.write(address, bytes)
    }

    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        self.memory.load_u16(address)
    }

    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        self.memory.load_u32(address)
    }

    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        self.memory.store_u16(address, value)
    }

    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        self.memory.store_u32(address, value)
    }
}
