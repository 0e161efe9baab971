//! The mailboxes of a processor, by which Linux and firmware ring each other.
// SPDX-License-Identifier: GPL-2.0

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use kernel::device::Device;
use kernel::error::{from_err_ptr, to_result};
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::time::Msecs;

use super::later::{Later, Task};
use super::request::Asked;
use super::{c, depend, unusable};

/// The virtqueues' mailboxes, by the virtqueue's number.
const QUEUES: [&CStr; 2] = [c"vq0", c"vq1"];

/// What firmware is asked for by a mailbox, whose signal it takes when it has done so.
#[derive(Clone, Copy)]
pub(super) enum Request {
    /// To come to rest.
    Shutdown,
    /// To do without Linux.
    Detach,
}

impl Request {
    const ALL: [Self; 2] = [Self::Shutdown, Self::Detach];

    fn name(self) -> &'static CStr {
        match self {
            Self::Shutdown => c"shutdown",
            Self::Detach => c"detach",
        }
    }

    /// How many milliseconds the firmware may take, as the stock stm32 driver has it.
    fn limit(self) -> Msecs {
        match self {
            Self::Shutdown => 500,
            Self::Detach => 200,
        }
    }
}

/// All mailboxes of a processor that its node names.
pub(super) struct Mailboxes {
    queues: [Option<Mailbox>; 2],
    requests: [Option<Mailbox>; 2],
}

impl Mailboxes {
    /// Those of the processor's parent. `late` is done where firmware takes a request to shut down that was left by the firmware
    /// before it, and nobody waits for that.
    ///
    /// # Safety
    ///
    /// The processor must outlive them, and `late` be fit for being called with it.
    pub(super) unsafe fn request(remoteproc: NonNull<c::rproc>, late: Task) -> Result<Self> {
        let mut queues = [None, None];
        for ((number, name), queue) in QUEUES.iter().enumerate().zip(&mut queues) {
            // SAFETY: by the condition of this function; the task is called with the lock held.
            let bell = unsafe { Later::new(remoteproc, look_at_queue, number as c_int)? };
            // SAFETY: by the condition of this function.
            *queue = unsafe { Mailbox::request(remoteproc, name, Use::Queue(bell))? };
        }
        let mut requests = [None, None];
        for (request, mailbox) in Request::ALL.into_iter().zip(&mut requests) {
            let late = match request {
                // SAFETY: by the condition of this function.
                Request::Shutdown => Some(unsafe { Later::new(remoteproc, late, 0)? }),
                // Whoever takes that goes on all the same.
                Request::Detach => None,
            };
            let asked = Arc::pin_init(Asked::new(request.limit(), late), GFP_KERNEL)?;
            // SAFETY: by the condition of this function.
            *mailbox = unsafe { Mailbox::request(remoteproc, request.name(), Use::Request(asked))? };
        }
        Ok(Self { queues, requests })
    }

    /// Tells the firmware of a virtqueue; without a mailbox there is no way to.
    pub(super) fn kick(&self, queue: c_int) -> Result {
        let mailbox = usize::try_from(queue).ok().and_then(|queue| self.queues.get(queue)?.as_ref());
        mailbox.map_or(Ok(()), Mailbox::signal)
    }

    fn asked(&self, request: Request) -> Option<(&Mailbox, &Asked)> {
        let [shutdown, detach] = &self.requests;
        let mailbox = match request {
            Request::Shutdown => shutdown,
            Request::Detach => detach,
        };
        let mailbox = mailbox.as_ref()?;
        let Use::Request(asked) = &mailbox.client.purpose else { return None };
        Some((mailbox, asked))
    }

    /// Asks and waits; without a mailbox nothing is asked.
    pub(super) fn ask(&self, request: Request) -> Result {
        self.asked(request).map_or(Ok(()), |(mailbox, asked)| asked.ask(|| mailbox.signal()))
    }

    /// The request to shut down, which firmware may have left for the next one.
    pub(super) fn shutdown(&self) -> Option<&Asked> {
        self.asked(Request::Shutdown).map(|(_, asked)| asked)
    }
}

/// What a signal from the firmware does: the virtqueue is looked at.
///
/// # Safety
///
/// The core's lock is held.
unsafe fn look_at_queue(raw: *mut c::rproc, queue: c_int) {
    // SAFETY: the virtqueues are there while it runs, which cannot end while the lock is held.
    unsafe {
        if matches!((*raw).state, c::rproc_state_RPROC_RUNNING | c::rproc_state_RPROC_ATTACHED) {
            c::rproc_vq_interrupt(raw, queue);
        }
    }
}

/// What a mailbox is for.
enum Use {
    /// To be looked at when it rings.
    Queue(Arc<Later>),
    Request(Arc<Asked>),
}

/// What the mailbox framework calls back, with its own part first.
#[repr(C)]
struct Client {
    raw: c::mbox_client,
    purpose: Use,
}

/// A mailbox that belongs to a processor.
struct Mailbox {
    channel: NonNull<c::mbox_chan>,
    client: KBox<Client>,
}

// SAFETY: the framework locks for itself.
unsafe impl Send for Mailbox {}
// SAFETY: as above.
unsafe impl Sync for Mailbox {}

impl Mailbox {
    /// The one of that name in the node of the processor's parent, if there is one.
    ///
    /// # Safety
    ///
    /// The processor must outlive it.
    unsafe fn request(remoteproc: NonNull<c::rproc>, name: &CStr, purpose: Use) -> Result<Option<Self>> {
        // SAFETY: the processor was allocated with a parent, which stays while it is there.
        let parent: &Device = unsafe { Device::from_raw((*remoteproc.as_ptr()).dev.parent) };
        let node = parent.fwnode().ok_or(ENODEV)?;
        if node.property_match_string(c"mbox-names", name).is_err() {
            return Ok(None);
        }
        let mut client = KBox::new(Client { raw: c::mbox_client::default(), purpose }, GFP_KERNEL)?;
        client.raw.dev = ptr::from_ref(parent).cast_mut().cast();
        client.raw.rx_callback = Some(rang);
        client.raw.tx_done = Some(taken);
        // SAFETY: the client stays where it is until the channel is freed.
        let channel = unsafe { c::mbox_request_channel_byname(&mut client.raw, name.as_char_ptr()) };
        let channel = from_err_ptr(channel)
            .map_err(|error| unusable(parent, error, "mboxes", fmt!("{} is not to be had", name)))?;
        let mailbox = Self { channel: NonNull::new(channel).ok_or(ENODEV)?, client };
        // SAFETY: the channel is this one's, and its controller holds its own device while it is registered. That the module is in use
        // does not keep the controller from being unbound.
        unsafe { depend(parent, (*(*channel).mbox).dev) }
            .map_err(|error| unusable(parent, error, "mboxes", fmt!("{} depends on this device", name)))?;
        Ok(Some(mailbox))
    }

    fn signal(&self) -> Result {
        // SAFETY: the channel is this one's; what is sent carries no data, and is only not null.
        let sent =
            unsafe { c::mbox_send_message(self.channel.as_ptr(), c"".as_char_ptr().cast_mut().cast()) };
        to_result(sent)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // SAFETY: requested in `request`; after this nothing calls back.
        unsafe { c::mbox_free_channel(self.channel.as_ptr()) };
        match &self.client.purpose {
            Use::Queue(bell) => bell.cancel(),
            Use::Request(asked) => asked.cancel(),
        }
    }
}

/// # Safety
///
/// Only for the framework to call, as `rx_callback` of a [`Client`].
unsafe extern "C" fn rang(client: *mut c::mbox_client, _: *mut c_void) {
    // SAFETY: the framework passes the client that was given to it, which `Client` begins with.
    if let Use::Queue(bell) = unsafe { &(*client.cast::<Client>()).purpose } {
        bell.ask();
    }
}

/// # Safety
///
/// Only for the framework to call, as `tx_done` of a [`Client`].
unsafe extern "C" fn taken(client: *mut c::mbox_client, _: *mut c_void, _: c_int) {
    // SAFETY: as above.
    if let Use::Request(asked) = unsafe { &(*client.cast::<Client>()).purpose } {
        asked.taken();
    }
}
