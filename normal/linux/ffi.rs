//! What the kernel crate lacks, made safe: the TEE bus and its sessions, remoteproc, memory that is mapped. The only unsafe code here.
// SPDX-License-Identifier: GPL-2.0

use core::any::TypeId;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use kernel::device::property::FwNode;
use kernel::device::{Core, Device};
use kernel::device_id::RawDeviceId;
use kernel::error::{from_err_ptr, from_result, to_result};
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::aref::ARef;
use kernel::{bindings, ThisModule};
use rproc_abi::{Completion, Login, Output, Param, Params, TeeResult, Uuid, Value};

mod mailbox;

use mailbox::Mailboxes;

#[allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_imports,
    reason = "bindgen wrote it"
)]
mod c {
    include!(env!("RPROC_TEE_BINDINGS"));
}

/// An entry of a table of services.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct ServiceId(bindings::uuid_t);

// SAFETY: `struct tee_client_device_id` holds one `uuid_t` and nothing else (include/linux/device-id/tee_client.h).
unsafe impl RawDeviceId for ServiceId {
    type RawType = Self;
}

kernel::module_device_table!(
    "tee", ServiceId, SERVICES, @none,
    [ServiceId(bindings::uuid_t { b: Uuid::REMOTEPROC_TA.octets() })]
);

/// The name of the TEE bus driver in sysfs; its address is how its devices' children are known.
static BUS_DRIVER: &CStr = c"rproc-tee";

/// What a service becomes while it is on the TEE bus.
pub(crate) trait Service: Sized + Send + 'static {
    /// The remoteproc service has appeared on the bus. What is given back is dropped when it goes.
    fn appeared(device: &BusDevice<'_>) -> Result<Self>;
}

/// A service's device, for the time of a call.
pub(crate) struct BusDevice<'a> {
    raw: *mut bindings::device,
    _lives: PhantomData<&'a ()>,
}

impl Deref for BusDevice<'_> {
    type Target = Device;

    fn deref(&self) -> &Device {
        // SAFETY: the bus holds a reference to the device for the time of its callbacks, which is the lifetime of `self`.
        unsafe { Device::from_raw(self.raw) }
    }
}

impl AsRef<Device> for BusDevice<'_> {
    fn as_ref(&self) -> &Device {
        self
    }
}

/// A registered driver of the TEE bus; dropping it unbinds it from every service.
pub(crate) struct BusDriver<S> {
    driver: NonNull<c::tee_client_driver>,
    _service: PhantomData<S>,
}

// SAFETY: the driver core locks what it changes; this only unregisters.
unsafe impl<S> Send for BusDriver<S> {}
// SAFETY: nothing can be done with a shared reference.
unsafe impl<S> Sync for BusDriver<S> {}

impl<S: Service> BusDriver<S> {
    /// Registers; services that are there already appear before this returns.
    pub(crate) fn new(module: &'static ThisModule) -> Result<Self> {
        let mut driver = KBox::new(c::tee_client_driver::default(), GFP_KERNEL)?;
        // The bus's own callbacks: `driver.probe` would install wrappers that call a null `shutdown` at power-off.
        driver.probe = Some(probe::<S>);
        driver.remove = Some(remove::<S>);
        driver.id_table = ptr::from_ref(&SERVICES).cast();
        driver.driver.name = BUS_DRIVER.as_char_ptr();
        let driver = KBox::into_raw(driver);
        // SAFETY: the structure is complete and stays where it is until `drop` unregisters it.
        let registered = to_result(unsafe { c::__tee_client_driver_register(driver, module.as_ptr()) });
        // SAFETY: `KBox::into_raw` gives no null pointer.
        let driver = unsafe { NonNull::new_unchecked(driver) };
        let this = Self { driver, _service: PhantomData };
        if let Err(error) = registered {
            let this = core::mem::ManuallyDrop::new(this);
            // SAFETY: it came from `KBox::into_raw` above and nobody else knows it.
            drop(unsafe { KBox::from_raw(this.driver.as_ptr()) });
            return Err(error);
        }
        Ok(this)
    }
}

impl<S> Drop for BusDriver<S> {
    fn drop(&mut self) {
        // SAFETY: registered in `new`.
        unsafe { c::tee_client_driver_unregister(self.driver.as_ptr()) };
        // SAFETY: it came from `KBox::into_raw` in `new`, and no callback runs any more.
        drop(unsafe { KBox::from_raw(self.driver.as_ptr()) });
    }
}

unsafe extern "C" fn probe<S: Service>(device: *mut c::tee_client_device) -> c_int {
    from_result(|| {
        // SAFETY: the bus passes a device that it holds for the time of this call.
        let raw = unsafe { &raw mut (*device).dev };
        let service = KBox::new(S::appeared(&BusDevice { raw, _lives: PhantomData })?, GFP_KERNEL)?;
        // SAFETY: as above; the driver data is this driver's from probe to remove.
        unsafe { bindings::dev_set_drvdata(raw, KBox::into_raw(service).cast()) };
        Ok(0)
    })
}

unsafe extern "C" fn remove<S: Service>(device: *mut c::tee_client_device) {
    // SAFETY: the bus calls this after a `probe` that has set the driver data, once.
    drop(unsafe { KBox::from_raw(bindings::dev_get_drvdata(&raw mut (*device).dev).cast::<S>()) });
}

/// The node at a path of the device tree.
pub(crate) fn node(path: &CStr) -> Option<ARef<FwNode>> {
    // SAFETY: the path is a C string; without a second pointer it is only searched for.
    let node = unsafe { c::of_find_node_opts_by_path(path.as_char_ptr(), ptr::null_mut()) };
    // SAFETY: a node that was found embeds its handle; for null only an address is computed, and not used.
    let handle = unsafe { &raw mut (*NonNull::new(node)?.as_ptr()).fwnode };
    // SAFETY: `FwNode` is a transparent wrapper of `fwnode_handle`, whose reference count is the node's, raised by the search.
    Some(unsafe { ARef::from_raw(NonNull::new_unchecked(handle.cast())) })
}

/// A node's name without its unit address.
pub(crate) fn node_name(node: &FwNode) -> Result<CString> {
    stem(&CString::try_from_fmt(fmt!("{}", node.display_name()))?)
}

/// What stands before the unit address.
fn stem(name: &CStr) -> Result<CString> {
    let name = name.to_str().map_err(|_| EINVAL)?;
    CString::try_from_fmt(fmt!("{}", name.split('@').next().unwrap_or(name)))
}

/// The name of every [`Child`] and of its driver.
pub(crate) const CHILD: &CStr = c"rproc-tee-processor";

/// Data that says of which type it is.
#[repr(C)]
struct Tagged<T> {
    tag: TypeId,
    data: T,
}

/// A platform device with a node and data, for a driver of this module to bind to. Dropping it unbinds and removes it.
pub(crate) struct Child<T> {
    device: NonNull<bindings::platform_device>,
    _data: KBox<Tagged<T>>,
}

// SAFETY: a platform device may be unregistered by any thread, and so may `T` be dropped.
unsafe impl<T: Send> Send for Child<T> {}

impl<T: Send + Sync + 'static> Child<T> {
    /// Makes the device below `parent`; its driver finds the data with [`child_data`].
    pub(crate) fn new(parent: &BusDevice<'_>, node: &FwNode, id: u32, data: T) -> Result<Self> {
        let data = KBox::new(Tagged { tag: TypeId::of::<T>(), data }, GFP_KERNEL)?;
        let pointer: *const Tagged<T> = &*data;
        let info = bindings::platform_device_info {
            parent: parent.raw,
            fwnode: ptr::from_ref(node).cast_mut().cast(),
            name: CHILD.as_char_ptr(),
            id: id as c_int,
            data: ptr::from_ref(&pointer).cast(),
            size_data: size_of_val(&pointer),
            // Linux tells the processor addresses in 32 bits.
            dma_mask: u32::MAX.into(),
            ..Default::default()
        };
        // SAFETY: what `info` points at lives until the call is over; it copies the data and takes references to the others.
        let device = from_err_ptr(unsafe { bindings::platform_device_register_full(&info) })?;
        let device = NonNull::new(device).ok_or(ENOMEM)?;
        Ok(Self { device, _data: data })
    }
}

impl<T> Drop for Child<T> {
    fn drop(&mut self) {
        // SAFETY: registered in `new`, unregistered only here; the data outlives it.
        unsafe { bindings::platform_device_unregister(self.device.as_ptr()) };
    }
}

/// The data of a [`Child`], for the driver that is bound to it; `None` for any other device that is told to use that driver.
pub(crate) fn child_data<'a, T: 'static>(device: &'a Device<Core<'_>>) -> Option<&'a T> {
    let raw: *mut bindings::device = ptr::from_ref(device).cast_mut().cast();
    // SAFETY: `Device` is a transparent wrapper of `struct device`; a parent lives as long as its child.
    let (parent, data) = unsafe { ((*raw).parent.as_ref()?, (*raw).platform_data) };
    // SAFETY: a driver is null or valid while its device is bound, which the parent of a bound child is.
    let driver = unsafe { parent.driver.as_ref()? };
    if driver.name != BUS_DRIVER.as_char_ptr() {
        return None;
    }
    // SAFETY: only `BusDriver` has that very name, and only `Child::new` makes children of its devices, so this is the copy of a
    // pointer to tagged data that lives as long as the device. The tag comes first whatever the type.
    let tag: *const TypeId = unsafe { *data.cast::<*const TypeId>().as_ref()? };
    // SAFETY: as above.
    if unsafe { *tag } != TypeId::of::<T>() {
        return None;
    }
    // SAFETY: as above, and the tag says that the type is this one.
    Some(unsafe { &(*tag.cast::<Tagged<T>>()).data })
}

/// A session with a Trusted Application.
pub(crate) struct TeeSession {
    context: NonNull<c::tee_context>,
    id: Option<u32>,
}

// SAFETY: the TEE's driver locks for itself; contexts and sessions belong to no thread.
unsafe impl Send for TeeSession {}
// SAFETY: as above; calls of several threads in one session wait for each other in the TEE.
unsafe impl Sync for TeeSession {}

unsafe extern "C" fn is_optee(version: *mut c::tee_ioctl_version_data, _: *const c_void) -> c_int {
    // SAFETY: the TEE core passes the data of a TEE.
    (unsafe { (*version).impl_id } == c::TEE_IMPL_ID_OPTEE).into()
}

impl TeeSession {
    /// Opens one as the kernel. The inner error is the TEE's answer, the outer one that there was none.
    pub(crate) fn open(uuid: Uuid, params: Params<&Shared<'_>>) -> Result<core::result::Result<Self, TeeResult>> {
        // SAFETY: `is_optee` is as the function wants it, and needs no data; nothing is wanted of the version.
        let context = from_err_ptr(unsafe {
            c::tee_client_open_context(ptr::null_mut(), Some(is_optee), ptr::null(), ptr::null_mut())
        })?;
        let context = NonNull::new(context).ok_or(ENODEV)?;
        // Closes the context on every way out.
        let mut this = Self { context, id: None };
        let mut params = params.map(raw_param);
        let mut call = c::tee_ioctl_open_session_arg {
            uuid: uuid.octets(),
            clnt_login: Login::ReeKernel.code(),
            num_params: params.len() as u32,
            ..Default::default()
        };
        // SAFETY: the context is open, and there are as many parameters as the call says.
        to_result(unsafe { c::tee_client_open_session(context.as_ptr(), &mut call, params.as_mut_ptr()) })?;
        if call.ret != TeeResult::SUCCESS.0 {
            return Ok(Err(TeeResult(call.ret)));
        }
        this.id = Some(call.session);
        Ok(Ok(this))
    }

    /// Invokes a command and waits for its end.
    pub(crate) fn invoke(&self, command: u32, params: Params<&Shared<'_>>) -> Result<Completion> {
        let mut params = params.map(raw_param);
        let mut call = c::tee_ioctl_invoke_arg {
            func: command,
            session: self.id.ok_or(EBADF)?,
            num_params: params.len() as u32,
            ..Default::default()
        };
        // SAFETY: the context and the session are open, and there are as many parameters as the call says, whose memory is
        // borrowed until after the call.
        to_result(unsafe { c::tee_client_invoke_func(self.context.as_ptr(), &mut call, params.as_mut_ptr()) })?;
        Ok(Completion { result: TeeResult(call.ret), outputs: params.map(|param| output(&param)) })
    }

    /// Shares memory that the TEE only reads, without a copy.
    pub(crate) fn share<'a>(&'a self, bytes: &'a [u8]) -> Result<Shared<'a>> {
        self.register(ptr::from_ref(bytes).cast_mut().cast(), bytes.len())
    }

    /// Shares memory for the TEE to write to.
    pub(crate) fn share_mut<'a>(&'a self, bytes: &'a mut [u8]) -> Result<Shared<'a>> {
        self.register(bytes.as_mut_ptr().cast(), bytes.len())
    }

    fn register(&self, start: *mut c_void, size: usize) -> Result<Shared<'_>> {
        let context = self.context.as_ptr();
        // SAFETY: the context is open, and the caller's borrow keeps the memory until `Shared` is dropped.
        let memory = from_err_ptr(unsafe { c::tee_shm_register_kernel_buf(context, start, size) })?;
        Ok(Shared { memory: NonNull::new(memory).ok_or(ENOMEM)?, size, _borrows: PhantomData })
    }
}

impl Drop for TeeSession {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // SAFETY: the session was opened in this context. That the TEE may have lost it already changes nothing.
            unsafe { c::tee_client_close_session(self.context.as_ptr(), id) };
        }
        // SAFETY: the context was opened in `open`.
        unsafe { c::tee_client_close_context(self.context.as_ptr()) };
    }
}

/// Kernel memory that the TEE knows, until it is dropped.
pub(crate) struct Shared<'a> {
    memory: NonNull<c::tee_shm>,
    size: usize,
    _borrows: PhantomData<&'a [u8]>,
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        // SAFETY: registered by `TeeSession::register`, freed only here.
        unsafe { c::tee_shm_free(self.memory.as_ptr()) };
    }
}

fn raw_param(param: Param<&Shared<'_>>) -> c::tee_param {
    let mut raw = c::tee_param { attr: param.kind().code().into(), ..Default::default() };
    match param {
        Param::None | Param::ValueOutput => (),
        Param::ValueInput(Value { a, b }) | Param::ValueInout(Value { a, b }) => {
            // SAFETY: each member of the union may be written; the attribute says that it is this one.
            *unsafe { raw.u.value.as_mut() } = c::tee_param_value { a: a.into(), b: b.into(), c: 0 };
        }
        Param::MemrefInput(memory) | Param::MemrefOutput(memory) | Param::MemrefInout(memory) => {
            // SAFETY: as above.
            *unsafe { raw.u.memref.as_mut() } =
                c::tee_param_memref { shm_offs: 0, size: memory.size, shm: memory.memory.as_ptr() };
        }
    }
    raw
}

fn output(param: &c::tee_param) -> Output {
    // The attribute says which of the union's members the TEE's driver filled; all of them are plain numbers.
    match param.attr {
        2 | 3 => {
            // SAFETY: values out or both ways.
            let value = unsafe { param.u.value.as_ref() };
            Output::Value(Value { a: value.a as u32, b: value.b as u32 })
        }
        // SAFETY: memory out or both ways.
        6 | 7 => Output::Size(unsafe { param.u.memref.as_ref() }.size),
        _ => Output::None,
    }
}

/// Reserved memory, mapped uncached so that ordinary copies work on it.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: a mapping belongs to no thread.
unsafe impl Send for Mapping {}
// SAFETY: what is behind it is only ever copied, since the processor writes to it too.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps memory at a physical address; refused where it is Linux's own.
    pub(crate) fn new(address: u64, size: usize) -> Result<Self> {
        // SAFETY: the function checks the range against Linux's memory.
        let start = unsafe { c::memremap(address, size, c::MEMREMAP_WC as usize) };
        Ok(Self { start: NonNull::new(start.cast()).ok_or(ENXIO)?, size })
    }

    /// A copy of all of it.
    pub(crate) fn copy(&self) -> Result<KVec<u8>> {
        let mut bytes = KVec::from_elem(0u8, self.size, GFP_KERNEL)?;
        // SAFETY: both have `size` bytes and do not overlap.
        unsafe { ptr::copy_nonoverlapping(self.start.as_ptr(), bytes.as_mut_ptr(), self.size) };
        Ok(bytes)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, unmapped only here.
        unsafe { c::memunmap(self.start.as_ptr().cast()) };
    }
}

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
    /// `EPROBE_DEFER` while the driver of one of its mailboxes is not there.
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
        let sides = KBox::pin_init(try_pin_init!(Sides { mailboxes, lifecycle <- lifecycle }), GFP_KERNEL)?;
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
    from_result(|| lifecycle.start(&remoteproc).map(|()| 0))
}

unsafe extern "C" fn stop<T: Lifecycle>(raw: *mut c::rproc) -> c_int {
    // SAFETY: the core calls this.
    let (lifecycle, remoteproc) = unsafe { sides::<T>(raw) };
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
