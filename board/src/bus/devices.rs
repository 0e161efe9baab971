//! Every register block behind one decoder, with the rules of who may touch which.

use std::collections::BTreeSet;

use super::access::{Direction, Initiator};
use super::memory::Memories;
use crate::core::InterruptLines;
use crate::description::{Description, MailboxSite};
use crate::firewall::{Iac, Risab, Risaf};
use crate::peripherals::{
    BootState, BootVector, Ca35Syscfg, CpuState, Hsem, Ipcc, Otp, Pwr, Rcc, RegisterWrite, Storage, Tamp,
    Uart,
};

/// Illegal-access identifiers of the peripherals (ST `stm32mp2xx_hal_rif.h`).
const IAC_ID_IAC: u8 = 127;
const IAC_ID_RCC: u8 = 156;
const IAC_ID_BSEC: u8 = 177;
/// A reserved identifier, used for blocks whose own was not found (CA35SYSCFG, RIFSC): board's model.
const IAC_ID_OTHER: u8 = 143;

/// SYSCFG's first register at power-on; ST's M33 start-up does not go on when the low bits read 3 or 0xC.
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
    Risaf(usize),
    Risab(usize),
    Uart(usize),
    Storage,
}

/// A register access that a rule forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Name of the rule's block.
    pub guard: &'static str,
    iac_id: u8,
}

/// What an access did besides moving data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// A UART completed a line.
    pub line: Option<(u64, String)>,
    /// First access to a block without a model.
    pub unmodelled: bool,
    /// The run loop must look at the board: an A-side interrupt rose or the M33's boot state changed.
    pub attention: bool,
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
    risafs: Vec<Risaf>,
    risabs: Vec<Risab>,
    uarts: Vec<Uart>,
    storage: Storage,
    high_spis: BTreeSet<u16>,
}

impl Devices {
    /// Every block at power-on, the guards compiled into the memories' permission maps.
    pub fn new(description: &Description, memories: &Memories, otp: &[u32]) -> Self {
        let map = &description.registers;
        let mut blocks = vec![
            (map.hsem, 0x400, Block::Hsem),
            (map.rcc, 0x1_0000, Block::Rcc),
            (map.pwr, 0x400, Block::Pwr),
            (map.tamp, 0x400, Block::Tamp),
            (map.bsec, 0x1000, Block::Otp),
        ];
        blocks.extend(map.ca35syscfg.map(|base| (base, 0x1_0000, Block::Ca35Syscfg)));
        blocks.extend(map.rifsc.map(|base| (base, 0x1000, Block::Rifsc)));
        blocks.extend(map.iac.map(|base| (base, 0x400, Block::Iac)));
        blocks.extend(
            description.mailboxes.iter().enumerate().map(|(n, site)| (site.registers, 0x400, Block::Ipcc(n))),
        );
        blocks.extend(
            description.risafs.iter().enumerate().map(|(n, site)| (site.registers, 0x1000, Block::Risaf(n))),
        );
        blocks.extend(
            description.risabs.iter().enumerate().map(|(n, site)| (site.registers, 0x1000, Block::Risab(n))),
        );
        blocks.extend(description.uarts.iter().enumerate().map(|(n, base)| (*base, 0x400, Block::Uart(n))));
        let risafs: Vec<Risaf> = description
            .risafs
            .iter()
            .filter_map(|site| {
                let place = memories.place(site.memory)?;
                let bank = memories.bank(place.bank)?;
                let risaf = Risaf::new(*site, place.offset, bank.ram.size() - place.offset);
                risaf.compile_all(&bank.permissions);
                Some(risaf)
            })
            .collect();
        let risabs: Vec<Risab> = description
            .risabs
            .iter()
            .filter_map(|site| {
                let place = memories.place(site.memory)?;
                let risab = Risab::new(*site, place.offset);
                risab.compile_all(&memories.bank(place.bank)?.permissions);
                Some(risab)
            })
            .collect();
        let mut storage = Storage::default();
        storage.write(map.syscfg, RegisterWrite::word(SYSCFG_AT_POWER_ON));
        // Known, so its first access is nothing to report.
        storage.is_new(map.syscfg);
        Devices {
            description: description.clone(),
            blocks,
            ipccs: description.mailboxes.iter().map(|site| Ipcc::new(site.channels)).collect(),
            hsem: Hsem::default(),
            rcc: Rcc::new(),
            pwr: Pwr::default(),
            tamp: Tamp::default(),
            ca35syscfg: Ca35Syscfg::default(),
            otp: Otp::new(otp),
            iac: Iac::default(),
            risafs,
            risabs,
            uarts: description.uarts.iter().map(|_| Uart::default()).collect(),
            storage,
            high_spis: BTreeSet::new(),
        }
    }

    /// Reads the register at a word-aligned address of the non-secure alias.
    ///
    /// # Errors
    /// [`Refusal`] when a rule forbids it.
    pub fn read(&mut self, by: Initiator, address: u64, effects: &mut Effects) -> Result<u32, Refusal> {
        let (block, offset) = self.locate(address);
        self.entitled(block, offset, by, Direction::Read)?;
        Ok(match block {
            Block::Ipcc(n) => self.ipccs.get(n).map_or(0, |ipcc| ipcc.read(offset)),
            Block::Hsem => self.hsem.read(offset, by),
            Block::Rcc => self.rcc.read(offset),
            Block::Pwr => self.pwr.read(offset),
            Block::Tamp => self.tamp.read(offset),
            Block::Ca35Syscfg => self.ca35syscfg.read(offset),
            Block::Otp => self.otp.read(offset),
            Block::Iac => self.iac.read(offset),
            Block::Risaf(n) => self.risafs.get(n).map_or(0, |risaf| risaf.read(offset)),
            Block::Risab(n) => self.risabs.get_mut(n).map_or(0, |risab| risab.read(offset)),
            Block::Uart(n) => self.uarts.get(n).map_or(0, |uart| uart.read(offset)),
            Block::Rifsc => self.storage.read(address),
            Block::Storage => {
                effects.unmodelled = self.storage.is_new(address);
                self.storage.read(address)
            }
        })
    }

    /// Writes the register at a word-aligned address of the non-secure alias.
    ///
    /// # Errors
    /// [`Refusal`] when a rule forbids it; nothing has changed then.
    pub fn write(
        &mut self,
        by: Initiator,
        address: u64,
        write: RegisterWrite,
        memories: &Memories,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let (block, offset) = self.locate(address);
        self.entitled(block, offset, by, Direction::Write)?;
        let epoch = self.rcc.boot().epoch;
        match block {
            Block::Ipcc(n) => {
                self.ipccs.iter_mut().skip(n).take(1).for_each(|ipcc| ipcc.write(offset, write))
            }
            Block::Hsem => self.hsem.write(offset, write, by),
            Block::Rcc => self.rcc.write(offset, write),
            Block::Pwr => self.pwr.write(offset, write),
            Block::Tamp => self.tamp.write(offset, write),
            Block::Ca35Syscfg => self.ca35syscfg.write(offset, write),
            Block::Otp => self.otp.write(offset, write),
            Block::Iac => self.iac.write(offset, write),
            Block::Risaf(n) => {
                if let Some(risaf) = self.risafs.get_mut(n)
                    && let Some(bank) = memories.bank_at(risaf.site().memory)
                {
                    risaf.write(offset, write, &bank.permissions);
                }
            }
            Block::Risab(n) => {
                if let Some(risab) = self.risabs.get_mut(n)
                    && let Some(bank) = memories.bank_at(risab.site().memory)
                {
                    risab.write(offset, write, &bank.permissions);
                }
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
        effects.attention |= self.rcc.boot().epoch != epoch;
        Ok(())
    }

    /// Latches a refused memory access in the guard over it. Returns the guard's name and the region or page.
    pub fn capture_memory(
        &mut self,
        by: Initiator,
        direction: Direction,
        bank_base: u64,
        bank_offset: u64,
        memories: &Memories,
    ) -> (&'static str, Option<u8>) {
        let same_bank = |memory: u64| {
            memories.place(memory).map(|place| place.bank)
                == memories.place(bank_base).map(|place| place.bank)
        };
        if let Some(risaf) =
            self.risafs.iter_mut().find(|risaf| same_bank(risaf.site().memory) && risaf.guards(bank_offset))
        {
            let offset = risaf.offset_of(bank_offset);
            risaf.capture(by, direction, offset);
            self.iac.raise(risaf.site().iac_id);
            return (risaf.site().name, risaf.region_at(offset));
        }
        if let Some(risab) =
            self.risabs.iter_mut().find(|risab| same_bank(risab.site().memory) && risab.guards(bank_offset))
        {
            risab.capture(by, direction, bank_offset);
            self.iac.raise(risab.site().iac_id);
            return (risab.site().name, risab.page_at(bank_offset));
        }
        self.iac.raise(IAC_ID_OTHER);
        ("the secure alias", None)
    }

    /// Latches a refused register access.
    pub fn capture_refusal(&mut self, address: u64, refusal: Refusal) {
        match self.locate(address).0 {
            Block::Risaf(n) => self.risafs.iter_mut().skip(n).take(1).for_each(Risaf::capture_configuration),
            Block::Risab(n) => self.risabs.iter_mut().skip(n).take(1).for_each(Risab::capture_configuration),
            _ => {}
        }
        self.iac.raise(refusal.iac_id);
    }

    /// Drives the M33's inputs and the A-side lines from the devices' state. Returns whether an A-side line rose.
    pub fn drive_lines(&mut self, m33: &InterruptLines) -> bool {
        let mut rose = false;
        let mut drive = |number, level| {
            if level {
                rose |= self.high_spis.insert(number);
            } else {
                self.high_spis.remove(&number);
            }
        };
        for (ipcc, site) in self.ipccs.iter().zip(&self.description.mailboxes) {
            let core = site.a_side.other();
            if site.coprocessor == 1 {
                // The numbers come from the board's description, whose tests keep them inside the NVIC.
                let _ = m33.set(site.nvic.rx, ipcc.rx_line(core));
                let _ = m33.set(site.nvic.tx, ipcc.tx_line(core));
            }
            drive(site.spi.rx, ipcc.rx_line(site.a_side));
            drive(site.spi.tx, ipcc.tx_line(site.a_side));
        }
        if let Some(spi) = self.description.iac_spi {
            drive(spi, self.iac.line());
        }
        rose
    }

    /// A-side interrupts whose line is high (SPI numbers).
    pub fn high_spis(&self) -> &BTreeSet<u16> {
        &self.high_spis
    }

    /// Whether the M33 is out of its boot hold.
    pub fn boot(&self) -> BootState {
        self.rcc.boot()
    }

    /// Where the M33 would boot now.
    pub fn boot_vector(&self) -> BootVector {
        self.ca35syscfg.boot_vector()
    }

    /// Tells the power controller the M33's state.
    pub fn set_cpu_state(&mut self, state: CpuState) {
        self.pwr.cpu2 = state;
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

    fn locate(&self, address: u64) -> (Block, u32) {
        let found = self.blocks.iter().find(|(base, size, _)| (*base..*base + *size).contains(&address));
        found.map_or((Block::Storage, 0), |(base, _, block)| (*block, (address - base) as u32))
    }

    fn entitled(
        &self,
        block: Block,
        offset: u32,
        by: Initiator,
        direction: Direction,
    ) -> Result<(), Refusal> {
        let writing = direction == Direction::Write;
        let secure_only = |guard, iac_id| match by {
            Initiator::A35Secure => Ok(()),
            _ => Err(Refusal { guard, iac_id }),
        };
        match block {
            Block::Risaf(n) if writing => {
                let (name, id) =
                    self.risafs.get(n).map_or(("RISAF", IAC_ID_OTHER), |r| (r.site().name, r.site().iac_id));
                secure_only(name, id)
            }
            Block::Risab(n) if writing => {
                let (name, id) =
                    self.risabs.get(n).map_or(("RISAB", IAC_ID_OTHER), |r| (r.site().name, r.site().iac_id));
                secure_only(name, id)
            }
            Block::Iac if writing => secure_only("IAC", IAC_ID_IAC),
            Block::Rifsc if writing => secure_only("RIFSC", IAC_ID_OTHER),
            Block::Otp => secure_only("BSEC", IAC_ID_BSEC),
            Block::Rcc if writing && Rcc::is_protected(offset) => secure_only("RCC", IAC_ID_RCC),
            Block::Ca35Syscfg if writing && Ca35Syscfg::is_protected(offset) => {
                secure_only("CA35SYSCFG", IAC_ID_OTHER)
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
        if owns { Ok(()) } else { Err(Refusal { guard: site.name, iac_id: site.iac_id }) }
    }
}
