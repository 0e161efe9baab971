//! A platform driver that is told when Linux goes to sleep, which the kernel crate's is not.
// SPDX-License-Identifier: GPL-2.0

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use kernel::driver::{DriverLayout, RegistrationOps};
use kernel::error::from_result;
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::types::Opaque;
use kernel::{bindings, platform, ThisModule};

/// What a driver's data does when Linux sleeps as a whole.
pub(crate) trait Sleeps {
    /// Linux is about to sleep; an error keeps it awake.
    fn sleep(&self) -> Result;
    /// It wakes, or was kept awake by another.
    fn wake(&self) -> Result;
}

/// [`platform::Adapter`] for a driver whose data [`Sleeps`].
pub(crate) struct Sleeping<T>(PhantomData<T>);

// SAFETY: everything is the adapter's own.
unsafe impl<T: platform::Driver> DriverLayout for Sleeping<T> {
    type DriverType = <platform::Adapter<T> as DriverLayout>::DriverType;
    type DriverData<'bound> = <platform::Adapter<T> as DriverLayout>::DriverData<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = <platform::Adapter<T> as DriverLayout>::DEVICE_DRIVER_OFFSET;
}

impl<T: Sleeps> Sleeping<T> {
    const OPERATIONS: &'static bindings::dev_pm_ops = &{
        // SAFETY: all callbacks may be null.
        let mut operations: bindings::dev_pm_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        operations.suspend = Some(sleep::<T>);
        operations.freeze = Some(sleep::<T>);
        operations.poweroff = Some(sleep::<T>);
        operations.resume = Some(wake::<T>);
        operations.thaw = Some(wake::<T>);
        operations.restore = Some(wake::<T>);
        operations
    };
}

// SAFETY: the adapter registers and unregisters; of the driver's fields it does not use the one that is set here.
unsafe impl<T: Sleeps + for<'bound> platform::Driver<Data<'bound> = T>> RegistrationOps for Sleeping<T> {
    unsafe fn register(
        driver: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: nobody else knows the driver before it is registered.
        unsafe { (*driver.get()).driver.pm = Self::OPERATIONS };
        // SAFETY: the caller promises what the function wants.
        unsafe { platform::Adapter::<T>::register(driver, name, module) }
    }

    unsafe fn unregister(driver: &Opaque<Self::DriverType>) {
        // SAFETY: as above.
        unsafe { platform::Adapter::<T>::unregister(driver) };
    }
}

/// The data of a bound device.
///
/// # Safety
///
/// Called by the driver core with a device that is bound to `Sleeping<T>`.
unsafe fn data<'a, T>(device: *mut bindings::device) -> Option<&'a T> {
    // SAFETY: while a device is bound its driver data is null or, by the bound of `register`, the `T` of its probe; the driver core holds
    // the device's lock, so it stays bound.
    unsafe { bindings::dev_get_drvdata(device).cast::<T>().as_ref() }
}

/// # Safety
///
/// Only for the driver core to call, of a device that is bound to [`Sleeping`].
unsafe extern "C" fn sleep<T: Sleeps>(device: *mut bindings::device) -> c_int {
    // SAFETY: the driver core calls this.
    let data = unsafe { data::<T>(device) };
    from_result(|| data.map_or(Ok(()), T::sleep).map(|()| 0))
}

/// # Safety
///
/// Only for the driver core to call, of a device that is bound to [`Sleeping`].
unsafe extern "C" fn wake<T: Sleeps>(device: *mut bindings::device) -> c_int {
    // SAFETY: as above.
    let data = unsafe { data::<T>(device) };
    from_result(|| data.map_or(Ok(()), T::wake).map(|()| 0))
}
