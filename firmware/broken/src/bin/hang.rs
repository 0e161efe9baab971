//! Does nothing, for ever: never answers, never announces, never sleeps.
#![no_std]
#![no_main]

rproc_runtime::resource_table!();
rproc_runtime::entry!(main);

fn main() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
