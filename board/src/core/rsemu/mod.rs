//! [`Core`] by rsemu 0.0.7, with a work-around for each of its known faults.

mod armv6m;
mod idle;
mod it_state;
mod memory;
mod plain;
mod systick;
mod wfe;

use std::sync::Arc;

use ::rsemu::core::device::{Device, ResetKind};
use ::rsemu::core::space::{AddressSpace, Region};
use ::rsemu::cpu::arm::v7m::sys::Exception;
use ::rsemu::cpu::arm::v7m::{ArmV7m, Config, Regs};

use super::{Core, CrashKind, CrashReport, InterruptLines, Levels, Registers, StackedFrame, Stop};
use crate::bus::Bus;
use crate::clock::Period;
use crate::description::{Coprocessor, CoreKind};
use idle::CircleFinder;
use memory::{CoreMemory, Fetch};
use systick::ReferenceClock;

/// First address that never reaches the bus: the private peripheral bus.
const PRIVATE_PERIPHERALS: u64 = 0xE000_0000;
/// Priority bits that the NVICs of STM32MP1's Cortex-M4 and STM32MP2's Cortex-M33 implement, and a Cortex-M0+'s.
const PRIORITY_BITS: u8 = 4;
const PRIORITY_BITS_M0_PLUS: u8 = 2;
/// CPUID of a Cortex-M0+ r0p1.
const CPUID_M0_PLUS: u32 = 0x410C_C601;
/// CCR.UNALIGN_TRP, which an Armv6-M core has always set.
const UNALIGN_TRP: u32 = 1 << 3;
/// SHCSR: MemManage, BusFault and UsageFault enabled, which an Armv6-M core has not.
const CONFIGURABLE_FAULTS: u32 = 7 << 16;
/// The exception being handled, bits 8:0 of xPSR (IPSR).
const EXCEPTION: u32 = 0x1FF;
/// Where the program counter points while the core is locked up.
const LOCKUP_PC: u32 = 0xFFFF_FFFE;
/// A fault handler that runs for longer than this part of a second counts as stuck.
const FAULT_PATIENCE: u64 = 100;
/// Steps between two looks at the slow flags.
const SLOW_LOOK: u32 = 64;

/// One fault of rsemu that can be worked around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkAround {
    /// IT state is lost on exception entry.
    ItState,
    /// An exception return inside an IT block makes the interrupted IT block skip a slot.
    ItReturn,
    /// A warm reset keeps NVIC enables, SysTick and CPACR: reset cold.
    ColdReset,
    /// WFE sleeps although events have happened: it yields instead.
    WfeYields,
    /// A spinning core burns the host: circles are found and skipped.
    SkipCircles,
}

/// Which work-arounds are on. All of them, except in the tests that show what happens without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkArounds {
    off: Option<WorkAround>,
}

impl WorkArounds {
    /// Every work-around.
    pub const ALL: WorkArounds = WorkArounds { off: None };

    /// Every work-around but one.
    pub const fn without(one: WorkAround) -> WorkArounds {
        WorkArounds { off: Some(one) }
    }

    fn on(self, one: WorkAround) -> bool {
        self.off != Some(one)
    }
}

/// A Cortex-M: an M4 or M33 with FPU, the M33 without TrustZone-M; or an M0+.
pub struct RsemuCore {
    cpu: ArmV7m,
    bus: Arc<Bus>,
    /// Its place in the description.
    index: usize,
    core: Coprocessor,
    period: Period,
    /// SysTick's external reference, where there is one.
    reference: Option<ReferenceClock>,
    memory: Arc<CoreMemory>,
    work_arounds: WorkArounds,
    /// The inputs as the emulator knows them.
    driven: Levels,
    circles: CircleFinder,
    /// The core sleeps in WFI (as opposed to going round in circles).
    sleeping: bool,
    /// Cycles spent in the fault handler that runs now.
    in_fault: u64,
    /// What the fault that is being handled, or was handled last, pushed.
    fault_frame: Option<StackedFrame>,
    instructions: u64,
}

impl std::fmt::Debug for RsemuCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RsemuCore").field("registers", &self.registers()).finish_non_exhaustive()
    }
}

impl RsemuCore {
    /// The core that the description of `bus` has at `index`, in reset.
    ///
    /// # Errors
    /// rsemu refuses the memory layout.
    pub fn new(
        bus: Arc<Bus>,
        index: usize,
        core: &Coprocessor,
        work_arounds: WorkArounds,
    ) -> Result<Self, ::rsemu::core::error::Error> {
        let core = core.clone();
        let memory = Arc::new(CoreMemory::new(bus.clone(), &core));
        let space = AddressSpace::new(&core.name, 32);
        {
            let mut topology = space.topology();
            topology.map(Region::io("bus", PRIVATE_PERIPHERALS, memory.clone()), 0)?;
            wfe::map_scratch(&mut topology)?;
        }
        let cpu = ArmV7m::new(config(core.kind));
        cpu.attach_space(Arc::new(space));
        Ok(RsemuCore {
            cpu,
            bus,
            index,
            period: Period::of(core.hertz),
            reference: core
                .systick_reference_hertz
                .map(|hertz| ReferenceClock::new(core.hertz / hertz.max(1))),
            core,
            memory,
            work_arounds,
            driven: Levels::default(),
            circles: CircleFinder::new(),
            sleeping: false,
            in_fault: 0,
            fault_frame: None,
            instructions: 0,
        })
    }

    /// Drives the inputs that have changed.
    fn drive_lines(&mut self) {
        let levels = self.bus.lines(self.index).map(InterruptLines::levels).unwrap_or_default();
        for (number, level) in levels.changes_since(self.driven) {
            self.cpu.set_irq(number, level);
        }
        self.driven = levels;
    }

    /// The stop that ends a quiet core's run: a quiet fault handler is a crash, and a request to be reset goes first.
    fn quiet(&self, registers: &Regs) -> Stop {
        if self.cpu.reset_requested() {
            return Stop::ResetRequest;
        }
        match fault_of(registers) {
            Some(exception) => Stop::Crash(Box::new(self.crash(CrashKind::StuckInFaultHandler(exception)))),
            None => Stop::Asleep,
        }
    }

    fn crash(&self, kind: CrashKind) -> CrashReport {
        let (cfsr, hfsr, bfar, mmfar, vector_table) =
            self.cpu.with_sys(|sys| (sys.cfsr, sys.hfsr, sys.bfar, sys.mmfar, sys.vtor));
        let registers = convert(&self.cpu.regs());
        CrashReport {
            core: self.core.core(),
            kind,
            registers,
            cfsr,
            hfsr,
            bfar,
            mmfar,
            frame: self.fault_frame,
            vector_table,
        }
    }

    /// The frame that the step to `after` has just pushed.
    fn pushed_frame(&self, after: &Regs) -> Option<StackedFrame> {
        let stack = if after.r[14] & 0b1100 == 0b1100 { after.psp } else { after.msp };
        let word = |index: u32| self.memory.peek32(stack.wrapping_add(4 * index));
        Some(StackedFrame {
            r: [word(0)?, word(1)?, word(2)?, word(3)?, word(4)?],
            lr: word(5)?,
            pc: word(6)?,
            xpsr: word(7)?,
        })
    }

    /// Lets the clock pass.
    #[inline]
    fn pass(&mut self, cycles: u64) {
        let clock = self.bus.clock();
        clock.set(clock.picoseconds().saturating_add(self.period.pass(cycles)));
    }

    /// Puts back what an Armv6-M core cannot change but the emulated Armv7-M core can.
    fn keep_armv6m(&self) {
        if self.core.kind == CoreKind::CortexM0Plus {
            self.cpu.with_sys(|sys| {
                sys.ccr |= UNALIGN_TRP;
                sys.shcsr &= !CONFIGURABLE_FAULTS;
            });
        }
    }

    /// One step with its work-arounds. `seen` are the registers as they were last looked at.
    #[inline]
    fn step(&mut self, seen: &Regs) -> Step {
        self.memory.begin_step();
        let cycles = self.cpu.step();
        self.pass(cycles);
        self.instructions += 1;
        let fetch = self.memory.fetched();
        if let Some(fetch) = fetch
            && self.reference.is_none()
            && plain::is_plain(seen, fetch, cycles)
        {
            let kept = EXCEPTION | it_state::IT_MASK;
            debug_assert_eq!(
                self.cpu.xpsr() & kept,
                seen.xpsr & kept,
                "{fetch:x?} in {cycles} cycles was not plain"
            );
            return Step { cycles, fetch: Some(fetch), after: None };
        }
        Step { cycles, fetch, after: Some(self.work_around(seen, cycles)) }
    }

    /// Puts right what a step that was not plain may have got wrong. Returns the registers.
    fn work_around(&mut self, before: &Regs, cycles: u64) -> Regs {
        let mut after = self.cpu.regs();
        if let Some(reference) = &mut self.reference {
            let taken = after.xpsr & EXCEPTION == u32::from(Exception::SYSTICK.0)
                && before.xpsr & EXCEPTION != after.xpsr & EXCEPTION;
            self.cpu.with_sys(|sys| reference.after_step(sys, cycles, taken));
        }
        if after.xpsr & EXCEPTION != before.xpsr & EXCEPTION {
            if self.work_arounds.on(WorkAround::ItState) {
                it_state::restore_on_entry(&self.memory, before, &after);
            }
            if self.work_arounds.on(WorkAround::ItReturn)
                && let Some(right) = it_state::status_after_return(&self.memory, before, &after)
            {
                self.cpu.set_xpsr(right);
                after.xpsr = right;
            }
            if fault_of(&after).is_some() && fault_of(before).is_none() {
                self.fault_frame = self.pushed_frame(&after);
            }
            self.circles.disturb();
            self.in_fault = 0;
        }
        after
    }
}

/// What a step did.
struct Step {
    cycles: u64,
    fetch: Option<Fetch>,
    /// The registers afterwards; none when the step was plain: exception number and IT state are as they were.
    after: Option<Regs>,
}

/// The emulator's profile of a kind. A Cortex-M0+ is an Armv7-M core that is shown Armv6-M code alone.
fn config(kind: CoreKind) -> Config {
    match kind {
        CoreKind::CortexM4F => Config::CORTEX_M4F.with_priority_bits(PRIORITY_BITS),
        CoreKind::CortexM33F => Config::CORTEX_M33F.with_priority_bits(PRIORITY_BITS),
        CoreKind::CortexM0Plus => {
            // 0x42000000 is hardware of its own on this chip.
            let mut config = Config::CORTEX_M3.with_priority_bits(PRIORITY_BITS_M0_PLUS).with_bit_band(false);
            config.cpuid = CPUID_M0_PLUS;
            config
        }
    }
}

/// The fault exception being handled.
fn fault_of(registers: &Regs) -> Option<u16> {
    let exception = (registers.xpsr & EXCEPTION) as u16;
    (2..=6).contains(&exception).then_some(exception)
}

fn convert(regs: &Regs) -> Registers {
    Registers { r: regs.r, xpsr: regs.xpsr, msp: regs.msp, psp: regs.psp, control: regs.control }
}

impl Core for RsemuCore {
    fn reset(&mut self, vector_table: u32, secure: bool) {
        self.memory.set_secure(secure);
        self.cpu.set_vtor(vector_table);
        let kind =
            if self.work_arounds.on(WorkAround::ColdReset) { ResetKind::Cold } else { ResetKind::Warm };
        Device::reset(&self.cpu, kind);
        self.cpu.clear_reset_request();
        // The reset sequence is a step of its own; the inputs are driven after it, because a cold reset forgets them.
        let cycles = self.cpu.step();
        self.pass(cycles);
        self.keep_armv6m();
        self.reference.iter_mut().for_each(ReferenceClock::reset);
        if kind == ResetKind::Cold {
            self.driven = Levels::default();
        }
        self.drive_lines();
        self.circles.disturb();
        self.sleeping = false;
        self.in_fault = 0;
        self.fault_frame = None;
    }

    fn run(&mut self, deadline: u64) -> Stop {
        let bus = self.bus.clone();
        let lines = bus.lines(self.index);
        let patience = self.core.hertz / FAULT_PATIENCE;
        let mut countdown = SLOW_LOOK;
        let mut seen = self.cpu.regs();
        loop {
            let now = bus.clock().picoseconds();
            if lines.is_some_and(|lines| lines.take_changed(now)) {
                self.drive_lines();
                self.circles.disturb();
            }
            if bus.take_attention() {
                break Stop::Attention;
            }
            if now >= deadline {
                break Stop::Deadline;
            }
            let Step { cycles, fetch, after } = self.step(&seen);
            self.sleeping = false;
            if let Some(after) = after {
                seen = after;
                if seen.r[15] == LOCKUP_PC && self.cpu.is_locked_up() {
                    break Stop::Crash(Box::new(self.crash(CrashKind::Lockup)));
                }
                // A sleeping core fetches nothing.
                if fetch.is_none() && self.cpu.is_asleep() {
                    if self.work_arounds.on(WorkAround::WfeYields) && wfe::sleeps_in_wfe(&self.memory, &seen)
                    {
                        let cycles = wfe::wake(&self.cpu);
                        self.pass(cycles);
                    } else {
                        self.sleeping = true;
                        if self.cpu.with_sys(|sys| sys.highest_pending().is_none()) {
                            break self.quiet(&seen);
                        }
                    }
                }
            }
            if let Some(fetch) = fetch
                && self.work_arounds.on(WorkAround::SkipCircles)
                && self.circles.look(&self.cpu, fetch.address, self.memory.activity())
            {
                self.circles.disturb();
                break self.quiet(&seen);
            }
            countdown -= 1;
            if countdown == 0 {
                countdown = SLOW_LOOK;
                self.keep_armv6m();
                if self.cpu.reset_requested() {
                    break Stop::ResetRequest;
                }
            }
            if let Some(exception) = fault_of(&seen) {
                self.in_fault += cycles;
                if self.in_fault > patience {
                    break Stop::Crash(Box::new(self.crash(CrashKind::StuckInFaultHandler(exception))));
                }
            }
        }
    }

    fn timer(&self) -> Option<u64> {
        let sleeping = self.sleeping;
        let cycles = self.cpu.with_sys(|sys| {
            // Bit 0 counts, bit 1 interrupts. A loop may poll the counter's flag without its interrupt; a sleeper needs the latter.
            let needed = if sleeping { 0b11 } else { 0b01 };
            if sys.syst_csr & needed != needed || sys.syst_rvr == 0 {
                return None;
            }
            let current = u64::from(sys.syst_cvr);
            let ticks = if current == 0 { u64::from(sys.syst_rvr) + 1 } else { current };
            Some(match &self.reference {
                Some(reference) if ReferenceClock::is_chosen(sys) => reference.cycles_until(ticks),
                _ => ticks,
            })
        })?;
        Some(self.bus.clock().picoseconds().saturating_add(self.period.picoseconds(cycles)))
    }

    fn skip(&mut self, deadline: u64) {
        let cycles = self.period.cycles(deadline.saturating_sub(self.bus.clock().picoseconds()));
        let reference = &mut self.reference;
        self.cpu.with_sys(|sys| {
            sys.tick_cyccnt(cycles);
            match reference {
                Some(reference) if ReferenceClock::is_chosen(sys) => reference.pass(sys, cycles),
                reference => {
                    if sys.tick_systick(cycles) && sys.syst_csr & 0b10 != 0 {
                        sys.set_pending(Exception::SYSTICK, true);
                    }
                    reference.iter_mut().for_each(|reference| reference.remember(sys));
                }
            }
        });
        self.pass(cycles);
    }

    fn sleeps(&self) -> bool {
        self.sleeping
    }

    fn activity(&self) -> u64 {
        self.memory.activity()
    }

    fn registers(&self) -> Registers {
        convert(&self.cpu.regs())
    }

    fn instructions(&self) -> u64 {
        self.instructions
    }
}
