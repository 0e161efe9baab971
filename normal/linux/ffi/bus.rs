//! The TEE bus: a driver of it, and the platform devices that it makes for what it finds there.
// SPDX-License-Identifier: GPL-2.0

use core::any::TypeId;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use kernel::device::property::FwNode;
use kernel::device::{Core, Device};
use kernel::device_id::RawDeviceId;
use kernel::error::{from_err_ptr, from_result, to_result};
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::{bindings, ThisModule};
use rproc_abi::Uuid;

use super::c;

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

/// # Safety
///
/// Only for the TEE bus to call, as the `probe` of a [`BusDriver`].
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

/// # Safety
///
/// Only for the TEE bus to call, as the `remove` of a [`BusDriver`].
unsafe extern "C" fn remove<S: Service>(device: *mut c::tee_client_device) {
    // SAFETY: the bus calls this after a `probe` that has set the driver data, once.
    drop(unsafe { KBox::from_raw(bindings::dev_get_drvdata(&raw mut (*device).dev).cast::<S>()) });
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
            // A driver for the node's `compatible` is not this device's, and the node may have a device on its own bus.
            of_node_reused: true,
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
