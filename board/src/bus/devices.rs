//! Every register block behind one decoder, with the rules of who may touch which.

use std::collections::BTreeSet;
use std::time::Duration;

use super::access::{Direction, Initiator};
use super::memory::Memories;
use crate::core::{InterruptLines, Levels};
use crate::description::{Coprocessor, CoreKind, Description, Family, MailboxSite};
use crate::firewall::{Guard, Iac, guards};
use crate::peripherals::{
    Access, BootState, BootVector, Ca35Syscfg, CpuState, Hsem, Ipcc, Line, Otp, Plugged, Pwr, Rcc,
    RegisterWrite, ResetPulse, Storage, Tamp, Uart, plugged,
};
use crate::soc::{self, ClockGate};

/// SYSCFG's first register at power-on; ST's M33 start-up does not go on when the low bits read 3 or 0xC, and an M4's takes 4 for
/// engineering boot.
const SYSCFG_AT_POWER_ON: u32 = 1;

/// A modelled register block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Ipcc(usize),
    Hsem,
    Rcc,
    Pwr,
    Tamp,
    Ca35Syscfg,
    Otp,
    Rifsc,
    Iac,
    Guard(usize),
    Plugged(usize),
    Uart(usize),
    Storage,
}

/// A register access that a rule forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Name of the rule's block.
    pub guard: &'static str,
    iac_id: Option<u8>,
}

/// What an access, or time, did besides moving data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// A UART completed a line.
    pub line: Option<(u64, String)>,
    /// First access to a block without a model.
    pub unmodelled: bool,
    /// The run loop must look at the board: a boot state or the time of the next event changed.
    pub attention: bool,
    /// Resets that blocks asked for and that have been carried out.
    pub resets: Vec<ResetPulse>,
}

/// The register blocks.
#[derive(Debug)]
pub struct Devices {
    description: Description,
    blocks: Vec<(u64, u64, Block)>,
    ipccs: Vec<Ipcc>,
    hsem: Hsem,
    rcc: Rcc,
    pwr: Pwr,
    tamp: Tamp,
    ca35syscfg: Ca35Syscfg,
    otp: Otp,
    iac: Iac,
    guards: Vec<Box<dyn Guard>>,
    plugged: Vec<Plugged>,
    uarts: Vec<Uart>,
    storage: Storage,
    high_spis: BTreeSet<u16>,
    /// The coprocessors' interrupt inputs, in the description's order.
    inputs: Vec<Levels>,
    /// When the first of the plugged blocks will do something by itself.
    next_event: Option<Duration>,
}

impl Devices {
    /// Every block at power-on, the guards compiled into the memories' permission maps.
    pub fn new(description: &Description, memories: &Memories, otp: &[u32]) -> Self {
        let map = &description.registers;
        let guards = guards(description, memories);
        guards.iter().for_each(|guard| guard.compile(memories));
        let plugged = plugged(description);
        let mut blocks: Vec<(u64, u64, Block)> = plugged
            .iter()
            .enumerate()
            .map(|(n, block)| (block.base, block.size, Block::Plugged(n)))
            .collect();
        blocks.extend(guards.iter().enumerate().map(|(n, guard)| {
            let (base, size) = guard.registers();
            (base, size, Block::Guard(n))
        }));
        let rcc_size = match description.family {
            Family::Stm32mp15 => 0x1000,
            Family::Stm32mp25 => 0x1_0000,
        };
        blocks.extend([
            (map.hsem, 0x400, Block::Hsem),
            (map.rcc, rcc_size, Block::Rcc),
            (map.tamp, 0x400, Block::Tamp),
            (map.bsec, 0x1000, Block::Otp),
        ]);
        if description.family == Family::Stm32mp25 {
            blocks.push((map.pwr, 0x400, Block::Pwr));
        }
        blocks.extend(map.ca35syscfg.map(|base| (base, 0x1_0000, Block::Ca35Syscfg)));
        blocks.extend(map.rifsc.map(|base| (base, 0x1000, Block::Rifsc)));
        blocks.extend(map.iac.map(|base| (base, 0x400, Block::Iac)));
        let mailboxes = description.mailboxes.iter().enumerate();
        blocks.extend(mailboxes.map(|(n, site)| (site.registers, 0x400, Block::Ipcc(n))));
        blocks.extend(description.uarts.iter().enumerate().map(|(n, base)| (*base, 0x400, Block::Uart(n))));
        let mut storage = Storage::default();
        if description.family == Family::Stm32mp25 {
            storage.write(map.syscfg, RegisterWrite::word(SYSCFG_AT_POWER_ON));
        }
        // Known, so its first access is nothing to report.
        storage.is_new(map.syscfg);
        let mut devices = Devices {
            description: description.clone(),
            blocks,
            ipccs: description.mailboxes.iter().map(|site| Ipcc::new(site.channels)).collect(),
            hsem: Hsem::new(description.family),
            rcc: Rcc::new(description),
            pwr: Pwr::default(),
            tamp: Tamp::default(),
            ca35syscfg: Ca35Syscfg::default(),
            otp: Otp::new(otp),
            iac: Iac::default(),
            guards,
            plugged,
            uarts: description.uarts.iter().map(|_| Uart::default()).collect(),
            storage,
            high_spis: BTreeSet::new(),
            inputs: vec![Levels::default(); description.coprocessors.len()],
            next_event: None,
        };
        devices.next_event = devices.first_event();
        devices
    }

    /// Plugs in one more block, at power-on.
    #[cfg(test)]
    pub fn plug(&mut self, block: Plugged) {
        self.blocks.insert(0, (block.base, block.size, Block::Plugged(self.plugged.len())));
        self.plugged.push(block);
        self.next_event = self.first_event();
    }

    /// Reads the register at a word-aligned address of the non-secure alias.
    ///
    /// # Errors
    /// [`Refusal`] when a rule forbids it.
    pub fn read(&mut self, access: Access, address: u64, effects: &mut Effects) -> Result<u32, Refusal> {
        let (block, offset) = self.locate(address);
        self.entitled(block, address, offset, access.by, Direction::Read)?;
        if !self.is_clocked(address) {
            return Ok(0);
        }
        Ok(match block {
            Block::Ipcc(n) => self.ipccs.get(n).map_or(0, |ipcc| ipcc.read(offset)),
            Block::Hsem => self.hsem.read(offset, access.by),
            Block::Rcc => self.rcc.read(offset),
            Block::Pwr => self.pwr.read(offset),
            Block::Tamp => self.tamp.read(offset),
            Block::Ca35Syscfg => self.ca35syscfg.read(offset),
            Block::Otp => self.otp.read(offset),
            Block::Iac => self.iac.read(offset),
            Block::Guard(n) => self.guards.get_mut(n).map_or(0, |guard| guard.read(offset)),
            Block::Plugged(n) => self.plugged.get_mut(n).map_or(0, |it| it.peripheral.read(offset, access)),
            Block::Uart(n) => self.uarts.get(n).map_or(0, |uart| uart.read(offset)),
            Block::Rifsc => self.storage.read(address),
            Block::Storage => {
                effects.unmodelled = self.storage.is_new(address);
                self.storage.read(address)
            }
        })
    }

    /// Whether reading the register at an address may change something: hardware semaphores are taken by a read.
    pub fn reading_changes(&self, address: u64) -> bool {
        match self.locate(address & !3) {
            (Block::Hsem, _) => true,
            (Block::Plugged(n), offset) => {
                self.plugged.get(n).is_some_and(|it| it.peripheral.reading_changes(offset))
            }
            _ => false,
        }
    }

    /// Writes the register at a word-aligned address of the non-secure alias.
    ///
    /// # Errors
    /// [`Refusal`] when a rule forbids it; nothing has changed then.
    pub fn write(
        &mut self,
        access: Access,
        address: u64,
        write: RegisterWrite,
        memories: &Memories,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let (block, offset) = self.locate(address);
        self.entitled(block, address, offset, access.by, Direction::Write)?;
        if !self.is_clocked(address) {
            return Ok(());
        }
        match block {
            Block::Ipcc(n) => {
                self.ipccs.iter_mut().skip(n).take(1).for_each(|ipcc| ipcc.write(offset, write))
            }
            Block::Hsem => self.hsem.write(offset, write, access.by),
            Block::Rcc => {
                let before = self.boots();
                self.rcc.write(offset, write);
                self.tell_of_resets(&before, access.now, effects);
                self.follow_clocks(offset, access.now, effects);
            }
            Block::Pwr => self.pwr.write(offset, write),
            Block::Tamp => self.tamp.write(offset, write),
            Block::Ca35Syscfg => self.ca35syscfg.write(offset, write),
            Block::Otp => self.otp.write(offset, write),
            Block::Iac => self.iac.write(offset, write),
            Block::Guard(n) => {
                if let Some(guard) = self.guards.get_mut(n) {
                    guard.write(offset, write, memories);
                }
            }
            Block::Plugged(n) => {
                if let Some(it) = self.plugged.get_mut(n) {
                    it.peripheral.write(offset, write, access);
                }
                self.after_plugged(access.now, effects);
            }
            Block::Uart(n) => {
                if let Some(uart) = self.uarts.get_mut(n) {
                    effects.line = uart.write(offset, write).map(|line| (address - u64::from(offset), line));
                }
            }
            Block::Rifsc => self.storage.write(address, write),
            Block::Storage => {
                effects.unmodelled = self.storage.is_new(address);
                self.storage.write(address, write);
            }
        }
        Ok(())
    }

    /// When a block will next do something by itself.
    pub fn next_event(&self) -> Option<Duration> {
        self.next_event
    }

    /// Lets every plugged block do what was to be done until `now`. Whether there was anything.
    pub fn advance(&mut self, now: Duration, effects: &mut Effects) -> bool {
        if self.next_event.is_none_or(|event| event > now) {
            return false;
        }
        for it in &mut self.plugged {
            if it.peripheral.next_event().is_some_and(|event| event <= now) {
                it.peripheral.advance(now);
            }
        }
        self.after_plugged(now, effects);
        true
    }

    /// Resets a coprocessor that asked for it itself.
    pub fn reset_by_itself(&mut self, coprocessor: u32, now: Duration, effects: &mut Effects) {
        let before = self.boots();
        self.rcc.reset(coprocessor, None);
        self.tell_of_resets(&before, now, effects);
    }

    /// Carries out the resets that blocks ask for and looks when the next event is.
    fn after_plugged(&mut self, now: Duration, effects: &mut Effects) {
        let before = self.boots();
        for it in &mut self.plugged {
            if let Some(pulse) = it.peripheral.take_reset() {
                self.rcc.reset(pulse.coprocessor, pulse.cause);
                effects.resets.push(pulse);
            }
        }
        self.tell_of_resets(&before, now, effects);
        // A block whose moment does not move on would stop time: it waits for its next write.
        let next = self.first_event().filter(|event| *event > now);
        effects.attention |= next != self.next_event;
        self.next_event = next;
    }

    fn first_event(&self) -> Option<Duration> {
        self.plugged.iter().filter_map(|it| it.peripheral.next_event()).min()
    }

    fn boots(&self) -> Vec<BootState> {
        self.description.coprocessors.iter().map(|core| self.rcc.boot(core.id)).collect()
    }

    /// Tells the blocks of a coprocessor's reset domain that it was reset, and the run loop that something changed.
    fn tell_of_resets(&mut self, before: &[BootState], now: Duration, effects: &mut Effects) {
        for (core, before) in self.description.coprocessors.iter().zip(before) {
            if self.rcc.boot(core.id).epoch != before.epoch {
                effects.attention = true;
                for it in &mut self.plugged {
                    it.peripheral.coprocessor_reset(core.id, now);
                }
            }
        }
        if effects.attention {
            self.next_event = self.first_event();
        }
    }

    /// Latches a refused access to memory at an A-side address in the guard over it. Returns the guard's name and the region or
    /// page.
    pub fn capture_memory(
        &mut self,
        by: Initiator,
        direction: Direction,
        address: Option<u64>,
    ) -> (&'static str, Option<u8>) {
        let guard = address.and_then(|at| Some((self.guards.iter_mut().find(|guard| guard.guards(at))?, at)));
        let Some((guard, address)) = guard else {
            self.iac.raise(soc::IAC_ID_OTHER);
            return ("the secure alias", None);
        };
        let region = guard.capture(by, direction, address);
        let found = (guard.name(), region);
        if let Some(id) = guard.iac_id() {
            self.iac.raise(id);
        }
        found
    }

    /// Latches a refused register access.
    pub fn capture_refusal(&mut self, address: u64, refusal: Refusal) {
        if let Block::Guard(n) = self.locate(address).0
            && let Some(guard) = self.guards.get_mut(n)
        {
            guard.capture_configuration();
        }
        if let Some(id) = refusal.iac_id {
            self.iac.raise(id);
        }
    }

    /// Drives the coprocessors' inputs (in the description's order) and the A-side lines from the devices' state, at a time in
    /// picoseconds since power-on. A line that several devices drive is high when one of them says so. Returns the A-side lines
    /// that rose, and whether an input of a coprocessor other than `by` changed: the run loop must look at either.
    pub fn drive_lines(&mut self, cores: &[InterruptLines], by: Option<Initiator>, now: u64) -> Driven {
        let mut spis = BTreeSet::new();
        let (description, inputs) = (&self.description, &mut self.inputs);
        inputs.fill(Levels::default());
        let mut raise = |line: Line| match line {
            Line::Spi(number) => {
                spis.insert(number);
            }
            Line::Nvic { coprocessor, number } => {
                let mut known = description.coprocessors.iter().zip(inputs.iter_mut());
                if let Some((_, levels)) = known.find(|(core, _)| core.id == coprocessor) {
                    // The numbers come from the board's description, whose tests keep them inside the NVIC.
                    let _ = levels.raise(number);
                }
            }
        };
        for (ipcc, site) in self.ipccs.iter().zip(&description.mailboxes) {
            let core = site.a_side.other();
            let nvic = |number| Line::Nvic { coprocessor: site.coprocessor, number };
            let lines = [
                (nvic(site.nvic.rx), ipcc.rx_line(core)),
                (nvic(site.nvic.tx), ipcc.tx_line(core)),
                (Line::Spi(site.spi.rx), ipcc.rx_line(site.a_side)),
                (Line::Spi(site.spi.tx), ipcc.tx_line(site.a_side)),
            ];
            lines.into_iter().filter(|(_, high)| *high).for_each(|(line, _)| raise(line));
        }
        for it in &self.plugged {
            it.peripheral.lines(&mut |line, high| {
                if high {
                    raise(line);
                }
            });
        }
        if let Some(spi) = description.iac_spi.filter(|_| self.iac.line()) {
            raise(Line::Spi(spi));
        }
        let mut driven = Driven { rose: &spis - &self.high_spis, another_core: false };
        self.high_spis = spis;
        for ((core, levels), lines) in description.coprocessors.iter().zip(&*inputs).zip(cores) {
            let own = by.is_some_and(|by| by.compartment() == core.initiator.compartment());
            driven.another_core |= lines.drive(*levels, now) && !own;
        }
        driven
    }

    /// A-side interrupts whose line is high (SPI numbers).
    pub fn high_spis(&self) -> &BTreeSet<u16> {
        &self.high_spis
    }

    /// A coprocessor's boot state, and where it would boot now.
    pub fn boot(&self, core: &Coprocessor) -> (BootState, BootVector) {
        let vector = match core.kind {
            CoreKind::CortexM33F => self.ca35syscfg.boot_vector(),
            CoreKind::CortexM4F => BootVector { table: soc::stm32mp15::M4_VECTORS, secure: false },
            CoreKind::CortexM0Plus => BootVector { table: soc::stm32mp25::M0_PLUS_VECTORS, secure: false },
        };
        (self.rcc.boot(core.id), vector)
    }

    /// Tells the power controller the state of the coprocessor that it knows.
    pub fn set_cpu_state(&mut self, core: &Coprocessor, state: CpuState) {
        if core.kind == CoreKind::CortexM33F {
            self.pwr.cpu2 = state;
        }
    }

    /// The one-time-programmable words.
    pub fn otp(&self) -> &[u32] {
        self.otp.words()
    }

    /// Unfinished UART lines.
    pub fn take_lines(&mut self) -> Vec<(u64, String)> {
        let bases = self.description.uarts.iter();
        bases.zip(&mut self.uarts).filter_map(|(base, uart)| Some((*base, uart.take_line()?))).collect()
    }

    /// Whether the block at an address has its clock. One without reads as zero and takes nothing, as on the chip.
    fn is_clocked(&self, address: u64) -> bool {
        let mut gates = self.description.clock_gates.iter();
        let closed =
            |gate: &ClockGate| (gate.block..gate.block + 0x400).contains(&address) && !self.is_open(gate);
        !gates.any(closed)
    }

    fn is_open(&self, gate: &ClockGate) -> bool {
        self.rcc.read(gate.register) & gate.bit != 0
    }

    /// After a write to the RCC: blocks that count stop, or go on.
    fn follow_clocks(&mut self, register: u32, now: Duration, effects: &mut Effects) {
        let gates = self.description.clock_gates.iter().filter(|gate| gate.register == register);
        let gates: Vec<(u64, bool)> = gates.map(|gate| (gate.block, self.is_open(gate))).collect();
        for (block, on) in &gates {
            let plugged = self.plugged.iter_mut().filter(|it| it.base == *block);
            plugged.for_each(|it| it.peripheral.set_clock(*on, now));
        }
        if !gates.is_empty() {
            self.after_plugged(now, effects);
        }
    }

    fn locate(&self, address: u64) -> (Block, u32) {
        let found = self.blocks.iter().find(|(base, size, _)| (*base..*base + *size).contains(&address));
        found.map_or((Block::Storage, 0), |(base, _, block)| (*block, (address - base) as u32))
    }

    fn entitled(
        &self,
        block: Block,
        address: u64,
        offset: u32,
        by: Initiator,
        direction: Direction,
    ) -> Result<(), Refusal> {
        for guard in &self.guards {
            if let Some(name) = guard.refuses_register(by, direction, address) {
                return Err(Refusal { guard: name, iac_id: guard.iac_id() });
            }
        }
        let writing = direction == Direction::Write;
        let secure_only = |guard, iac_id| match by {
            Initiator::A35Secure => Ok(()),
            _ => Err(Refusal { guard, iac_id: Some(iac_id) }),
        };
        match block {
            Block::Guard(n) if writing => match self.guards.get(n) {
                Some(guard) if !guard.may_configure(by) => {
                    Err(Refusal { guard: guard.name(), iac_id: guard.iac_id() })
                }
                _ => Ok(()),
            },
            Block::Iac if writing => secure_only("IAC", soc::IAC_ID_IAC),
            Block::Rifsc if writing => secure_only("RIFSC", soc::IAC_ID_OTHER),
            Block::Otp => secure_only("BSEC", soc::IAC_ID_BSEC),
            Block::Rcc if writing && self.rcc.is_protected(offset) => secure_only("RCC", soc::IAC_ID_RCC),
            Block::Ca35Syscfg if writing && self.ca35syscfg.is_protected(offset) => {
                secure_only("CA35SYSCFG", soc::IAC_ID_OTHER)
            }
            // The mainline policy gives each bank's channels to one compartment.
            Block::Ipcc(n) if writing => {
                let site = self.description.mailboxes.get(n);
                site.map_or(Ok(()), |site| self.bank_owner(site, offset, by))
            }
            _ => Ok(()),
        }
    }

    /// Whether a register of a mailbox belongs to the bank of its writer.
    fn bank_owner(&self, site: &MailboxSite, offset: u32, by: Initiator) -> Result<(), Refusal> {
        let Some(side) = Ipcc::side_of(offset) else { return Ok(()) };
        let core = self.description.coprocessor(site.coprocessor);
        let its = core.is_some_and(|core| core.initiator.compartment() == by.compartment());
        let owns = if side == site.a_side { by.is_a_side() } else { its };
        if owns { Ok(()) } else { Err(Refusal { guard: site.name, iac_id: Some(site.iac_id) }) }
    }
}

/// What driving the lines did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Driven {
    /// The A-side lines that rose (SPI numbers).
    pub rose: BTreeSet<u16>,
    /// An input of a coprocessor changed by another's doing.
    pub another_core: bool,
}
