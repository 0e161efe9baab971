//! What resets, holds and starts the processors: RCC of both SoCs, an SCMI server, a secure monitor.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rproc_abi::ProcessorId;

use crate::stm32mp15::{ResetDomains, SecureMonitor};

const M4: ProcessorId = ProcessorId::CORTEX_M4;
const M33: ProcessorId = ProcessorId::CORTEX_M33;
const M0: ProcessorId = ProcessorId::CORTEX_M0_PLUS;

// STM32MP25.
const C2RSTCSETR: u64 = 0x4420_040c;
const RESET_CAUSES: u64 = 0x4420_0424;
const CLEAR_RESET_CAUSES: u64 = 0x4420_0428;
const CAUSE_C2RST: u32 = 1 << 14;
const CPUBOOTCR: u64 = 0x4420_0434;
const C3CFGR: u64 = 0x4420_0490;

// STM32MP15.
const TZCR: u64 = 0x5000_0000;
const MP_GCR: u64 = 0x5000_010c;
const MP_GRSTCSETR: u64 = 0x5000_0404;
const MCURST: u32 = 1 << 1;
const MC_RSTSCLRR: u64 = 0x5000_0c00;
const MCURSTF: u32 = 1 << 5;

/// Every register, and which processors run.
#[derive(Default)]
pub(super) struct Registers {
    values: BTreeMap<u64, u32>,
    running: BTreeSet<ProcessorId>,
}

impl Registers {
    /// As the boot chain leaves them.
    pub(super) fn new() -> Self {
        // RCC of an STM32MP15 tells the worlds apart, and a power-on has reset its Cortex-M4.
        Self { values: BTreeMap::from([(TZCR, 1), (MC_RSTSCLRR, 0x15)]), running: BTreeSet::new() }
    }

    pub(super) fn read(&self, address: u64) -> u32 {
        self.values.get(&address).copied().unwrap_or(0)
    }

    pub(super) fn running(&self, id: ProcessorId) -> bool {
        self.running.contains(&id)
    }

    fn run(&mut self, id: ProcessorId, running: bool) {
        if running {
            self.running.insert(id);
        } else {
            self.running.remove(&id);
        }
    }

    fn reset(&mut self, id: ProcessorId) {
        let (causes, cause, boot) = match id {
            M33 => (RESET_CAUSES, CAUSE_C2RST, CPUBOOTCR),
            _ => (MC_RSTSCLRR, MCURSTF, MP_GCR),
        };
        *self.values.entry(causes).or_insert(0) |= cause;
        self.run(id, self.read(boot) & 1 != 0);
    }

    /// Sets a register without any effect.
    pub(super) fn preset(&mut self, address: u64, value: u32) {
        self.values.insert(address, value);
    }

    /// Whether carrying this write out would change anything.
    pub(super) fn changes(&self, address: u64, value: u32) -> bool {
        match address {
            C2RSTCSETR => value & 1 != 0,
            MP_GRSTCSETR => value & MCURST != 0,
            CLEAR_RESET_CAUSES => self.read(RESET_CAUSES) & value != 0,
            MC_RSTSCLRR => self.read(MC_RSTSCLRR) & value != 0,
            _ => self.read(address) != value,
        }
    }

    pub(super) fn write(&mut self, address: u64, value: u32) {
        match address {
            C2RSTCSETR if value & 1 != 0 => self.reset(M33),
            MP_GRSTCSETR if value & MCURST != 0 => self.reset(M4),
            C2RSTCSETR | MP_GRSTCSETR => {}
            CLEAR_RESET_CAUSES => *self.values.entry(RESET_CAUSES).or_insert(0) &= !value,
            MC_RSTSCLRR => *self.values.entry(MC_RSTSCLRR).or_insert(0) &= !value,
            _ => {
                self.values.insert(address, value);
                match address {
                    CPUBOOTCR if value & 1 != 0 => self.run(M33, true),
                    MP_GCR if value & 1 != 0 => self.run(M4, true),
                    C3CFGR => self.run(M0, value & 3 == 2),
                    _ => {}
                }
            }
        }
    }

    /// The processor resets itself, as a watchdog does: what is held then stays held.
    pub(super) fn crash(&mut self, id: ProcessorId) {
        match id {
            // There is no hold boot: it starts again.
            M0 => {}
            _ if self.running(id) => self.reset(id),
            _ => {}
        }
    }

    /// The register under whose name another one fails.
    pub(super) fn fails_with(failing: u64, address: u64) -> bool {
        failing == address || failing == CLEAR_RESET_CAUSES && address == RESET_CAUSES
    }
}

/// An SCMI server that owns the Cortex-M4's reset; it refuses the calls with the numbers it is told.
pub struct FakeServer {
    registers: Rc<RefCell<Registers>>,
    calls: Rc<RefCell<usize>>,
    refuses: Option<usize>,
}

/// A secure monitor for the Cortex-M4's hold boot; it refuses, or only pretends to do, the call with the number it is told.
pub struct FakeMonitor {
    registers: Rc<RefCell<Registers>>,
    calls: Rc<RefCell<usize>>,
    refuses: Option<usize>,
    pretends: Option<usize>,
}

impl FakeServer {
    pub(super) fn new(
        registers: Rc<RefCell<Registers>>,
        calls: Rc<RefCell<usize>>,
        refuses: Option<usize>,
    ) -> Self {
        Self { registers, calls, refuses }
    }
}

impl FakeMonitor {
    pub(super) fn new(
        registers: Rc<RefCell<Registers>>,
        calls: Rc<RefCell<usize>>,
        refuses: Option<usize>,
        pretends: Option<usize>,
    ) -> Self {
        Self { registers, calls, refuses, pretends }
    }
}

fn number(calls: &RefCell<usize>) -> usize {
    calls.replace_with(|calls| *calls + 1)
}

impl ResetDomains for FakeServer {
    fn set(&mut self, domain: u32, asserted: bool) -> Result<(), i32> {
        if self.refuses == Some(number(&self.calls)) {
            // SCMI_DENIED.
            return Err(-3);
        }
        let mut registers = self.registers.borrow_mut();
        match domain {
            10 if asserted => registers.write(MP_GRSTCSETR, MCURST),
            11 => registers.write(MP_GCR, u32::from(!asserted)),
            // SCMI_NOT_FOUND.
            _ => return Err(-4),
        }
        Ok(())
    }
}

impl SecureMonitor for FakeMonitor {
    fn call(&mut self, function: u32, arguments: [u32; 3]) -> u32 {
        let number = number(&self.calls);
        if self.refuses == Some(number) || function != 0x8200_1000 || arguments[..2] != [1, 0x10c] {
            return u32::MAX;
        }
        if self.pretends != Some(number) {
            self.registers.borrow_mut().write(MP_GCR, arguments[2]);
        }
        0
    }
}
