//! What the service did, in OP-TEE's trace.

use core::fmt::{self, Write as _};

use optee_utee::trace_println;
use rproc_service::{Event, Observer};

/// Writes a line an event.
pub struct Log;

impl Observer for Log {
    fn event(&mut self, event: Event<'_>) {
        // The trace is a serial line, where a line takes as long as to load 100 KiB. What runs is told, with what its image
        // leaves open, and what was refused; how a load went is as the image says.
        if matches!(event, Event::Authenticated { .. } | Event::SegmentLoaded { .. } | Event::Loaded { .. }) {
            return;
        }
        let mut line = Line { bytes: [0; Line::SIZE], len: 0 };
        // A line that is too long is cut.
        let _ = write!(line, "rproc: {event}");
        trace_println!("{}", line.text());
    }
}

/// A line in one piece, so that nobody else's words come between.
struct Line {
    bytes: [u8; Self::SIZE],
    len: usize,
}

impl Line {
    const SIZE: usize = 320;

    fn text(&self) -> &str {
        // Only whole strings are taken.
        core::str::from_utf8(self.bytes.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
