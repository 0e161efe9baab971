//! Processors of Linux's remoteproc core, and its callbacks.
// SPDX-License-Identifier: GPL-2.0

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use kernel::bindings;
use kernel::device::{Core, Device};
use kernel::error::{from_result, to_result};
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::Arc;

use super::interrupt::Watchdog;
use super::later::Later;
use super::mailbox::{Mailboxes, Request};
use super::request::Asked;
use super::{c, Mapping, Region};

/// What Linux's remoteproc core asks of a processor; the core holds its lock in each call.
pub(crate) trait Lifecycle: Send + Sync + 'static {
    /// It runs already, and is not known to the core yet.
    fn runs_already(&self, parent: &Device) -> Result;
    /// Before anything else of a boot: what memory is the processor's.
    fn prepare(&self, remoteproc: &Remoteproc<'_>) -> Result;
    /// The last of a shutdown or a detachment, and of a boot or an attachment that failed after `prepare`.
    fn unprepare(&self, remoteproc: &Remoteproc<'_>) -> Result;
    /// The firmware file has come: gives its resource table, if it has one.
    fn parse(&self, remoteproc: &Remoteproc<'_>, firmware: &[u8]) -> Result<Option<KVec<u8>>>;
    /// Loads, at a boot after `parse` and at a recovery instead of it.
    fn load(&self, remoteproc: &Remoteproc<'_>, firmware: &[u8]) -> Result;
    /// Calls `found` with the loaded firmware's resource table, if it has one.
    fn loaded_table<R>(&self, found: impl FnOnce(&Mapping) -> R) -> Option<R>;
    /// Lets the processor run.
    fn start(&self, remoteproc: &Remoteproc<'_>) -> Result;
    /// Finds the resource table of a processor that runs already.
    fn find_table(&self, remoteproc: &Remoteproc<'_>) -> Result;
    /// Leaves it running without Linux.
    fn detach(&self, remoteproc: &Remoteproc<'_>) -> Result;
    /// Stops it.
    fn stop(&self, remoteproc: &Remoteproc<'_>) -> Result;
    /// After the stop of a crashed processor, if somebody wants to know: its memory as an ELF core file.
    fn coredump(&self, remoteproc: &Remoteproc<'_>) -> Result<VVec<u8>>;
}

/// A processor of Linux's remoteproc core, for the time of a call.
pub(crate) struct Remoteproc<'a> {
    raw: *mut c::rproc,
    _lives: PhantomData<&'a ()>,
}

impl Deref for Remoteproc<'_> {
    type Target = Device;

    /// Its own device, `remoteprocN`.
    fn deref(&self) -> &Device {
        // SAFETY: the core holds its processor, and with it the device, for the time of its callbacks.
        unsafe { Device::from_raw(&raw mut (*self.raw).dev) }
    }
}

impl AsRef<Device> for Remoteproc<'_> {
    fn as_ref(&self) -> &Device {
        self
    }
}

impl Remoteproc<'_> {
    fn mailboxes(&self) -> &Mailboxes {
        &self.common().mailboxes
    }

    fn common(&self) -> &Common {
        // SAFETY: `Registered::new` has set it to `Sides`, which begins with this part and outlives the registration.
        unsafe { &*(*self.raw).priv_.cast() }
    }

    /// Asks the firmware by its mailbox to come to rest, and waits for its answer. Nothing is asked of one that has crashed or
    /// has no such mailbox.
    pub(crate) fn ask_to_shut_down(&self) -> Result {
        // SAFETY: the core holds its lock in each callback.
        let crashed = unsafe { (*self.raw).state } == c::rproc_state_RPROC_CRASHED;
        if crashed {
            Ok(())
        } else {
            self.mailboxes().ask(Request::Shutdown)
        }
    }

    /// Whether firmware before left a request to shut down in its mailbox, which the next one may take for its own.
    pub(crate) fn has_old_request(&self) -> bool {
        self.mailboxes().shutdown().is_some_and(Asked::is_left)
    }

    /// Starts firmware, and tells whether it took such a request.
    pub(crate) fn takes_old_request(&self, start: impl FnOnce() -> Result) -> Result<bool> {
        match self.mailboxes().shutdown() {
            Some(asked) => asked.watch(start),
            None => start().map(|()| false),
        }
    }

    /// Copies the resource table as Linux completed it into the loaded firmware's, which has been loaded again to the same place.
    pub(crate) fn publish_table(&self) {
        // SAFETY: the core holds its lock in each callback, and has both tables, of this size, from `parse` on or neither; the loaded
        // one is mapped until `unprepare`.
        unsafe {
            let (ours, loaded) = ((*self.raw).cached_table, (*self.raw).table_ptr);
            if !ours.is_null() && !loaded.is_null() && ours != loaded {
                ptr::copy_nonoverlapping(ours.cast::<u8>(), loaded.cast(), (*self.raw).table_sz);
            }
        }
    }

    /// Asks the firmware by its mailbox to do without Linux, and waits for its answer.
    pub(crate) fn ask_to_detach(&self) -> Result {
        self.mailboxes().ask(Request::Detach)
    }

    /// Whether it runs, and Linux leaves it alone.
    pub(crate) fn is_detached(&self) -> bool {
        // SAFETY: the core holds its lock in each callback.
        unsafe { (*self.raw).state == c::rproc_state_RPROC_DETACHED }
    }

    /// Gives the core memory that it finds by its name. With `pool` it allocates from it.
    pub(crate) fn add_region(&self, region: &Region, address: u32, pool: bool) -> Result {
        let name = region.name.as_char_ptr();
        // SAFETY: the processor's parent is the device that it was made for, and stays while it is there.
        let parent = unsafe { (*self.raw).dev.parent };
        let entry = if pool {
            // SAFETY: the name is a C string without conversions of `printf`, which is copied.
            unsafe {
                c::rproc_of_resm_mem_entry_init(
                    parent,
                    region.index,
                    region.size,
                    address,
                    c"%s".as_char_ptr(),
                    name,
                )
            }
        } else {
            // SAFETY: as above; the callbacks map and unmap what the entry says.
            unsafe {
                c::rproc_mem_entry_init(
                    parent,
                    ptr::null_mut(),
                    region.start,
                    region.size,
                    address,
                    Some(map_region),
                    Some(unmap_region),
                    c"%s".as_char_ptr(),
                    name,
                )
            }
        };
        let entry = NonNull::new(entry).ok_or(ENOMEM)?;
        // SAFETY: both are valid; the core frees the entry with the boot's other resources.
        unsafe { c::rproc_add_carveout(self.raw, entry.as_ptr()) };
        Ok(())
    }
}

/// # Safety
///
/// Only for the core to call, as `alloc` of a carveout.
unsafe extern "C" fn map_region(_: *mut c::rproc, entry: *mut c::rproc_mem_entry) -> c_int {
    // SAFETY: the core passes an entry of ours, with its address and size.
    let entry = unsafe { &mut *entry };
    from_result(|| {
        let mapping = core::mem::ManuallyDrop::new(Mapping::new(entry.dma, entry.len)?);
        entry.va = mapping.start.as_ptr().cast();
        Ok(0)
    })
}

/// # Safety
///
/// Only for the core to call, as `release` of a carveout that [`map_region`] has mapped, or not yet.
unsafe extern "C" fn unmap_region(_: *mut c::rproc, entry: *mut c::rproc_mem_entry) -> c_int {
    // SAFETY: the core passes an entry of ours, whose memory, if any, `map_region` has mapped.
    unsafe {
        if !(*entry).va.is_null() {
            c::memunmap((*entry).va);
        }
    }
    0
}

/// What every processor has.
struct Common {
    mailboxes: Mailboxes,
    watchdog: Option<Watchdog>,
    /// Asked for when a recovery has begun, so it is done when that is over.
    settle: Arc<Later>,
    deletion: Arc<Later>,
}

/// What the core's callbacks find: the common part first, where [`Remoteproc`] looks for it whatever the lifecycle's type is.
#[repr(C)]
#[pin_data]
struct Sides<T> {
    common: Common,
    #[pin]
    lifecycle: T,
}

/// The core's own part of a processor, which is not registered (any more).
struct Allocated(NonNull<c::rproc>);

impl Drop for Allocated {
    fn drop(&mut self) {
        // SAFETY: drops the reference of `rproc_alloc`; no callback runs any more.
        unsafe { c::rproc_free(self.0.as_ptr()) };
    }
}

/// A processor that Linux's remoteproc core knows; dropping it stops it and takes it away. The fields go in this order.
pub(crate) struct Registered<T: Lifecycle> {
    sides: Pin<KBox<Sides<T>>>,
    raw: Allocated,
}

// SAFETY: the core locks for itself, and `T` may be dropped by any thread.
unsafe impl<T: Lifecycle> Send for Registered<T> {}

impl<T: Lifecycle> Registered<T> {
    const OPERATIONS: c::rproc_ops = {
        // SAFETY: all callbacks may be null.
        let mut operations: c::rproc_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        operations.prepare = Some(prepare::<T>);
        operations.unprepare = Some(unprepare::<T>);
        operations.parse_fw = Some(parse::<T>);
        operations.load = Some(load::<T>);
        operations.find_loaded_rsc_table = Some(find_table::<T>);
        operations.start = Some(start::<T>);
        operations.stop = Some(stop::<T>);
        operations.attach = Some(attach);
        operations.detach = Some(detach::<T>);
        operations.get_loaded_rsc_table = Some(get_table::<T>);
        operations.coredump = Some(coredump::<T>);
        operations.kick = Some(kick);
        operations
    };

    /// Registers a processor of the device `parent`, which is neither booted nor attached to by itself. `runs` says whether it
    /// runs already.
    ///
    /// # Errors
    /// `EPROBE_DEFER` while the driver of one of its mailboxes, or of its watchdog's interrupt, is not there.
    pub(crate) fn new(
        parent: &Device<Core<'_>>,
        name: &CStr,
        firmware: Option<&CStr>,
        runs: bool,
        lifecycle: impl PinInit<T, Error>,
    ) -> Result<Self> {
        let device: &Device = parent;
        let parent: *mut bindings::device = ptr::from_ref(parent).cast_mut().cast();
        let firmware = firmware.map_or(ptr::null(), |firmware| firmware.as_char_ptr());
        // SAFETY: the device is bound; names and operations are copied.
        let raw = unsafe { c::rproc_alloc(parent, name.as_char_ptr(), &Self::OPERATIONS, firmware, 0) };
        let raw = Allocated(NonNull::new(raw).ok_or(ENOMEM)?);
        // SAFETY: the mailboxes go before the processor, by the order of the fields.
        let mailboxes = unsafe { Mailboxes::request(raw.0, took_late)? };
        // SAFETY: as above.
        let watchdog = unsafe { Watchdog::request(raw.0)? };
        // SAFETY: cancelled by `drop` while the processor is there; `settle` wants just the lock.
        let settle = unsafe { Later::new(raw.0, settle, 0)? };
        // SAFETY: waited for by `drop` while the processor is there, and never asked for where it is not registered.
        let deletion = unsafe { Later::without_lock(raw.0, delete)? };
        let common = Common { mailboxes, watchdog, settle, deletion };
        let sides = KBox::pin_init(try_pin_init!(Sides { common, lifecycle <- lifecycle }), GFP_KERNEL)?;
        // SAFETY: nobody else knows the processor yet, and the sides outlive its registration.
        unsafe {
            (*raw.0.as_ptr()).auto_boot = false;
            if runs {
                (*raw.0.as_ptr()).state = c::rproc_state_RPROC_DETACHED;
            }
            (*raw.0.as_ptr()).priv_ = ptr::from_ref(&*sides).cast_mut().cast();
        }
        if runs {
            sides.lifecycle.runs_already(device)?;
        }
        // SAFETY: allocated above.
        to_result(unsafe { c::rproc_add(raw.0.as_ptr()) })?;
        Ok(Self { sides, raw })
    }
}

impl<T: Lifecycle> Registered<T> {
    /// Its other side.
    pub(crate) fn lifecycle(&self) -> &T {
        &self.sides.lifecycle
    }
}

/// After a recovery that failed, the core takes the processor for booted though it is off (`power`), and keeps its resources:
/// `start` would do nothing. This ends that boot as a shutdown would.
///
/// # Safety
///
/// The core's lock is held.
unsafe fn settle(raw: *mut c::rproc, _: c_int) {
    // SAFETY: the lock is held, so between boots only a failed recovery looks like this; the cached table was `kmalloc`ed.
    unsafe {
        if (*raw).state != c::rproc_state_RPROC_OFFLINE || (*raw).power.counter == 0 {
            return;
        }
        c::rproc_resource_cleanup(raw);
        if let Some(unprepare) = (*(*raw).ops).unprepare {
            // Whoever failed has said so in the log.
            let _ = unprepare(raw);
        }
        bindings::kfree((*raw).cached_table.cast());
        (*raw).cached_table = ptr::null_mut();
        (*raw).table_ptr = ptr::null_mut();
        (*raw).power.counter = 0;
    }
    let remoteproc = Remoteproc { raw, _lives: PhantomData };
    dev_err!(remoteproc, "the recovery failed; it is off and may be started again\n");
}

/// Shuts the processor down and takes it away. In a work item, for a signal to whoever removes the driver would have the core leave
/// the processor running, and say nothing.
///
/// # Safety
///
/// The processor is registered, and its sides are still there.
unsafe fn delete(raw: *mut c::rproc, _: c_int) {
    // SAFETY: it was added in `Registered::new`.
    unsafe { c::rproc_del(raw) };
}

/// The firmware that runs has taken a request to shut down that was for another, long after its start: it is gone.
///
/// # Safety
///
/// The core's lock is held, and the processor registered.
unsafe fn took_late(raw: *mut c::rproc, _: c_int) {
    let remoteproc = Remoteproc { raw, _lives: PhantomData };
    if !remoteproc.mailboxes().shutdown().is_some_and(Asked::forget_late) {
        return;
    }
    // SAFETY: the lock is held; the core only makes a note of the crash here.
    unsafe {
        if matches!((*raw).state, c::rproc_state_RPROC_RUNNING | c::rproc_state_RPROC_ATTACHED) {
            dev_err!(remoteproc, "it took the request to shut down that firmware before it had left\n");
            c::rproc_report_crash(raw, c::rproc_crash_type_RPROC_FATAL_ERROR);
        }
    }
}

impl<T: Lifecycle> Drop for Registered<T> {
    fn drop(&mut self) {
        let raw = self.raw.0.as_ptr();
        // SAFETY: the processor is registered, and its work initialised.
        unsafe {
            (*raw).recovery_disabled = true;
            bindings::flush_work(&raw mut (*raw).crash_handler);
        }
        self.sides.common.settle.now();
        self.sides.common.deletion.done();
        self.sides.common.settle.cancel();
    }
}

/// The two sides of a callback.
///
/// # Safety
///
/// `raw` must come from the core in a callback of `Registered::<T>`.
unsafe fn sides<'a, T: Lifecycle>(raw: *mut c::rproc) -> (&'a T, Remoteproc<'a>) {
    // SAFETY: `Registered::new` has set it, and what it points at outlives the registration.
    (unsafe { &(*(*raw).priv_.cast::<Sides<T>>()).lifecycle }, Remoteproc { raw, _lives: PhantomData })
}

/// The bytes of a firmware file.
///
/// # Safety
///
/// `firmware` must come from the core in a callback.
unsafe fn bytes<'a>(firmware: *const bindings::firmware) -> &'a [u8] {
    // SAFETY: the core keeps the file, which nobody writes to, for the time of its callbacks.
    unsafe { core::slice::from_raw_parts((*firmware).data, (*firmware).size) }
}

/// # Safety
///
/// Only for the core to call, as `prepare` of a [`Registered`].
unsafe extern "C" fn prepare<T: Lifecycle>(raw: *mut c::rproc) -> c_int {
    // SAFETY: the core calls this.
    let (lifecycle, remoteproc) = unsafe { sides::<T>(raw) };
    // SAFETY: the lock is held. The core frees its copy of the table at a detachment without forgetting it, and would free it again
    // if the next attachment failed.
    unsafe { (*raw).clean_table = ptr::null_mut() };
    from_result(|| {
        lifecycle.prepare(&remoteproc).inspect_err(|_| {
            // SAFETY: as above. The core would keep the carveouts that it has been given so far.
            unsafe { c::rproc_resource_cleanup(raw) };
        })?;
        Ok(0)
    })
}

/// # Safety
///
/// Only for the core to call, as `unprepare` of a [`Registered`].
unsafe extern "C" fn unprepare<T: Lifecycle>(raw: *mut c::rproc) -> c_int {
    // SAFETY: the core calls this.
    let (lifecycle, remoteproc) = unsafe { sides::<T>(raw) };
    // SAFETY: the lock is held. After an attachment that failed the core keeps the pointer to the table, whose mapping ends here, and
    // debugfs looks there without the lock. After a boot it forgets that itself. After a boot that failed in `parse` it keeps the
    // carveouts; else it has none any more.
    unsafe {
        (*raw).table_ptr = ptr::null_mut();
        c::rproc_resource_cleanup(raw);
    }
    from_result(|| lifecycle.unprepare(&remoteproc).map(|()| 0))
}

/// # Safety
///
/// Only for the core to call, as `parse_fw` of a [`Registered`].
unsafe extern "C" fn parse<T: Lifecycle>(raw: *mut c::rproc, firmware: *const bindings::firmware) -> c_int {
    // SAFETY: the core calls this.
    let ((lifecycle, remoteproc), firmware) = unsafe { (sides::<T>(raw), bytes(firmware)) };
    from_result(|| {
        let Some(table) = lifecycle.parse(&remoteproc, firmware)? else { return Ok(0) };
        let (table, size, _) = table.into_raw_parts();
        // SAFETY: the core frees the table with `kfree`, and a `KVec` is `kmalloc`ed.
        unsafe {
            (*raw).cached_table = table.cast();
            (*raw).table_ptr = table.cast();
            (*raw).table_sz = size;
        }
        Ok(0)
    })
}

/// # Safety
///
/// Only for the core to call, as `load` of a [`Registered`].
unsafe extern "C" fn load<T: Lifecycle>(raw: *mut c::rproc, firmware: *const bindings::firmware) -> c_int {
    // SAFETY: the core calls this.
    let ((lifecycle, remoteproc), firmware) = unsafe { (sides::<T>(raw), bytes(firmware)) };
    from_result(|| lifecycle.load(&remoteproc, firmware).map(|()| 0))
}

/// # Safety
///
/// Only for the core to call, as `find_loaded_rsc_table` of a [`Registered`].
unsafe extern "C" fn find_table<T: Lifecycle>(
    raw: *mut c::rproc,
    _: *const bindings::firmware,
) -> *mut c::resource_table {
    // SAFETY: the core calls this.
    let ((lifecycle, _), size) = unsafe { (sides::<T>(raw), (*raw).table_sz) };
    // The core copies `table_sz` bytes there. The mapping stays until `unprepare`.
    let found = lifecycle.loaded_table(|table| (table.size >= size).then_some(table.start));
    found.flatten().map_or(ptr::null_mut(), |start| start.as_ptr().cast())
}

/// # Safety
///
/// Only for the core to call, as `start` of a [`Registered`].
unsafe extern "C" fn start<T: Lifecycle>(raw: *mut c::rproc) -> c_int {
    // SAFETY: the core calls this.
    let (lifecycle, remoteproc) = unsafe { sides::<T>(raw) };
    let watchdog = remoteproc.common().watchdog.as_ref();
    watchdog.inspect(|watchdog| watchdog.arm());
    from_result(|| {
        lifecycle.start(&remoteproc).inspect_err(|_| {
            watchdog.inspect(|watchdog| watchdog.disarm());
        })?;
        Ok(0)
    })
}

/// # Safety
///
/// Only for the core to call, as `attach` of a [`Registered`].
unsafe extern "C" fn attach(raw: *mut c::rproc) -> c_int {
    // The firmware sees Linux in its resource table and mailboxes.
    let remoteproc = Remoteproc { raw, _lives: PhantomData };
    // Whoever took that before is another firmware.
    remoteproc.mailboxes().shutdown().map(Asked::forget_late);
    remoteproc.common().watchdog.as_ref().inspect(|watchdog| watchdog.arm());
    0
}

/// # Safety
///
/// Only for the core to call, as `get_loaded_rsc_table` of a [`Registered`].
unsafe extern "C" fn get_table<T: Lifecycle>(raw: *mut c::rproc, size: *mut usize) -> *mut c::resource_table {
    // SAFETY: the core calls this.
    let (lifecycle, remoteproc) = unsafe { sides::<T>(raw) };
    if let Err(error) = lifecycle.find_table(&remoteproc) {
        return error.to_ptr();
    }
    // The mapping stays until `unprepare`.
    let found = lifecycle.loaded_table(|table| {
        // SAFETY: the core wants to know the size.
        unsafe { *size = table.size };
        table.start.as_ptr().cast()
    });
    found.unwrap_or(ptr::null_mut())
}

/// # Safety
///
/// Only for the core to call, as `detach` of a [`Registered`].
unsafe extern "C" fn detach<T: Lifecycle>(raw: *mut c::rproc) -> c_int {
    // SAFETY: the core calls this.
    let (lifecycle, remoteproc) = unsafe { sides::<T>(raw) };
    from_result(|| {
        lifecycle.detach(&remoteproc)?;
        remoteproc.common().watchdog.as_ref().inspect(|watchdog| watchdog.disarm());
        Ok(0)
    })
}

/// # Safety
///
/// Only for the core to call, as `stop` of a [`Registered`].
unsafe extern "C" fn stop<T: Lifecycle>(raw: *mut c::rproc) -> c_int {
    // SAFETY: the core calls this.
    let (lifecycle, remoteproc) = unsafe { sides::<T>(raw) };
    let watchdog = remoteproc.common().watchdog.as_ref();
    watchdog.inspect(|watchdog| watchdog.disarm());
    // SAFETY: the lock is held.
    let crashed = unsafe { (*raw).state } == c::rproc_state_RPROC_CRASHED;
    if crashed {
        remoteproc.common().settle.ask();
    }
    let stopped = lifecycle.stop(&remoteproc).or_else(|error| {
        // SAFETY: as above. While the processor is taken away, the core would keep everything of it after an error, with nobody left to
        // give it back.
        if !unsafe { (*raw).deleting } {
            // It runs on.
            watchdog.filter(|_| !crashed).inspect(|watchdog| watchdog.arm());
            return Err(error);
        }
        dev_err!(
            remoteproc,
            "it may run on: the driver goes, and the service does not stop it ({:?})\n",
            error
        );
        Ok(())
    });
    from_result(|| stopped.map(|()| 0))
}

/// # Safety
///
/// Only for the core to call, as `coredump` of a [`Registered`].
unsafe extern "C" fn coredump<T: Lifecycle>(raw: *mut c::rproc) {
    // SAFETY: the core calls this.
    let ((lifecycle, remoteproc), wanted) = unsafe { (sides::<T>(raw), (*raw).dump_conf) };
    if wanted == c::rproc_dump_mechanism_RPROC_COREDUMP_DISABLED {
        return;
    }
    // Whoever failed has said so in the log.
    let Ok(dump) = lifecycle.coredump(&remoteproc) else { return };
    let (dump, size, _) = dump.into_raw_parts();
    // SAFETY: the device is valid; the dump is `vmalloc`ed, as the function wants it, and is its own from here on.
    unsafe { c::dev_coredumpv((&raw mut (*raw).dev).cast(), dump.cast(), size, bindings::GFP_KERNEL) };
}

/// # Safety
///
/// Only for the core to call, as `kick` of a [`Registered`].
unsafe extern "C" fn kick(raw: *mut c::rproc, queue: c_int) {
    let remoteproc = Remoteproc { raw, _lives: PhantomData };
    if let Err(error) = remoteproc.mailboxes().kick(queue) {
        dev_err!(remoteproc, "virtqueue {} cannot be signalled: {:?}\n", queue, error);
    }
}
