//! Registers and memory that fail when they are told to, and a watch over the firmware's memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use rproc_abi::ProcessorId;

use super::firewall::{DDR, RISAF4, Who, allows, canonical, guards};
use super::reset::{FakeMonitor, FakeServer, Registers};
use crate::{AccessError, Hardware, Region, RegionKind};

/// How a register fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One write is lost.
    Lost,
    /// Writes are lost from here on.
    Stuck,
    /// The bus refuses the register from here on.
    Refused,
    /// A write is carried out, but the register cannot be read from here on.
    Unreadable,
}

/// Which access begins the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The write with this number, from 0.
    Write(usize),
    /// The read with this number, from 0; it fails as unreadable.
    Read(usize),
}

/// The hardware of any SoC that this crate drives.
pub struct Fake {
    registers: Rc<RefCell<Registers>>,
    processors: Vec<(ProcessorId, &'static [Region])>,
    was_running: Vec<bool>,
    /// What was written to memory and is not zero, by canonical address.
    bytes: BTreeMap<u64, u8>,
    /// The registers written so far.
    pub writes: Vec<u64>,
    /// Register reads so far.
    pub reads: usize,
    /// Which access fails, and how.
    pub fault: Option<(Point, Fault)>,
    /// The register that fails now.
    failing: Option<(u64, Fault)>,
    /// A failure has kept something from happening.
    pub bitten: bool,
    calls: Rc<RefCell<usize>>,
}

/// One page of each range of the firmware's memory that may be open or closed by itself: a region of a RISAF, a page of
/// on-chip memory.
fn firmware_pages(regions: &'static [Region]) -> impl Iterator<Item = u64> {
    regions.iter().filter(|region| region.kind == RegionKind::Firmware).flat_map(|region| {
        let pages = if region.physical >= DDR { 1 } else { region.size / 0x1000 };
        (0..pages).map(|page| region.physical + 0x1000 * page)
    })
}

fn is_firmware(regions: &[Region], address: u64) -> bool {
    regions.iter().any(|region| {
        let start = canonical(region.physical);
        region.kind == RegionKind::Firmware && (start..start + region.size).contains(&address)
    })
}

impl Fake {
    /// As the boot chain leaves it: all of the memory of these processors is everybody's, and they are held.
    pub fn new(processors: &[(ProcessorId, &'static [Region])]) -> Self {
        let mut registers = Registers::new();
        // Whoever ran before used the secure state (M33_TZEN_CR), and the Cortex-M0+ begins in reset.
        registers.preset(0x4880_20a0, 1);
        registers.preset(0x4420_0490, 1);
        // ETZPC: everybody's.
        registers.preset(0x5c00_7024, u32::MAX);
        let regions = processors.iter().flat_map(|(_, regions)| regions.iter());
        for (n, region) in (2..).zip(regions.filter(|region| region.physical >= DDR)) {
            let at = RISAF4 + 0x40 * n;
            let start = (region.physical - DDR) as u32;
            registers.preset(at, 1);
            registers.preset(at + 4, start);
            registers.preset(at + 8, start + region.size as u32 - 1);
            registers.preset(at + 0xc, 0x0007_0007);
        }
        Self {
            registers: Rc::new(registers.into()),
            was_running: vec![false; processors.len()],
            processors: processors.to_vec(),
            bytes: BTreeMap::new(),
            writes: Vec::new(),
            reads: 0,
            fault: None,
            failing: None,
            bitten: false,
            calls: Rc::default(),
        }
    }

    /// An SCMI server over the Cortex-M4's reset, which refuses the call with this number.
    pub fn server(&self, refuses: Option<usize>) -> FakeServer {
        FakeServer::new(self.registers.clone(), self.calls.clone(), refuses)
    }

    /// A secure monitor over the Cortex-M4's hold boot, which refuses or only pretends to do the call with this number.
    pub fn monitor(&self, refuses: Option<usize>, pretends: Option<usize>) -> FakeMonitor {
        FakeMonitor::new(self.registers.clone(), self.calls.clone(), refuses, pretends)
    }

    /// Calls of the server or the monitor so far.
    pub fn calls(&self) -> usize {
        *self.calls.borrow()
    }

    /// What a register holds.
    pub fn register(&self, address: u64) -> u32 {
        self.registers.borrow().read(address)
    }

    /// Sets a register without any effect.
    pub fn preset(&mut self, address: u64, value: u32) {
        self.registers.borrow_mut().preset(address, value);
    }

    /// Whether a processor runs.
    pub fn running(&self, id: ProcessorId) -> bool {
        self.registers.borrow().running(id)
    }

    /// A processor crashes and resets itself.
    pub fn crash(&mut self, id: ProcessorId) {
        self.registers.borrow_mut().crash(id);
    }

    /// Whether no byte of memory is anything but zero.
    pub fn is_zero(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of a processor's memory that are not zero, by address.
    pub fn memory(&self, id: ProcessorId) -> BTreeMap<u64, u8> {
        let regions = self.processors.iter().filter(|(other, _)| *other == id).flat_map(|(_, all)| *all);
        let parts = regions.flat_map(|region| {
            let start = canonical(region.physical);
            self.bytes.range(start..start + region.size)
        });
        parts.map(|(address, byte)| (*address, *byte)).collect()
    }

    /// Repairs what fails.
    pub fn repair(&mut self) {
        (self.fault, self.failing, self.bitten) = (None, None, false);
    }

    /// The register that has failed.
    pub fn failed(&self) -> Option<u64> {
        self.failing.map(|(address, _)| address)
    }

    /// Whether the normal world can read or write a byte.
    pub fn open(&self, address: u64) -> bool {
        allows(&self.registers.borrow(), Who::Linux, address)
    }

    /// Whether a processor can read or write a byte.
    pub fn reaches(&self, id: ProcessorId, address: u64) -> bool {
        allows(&self.registers.borrow(), Who::Processor(id), address)
    }

    fn regions(&self, id: ProcessorId) -> &'static [Region] {
        self.processors.iter().find(|(other, _)| *other == id).map_or(&[], |(_, regions)| regions)
    }

    /// Whether any page of the firmware's memory is open to the normal world.
    pub fn any_open(&self, id: ProcessorId) -> bool {
        firmware_pages(self.regions(id)).any(|page| self.open(page))
    }

    /// Whether all pages of the firmware's memory are.
    pub fn all_open(&self, id: ProcessorId) -> bool {
        firmware_pages(self.regions(id)).all(|page| self.open(page))
    }

    /// Whether a processor can use all of its firmware's memory.
    pub fn reaches_all(&self, id: ProcessorId) -> bool {
        firmware_pages(self.regions(id)).all(|page| self.reaches(id, page))
    }

    /// Panics when a processor runs, or has firmware in its memory, while the normal world can read or write that.
    pub fn check(&self) {
        self.watch(|_, _| true);
    }

    /// What must hold after a write of a register; `touched` says which pages it may have opened.
    fn watch(&self, touched: impl Fn(ProcessorId, u64) -> bool) {
        for (id, regions) in &self.processors {
            let running = self.running(*id);
            if !running && !self.bytes.keys().any(|address| is_firmware(regions, *address)) {
                continue;
            }
            let mut pages = firmware_pages(regions).filter(|page| touched(*id, *page));
            if let Some(page) = pages.find(|page| self.open(*page)) {
                assert!(!running, "{id} runs with memory open at {page:#x}");
                panic!("memory with firmware of {id} in it is open at {page:#x}");
            }
        }
    }

    fn carry_out(&mut self, address: u64, value: u32) {
        self.registers.borrow_mut().write(address, value);
        let running: Vec<bool> = self.processors.iter().map(|(id, _)| self.running(*id)).collect();
        let was_running = core::mem::replace(&mut self.was_running, running);
        let changed: Vec<ProcessorId> = self
            .processors
            .iter()
            .zip(was_running.iter().zip(&self.was_running))
            .filter_map(|((id, _), (was, is))| (was != is).then_some(*id))
            .collect();
        self.watch(|id, page| changed.contains(&id) || guards(address, page));
    }
}

impl Hardware for Fake {
    fn read32(&mut self, address: u64) -> Result<u32, AccessError> {
        let now = self.reads;
        self.reads += 1;
        if let Some((Point::Read(at), fault)) = self.fault
            && at == now
        {
            self.failing = Some((address, fault));
        }
        match self.failing {
            Some((failing, Fault::Refused | Fault::Unreadable))
                if Registers::fails_with(failing, address) =>
            {
                self.bitten = true;
                Err(AccessError { address: failing, size: 4 })
            }
            _ => Ok(self.register(address)),
        }
    }

    fn write32(&mut self, address: u64, value: u32) -> Result<(), AccessError> {
        let point = Point::Write(self.writes.len());
        self.writes.push(address);
        let begins = self.fault.is_some_and(|(at, _)| at == point);
        if let Some((_, fault)) = self.fault.filter(|_| begins) {
            self.failing = Some((address, fault));
        }
        match self.failing {
            Some((failing, Fault::Lost)) if failing == address && begins => {
                self.bitten |= self.registers.borrow().changes(address, value);
            }
            Some((failing, Fault::Stuck)) if failing == address => {
                self.bitten |= self.registers.borrow().changes(address, value);
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
        let address = canonical(address);
        for (at, byte) in self.bytes.range(address..address + into.len() as u64) {
            into[(at - address) as usize] = *byte;
        }
        Ok(())
    }

    fn write_memory(&mut self, address: u64, from: &[u8]) -> Result<(), AccessError> {
        for (address, byte) in (canonical(address)..).zip(from) {
            match byte {
                0 => self.bytes.remove(&address),
                _ => self.bytes.insert(address, *byte),
            };
        }
        self.watch(|_, _| true);
        Ok(())
    }

    fn fill_memory(&mut self, address: u64, size: u64, byte: u8) -> Result<(), AccessError> {
        let start = canonical(address);
        let gone: Vec<u64> = self.bytes.range(start..start + size).map(|(at, _)| *at).collect();
        for at in gone {
            self.bytes.remove(&at);
        }
        if byte != 0 {
            self.write_memory(address, &vec![byte; size as usize])?;
        }
        Ok(())
    }
}
