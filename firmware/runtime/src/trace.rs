//! The trace buffer: text that the host reads while the firmware runs (`/sys/kernel/debug/remoteproc/…/trace0` on Linux).

use core::fmt::{self, Write as _};
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Bytes of the buffer, the terminating NUL included.
pub const SIZE: usize = 2048;

/// The buffer, zeroed by the loader but not by a warm reset; its text ends at the first NUL.
// SAFETY: the section is the linker script's, in the memory that the host can read; nothing else is placed there.
#[unsafe(link_section = ".trace")]
pub static BUFFER: [AtomicU8; SIZE] = [const { AtomicU8::new(0) }; SIZE];

/// Where the text ends; 0 also after a warm reset, when only the text itself still tells.
static END: AtomicUsize = AtomicUsize::new(0);

/// Writes to the trace buffer; when it is full, the older half of its lines makes room.
pub struct Log;

impl fmt::Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = match END.load(Ordering::Relaxed) {
            0 => BUFFER.iter().position(|byte| load(byte) == 0).unwrap_or(SIZE),
            end => end,
        };
        for byte in text.bytes() {
            if end >= SIZE - 1 {
                end = drop_older_half();
            }
            if let Some(place) = BUFFER.get(end) {
                place.store(byte, Ordering::Relaxed);
                end += 1;
            }
        }
        END.store(end, Ordering::Relaxed);
        Ok(())
    }
}

/// Moves the lines of the newer half to the front; returns where they end.
fn drop_older_half() -> usize {
    let newer = BUFFER.iter().skip(SIZE / 2);
    let line_break = newer.clone().position(|byte| load(byte) == b'\n').map_or(0, |place| place + 1);
    let mut end = 0;
    for (to, from) in BUFFER.iter().zip(newer.skip(line_break)) {
        let byte = load(from);
        to.store(byte, Ordering::Relaxed);
        end += usize::from(byte != 0);
    }
    for byte in BUFFER.iter().skip(end) {
        byte.store(0, Ordering::Relaxed);
    }
    end
}

fn load(byte: &AtomicU8) -> u8 {
    byte.load(Ordering::Relaxed)
}

/// Writes a line to the trace buffer.
#[cold]
pub fn line(text: fmt::Arguments<'_>) {
    // Writing to the trace buffer cannot fail.
    let _ = Log.write_fmt(text).and_then(|()| Log.write_str("\n"));
}

/// Writes a line to the trace buffer, with the arguments of [`format_args!`].
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => {
        $crate::trace::line(::core::format_args!($($argument)*))
    };
}
