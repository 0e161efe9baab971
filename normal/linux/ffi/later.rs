//! What is done for a processor where its lock may be waited for, and no signal ends that: a work item.
// SPDX-License-Identifier: GPL-2.0

use core::ptr::NonNull;

use kernel::bindings;
use kernel::ffi::c_int;
use kernel::impl_has_work;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::workqueue::{self, Work, WorkItem};

use super::c;

/// What a work item calls.
pub(super) type Task = unsafe fn(*mut c::rproc, c_int);

/// Work for a processor, done as often as it was asked for since it was last done, at least once.
#[pin_data]
pub(super) struct Later {
    remoteproc: NonNull<c::rproc>,
    task: Task,
    argument: c_int,
    /// Whether the lock of the core is held for it.
    locked: bool,
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
    /// For a task that is called with the lock of the core held.
    ///
    /// # Safety
    ///
    /// The processor must be there until [`Self::cancel`], and the task fit for being called with it and `argument`.
    pub(super) unsafe fn new(
        remoteproc: NonNull<c::rproc>,
        task: Task,
        argument: c_int,
    ) -> Result<Arc<Self>> {
        let work = kernel::new_work!("rproc-tee");
        Arc::pin_init(pin_init!(Self { remoteproc, task, argument, locked: true, work <- work }), GFP_KERNEL)
    }

    /// For a task that takes that lock itself.
    ///
    /// # Safety
    ///
    /// As of [`Self::new`].
    pub(super) unsafe fn without_lock(remoteproc: NonNull<c::rproc>, task: Task) -> Result<Arc<Self>> {
        // Of a class of its own for lockdep: it waits for what the others do.
        let work = kernel::new_work!("rproc-tee alone");
        Arc::pin_init(
            pin_init!(Self { remoteproc, task, argument: 0, locked: false, work <- work }),
            GFP_KERNEL,
        )
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

    /// Asks for it and waits until it is done, whatever signals come.
    pub(super) fn done(self: &Arc<Self>) {
        self.ask();
        // SAFETY: the work is initialised.
        unsafe { bindings::flush_work(Work::raw_get(&self.work)) };
    }

    /// Does it now.
    pub(super) fn now(&self) {
        let raw = self.remoteproc.as_ptr();
        // SAFETY: by the condition of `new` and `without_lock`.
        unsafe {
            if self.locked {
                bindings::mutex_lock(&raw mut (*raw).lock);
            }
            (self.task)(raw, self.argument);
            if self.locked {
                bindings::mutex_unlock(&raw mut (*raw).lock);
            }
        }
    }
}

impl WorkItem for Later {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.now();
    }
}
