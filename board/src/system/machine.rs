//! The normal world's hands on the board: non-secure memory, IPCC1 as Linux's mailbox driver uses it, and waiting.

use std::time::{Duration, Instant};

use rproc_lifecycle::{Crash, CrashKind, Machine, Mailbox, Wake};
use rproc_rpmsg::memory::{Fault, Memory};

use crate::bus::{Initiator, Port};
use crate::description::MailboxSite;
use crate::peripherals::Side;
use crate::{Board, Wake as BoardWake};

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

/// The Cortex-A35's normal world on a virtual board.
pub struct NormalWorld {
    board: Board,
    port: Port,
    mailbox: Option<MailboxSite>,
    channels: Vec<(Mailbox, u32)>,
    /// Channels on which something was sent and "free" was not yet seen.
    awaited: u32,
    /// When virtual time follows the wall clock: the moment at which it was zero.
    epoch: Option<Instant>,
    /// Waiting ends when the processor has executed this many instructions since power-on.
    instruction_limit: u64,
}

/// Virtual time passes in steps of this size between two looks at the wall clock and the instruction limit.
const PACE: Duration = Duration::from_millis(1);

impl NormalWorld {
    /// Takes a board over for one of its coprocessors (a processor id), with these channels of the mailbox between the two.
    pub fn new(board: Board, coprocessor: u32, channels: &[(Mailbox, u32)], real_time: bool) -> Self {
        let port = board.port(Initiator::A35NonSecure);
        let mailbox = board.bus().description().mailbox_of(coprocessor).copied();
        let epoch = real_time.then(Instant::now);
        let channels = channels.to_vec();
        let mut world =
            Self { board, port, mailbox, channels, awaited: 0, epoch, instruction_limit: u64::MAX };
        world.set_register(ipcc::CONTROL, ipcc::RECEIVE_INTERRUPT | ipcc::FREE_INTERRUPT);
        world.mask();
        world
    }

    /// The board.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Ends every wait, as timed out, once the processor has executed this many instructions since power-on. Virtual time
    /// passes at the processor's clock, much slower than the host's where firmware computes without a pause.
    pub fn limit_instructions(&mut self, limit: u64) {
        self.instruction_limit = limit;
    }

    /// The board, for tests that do to it what a normal world should not.
    pub fn board_mut(&mut self) -> &mut Board {
        &mut self.board
    }

    fn bit(&self, mailbox: Mailbox) -> u32 {
        self.channels.iter().find(|(known, _)| *known == mailbox).map_or(0, |(_, channel)| 1 << channel)
    }

    /// A register of one side's bank; without a mailbox, and where the access is refused, nothing is pending.
    fn bank(&self, side: Side, register: u64) -> u32 {
        self.mailbox.map_or(0, |site| self.port.read32(site.bank(side) + register).unwrap_or(0))
    }

    fn register(&self, register: u64) -> u32 {
        self.mailbox.map_or(0, |site| self.bank(site.a_side, register))
    }

    /// Flags that the other side set and we have not cleared.
    fn received(&self) -> u32 {
        self.mailbox.map_or(0, |site| self.bank(site.a_side.other(), ipcc::SENT))
    }

    fn set_register(&mut self, register: u64, value: u32) {
        if let Some(site) = self.mailbox {
            // A refusal is in the board's log.
            let _ = self.port.write32(site.bank(site.a_side) + register, value);
        }
    }

    /// Listens to the mailboxes, and to "free" where it was awaited.
    fn mask(&mut self) {
        let listened = self.channels.iter().fold(0u32, |bits, (_, channel)| bits | 1 << channel);
        self.set_register(ipcc::MASK, !(listened | self.awaited << 16));
    }

    /// A signal that came, or one of ours that was taken since we last looked.
    fn signal(&mut self) -> Option<Mailbox> {
        let received = self.received();
        let freed = self.awaited & !self.register(ipcc::SENT);
        if freed != 0 {
            self.awaited &= !freed;
            self.mask();
        }
        self.channels.iter().find(|(_, channel)| (received | freed) >> channel & 1 != 0).map(|(m, _)| *m)
    }

    fn run_until(&mut self, deadline: Duration) -> BoardWake {
        loop {
            let slice = deadline.min(self.board.now().saturating_add(PACE));
            let wake = self.board.run_until(slice);
            if let Some(epoch) = self.epoch {
                std::thread::sleep(self.board.now().saturating_sub(epoch.elapsed()));
            }
            let spent = self.board.instructions() >= self.instruction_limit;
            if spent || slice == deadline || !matches!(wake, BoardWake::Deadline | BoardWake::Idle) {
                return wake;
            }
        }
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
        self.register(ipcc::SENT) & self.bit(mailbox) != 0
    }

    fn is_pending(&mut self, mailbox: Mailbox) -> bool {
        self.received() & self.bit(mailbox) != 0
    }

    fn acknowledge(&mut self, mailbox: Mailbox) {
        let bit = self.bit(mailbox);
        self.set_register(ipcc::SET_CLEAR, bit);
    }

    fn wait(&mut self, limit: Duration) -> Wake {
        let deadline = self.board.now().saturating_add(limit);
        loop {
            if let Some(mailbox) = self.signal() {
                return Wake::Mailbox(mailbox);
            }
            match self.run_until(deadline) {
                BoardWake::Interrupt(spis) => {
                    // Served at the top of the loop; a line that is none of ours would never let the board go on.
                    let ours = self.mailbox.map(|site| [site.spi.rx, site.spi.tx]).unwrap_or_default();
                    for spi in spis.into_iter().filter(|spi| !ours.contains(spi)) {
                        self.board.set_interrupt_enabled(spi, false);
                    }
                }
                BoardWake::Crashed(report) => {
                    return Wake::Crash(Crash { kind: CrashKind::FatalError, reason: report.to_string() });
                }
                BoardWake::Deadline | BoardWake::Idle => return Wake::TimedOut,
            }
        }
    }

    fn now(&self) -> Duration {
        self.board.now()
    }
}

impl Memory for NormalWorld {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let len = buffer.len() as u64;
        self.port.read(address, buffer).map_err(|_| Fault { address, len })
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let len = bytes.len() as u64;
        self.port.write(address, bytes).map_err(|_| Fault { address, len })
    }

    fn load_u16(&self, address: u64) -> Result<u16, Fault> {
        let mut bytes = [0; 2];
        Memory::read(self, address, &mut bytes).map(|()| u16::from_le_bytes(bytes))
    }

    fn load_u32(&self, address: u64) -> Result<u32, Fault> {
        let mut bytes = [0; 4];
        Memory::read(self, address, &mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn store_u16(&mut self, address: u64, value: u16) -> Result<(), Fault> {
        Memory::write(self, address, &value.to_le_bytes())
    }

    fn store_u32(&mut self, address: u64, value: u32) -> Result<(), Fault> {
        Memory::write(self, address, &value.to_le_bytes())
    }
}
