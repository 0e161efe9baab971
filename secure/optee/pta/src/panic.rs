//! A panic of this library stops the core, as a panic of the core itself does.

use core::ffi::c_int;
use core::panic::PanicInfo;
use core::ptr::null;

use crate::{optee, trace};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    trace::error(format_args!("remoteproc: {info}"));
    let line = info.location().map_or(0, |location| location.line() as c_int);
    // SAFETY: both strings end with a zero; the core takes null for what is not known.
    unsafe {
        optee::__do_panic(c"rproc-pta".as_ptr(), line, null(), c"a bug in the platform service".as_ptr())
    }
}
