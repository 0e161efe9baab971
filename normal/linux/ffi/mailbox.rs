//! The mailboxes of a processor, by which Linux and firmware ring each other.
// SPDX-License-Identifier: GPL-2.0

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use kernel::bindings;
use kernel::device::Device;
use kernel::error::{from_err_ptr, to_result};
use kernel::ffi::c_int;
use kernel::impl_has_work;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::workqueue::{self, Work, WorkItem};

use super::c;

/// The virtqueues' mailboxes, by the virtqueue's number.
const QUEUES: [&CStr; 2] = [c"vq0", c"vq1"];
const SHUTDOWN: &CStr = c"shutdown";
/// How long firmware may take to answer a request to shut down, as the stock stm32 driver has it.
const SHUTDOWN_LIMIT_MS: usize = 500;

/// All mailboxes of a processor that its node names.
pub(super) struct Mailboxes {
    queues: [Option<Mailbox>; 2],
    shutdown: Option<Mailbox>,
}

impl Mailboxes {
    /// Those of the processor's parent.
    ///
    /// # Safety
    ///
    /// The processor must outlive them.
    pub(super) unsafe fn request(remoteproc: NonNull<c::rproc>) -> Result<Self> {
        let mut queues = [None, None];
        for ((number, name), queue) in QUEUES.iter().enumerate().zip(&mut queues) {
            let bell = Arc::pin_init(Bell::new(remoteproc, number as c_int), GFP_KERNEL)?;
            // SAFETY: by the condition of this function.
            *queue = unsafe { Mailbox::request(remoteproc, name, Some(bell), None)? };
        }
        // SAFETY: by the condition of this function.
        let shutdown = unsafe { Mailbox::request(remoteproc, SHUTDOWN, None, Some(SHUTDOWN_LIMIT_MS))? };
        Ok(Self { queues, shutdown })
    }

    /// Tells the firmware of a virtqueue; without a mailbox there is no way to.
    pub(super) fn kick(&self, queue: c_int) -> Result {
        let mailbox = usize::try_from(queue).ok().and_then(|queue| self.queues.get(queue)?.as_ref());
        mailbox.map_or(Ok(()), Mailbox::signal)
    }

    /// Asks and waits; without a mailbox nothing is asked.
    pub(super) fn ask_to_shut_down(&self) -> Result {
        self.shutdown.as_ref().map_or(Ok(()), Mailbox::signal)
    }
}

/// What a signal from the firmware does: the virtqueue is looked at where the core's lock may be waited for.
#[pin_data]
struct Bell {
    remoteproc: NonNull<c::rproc>,
    queue: c_int,
    #[pin]
    work: Work<Self>,
}

// SAFETY: the core's part of a processor may be used by any thread; `Mailbox` waits for the work before it goes.
unsafe impl Send for Bell {}
// SAFETY: as above.
unsafe impl Sync for Bell {}

impl_has_work! {
    impl HasWork<Self> for Bell { self.work }
}

impl Bell {
    fn new(remoteproc: NonNull<c::rproc>, queue: c_int) -> impl PinInit<Self> {
        pin_init!(Self { remoteproc, queue, work <- kernel::new_work!("rproc-tee") })
    }
}

impl WorkItem for Bell {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let raw = this.remoteproc.as_ptr();
        // SAFETY: the processor is there until `Mailbox` has waited for this work. The virtqueues are while it runs, which cannot end
        // while its lock is held.
        unsafe {
            bindings::mutex_lock(&raw mut (*raw).lock);
            if (*raw).state == c::rproc_state_RPROC_RUNNING {
                c::rproc_vq_interrupt(raw, this.queue);
            }
            bindings::mutex_unlock(&raw mut (*raw).lock);
        }
    }
}

/// What the mailbox framework calls back, with its own part first.
#[repr(C)]
struct Client {
    raw: c::mbox_client,
    bell: Option<Arc<Bell>>,
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
    /// The one of that name in the node of the processor's parent, if there is one. `limit` is how many milliseconds a signal waits to
    /// be taken; without, it does not wait.
    ///
    /// # Safety
    ///
    /// The processor must outlive it.
    unsafe fn request(
        remoteproc: NonNull<c::rproc>,
        name: &CStr,
        bell: Option<Arc<Bell>>,
        limit: Option<usize>,
    ) -> Result<Option<Self>> {
        // SAFETY: the processor was allocated with a parent, which stays while it is there.
        let parent: &Device = unsafe { Device::from_raw((*remoteproc.as_ptr()).dev.parent) };
        let node = parent.fwnode().ok_or(ENODEV)?;
        if node.property_match_string(c"mbox-names", name).is_err() {
            return Ok(None);
        }
        let mut client = KBox::new(Client { raw: c::mbox_client::default(), bell }, GFP_KERNEL)?;
        client.raw.dev = ptr::from_ref(parent).cast_mut().cast();
        client.raw.rx_callback = Some(rang);
        client.raw.tx_block = limit.is_some();
        client.raw.tx_tout = limit.unwrap_or(0);
        let name = name.as_char_ptr();
        // SAFETY: the client stays where it is until the channel is freed.
        let channel = from_err_ptr(unsafe { c::mbox_request_channel_byname(&mut client.raw, name) })?;
        Ok(Some(Self { channel: NonNull::new(channel).ok_or(ENODEV)?, client }))
    }

    fn signal(&self) -> Result {
        // SAFETY: the channel is this one's; what is sent carries no data, and is only not null.
        let sent = unsafe { c::mbox_send_message(self.channel.as_ptr(), c"".as_ptr().cast_mut().cast()) };
        to_result(sent)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // SAFETY: requested in `request`; after this nothing calls back.
        unsafe { c::mbox_free_channel(self.channel.as_ptr()) };
        let Some(bell) = &self.client.bell else { return };
        // SAFETY: the work is initialised, and nobody queues it any more.
        if unsafe { bindings::cancel_work_sync(Work::raw_get(&bell.work)) } {
            // SAFETY: it was queued, with a reference that its run would have taken back.
            drop(unsafe { Arc::from_raw(Arc::as_ptr(bell)) });
        }
    }
}

unsafe extern "C" fn rang(client: *mut c::mbox_client, _: *mut c_void) {
    // SAFETY: the framework passes the client that was given to it, which `Client` begins with.
    if let Some(bell) = unsafe { &(*client.cast::<Client>()).bell } {
        // Queued already is as good.
        let _ = workqueue::system_highpri().enqueue(bell.clone());
    }
}
