//! RPMsg echo: announces `rproc-echo` and sends every message back to its sender, sleeping in between.
#![no_std]
#![no_main]

use rproc_echo::{Conduct, serve};

rproc_runtime::entry!(main);

/// Nothing but the echo.
struct Plain;

impl Conduct for Plain {
    const CHANNEL: &'static str = "rproc-echo";
}

fn main() -> ! {
    serve(Plain)
}
