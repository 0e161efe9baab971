//! RPMsg echo as a terminal: announces `rpmsg-tty`, of which Linux's driver of that name makes `/dev/ttyRPMSG0`.
#![no_std]
#![no_main]

use rproc_echo::{Conduct, serve};

rproc_runtime::entry!(main);

/// Nothing but the echo.
struct Terminal;

impl Conduct for Terminal {
    const CHANNEL: &'static str = "rpmsg-tty";
}

fn main() -> ! {
    serve(Terminal)
}
