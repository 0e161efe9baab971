//! What is done for a processor where its lock may be waited for: a work item.
// SPDX-License-Identifier: GPL-2.0

use core::ptr::NonNull;

use kernel::bindings;
use kernel::ffi::c_int;
use kernel::impl_has_work;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::workqueue::{self, Work, WorkItem};

use super::c;

/// What a work item calls, with the lock of the core held.
pub(super) type Task = unsafe fn(*mut c::rproc, c_int);

/// Work for a processor, done as often as it was asked for since it was last done, at least once.
#[pin_data]
pub(super) struct Later {
    remoteproc: NonNull<c::rproc>,
    task: Task,
    argument: c_int,
    #[pin]
    work: Work<Self>,
}

// SAFETY: the core's part of a processor may be used by any thread; by the condition of `new` it outlives the work.
unsafe impl Send for Later {}
// SAFETY: as above.
unsafe impl Sync for Later {}

impl_has_work! {
    impl HasWork<Self> for Later { self.work }
}

impl Later {
    /// # Safety
    ///
    /// The processor must be there until [`Self::cancel`], and the task fit for being called with it and `argument`.
    pub(super) unsafe fn new(
        remoteproc: NonNull<c::rproc>,
        task: Task,
        argument: c_int,
    ) -> Result<Arc<Self>> {
        let this = pin_init!(Self { remoteproc, task, argument, work <- kernel::new_work!("rproc-tee") });
        Arc::pin_init(this, GFP_KERNEL)
    }

    /// Asks for it.
    pub(super) fn ask(self: &Arc<Self>) {
        // Queued already is as good.
        let _ = workqueue::system_highpri().enqueue(self.clone());
    }

    /// Waits for its end. Nobody may ask any more.
    pub(super) fn cancel(self: &Arc<Self>) {
        // SAFETY: the work is initialised.
        if unsafe { bindings::cancel_work_sync(Work::raw_get(&self.work)) } {
            // SAFETY: it was queued, with a reference that its run would have taken back.
            drop(unsafe { Arc::from_raw(Arc::as_ptr(self)) });
        }
    }

    /// Does it now, with the lock held.
    pub(super) fn now(&self) {
        let raw = self.remoteproc.as_ptr();
        // SAFETY: by the condition of `new`.
        unsafe {
            bindings::mutex_lock(&raw mut (*raw).lock);
            (self.task)(raw, self.argument);
            bindings::mutex_unlock(&raw mut (*raw).lock);
        }
    }
}

impl WorkItem for Later {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.now();
    }
}
