//! A mailbox controller for the IPCC of the virtual board, as the PCI device that `rproc board serve` makes of it.
// SPDX-License-Identifier: GPL-2.0
//!
//! On the chip the kernel's own stm32-ipcc drives the same registers as a device of the platform.

#[path = "ffi/controller.rs"]
mod controller;

use kernel::device::Core;
use kernel::io::Io;
use kernel::pci::{self, DevresBar};
use kernel::prelude::*;
use kernel::sync::{new_spinlock_irq, Arc, SpinLockIrq};
use rproc_aperture::{locate_register, Identity, DEVICE_ID, IDENTITY_SIZE, VENDOR_ID};

use controller::{Channels, Controller, Handler, Interrupt};

module! {
    type: Module,
    name: "rproc_ipcc",
    authors: ["The rproc authors"],
    description: "Mailboxes of rproc's virtual board",
    license: "GPL",
}

/// The registers that the normal world sees.
const BAR: u32 = 0;
/// Where IPCC1 is on the SoC.
const IPCC1: u64 = 0x4049_0000;
/// Registers of processor 1, which is Linux, and the flags of processor 2 (Linux `drivers/mailbox/stm32-ipcc.c`).
const CONTROL: usize = 0x0;
const MASK: usize = 0x4;
const SET_CLEAR: usize = 0x8;
const SENT: usize = 0xc;
const RECEIVED: usize = 0x1c;
/// Interrupts for an occupied channel to receive from, and for a free one to send on.
const BOTH_INTERRUPTS: u32 = 1 | 1 << 16;
/// In registers that have halves: receiving below, sending above.
const SENDING: u32 = 16;

/// The register block.
#[pin_data]
struct Ipcc {
    bar: DevresBar,
    offset: usize,
    /// The interrupts that are masked, and the lock of what changes with them.
    #[pin]
    mask: SpinLockIrq<u32>,
}

impl Ipcc {
    fn read(&self, register: usize) -> u32 {
        // All free and nothing received, when the device is gone.
        self.bar.try_access().and_then(|bar| bar.try_read32(self.offset + register).ok()).unwrap_or(0)
    }

    fn write(&self, register: usize, value: u32) {
        if let Some(bar) = self.bar.try_access() {
            // The block was found inside the BAR.
            let _ = bar.try_write32(value, self.offset + register);
        }
    }

    fn change_mask(&self, change: impl FnOnce(u32) -> u32) {
        let mut mask = self.mask.lock();
        *mask = change(*mask);
        self.write(MASK, *mask);
    }

    fn mask(&self) -> u32 {
        *self.mask.lock()
    }
}

impl Channels for Ipcc {
    const COUNT: usize = 16;

    fn signal(&self, channel: usize) {
        self.write(SET_CLEAR, 1 << channel << SENDING);
        self.change_mask(|mask| mask & !(1 << channel << SENDING));
    }

    fn open(&self, channel: usize) {
        self.change_mask(|mask| mask & !(1 << channel));
    }

    fn close(&self, channel: usize) {
        self.change_mask(|mask| mask | 1 << channel | 1 << channel << SENDING);
    }
}

/// The controller as its interrupt finds it.
struct Mailboxes {
    controller: Controller<Ipcc>,
}

impl Handler for Mailboxes {
    fn interrupted(&self) -> bool {
        let ipcc = self.controller.hardware();
        let received = ipcc.read(RECEIVED) & !ipcc.mask();
        let taken = !ipcc.read(SENT) & !(ipcc.mask() >> SENDING);
        for channel in 0..Ipcc::COUNT {
            if received & 1 << channel != 0 {
                self.controller.received(channel);
                ipcc.write(SET_CLEAR, 1 << channel);
            }
            if taken & 1 << channel != 0 {
                ipcc.change_mask(|mask| mask | 1 << channel << SENDING);
                self.controller.taken(channel);
            }
        }
        (received | taken) & 0xffff != 0
    }
}

/// The driver, and what it keeps for a device.
struct Driver {
    _interrupt: Interrupt<Mailboxes>,
}

kernel::pci_device_table!(
    DEVICES,
    <Driver as pci::Driver>::IdInfo,
    [(controller::pci_id(VENDOR_ID, DEVICE_ID), ())]
);

impl pci::Driver for Driver {
    type IdInfo = ();
    type Data<'bound> = Self;
    const ID_TABLE: pci::IdTable<Self::IdInfo> = &DEVICES;

    fn probe<'bound>(
        device: &'bound pci::Device<Core<'_>>,
        _: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        device.enable_device_mem()?;
        let bar = device.iomap_region(BAR, c"rproc_ipcc")?;
        let mut identity = [0; IDENTITY_SIZE];
        for (offset, byte) in identity.iter_mut().enumerate() {
            *byte = bar.try_read8(offset)?;
        }
        let Ok(identity) = Identity::decode(&identity) else {
            dev_err!(device, "BAR {} is not that of a virtual board\n", BAR);
            return Err(ENODEV);
        };
        let place = locate_register(IPCC1, 0x400).ok_or(ENODEV)?;
        let offset = usize::try_from(place.offset)?;
        let bar = bar.into_devres()?;
        let ipcc = Arc::pin_init(
            try_pin_init!(Ipcc { bar, offset, mask <- new_spinlock_irq!(u32::MAX) }),
            GFP_KERNEL,
        )?;
        ipcc.change_mask(|_| u32::MAX);
        ipcc.write(CONTROL, BOTH_INTERRUPTS);
        let controller = Controller::register(device.as_ref(), ipcc)?;
        let interrupt = Interrupt::request(device, c"rproc_ipcc", Mailboxes { controller })?;
        dev_info!(device, "{} mailboxes of an {}\n", Ipcc::COUNT, identity.soc());
        Ok(Self { _interrupt: interrupt })
    }
}

/// What exists while the module is loaded.
#[pin_data]
struct Module {
    #[pin]
    driver: kernel::driver::Registration<pci::Adapter<Driver>>,
}

impl kernel::InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self { driver <- kernel::driver::Registration::new(c"rproc_ipcc", module) })
    }
}
