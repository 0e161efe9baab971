//! The registers and memory of an STM32MP25 for tests, any register of which can be made to fail, and a watch over what
//! must never be.

use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use super::m33::REGIONS;
use super::rcc;
use crate::{AccessError, Hardware, RegionKind};

const RISAF4: u64 = 0x420d_0000;
const DDR: u64 = 0x8000_0000;
/// Registers of RISAB3 to RISAB5, and the first address that each guards.
const RISABS: [(u64, u64); 3] =
    [(0x4211_0000, 0x0a04_0000), (0x4212_0000, 0x0a06_0000), (0x4213_0000, 0x0a08_0000)];
/// Lists of the compartment of the Cortex-A35, which has number 1.
const A35_LISTS: [u64; 2] = [0x808 + 0x20, 0x810 + 0x20];

/// One page of each range of the firmware's memory that may be open or closed by itself: a region of a RISAF, a page of
/// on-chip memory.
fn firmware_pages() -> impl Iterator<Item = u64> {
    REGIONS.iter().filter(|region| region.kind == RegionKind::Firmware).flat_map(|region| {
        let pages = if region.physical >= DDR { 1 } else { region.size / 0x1000 };
        (0..pages).map(|page| region.physical + 0x1000 * page)
    })
}

fn is_firmware(address: u64) -> bool {
    REGIONS.iter().any(|region| {
        region.kind == RegionKind::Firmware
            && (region.physical..region.physical + region.size).contains(&address)
    })
}

/// Whether a register may decide about a page.
fn guards(register: u64, page: u64) -> bool {
    let guard = register & !0xfff;
    match RISABS.iter().find(|(registers, _)| *registers == guard) {
        None => guard == RISAF4 && page >= DDR,
        Some((_, first)) => {
            let index = page.wrapping_sub(*first) / 0x1000;
            index < 32
                && match register - guard {
                    offset @ (0x100..0x180 | 0xa00..0xa80) => (offset & 0x7f) / 4 == index,
                    _ => true,
                }
        }
    }
}

/// How a register fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// One write is lost.
    Lost,
    /// Writes are lost from here on.
    Stuck,
    /// The bus refuses the register from here on.
    Refused,
    /// The write is carried out, but the register cannot be read from here on.
    Unreadable,
}

/// The hardware.
#[derive(Default)]
pub(super) struct Fake {
    registers: BTreeMap<u64, u32>,
    running: bool,
    was_running: bool,
    /// What was written to memory and is not zero, by address.
    bytes: BTreeMap<u64, u8>,
    /// Register writes so far, each with whether it changed anything.
    pub(super) writes: Vec<u64>,
    /// Which write fails, and how.
    pub(super) fault: Option<(usize, Fault)>,
    /// The register that fails now.
    failing: Option<(u64, Fault)>,
    /// A failure has kept something from happening.
    pub(super) bitten: bool,
}

impl Fake {
    /// As boot firmware leaves it: all of the processor's memory is everybody's.
    pub(super) fn new() -> Self {
        let mut fake = Self::default();
        // Whoever ran before used the secure state (M33_TZEN_CR).
        fake.registers.insert(0x4880_20a0, 1);
        let ddr = REGIONS.iter().filter(|region| region.physical >= DDR);
        for (n, region) in (2..).zip(ddr) {
            let registers = RISAF4 + 0x40 * n;
            let start = (region.physical - DDR) as u32;
            fake.registers.insert(registers, 1);
            fake.registers.insert(registers + 4, start);
            fake.registers.insert(registers + 8, start + region.size as u32 - 1);
            fake.registers.insert(registers + 0xc, 0x0007_0007);
        }
        fake
    }

    fn register(&self, address: u64) -> u32 {
        self.registers.get(&address).copied().unwrap_or(0)
    }

    pub(super) fn running(&self) -> bool {
        self.running
    }

    pub(super) fn is_zero(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Repairs what fails.
    pub(super) fn repair(&mut self) {
        (self.fault, self.failing, self.bitten) = (None, None, false);
    }

    /// The register that has failed.
    pub(super) fn failed(&self) -> Option<u64> {
        self.failing.map(|(address, _)| address)
    }

    /// Whether the normal world of the Cortex-A35 can read or write a page.
    pub(super) fn open(&self, address: u64) -> bool {
        if address >= DDR {
            let offset = (address - DDR) as u32;
            let covering = (1..=15).map(|n| RISAF4 + 0x40 * n).find(|region| {
                let (start, end) = (self.register(region + 4), self.register(region + 8) | 0xfff);
                self.register(*region) & 1 != 0 && (start..=end).contains(&offset)
            });
            return covering.is_some_and(|region| {
                self.register(region) & 1 << 8 == 0 && self.register(region + 0xc) & 0x0002_0002 != 0
            });
        }
        let Some((guard, first)) =
            RISABS.iter().find(|(_, first)| (*first..first + 0x2_0000).contains(&address))
        else {
            return true;
        };
        let page = (address - first) / 0x1000;
        let secure = self.register(guard + 0x100 + 4 * page) & 0xff == 0xff;
        let filtered = self.register(guard + 0xa00 + 4 * page) & 1 != 0;
        let listed = A35_LISTS.iter().any(|list| self.register(guard + list) >> page & 1 != 0);
        !secure && (!filtered || listed)
    }

    /// Whether any page of the firmware's memory is open to the normal world.
    pub(super) fn any_open(&self) -> bool {
        firmware_pages().any(|page| self.open(page))
    }

    /// What must hold after a write of a register; `touched` says which pages it may have opened.
    fn watch(&self, touched: impl Fn(u64) -> bool) {
        let loaded = || self.bytes.keys().any(|address| is_firmware(*address));
        if !self.running && !loaded() {
            return;
        }
        let open = firmware_pages().filter(|page| touched(*page)).find(|page| self.open(*page));
        if let Some(page) = open {
            assert!(!self.running, "the processor runs with memory open at {page:#x}");
            panic!("memory with firmware in it is open at {page:#x}");
        }
    }

    fn carry_out(&mut self, address: u64, value: u32) {
        match address {
            rcc::C2RSTCSETR if value & rcc::C2RST != 0 => {
                *self.registers.entry(rcc::RESET_CAUSES).or_insert(0) |= rcc::CAUSE_C2RST;
                self.running = self.register(rcc::CPUBOOTCR) & rcc::BOOT_CPU2 != 0;
            }
            rcc::C2RSTCSETR => {}
            rcc::CLEAR_RESET_CAUSES => *self.registers.entry(rcc::RESET_CAUSES).or_insert(0) &= !value,
            _ => {
                self.registers.insert(address, value);
                self.running |= address == rcc::CPUBOOTCR && value & rcc::BOOT_CPU2 != 0;
            }
        }
        let was_running = core::mem::replace(&mut self.was_running, self.running);
        self.watch(|page| self.running != was_running || guards(address, page));
    }

    /// Whether carrying this write out would change anything.
    fn changes(&self, address: u64, value: u32) -> bool {
        match address {
            rcc::C2RSTCSETR => value & rcc::C2RST != 0,
            rcc::CLEAR_RESET_CAUSES => self.register(rcc::RESET_CAUSES) & value != 0,
            _ => self.register(address) != value,
        }
    }
}

impl Hardware for Fake {
    fn read32(&mut self, address: u64) -> Result<u32, AccessError> {
        // The causes of a reset are read at one address and cleared at another; they fail together.
        let same = |failing: u64| {
            failing == address || failing == rcc::CLEAR_RESET_CAUSES && address == rcc::RESET_CAUSES
        };
        match self.failing {
            Some((failing, Fault::Refused | Fault::Unreadable)) if same(failing) => {
                self.bitten = true;
                Err(AccessError { address: failing, size: 4 })
            }
            _ => Ok(self.register(address)),
        }
    }

    fn write32(&mut self, address: u64, value: u32) -> Result<(), AccessError> {
        let now = self.writes.len();
        self.writes.push(address);
        if let Some((at, fault)) = self.fault
            && at == now
        {
            self.failing = Some((address, fault));
        }
        match self.failing {
            Some((failing, Fault::Lost))
                if failing == address && self.fault.is_some_and(|(at, _)| at == now) =>
            {
                self.bitten |= self.changes(address, value);
            }
            Some((failing, Fault::Stuck)) if failing == address => {
                self.bitten |= self.changes(address, value)
            }
            Some((failing, Fault::Refused)) if failing == address => {
                self.bitten = true;
                return Err(AccessError { address, size: 4 });
            }
            _ => self.carry_out(address, value),
        }
        Ok(())
    }

    fn read_memory(&mut self, address: u64, into: &mut [u8]) -> Result<(), AccessError> {
        into.fill(0);
        let end = address + into.len() as u64;
        for (at, byte) in self.bytes.range(address..end) {
            into[(at - address) as usize] = *byte;
        }
        Ok(())
    }

    fn write_memory(&mut self, address: u64, from: &[u8]) -> Result<(), AccessError> {
        for (address, byte) in (address..).zip(from) {
            self.bytes.insert(address, *byte);
        }
        self.watch(|_| true);
        Ok(())
    }

    fn fill_memory(&mut self, address: u64, size: u64, byte: u8) -> Result<(), AccessError> {
        let gone: Vec<u64> = self.bytes.range(address..address + size).map(|(at, _)| *at).collect();
        for at in gone {
            self.bytes.remove(&at);
        }
        if byte != 0 {
            self.write_memory(address, &vec![byte; size as usize])?;
        }
        Ok(())
    }
}
