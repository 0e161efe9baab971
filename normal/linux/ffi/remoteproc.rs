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

use super::interrupt::Watchdog;
use super::mailbox::Mailboxes;
use super::{c, stem, Mapping};

/// What Linux's remoteproc core asks of a processor; the core holds its lock in each call.
pub(crate) trait Lifecycle: Send + Sync + 'static {
    /// Before anything else of a boot: what memory is the processor's.
    fn prepare(&self, remoteproc: &Remoteproc<'_>) -> Result;
    /// The last of a shutdown, and of a boot that failed after `prepare`.
    fn unprepare(&self, remoteproc: &Remoteproc<'_>) -> Result;
    /// The firmware file has come: gives its resource table, if it has one.
    fn parse(&self, remoteproc: &Remoteproc<'_>, firmware: &[u8]) -> Result<Option<KVec<u8>>>;
    /// Loads, at a boot after `parse` and at a recovery instead of it.
    fn load(&self, remoteproc: &Remoteproc<'_>, firmware: &[u8]) -> Result;
    /// Calls `found` with the loaded firmware's resource table, if it has one.
    fn loaded_table<R>(&self, found: impl FnOnce(&Mapping) -> R) -> Option<R>;
    /// Lets the processor run.
    fn start(&self, remoteproc: &Remoteproc<'_>) -> Result;
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
        // SAFETY: `Registered::new` has set it to `Sides`, which begins with the mailboxes and outlives the registration.
        unsafe { &*(*self.raw).priv_.cast() }
    }

    /// Asks the firmware by its mailbox to come to rest, and waits for its answer. Nothing is asked of one that has crashed or
    /// has no such mailbox.
    pub(crate) fn ask_to_shut_down(&self) -> Result {
        // SAFETY: the core holds its lock in each callback.
        let crashed = unsafe { (*self.raw).state } == c::rproc_state_RPROC_CRASHED;
        if crashed { Ok(()) } else { self.mailboxes().ask_to_shut_down() }
    }

    /// Gives the core the regions of the node's `memory-region`, which it finds by the names of their nodes. `pool` says whether
    /// a region is for the core to allocate from.
    pub(crate) fn add_memory_regions(&self, pool: impl Fn(&CStr) -> bool) -> Result {
        // SAFETY: the processor's parent is the device that it was made for, and stays while it is there.
        let (parent, node) = unsafe { ((*self.raw).dev.parent, (*(*self.raw).dev.parent).of_node) };
        for index in 0..u32::MAX {
            let mut region = bindings::resource::default();
            // SAFETY: the node is null or valid, and refused if null.
            if unsafe { c::of_reserved_mem_region_to_resource(node, index, &mut region) } != 0 {
                break;
            }
            // SAFETY: a reserved region has its node's name.
            let name = stem(unsafe { CStr::from_char_ptr(region.name) })?;
            let size = (region.end - region.start + 1) as usize;
            let address = u32::try_from(region.start)?;
            let entry = if pool(&name) {
                // SAFETY: the name is a C string without conversions of `printf`, which is copied.
                unsafe {
                    c::rproc_of_resm_mem_entry_init(parent, index, size, address, c"%s".as_char_ptr(), name.as_char_ptr())
                }
            } else {
                // SAFETY: as above; the callbacks map and unmap what the entry says.
                unsafe {
                    c::rproc_mem_entry_init(
                        parent,
                        ptr::null_mut(),
                        region.start,
                        size,
                        address,
                        Some(map_region),
                        Some(unmap_region),
                        c"%s".as_char_ptr(),
                        name.as_char_ptr(),
                    )
                }
            };
            let entry = NonNull::new(entry).ok_or(ENOMEM)?;
            // SAFETY: both are valid; the core frees the entry with the boot's other resources.
            unsafe { c::rproc_add_carveout(self.raw, entry.as_ptr()) };
        }
        Ok(())
    }
}

unsafe extern "C" fn map_region(_: *mut c::rproc, entry: *mut c::rproc_mem_entry) -> c_int {
    // SAFETY: the core passes an entry of ours, with its address and size.
    let entry = unsafe { &mut *entry };
    from_result(|| {
        let mapping = core::mem::ManuallyDrop::new(Mapping::new(entry.dma, entry.len)?);
        entry.va = mapping.start.as_ptr().cast();
        Ok(0)
    })
}

unsafe extern "C" fn unmap_region(_: *mut c::rproc, entry: *mut c::rproc_mem_entry) -> c_int {
    // SAFETY: the core passes an entry that `map_region` has mapped.
    unsafe { c::memunmap((*entry).va) };
    0
}

/// What the core's callbacks find: the mailboxes first, where [`Remoteproc`] looks for them whatever the lifecycle's type is.
#[repr(C)]
#[pin_data]
struct Sides<T> {
    mailboxes: Mailboxes,
    watchdog: Option<Watchdog>,
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
    _sides: Pin<KBox<Sides<T>>>,
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
        operations.coredump = Some(coredump::<T>);
        operations.kick = Some(kick);
        operations
    };

    /// Registers a processor of the device `parent`, which is not booted by itself.
    ///
    /// # Errors
    /// `EPROBE_DEFER` while the driver of one of its mailboxes, or of its watchdog's interrupt, is not there.
    pub(crate) fn new(
        parent: &Device<Core<'_>>,
        name: &CStr,
        firmware: Option<&CStr>,
        lifecycle: impl PinInit<T, Error>,
    ) -> Result<Self> {
        let parent: *mut bindings::device = ptr::from_ref(parent).cast_mut().cast();
        let firmware = firmware.map_or(ptr::null(), |firmware| firmware.as_char_ptr());
        // SAFETY: the device is bound; names and operations are copied.
        let raw = unsafe { c::rproc_alloc(parent, name.as_char_ptr(), &Self::OPERATIONS, firmware, 0) };
        let raw = Allocated(NonNull::new(raw).ok_or(ENOMEM)?);
        // SAFETY: the mailboxes go before the processor, by the order of the fields.
        let mailboxes = unsafe { Mailboxes::request(raw.0)? };
        // SAFETY: as above.
        let watchdog = unsafe { Watchdog::request(raw.0)? };
        let sides = KBox::pin_init(try_pin_init!(Sides { mailboxes, watchdog, lifecycle <- lifecycle }), GFP_KERNEL)?;
        // SAFETY: nobody else knows the processor yet, and the sides outlive its registration.
        unsafe {
            (*raw.0.as_ptr()).auto_boot = false;
            (*raw.0.as_ptr()).priv_ = ptr::from_ref(&*sides).cast_mut().cast();
        }
        // SAFETY: allocated above.
        to_result(unsafe { c::rproc_add(raw.0.as_ptr()) })?;
        Ok(Self { _sides: sides, raw })
    }
}

impl<T: Lifecycle> Drop for Registered<T> {
    fn drop(&mut self) {
        // SAFETY: added in `new`; this shuts the processor down while its sides are still there.
        unsafe { c::rproc_del(self.raw.0.as_ptr()) };
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

/// The watchdog, if Linux is interrupted by it.
///
/// # Safety
///
/// As for [`sides`].
unsafe fn watchdog<'a, T: Lifecycle>(raw: *mut c::rproc) -> Option<&'a Watchdog> {
    // SAFETY: by the condition, as in `sides`.
    unsafe { (*(*raw).priv_.cast::<Sides<T>>()).watchdog.as_ref() }
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

unsafe extern "C" fn prepare<T: Lifecycle>(raw: *mut c::rproc) -> c_int {
    // SAFETY: the core calls this.
    let (lifecycle, remoteproc) = unsafe { sides::<T>(raw) };
    from_result(|| lifecycle.prepare(&remoteproc).map(|()| 0))
}

unsafe extern "C" fn unprepare<T: Lifecycle>(raw: *mut c::rproc) -> c_int {
    // SAFETY: the core calls this.
    let (lifecycle, remoteproc) = unsafe { sides::<T>(raw) };
    from_result(|| lifecycle.unprepare(&remoteproc).map(|()| 0))
}

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

unsafe extern "C" fn load<T: Lifecycle>(raw: *mut c::rproc, firmware: *const bindings::firmware) -> c_int {
    // SAFETY: the core calls this.
    let ((lifecycle, remoteproc), firmware) = unsafe { (sides::<T>(raw), bytes(firmware)) };
    from_result(|| lifecycle.load(&remoteproc, firmware).map(|()| 0))
}

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

unsafe extern "C" fn start<T: Lifecycle>(raw: *mut c::rproc) -> c_int {
    // SAFETY: the core calls this.
    let (lifecycle, remoteproc) = unsafe { sides::<T>(raw) };
    // SAFETY: as above.
    let watchdog = unsafe { watchdog::<T>(raw) };
    watchdog.inspect(|watchdog| watchdog.arm());
    from_result(|| {
        lifecycle.start(&remoteproc).inspect_err(|_| {
            watchdog.inspect(|watchdog| watchdog.disarm());
        })?;
        Ok(0)
    })
}

unsafe extern "C" fn stop<T: Lifecycle>(raw: *mut c::rproc) -> c_int {
    // SAFETY: the core calls this.
    let (lifecycle, remoteproc) = unsafe { sides::<T>(raw) };
    // SAFETY: as above.
    unsafe { watchdog::<T>(raw) }.inspect(|watchdog| watchdog.disarm());
    from_result(|| lifecycle.stop(&remoteproc).map(|()| 0))
}

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

unsafe extern "C" fn kick(raw: *mut c::rproc, queue: c_int) {
    let remoteproc = Remoteproc { raw, _lives: PhantomData };
    if let Err(error) = remoteproc.mailboxes().kick(queue) {
        dev_err!(remoteproc, "virtqueue {} cannot be signalled: {:?}\n", queue, error);
    }
}
