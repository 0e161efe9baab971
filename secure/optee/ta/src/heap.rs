//! How much of the heap has been used, for choosing its size.

use core::mem::MaybeUninit;

use optee_utee::trace_println;

/// `struct pta_stats_alloc` (`lib/libutee/include/pta_stats.h`).
#[repr(C)]
struct Statistics {
    name: [u8; 32],
    free_squared: u64,
    allocated: u32,
    most_allocated: u32,
    size: u32,
    failures: u32,
    largest_failure: u32,
    allocated_at_largest_failure: u32,
}

unsafe extern "C" {
    /// Of the kit's libutils (`lib/libutils/isoc/include/malloc.h`).
    fn malloc_get_stats(statistics: *mut Statistics);
}

/// Traces it.
pub fn report() {
    let mut statistics = MaybeUninit::<Statistics>::zeroed();
    // SAFETY: the structure is the one that the function fills, and all zero is a value of it.
    let statistics = unsafe {
        malloc_get_stats(statistics.as_mut_ptr());
        statistics.assume_init()
    };
    let Statistics { allocated, most_allocated, size, failures, .. } = statistics;
    trace_println!(
        "rproc: heap {} now, {} at most, of {} bytes, {} failures",
        allocated,
        most_allocated,
        size,
        failures
    );
}
