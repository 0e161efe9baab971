//! LPUART1, which the A side has configured: text goes out byte by byte (RM0457).

use core::fmt;
use rproc_runtime::mmio::Register;

// SAFETY: an aligned register of the UART, not memory.
const STATUS: Register = unsafe { Register::at(0x4603_001C) };
// SAFETY: an aligned register of the UART, not memory.
const TRANSMIT: Register = unsafe { Register::at(0x4603_0028) };
/// The transmit register is empty.
const EMPTY: u32 = 1 << 7;

/// Writes to LPUART1.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            while STATUS.read() & EMPTY == 0 {}
            TRANSMIT.write(u32::from(byte));
        }
        Ok(())
    }
}

/// Writes a line to LPUART1 and to the trace buffer.
macro_rules! say {
    ($($argument:tt)*) => {{
        use core::fmt::Write as _;
        // Neither can fail.
        let _ = writeln!($crate::lpuart::Console, $($argument)*);
        rproc_runtime::log!($($argument)*);
    }};
}
pub(crate) use say;
