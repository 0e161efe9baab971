//! What the kernel crate lacks for a mailbox controller with interrupts, made safe.
// SPDX-License-Identifier: GPL-2.0

use core::ffi::c_void;
use core::mem::{transmute, MaybeUninit};
use core::ptr::{self, NonNull};

use kernel::device::{Core, Device};
use kernel::error::to_result;
use kernel::ffi::c_int;
use kernel::irq::IrqRequest;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::{bindings, pci};

mod c;

/// A PCI device by numbers, for which the crate knows no vendor.
pub(crate) const fn pci_id(vendor: u16, device: u16) -> pci::DeviceId {
    let id = bindings::pci_device_id {
        vendor: vendor as u32,
        device: device as u32,
        subvendor: !0,
        subdevice: !0,
        class: 0,
        class_mask: 0,
        driver_data: 0,
        override_only: 0,
    };
    // SAFETY: `DeviceId` is a transparent wrapper of `pci_device_id`.
    unsafe { transmute(id) }
}

/// Hardware with mailbox channels; `signal` may not sleep.
pub(crate) trait Channels: Send + Sync + 'static {
    /// How many there are.
    const COUNT: usize;
    /// Sends a signal. When it is taken, [`Controller::taken`] is to be called.
    fn signal(&self, channel: usize);
    /// The channel has a user: signals are to be given to [`Controller::received`].
    fn open(&self, channel: usize);
    /// It has none any more, and when this returns nobody gives it a signal. May sleep.
    fn close(&self, channel: usize);
}

/// A registered mailbox controller.
pub(crate) struct Controller<T: Channels> {
    raw: NonNull<c::mbox_controller>,
    channels: NonNull<c::mbox_chan>,
    hardware: Arc<T>,
}

// SAFETY: the framework locks for itself.
unsafe impl<T: Channels> Send for Controller<T> {}
// SAFETY: as above.
unsafe impl<T: Channels> Sync for Controller<T> {}

impl<T: Channels> Controller<T> {
    const OPERATIONS: &'static c::mbox_chan_ops = &{
        // SAFETY: all callbacks may be null.
        let mut operations: c::mbox_chan_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        operations.send_data = Some(send::<T>);
        operations.startup = Some(startup::<T>);
        operations.shutdown = Some(shutdown::<T>);
        operations
    };

    /// Registers one for a device that is being bound, which users find by the device's node.
    pub(crate) fn register(device: &Device<Core<'_>>, hardware: Arc<T>) -> Result<Self> {
        let mut channels = KVec::with_capacity(T::COUNT, GFP_KERNEL)?;
        for _ in 0..T::COUNT {
            let con_priv = Arc::as_ptr(&hardware).cast_mut().cast();
            channels.push(c::mbox_chan { con_priv, ..Default::default() }, GFP_KERNEL)?;
        }
        let mut raw = KBox::new(c::mbox_controller::default(), GFP_KERNEL)?;
        let (channels, _, _) = channels.into_raw_parts();
        raw.dev = ptr::from_ref(device).cast_mut().cast();
        raw.ops = Self::OPERATIONS;
        raw.chans = channels;
        raw.num_chans = T::COUNT as c_int;
        raw.txdone_irq = true;
        let raw = KBox::into_raw(raw);
        // SAFETY: the structures are complete and stay where they are until `drop`.
        let registered = to_result(unsafe { c::mbox_controller_register(raw) });
        if let Err(error) = registered {
            // SAFETY: both came from the allocator above, and nobody else knows them.
            unsafe { free::<T>(raw, channels) };
            return Err(error);
        }
        Ok(Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            channels: NonNull::new(channels).ok_or(ENOMEM)?,
            hardware,
        })
    }

    /// The hardware.
    pub(crate) fn hardware(&self) -> &T {
        &self.hardware
    }

    fn channel(&self, channel: usize) -> *mut c::mbox_chan {
        self.channels.as_ptr().wrapping_add(channel % T::COUNT)
    }

    /// A signal has come.
    pub(crate) fn received(&self, channel: usize) {
        // SAFETY: one of the controller's channels, which has a user: it is only looked at while it is open, and `close` waits for that.
        unsafe { c::mbox_chan_received_data(self.channel(channel), ptr::null_mut()) };
    }

    /// A signal that was sent has been taken.
    pub(crate) fn taken(&self, channel: usize) {
        // SAFETY: as above.
        unsafe { c::mbox_chan_txdone(self.channel(channel), 0) };
    }
}

/// # Safety
///
/// Both must be of `Controller::register`, and in nobody's use.
unsafe fn free<T: Channels>(raw: *mut c::mbox_controller, channels: *mut c::mbox_chan) {
    // SAFETY: by the condition above; the vector was made with this length and capacity.
    unsafe {
        drop(KBox::from_raw(raw));
        drop(KVec::from_raw_parts(channels, T::COUNT, T::COUNT));
    }
}

impl<T: Channels> Drop for Controller<T> {
    fn drop(&mut self) {
        // SAFETY: registered in `register`; this takes the channels from their users.
        unsafe { c::mbox_controller_unregister(self.raw.as_ptr()) };
        // SAFETY: nobody knows them any more.
        unsafe { free::<T>(self.raw.as_ptr(), self.channels.as_ptr()) };
    }
}

/// The hardware of a channel, and its number.
///
/// # Safety
///
/// The channel must come from the framework in a callback of `Controller::<T>`.
unsafe fn of<'a, T: Channels>(channel: *mut c::mbox_chan) -> (&'a T, usize) {
    // SAFETY: `register` has set both; the controller holds the hardware until it is unregistered, and all of its channels lie in a row.
    unsafe { (&*(*channel).con_priv.cast::<T>(), channel.offset_from((*(*channel).mbox).chans) as usize) }
}

/// # Safety
///
/// Only for the framework to call, as `send_data` of a [`Controller`].
unsafe extern "C" fn send<T: Channels>(channel: *mut c::mbox_chan, _: *mut c_void) -> c_int {
    // SAFETY: the framework calls this.
    let (hardware, number) = unsafe { of::<T>(channel) };
    hardware.signal(number);
    0
}

/// # Safety
///
/// Only for the framework to call, as `startup` of a [`Controller`].
unsafe extern "C" fn startup<T: Channels>(channel: *mut c::mbox_chan) -> c_int {
    // SAFETY: the framework calls this.
    let (hardware, number) = unsafe { of::<T>(channel) };
    hardware.open(number);
    0
}

/// # Safety
///
/// Only for the framework to call, as `shutdown` of a [`Controller`].
unsafe extern "C" fn shutdown<T: Channels>(channel: *mut c::mbox_chan) {
    // SAFETY: the framework calls this.
    let (hardware, number) = unsafe { of::<T>(channel) };
    hardware.close(number);
}

/// What an interrupt is for.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Looks at the hardware, in a thread of its own; gives whether there was anything.
    fn interrupted(&self) -> bool;
}

/// An interrupt in use.
pub(crate) struct Interrupt<T: Handler> {
    number: u32,
    handler: NonNull<T>,
}

// SAFETY: an interrupt may be given back by any thread.
unsafe impl<T: Handler> Send for Interrupt<T> {}

impl<T: Handler> Interrupt<T> {
    /// Takes an interrupt, which may be shared with other devices.
    pub(crate) fn request(request: &IrqRequest<'_>, name: &'static CStr, handler: T) -> Result<Self> {
        let handler = KBox::into_raw(KBox::new(handler, GFP_KERNEL)?);
        let number = request.irq();
        // SAFETY: the handler stays where it is until the interrupt is given back. A pin stays masked until the thread is done.
        let requested = to_result(unsafe {
            bindings::request_threaded_irq(
                number,
                None,
                Some(interrupted::<T>),
                (bindings::IRQF_SHARED | bindings::IRQF_ONESHOT) as usize,
                name.as_char_ptr(),
                handler.cast(),
            )
        });
        if let Err(error) = requested {
            // SAFETY: it came from `KBox::into_raw`, and nobody else knows it.
            drop(unsafe { KBox::from_raw(handler) });
            return Err(error);
        }
        Ok(Self { number, handler: NonNull::new(handler).ok_or(ENOMEM)? })
    }
}

impl<T: Handler> Drop for Interrupt<T> {
    fn drop(&mut self) {
        // SAFETY: requested with this cookie; this waits for the thread.
        unsafe { bindings::free_irq(self.number, self.handler.as_ptr().cast()) };
        // SAFETY: it came from `KBox::into_raw`, and no thread uses it any more.
        drop(unsafe { KBox::from_raw(self.handler.as_ptr()) });
    }
}

/// # Safety
///
/// Only for the kernel to call, as the thread of an [`Interrupt`].
unsafe extern "C" fn interrupted<T: Handler>(_: c_int, handler: *mut c_void) -> bindings::irqreturn_t {
    // SAFETY: the cookie of `Interrupt::request`.
    if unsafe { &*handler.cast::<T>() }.interrupted() {
        bindings::irqreturn::IRQ_HANDLED
    } else {
        bindings::irqreturn::IRQ_NONE
    }
}
