//! Mailboxes and watchdog interrupts of the virtual board, as the PCI device that `rproc board serve` makes of it.
// SPDX-License-Identifier: GPL-2.0
//!
//! On the chip the kernel's own stm32-ipcc and stm32-exti drive the same registers, as devices of the platform.

#[path = "ffi/controller.rs"]
mod controller;
#[path = "ffi/lines.rs"]
mod lines;

use kernel::device::Core;
use kernel::io::Io;
use kernel::irq::IrqRequest;
use kernel::pci::{self, DevresBar, IrqType, IrqTypes, IrqVectorRegistration};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full, Relaxed};
use kernel::sync::{new_mutex, new_spinlock_irq, Arc, Mutex, SpinLockIrq};
use rproc_aperture::{
    locate_register, Identity, DEVICE_ID, IDENTITY_SIZE, MAILBOX_MESSAGE, MESSAGES, VENDOR_ID, WATCHDOGS,
    WATCHDOG_MESSAGE,
};

use controller::{Channels, Controller, Handler, Interrupt};
use lines::{Domain, Lines};

module! {
    type: Module,
    name: "rproc_ipcc",
    authors: ["The rproc authors"],
    description: "Mailboxes and watchdog interrupts of rproc's virtual board",
    license: "GPL",
}

/// The registers that the normal world sees.
const BAR: u32 = 0;
/// Where IPCC1 and EXTI2 are on the SoC, and how large each is.
const IPCC1: u64 = 0x4049_0000;
const EXTI2: u64 = 0x4623_0000;
const BLOCK: u64 = 0x400;
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

/// EXTI2's registers of its second 32 lines: pending after a rising edge, and let through to processor 1, which is Linux (Linux
/// `drivers/irqchip/irq-stm32mp-exti.c`).
const PENDING: usize = 0x2c;
const LET_THROUGH: usize = 0x90;
/// The first cell of a shared interrupt in a node's `interrupts`, as at the GIC.
const SHARED: u32 = 0;

/// One block of registers.
struct Registers {
    bar: Arc<DevresBar>,
    offset: usize,
}

impl Registers {
    fn find(bar: &Arc<DevresBar>, address: u64) -> Result<Self> {
        let place = locate_register(address, BLOCK).ok_or(ENODEV)?;
        Ok(Self { bar: bar.clone(), offset: usize::try_from(place.offset)? })
    }

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
}

/// The mailboxes.
#[pin_data]
struct Ipcc {
    registers: Registers,
    /// The interrupts that are masked, and the lock of what changes with them.
    #[pin]
    mask: SpinLockIrq<u32>,
    /// Held while an interrupt is served.
    #[pin]
    serving: Mutex<()>,
}

impl Ipcc {
    fn change_mask(&self, change: impl FnOnce(u32) -> u32) {
        let mut mask = self.mask.lock();
        *mask = change(*mask);
        self.registers.write(MASK, *mask);
    }

    fn mask(&self) -> u32 {
        *self.mask.lock()
    }
}

impl Channels for Ipcc {
    const COUNT: usize = 16;

    fn signal(&self, channel: usize) {
        self.registers.write(SET_CLEAR, 1 << channel << SENDING);
        self.change_mask(|mask| mask & !(1 << channel << SENDING));
    }

    fn open(&self, channel: usize) {
        self.change_mask(|mask| mask & !(1 << channel));
    }

    fn close(&self, channel: usize) {
        self.change_mask(|mask| mask | 1 << channel | 1 << channel << SENDING);
        // Whoever has seen the channel open is done with it after this.
        drop(self.serving.lock());
    }
}

/// The watchdogs' lines of EXTI2, in the order of [`WATCHDOGS`].
struct Exti {
    registers: Registers,
    /// The bits of those that are let through.
    open: Atomic<u32>,
}

/// The bit of a watchdog's line in the registers.
const fn bit(line: u8) -> u32 {
    // Of all of EXTI2's lines, those of watchdogs are among the second 32: refused at build time else.
    assert!(line / 32 == 1);
    1 << (line % 32)
}

const BITS: [u32; WATCHDOGS.len()] = {
    let [a, b, c, d] = WATCHDOGS;
    [bit(a.line), bit(b.line), bit(c.line), bit(d.line)]
};

impl Exti {
    fn bit(line: usize) -> u32 {
        BITS.get(line).copied().unwrap_or(0)
    }

    /// Whoever writes looks again: so the last write has the last value, without a lock, which would have to be one that never sleeps.
    fn change_open(&self, change: impl Fn(u32) -> u32) {
        loop {
            let open = self.open.load(Relaxed);
            if self.open.cmpxchg(open, change(open), Full).is_ok() {
                break;
            }
        }
        // Adding nothing is a load that is ordered to both sides.
        let mut open = self.open.fetch_add(0, Full);
        loop {
            self.registers.write(LET_THROUGH, open);
            let now = self.open.fetch_add(0, Full);
            if now == open {
                break;
            }
            open = now;
        }
    }
}

impl Lines for Exti {
    const COUNT: usize = WATCHDOGS.len();

    fn find(cells: &[u32]) -> Option<usize> {
        let &[SHARED, number, _] = cells else { return None };
        WATCHDOGS.iter().position(|watchdog| u32::from(watchdog.spi) == number)
    }

    fn start(&self, line: usize) {
        self.registers.write(PENDING, Self::bit(line));
        self.unmask(line);
    }

    fn unmask(&self, line: usize) {
        self.change_open(|open| open | Self::bit(line));
    }

    fn mask(&self, line: usize) {
        self.change_open(|open| open & !Self::bit(line));
    }
}

/// What interrupts find.
struct Board {
    mailboxes: Controller<Ipcc>,
    /// Missing where no node can name them.
    watchdogs: Option<Domain<Exti>>,
}

impl Board {
    fn look_at_mailboxes(&self) -> bool {
        let ipcc = self.mailboxes.hardware();
        let _serving = ipcc.serving.lock();
        let received = ipcc.registers.read(RECEIVED) & !ipcc.mask();
        let taken = !ipcc.registers.read(SENT) & !(ipcc.mask() >> SENDING);
        for channel in 0..Ipcc::COUNT {
            if received & 1 << channel != 0 {
                self.mailboxes.received(channel);
                ipcc.registers.write(SET_CLEAR, 1 << channel);
            }
            if taken & 1 << channel != 0 {
                ipcc.change_mask(|mask| mask | 1 << channel << SENDING);
                self.mailboxes.taken(channel);
            }
        }
        (received | taken) & 0xffff != 0
    }

    fn look_at_watchdogs(&self) -> bool {
        let Some(domain) = &self.watchdogs else { return false };
        let exti = domain.hardware();
        let pending = exti.registers.read(PENDING) & exti.open.load(Relaxed);
        if pending == 0 {
            return false;
        }
        // Before the handlers: what comes from here on is another one.
        exti.registers.write(PENDING, pending);
        (0..Exti::COUNT).filter(|line| pending & Exti::bit(*line) != 0).for_each(|line| domain.raise(line));
        true
    }
}

/// What one interrupt is for: a message is for one kind, the pin for all.
struct Served {
    board: Arc<Board>,
    mailboxes: bool,
    watchdogs: bool,
}

impl Handler for Served {
    /// Messages are sent when a line rises, so nothing may be left that holds it high.
    fn interrupted(&self) -> bool {
        let look = || {
            let mailboxes = self.mailboxes && self.board.look_at_mailboxes();
            mailboxes | (self.watchdogs && self.board.look_at_watchdogs())
        };
        let mut any = false;
        while look() {
            any = true;
        }
        any
    }
}

/// The driver of the PCI device.
struct Driver;

/// What it keeps for a device; the interrupts go first.
struct Bound<'bound> {
    _interrupts: KVec<Interrupt<Served>>,
    _vectors: IrqVectorRegistration<'bound>,
}

kernel::pci_device_table!(
    DEVICES,
    <Driver as pci::Driver>::IdInfo,
    [(controller::pci_id(VENDOR_ID, DEVICE_ID), ())]
);

impl pci::Driver for Driver {
    type IdInfo = ();
    type Data<'bound> = Bound<'bound>;
    const ID_TABLE: pci::IdTable<Self::IdInfo> = &DEVICES;

    fn probe<'bound>(
        device: &'bound pci::Device<Core<'_>>,
        _: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Bound<'bound>, Error> + 'bound {
        device.enable_device_mem()?;
        // Messages are writes of the device's.
        device.set_master();
        let bar = device.iomap_region(BAR, c"rproc_ipcc")?;
        let mut identity = [0; IDENTITY_SIZE];
        for (offset, byte) in identity.iter_mut().enumerate() {
            *byte = bar.try_read8(offset)?;
        }
        let Ok(identity) = Identity::decode(&identity) else {
            dev_err!(device, "BAR {} is not that of a virtual board\n", BAR);
            return Err(ENODEV);
        };
        let bar = Arc::new(bar.into_devres()?, GFP_KERNEL)?;
        let registers = Registers::find(&bar, IPCC1)?;
        let ipcc = try_pin_init!(Ipcc {
            registers,
            mask <- new_spinlock_irq!(u32::MAX),
            serving <- new_mutex!(()),
        });
        let ipcc = Arc::pin_init(ipcc, GFP_KERNEL)?;
        ipcc.change_mask(|_| u32::MAX);
        ipcc.registers.write(CONTROL, BOTH_INTERRUPTS);
        let exti =
            Arc::new(Exti { registers: Registers::find(&bar, EXTI2)?, open: Atomic::new(0) }, GFP_KERNEL)?;
        exti.change_open(|_| 0);
        let mailboxes = Controller::register(device.as_ref(), ipcc)?;
        let watchdogs = Domain::offer(device.as_ref(), exti)?;
        let board = Arc::new(Board { mailboxes, watchdogs }, GFP_KERNEL)?;
        let messages = IrqTypes::default().with(IrqType::Msi);
        let vectors = device.alloc_irq_vectors(MESSAGES, MESSAGES, messages);
        let by_message = vectors.is_ok();
        let vectors =
            vectors.or_else(|_| device.alloc_irq_vectors(1, 1, IrqTypes::default().with(IrqType::Intx)))?;
        let mut interrupts = KVec::new();
        for number in 0..vectors.len() {
            let served = Served {
                board: board.clone(),
                mailboxes: !by_message || number == MAILBOX_MESSAGE as usize,
                watchdogs: !by_message || number == WATCHDOG_MESSAGE as usize,
            };
            let request = IrqRequest::from(vectors.index(number)?);
            interrupts.push(Interrupt::request(&request, c"rproc_ipcc", served)?, GFP_KERNEL)?;
        }
        // What came before there was anybody to be told sends no message any more.
        while board.look_at_mailboxes() | board.look_at_watchdogs() {}
        let how = if by_message { "messages" } else { "its pin" };
        dev_info!(
            device,
            "{} mailboxes and {} watchdogs of an {}, by {}\n",
            Ipcc::COUNT,
            Exti::COUNT,
            identity.soc(),
            how
        );
        Ok(Bound { _interrupts: interrupts, _vectors: vectors })
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
