//! The PCI device: what each request of the client does.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rproc_aperture::{
    MEMORY_BAR, MEMORY_BAR_SIZE, MESSAGES, NORMAL_BAR, REGISTER_BAR_SIZE, SECURE_BAR, SLOT,
};
use rustix::io::Errno;

use super::config_space::{self, ConfigSpace};
use super::guest_memory::GuestMemory;
use super::message::{Access, Action, Data, Reply, Request, SetInterrupts, Span, interrupt, region};
use super::signals::Signals;
use super::soc::{Soc, shared_bank};
use super::{Notice, Observer, ServeError};
use crate::Initiator;
use crate::description::{Bank, Description};
use crate::ram::Ram;

/// VFIO's numbers of a PCI device's regions: BARs 0 to 5, ROM, configuration space, VGA (`linux/vfio.h`).
const CONFIG_REGION: u32 = 7;
const REGIONS: u32 = 9;
/// VFIO's numbers of a PCI device's interrupts: pin, MSI, MSI-X, error, request.
const PIN: u32 = 0;
const MSI: u32 = 1;
const INTERRUPTS: u32 = 5;

/// A region of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Region {
    Registers(Initiator),
    Memory,
    Config,
}

fn region_of(index: u32) -> Option<(Region, u64)> {
    if index == CONFIG_REGION {
        return Some((Region::Config, config_space::SIZE as u64));
    }
    match u8::try_from(index) {
        Ok(NORMAL_BAR) => Some((Region::Registers(Initiator::A35NonSecure), REGISTER_BAR_SIZE)),
        Ok(SECURE_BAR) => Some((Region::Registers(Initiator::A35Secure), REGISTER_BAR_SIZE)),
        Ok(MEMORY_BAR) => Some((Region::Memory, MEMORY_BAR_SIZE)),
        _ => None,
    }
}

/// The region of an access that lies wholly inside it.
fn accessed(access: Access) -> Option<Region> {
    let (region, size) = region_of(access.region)?;
    (access.offset.checked_add(access.count as u64)? <= size).then_some(region)
}

/// The device.
pub struct Device {
    description: Description,
    observer: Observer,
    memory: GuestMemory,
    config: ConfigSpace,
    signals: Arc<Signals>,
    /// The whole BAR of memories, which the client may map.
    on_chip: Ram,
    soc: Option<Soc>,
    /// Fuses outlive a reset.
    otp: Vec<u32>,
    /// Slots without registers that have been told of.
    absent: BTreeSet<(u32, u64)>,
    /// What the last read gave.
    data: Vec<u8>,
}

impl Device {
    /// A device whose board has no power yet: it gets it with the reset by the client, or the first access to a register.
    ///
    /// # Errors
    /// The host gives no memory.
    pub fn new(description: &Description, observer: Observer) -> Result<Self, ServeError> {
        Ok(Device {
            description: description.clone(),
            observer,
            memory: GuestMemory::default(),
            config: ConfigSpace::new(),
            signals: Arc::new(Signals::new(description)),
            on_chip: Ram::new("on-chip memories", MEMORY_BAR_SIZE)?,
            soc: None,
            otp: Vec::new(),
            absent: BTreeSet::new(),
            data: Vec::new(),
        })
    }

    /// The memory behind the BAR that can be mapped.
    pub fn on_chip(&self) -> &Ram {
        &self.on_chip
    }

    /// Does what is asked.
    ///
    /// # Errors
    /// [`ServeError`] when there is no going on. What a client can do something about is a [`Reply::Error`].
    pub fn handle(
        &mut self,
        request: &Request<'_>,
        mut descriptors: Vec<OwnedFd>,
    ) -> Result<Reply<'_>, ServeError> {
        Ok(match *request {
            Request::Version { major: 0 } => Reply::Version,
            Request::Version { .. } => error(Errno::INVAL),
            Request::Map(span) => match self.memory.map(span, descriptors.pop()) {
                Ok(()) => Reply::Done,
                Err(reason) => self.refuse(reason.to_string()),
            },
            Request::Unmap { span, all } => self.unmap(span, all),
            Request::DeviceInfo => Reply::Device { regions: REGIONS, interrupts: INTERRUPTS },
            Request::RegionInfo { index } => region_info(index),
            Request::InterruptInfo { index } => interrupt_info(index),
            Request::SetInterrupts(set) => self.set_interrupts(set, descriptors),
            Request::Read(access) => self.read(access)?,
            Request::Write(access, data) => self.write(access, data)?,
            Request::Reset => {
                self.power_off();
                self.config = ConfigSpace::new();
                self.signals.pin.disable(false);
                self.soc()?;
                Reply::Done
            }
        })
    }

    fn refuse(&self, reason: String) -> Reply<'static> {
        (self.observer)(Notice::Refused { reason });
        error(Errno::INVAL)
    }

    fn soc(&mut self) -> Result<&Soc, ServeError> {
        let soc = match self.soc.take() {
            Some(soc) => soc,
            None => Soc::power_on(
                &self.description,
                &self.otp,
                &self.on_chip,
                &self.memory,
                &self.signals,
                &self.observer,
            )?,
        };
        Ok(self.soc.insert(soc))
    }

    fn power_off(&mut self) {
        if let Some(soc) = self.soc.take() {
            self.otp = soc.bus().otp();
            drop(soc);
            (self.observer)(Notice::PoweredOff);
        }
    }

    fn unmap(&mut self, span: Span, all: bool) -> Reply<'static> {
        let (address, size) = if all { (0, u64::MAX) } else { (span.address, span.size) };
        let base = shared_bank(&self.description).map_or(0, Bank::base);
        if self.memory.unmap(address, size, base) {
            // A board without its memory would run on in pages that nobody else sees.
            self.power_off();
        }
        Reply::Unmapped(span)
    }

    fn interrupting(&self) -> bool {
        self.soc.as_ref().is_some_and(|soc| self.signals.high(soc.bus()))
    }

    fn set_interrupts(&mut self, set: SetInterrupts, descriptors: Vec<OwnedFd>) -> Reply<'static> {
        match set.index {
            PIN => self.set_pin(set, descriptors),
            MSI => self.set_messages(set, descriptors),
            // There are none of the other kinds; switching them off is no mistake.
            2..INTERRUPTS if set.count == 0 => Reply::Done,
            _ => error(Errno::INVAL),
        }
    }

    fn set_pin(&self, set: SetInterrupts, mut descriptors: Vec<OwnedFd>) -> Reply<'static> {
        let SetInterrupts { count, data, action, .. } = set;
        let pin = &self.signals.pin;
        match (action, data) {
            (Action::Trigger, Data::Eventfd) => pin.connect(descriptors.pop().filter(|_| count > 0)),
            (Action::Trigger, Data::None) if count == 0 => pin.connect(None),
            (Action::Trigger, Data::None) => pin.fire(),
            (Action::Mask, Data::None) => pin.mask(true),
            (Action::Unmask, Data::None) => pin.mask(false),
            _ => return error(Errno::OPNOTSUPP),
        }
        pin.update(|| self.interrupting());
        Reply::Done
    }

    fn set_messages(&self, set: SetInterrupts, descriptors: Vec<OwnedFd>) -> Reply<'static> {
        let SetInterrupts { start, count, data, action, .. } = set;
        let messages = &self.signals.messages;
        let there_are = match (action, data) {
            (Action::Trigger, Data::None) if count == 0 => {
                messages.disconnect();
                true
            }
            (Action::Trigger, Data::Eventfd) => messages.connect(start, count, descriptors),
            (Action::Trigger, Data::None) => messages.send(start, count),
            _ => return error(Errno::OPNOTSUPP),
        };
        if !there_are {
            return error(Errno::INVAL);
        }
        // What rose before somebody listened is told now.
        if data == Data::Eventfd
            && let Some(soc) = &self.soc
        {
            self.signals.send(&soc.bus().pending_interrupts());
        }
        Reply::Done
    }

    fn read(&mut self, access: Access) -> Result<Reply<'_>, ServeError> {
        let Some(region) = accessed(access) else {
            return Ok(self.refuse(format!("a read of {access:?} outside of its region")));
        };
        let mut data = std::mem::take(&mut self.data);
        data.clear();
        data.resize(access.count, 0);
        match region {
            Region::Config => self.config.read(access.offset as usize, &mut data, self.interrupting()),
            Region::Memory => self.on_chip.read(access.offset, &mut data).map_err(std::io::Error::other)?,
            Region::Registers(initiator) => {
                let mut absent = Vec::new();
                self.soc()?.read(initiator, access.offset, &mut data, &mut |at| absent.push(at));
                self.tell_absent(access.region, &absent, "read");
            }
        }
        self.data = data;
        Ok(Reply::Read(access, &self.data))
    }

    fn write(&mut self, access: Access, data: &[u8]) -> Result<Reply<'static>, ServeError> {
        let Some(region) = accessed(access) else {
            return Ok(self.refuse(format!("a write of {access:?} outside of its region")));
        };
        match region {
            Region::Config => {
                self.config.write(access.offset as usize, data);
                let pin = &self.signals.pin;
                pin.disable(self.config.interrupt_disabled());
                pin.update(|| self.interrupting());
            }
            Region::Memory => self.on_chip.write(access.offset, data).map_err(std::io::Error::other)?,
            Region::Registers(initiator) => {
                let mut absent = Vec::new();
                self.soc()?.write(initiator, access.offset, data, &mut |at| absent.push(at));
                self.tell_absent(access.region, &absent, "written");
            }
        }
        Ok(Reply::Written(access))
    }

    /// Tells of the first access to each slot where there are no registers.
    fn tell_absent(&mut self, bar: u32, offsets: &[u64], how: &'static str) {
        for offset in offsets {
            if self.absent.insert((bar, offset / SLOT)) {
                (self.observer)(Notice::Absent { bar, offset: *offset, how });
            }
        }
    }
}

fn error(number: Errno) -> Reply<'static> {
    Reply::Error(number.raw_os_error().unsigned_abs())
}

fn region_info(index: u32) -> Reply<'static> {
    if index >= REGIONS {
        return error(Errno::INVAL);
    }
    let (flags, size) = match region_of(index) {
        Some((Region::Memory, size)) => (region::READ | region::WRITE | region::MAP, size),
        Some((_, size)) => (region::READ | region::WRITE, size),
        None => (0, 0),
    };
    Reply::Region { index, flags, size }
}

fn interrupt_info(index: u32) -> Reply<'static> {
    if index >= INTERRUPTS {
        return error(Errno::INVAL);
    }
    let pin = interrupt::EVENTFD | interrupt::MASKABLE | interrupt::AUTOMASKED;
    let (flags, count) = match index {
        PIN => (pin, 1),
        MSI => (interrupt::EVENTFD, MESSAGES),
        _ => (interrupt::EVENTFD, 0),
    };
    Reply::Interrupt { index, flags, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_lies_in_one_region() {
        let access = |region, offset, count| Access { region, offset, count };
        assert_eq!(accessed(access(0, 0x1f_fffc, 4)), Some(Region::Registers(Initiator::A35NonSecure)));
        assert_eq!(accessed(access(2, 0, 4)), Some(Region::Registers(Initiator::A35Secure)));
        assert_eq!(accessed(access(4, 0xf_ffff, 1)), Some(Region::Memory));
        for wrong in [access(0, 0x1f_fffd, 4), access(1, 0, 1), access(7, 255, 2), access(4, u64::MAX, 1)] {
            assert_eq!(accessed(wrong), None, "{wrong:?}");
        }
        assert_eq!(region_info(9), Reply::Error(22));
        assert_eq!(interrupt_info(5), Reply::Error(22));
    }
}
