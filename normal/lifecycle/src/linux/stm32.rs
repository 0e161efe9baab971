//! The resets and state registers of STM32MP15 and STM32MP25 coprocessors, as Linux's stm32 driver uses them.

use super::control::{CoreStatus, FoundTable, ResetControl};
use crate::supply::ProviderError;

/// 32-bit registers as Linux reaches them, by physical address.
pub trait Registers {
    /// Reads one.
    ///
    /// # Errors
    /// Why it cannot be reached.
    fn read32(&mut self, address: u64) -> Result<u32, ProviderError>;

    /// Writes one.
    ///
    /// # Errors
    /// Why it cannot be reached.
    fn write32(&mut self, address: u64, value: u32) -> Result<(), ProviderError>;
}

/// One reset line: of the RCC, of the SCMI service, or behind the secure monitor.
pub trait ResetLine {
    /// Asserts it; one that clears itself is a pulse.
    ///
    /// # Errors
    /// Why it was not taken.
    fn assert(&mut self) -> Result<(), ProviderError>;

    /// Deasserts it.
    ///
    /// # Errors
    /// Why it was not taken.
    fn deassert(&mut self) -> Result<(), ProviderError>;
}

/// A register that does not hold what was written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "register {address:#x} reads {found:#x} after {written:#x} was written to bits {mask:#x}: it is locked or belongs to the \
     secure world"
)]
pub struct ReadBack {
    /// Its physical address.
    pub address: u64,
    /// The bits that matter.
    pub mask: u32,
    /// What was written to them.
    pub written: u32,
    /// What the register reads.
    pub found: u32,
}

/// Looks at a self-clearing bit this often before it is called stuck; it clears within a few cycles of the bus.
const CLEARING_LOOKS: u32 = 1000;

/// The hold of a processor in the RCC: a bit that lets it boot (MP15 `RCC_MP_GCR` 0x10c bit 0; MP25 `RCC_CPUBOOTCR` 0x434
/// bit 0).
pub struct RccHold<R> {
    /// The registers.
    pub registers: R,
    /// Physical address of the register.
    pub address: u64,
    /// The bit that lets the processor boot.
    pub boot: u32,
}

impl<R: Registers> ResetLine for RccHold<R> {
    fn assert(&mut self) -> Result<(), ProviderError> {
        update(&mut self.registers, self.address, self.boot, 0)
    }

    fn deassert(&mut self) -> Result<(), ProviderError> {
        update(&mut self.registers, self.address, self.boot, self.boot)
    }
}

/// The reset of a processor in the RCC, a bit that clears itself (MP15 `RCC_MP_GRSTCSETR` 0x404 bit 1; MP25
/// `RCC_C2RSTCSETR` 0x40c bit 0).
pub struct RccPulse<R> {
    /// The registers.
    pub registers: R,
    /// Physical address of the register.
    pub address: u64,
    /// The bit.
    pub bit: u32,
}

impl<R: Registers> ResetLine for RccPulse<R> {
    fn assert(&mut self) -> Result<(), ProviderError> {
        let (address, mask) = (self.address, self.bit);
        self.registers.write32(address, mask)?;
        for _ in 0..CLEARING_LOOKS {
            if self.registers.read32(address)? & mask == 0 {
                return Ok(());
            }
        }
        let found = self.registers.read32(address)?;
        Err(ReadBack { address, mask, written: 0, found }.into())
    }

    /// It has deasserted itself.
    fn deassert(&mut self) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// A call of the secure monitor (SMC).
pub trait SecureMonitor {
    /// Makes the call; returns its first result.
    fn call(&mut self, function: u32, arguments: [u32; 3]) -> u32;
}

/// The hold of an STM32MP15 whose RCC is the secure world's, set through the monitor (Linux `stm32_rproc.c`:
/// `STM32_SMC_RCC` 0x82001000, operation 1 writes, register offset, value 1 boots; deprecated in favour of SCMI).
pub struct SmcHold<S> {
    /// The monitor.
    pub monitor: S,
    /// Offset of the hold's register in the RCC.
    pub register: u32,
}

impl<S: SecureMonitor> SmcHold<S> {
    fn set(&mut self, value: u32) -> Result<(), ProviderError> {
        const RCC: u32 = 0x8200_1000;
        const WRITE: u32 = 1;
        match self.monitor.call(RCC, [WRITE, self.register, value]) {
            0 => Ok(()),
            result => Err(format!("the secure monitor answered {result:#x} to the hold boot call").into()),
        }
    }
}

impl<S: SecureMonitor> ResetLine for SmcHold<S> {
    fn assert(&mut self) -> Result<(), ProviderError> {
        self.set(0)
    }

    fn deassert(&mut self) -> Result<(), ProviderError> {
        self.set(1)
    }
}

/// The Cortex-M4 of an STM32MP15.
pub struct Stm32mp15<R> {
    /// Its hold.
    pub hold: Box<dyn ResetLine>,
    /// Its reset.
    pub reset: Box<dyn ResetLine>,
    /// The registers.
    pub registers: R,
    /// Physical address of TAMP (0x5c00a000), whose backup registers 17 and 18 hold the resource table's address and the
    /// processor's state; nothing where the tree does not say so.
    pub tamp: Option<u64>,
}

/// Backup register 17 of an STM32MP15: the resource table's device address, 0 when there is none.
const TABLE_ADDRESS: u64 = 0x144;
/// Backup register 18: the state.
const STATE: u64 = 0x148;
const STATE_OFF: u32 = 0;
const STATE_RUNNING: u32 = 2;

impl<R: Registers> ResetControl for Stm32mp15<R> {
    fn assert_hold(&mut self) -> Result<(), ProviderError> {
        self.hold.assert()
    }

    fn release_hold(&mut self) -> Result<(), ProviderError> {
        self.hold.deassert()
    }

    fn assert_reset(&mut self) -> Result<(), ProviderError> {
        self.reset.assert()
    }

    /// It begins at its address 0.
    fn set_boot_address(&mut self, _: u64) -> Result<(), ProviderError> {
        Ok(())
    }
}

impl<R: Registers> CoreStatus for Stm32mp15<R> {
    fn is_running(&mut self) -> Result<bool, ProviderError> {
        let Some(tamp) = self.tamp else { return Ok(false) };
        Ok(self.registers.read32(tamp + STATE)? == STATE_RUNNING)
    }

    fn resource_table(&mut self) -> Result<Option<FoundTable>, ProviderError> {
        let Some(tamp) = self.tamp else { return Ok(None) };
        let address = self.registers.read32(tamp + TABLE_ADDRESS)?;
        Ok((address != 0).then_some(FoundTable { device_address: address.into(), size: None }))
    }

    fn mark_off(&mut self) -> Result<(), ProviderError> {
        let Some(tamp) = self.tamp else { return Ok(()) };
        update(&mut self.registers, tamp + STATE, u32::MAX, STATE_OFF)
    }
}

/// The Cortex-M33 of an STM32MP25. Which registers hold its resource table's address was not found.
pub struct Stm32mp25<R> {
    /// Its hold.
    pub hold: Box<dyn ResetLine>,
    /// Its reset.
    pub reset: Box<dyn ResetLine>,
    /// The registers.
    pub registers: R,
    /// Physical address of CA35SYSCFG (0x48800000), which has the non-secure vector table's address.
    pub syscfg: u64,
    /// Physical address of PWR (0x44210000), which has the processor's state.
    pub pwr: u64,
}

/// `CA35SYSCFG_M33_INITNSVTOR_CR`.
const VECTORS: u64 = 0x20a8;
/// `PWR_CPU2D2SR`, whose CSTATE is 0 when the processor is off, and 1 to 3 when it runs, sleeps or stopped its clock.
const CPU2_STATE: u64 = 0x204;
const CSTATE: u32 = 3 << 2;

impl<R: Registers> ResetControl for Stm32mp25<R> {
    fn assert_hold(&mut self) -> Result<(), ProviderError> {
        self.hold.assert()
    }

    fn release_hold(&mut self) -> Result<(), ProviderError> {
        self.hold.deassert()
    }

    fn assert_reset(&mut self) -> Result<(), ProviderError> {
        self.reset.assert()
    }

    fn set_boot_address(&mut self, address: u64) -> Result<(), ProviderError> {
        let address = u32::try_from(address)?;
        update(&mut self.registers, self.syscfg + VECTORS, u32::MAX, address)
    }
}

impl<R: Registers> CoreStatus for Stm32mp25<R> {
    fn is_running(&mut self) -> Result<bool, ProviderError> {
        Ok(self.registers.read32(self.pwr + CPU2_STATE)? & CSTATE != 0)
    }

    fn resource_table(&mut self) -> Result<Option<FoundTable>, ProviderError> {
        Ok(None)
    }

    /// The hardware keeps its state.
    fn mark_off(&mut self) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// Changes some bits of a register and reads them back: a register that the firewall guards takes nothing and says nothing.
fn update(registers: &mut impl Registers, address: u64, mask: u32, value: u32) -> Result<(), ProviderError> {
    let before = registers.read32(address)?;
    registers.write32(address, before & !mask | value & mask)?;
    let found = registers.read32(address)?;
    if found & mask == value & mask {
        Ok(())
    } else {
        Err(ReadBack { address, mask, written: value & mask, found }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    const RCC: u64 = 0x5000_0000;
    const TAMP: u64 = 0x5c00_a000;

    /// Registers; some are locked, one does not clear itself.
    #[derive(Clone, Default)]
    struct Fake(Rc<RefCell<State>>);

    #[derive(Default)]
    struct State {
        values: BTreeMap<u64, u32>,
        locked: Vec<u64>,
        pulses: Vec<u64>,
        stuck: bool,
        writes: Vec<(u64, u32)>,
    }

    impl Registers for Fake {
        fn read32(&mut self, address: u64) -> Result<u32, ProviderError> {
            Ok(self.0.borrow().values.get(&address).copied().unwrap_or(0))
        }
        fn write32(&mut self, address: u64, value: u32) -> Result<(), ProviderError> {
            let mut state = self.0.borrow_mut();
            state.writes.push((address, value));
            let clears = state.pulses.contains(&address) && !state.stuck;
            if !state.locked.contains(&address) && !clears {
                state.values.insert(address, value);
            }
            Ok(())
        }
    }

    fn m4(registers: &Fake) -> Stm32mp15<Fake> {
        registers.0.borrow_mut().pulses.push(RCC + 0x404);
        Stm32mp15 {
            hold: Box::new(RccHold { registers: registers.clone(), address: RCC + 0x10c, boot: 1 }),
            reset: Box::new(RccPulse { registers: registers.clone(), address: RCC + 0x404, bit: 2 }),
            registers: registers.clone(),
            tamp: Some(TAMP),
        }
    }

    #[test]
    fn an_stm32mp15_is_held_reset_and_released_in_its_rcc() {
        let registers = Fake::default();
        let mut control = m4(&registers);
        registers.0.borrow_mut().values.insert(RCC + 0x10c, 0xff00);
        control.release_hold().unwrap();
        control.assert_hold().unwrap();
        control.assert_reset().unwrap();
        control.set_boot_address(0x1000).unwrap();
        assert_eq!(
            registers.0.borrow().writes,
            [(RCC + 0x10c, 0xff01), (RCC + 0x10c, 0xff00), (RCC + 0x404, 2)],
            "other bits stay"
        );
    }

    #[test]
    fn what_does_not_read_back_is_told() {
        let registers = Fake::default();
        let mut control = m4(&registers);
        registers.0.borrow_mut().locked = vec![RCC + 0x10c];
        let error = control.release_hold().unwrap_err();
        let expected = ReadBack { address: RCC + 0x10c, mask: 1, written: 1, found: 0 };
        assert_eq!(error.downcast_ref::<ReadBack>(), Some(&expected));
        registers.0.borrow_mut().stuck = true;
        let error = control.assert_reset().unwrap_err().to_string();
        assert!(error.contains("0x50000404") && error.contains("locked"), "{error}");
    }

    #[test]
    fn the_backup_registers_tell_what_an_stm32mp15s_processor_does() {
        let registers = Fake::default();
        let mut control = m4(&registers);
        for (state, running) in [(0, false), (1, false), (2, true), (3, false), (4, false), (5, false)] {
            registers.0.borrow_mut().values.insert(TAMP + 0x148, state);
            assert_eq!(control.is_running().unwrap(), running, "state {state}");
        }
        assert_eq!(control.resource_table().unwrap(), None);
        registers.0.borrow_mut().values.insert(TAMP + 0x144, 0x1004_8000);
        let found = FoundTable { device_address: 0x1004_8000, size: None };
        assert_eq!(control.resource_table().unwrap(), Some(found));
        control.mark_off().unwrap();
        assert_eq!(registers.0.borrow().values[&(TAMP + 0x148)], 0);
        control.tamp = None;
        assert!(!control.is_running().unwrap() && control.resource_table().unwrap().is_none());
        control.mark_off().unwrap();
    }

    #[test]
    fn an_stm32mp25_has_a_vector_register_and_a_state() {
        let registers = Fake::default();
        let rcc = 0x4420_0000;
        registers.0.borrow_mut().pulses.push(rcc + 0x40c);
        let mut control = Stm32mp25 {
            hold: Box::new(RccHold { registers: registers.clone(), address: rcc + 0x434, boot: 1 }),
            reset: Box::new(RccPulse { registers: registers.clone(), address: rcc + 0x40c, bit: 1 }),
            registers: registers.clone(),
            syscfg: 0x4880_0000,
            pwr: 0x4421_0000,
        };
        control.set_boot_address(0x8010_0000).unwrap();
        assert_eq!(registers.0.borrow().writes, [(0x4880_20a8, 0x8010_0000)]);
        assert!(control.set_boot_address(1 << 32).is_err());
        for (state, running) in [(0x0, false), (0x4, true), (0x8, true), (0xc, true), (0x3, false)] {
            registers.0.borrow_mut().values.insert(0x4421_0204, state);
            assert_eq!(control.is_running().unwrap(), running, "{state:#x}");
        }
        registers.0.borrow_mut().locked = vec![0x4880_20a8];
        assert!(control.set_boot_address(0x8020_0000).unwrap_err().is::<ReadBack>());
    }

    #[test]
    fn the_monitor_is_called_as_linuxs_driver_does() {
        #[derive(Default)]
        struct Monitor(Vec<(u32, [u32; 3])>, u32);
        impl SecureMonitor for Monitor {
            fn call(&mut self, function: u32, arguments: [u32; 3]) -> u32 {
                self.0.push((function, arguments));
                self.1
            }
        }
        let mut hold = SmcHold { monitor: Monitor::default(), register: 0x10c };
        hold.deassert().unwrap();
        hold.assert().unwrap();
        assert_eq!(hold.monitor.0, [(0x8200_1000, [1, 0x10c, 1]), (0x8200_1000, [1, 0x10c, 0])]);
        hold.monitor.1 = 0xffff_ffff;
        assert!(hold.assert().unwrap_err().to_string().contains("0xffffffff"));
    }
}
