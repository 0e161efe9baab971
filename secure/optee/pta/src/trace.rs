//! Lines in the core's log.

use core::ffi::{c_char, c_int};
use core::fmt::{self, Write};
use core::ptr::null;

use rproc_platform::{Event, Observer};

use crate::optee;

/// Tells the core's log what the platform service did.
pub struct Log;

impl Observer for Log {
    fn event(&mut self, event: Event<'_>) {
        info(format_args!("remoteproc: {event}"));
    }
}

/// A line at the level of information.
pub fn info(text: fmt::Arguments<'_>) {
    line(optee::TRACE_INFO, text);
}

/// A line at the level of errors.
pub fn error(text: fmt::Arguments<'_>) {
    line(optee::TRACE_ERROR, text);
}

fn line(level: u32, text: fmt::Arguments<'_>) {
    let mut line = Line { level, text: [0; ROOM], len: 0 };
    // `Line` accepts everything, and what is formatted here does not fail by itself.
    let _ = line.write_fmt(text);
    line.flush();
}

/// Bytes of one line. The core cuts lines at 256 bytes (`MAX_PRINT_SIZE`), with its own prefix.
const ROOM: usize = 200;

/// Text on its way to the log, which goes on in a further line when it is long.
struct Line {
    level: u32,
    /// Its last byte stays zero, for C.
    text: [u8; ROOM],
    len: usize,
}

impl Line {
    /// Writes all of it, as one line.
    fn flush(&mut self) {
        let (format, text): (_, *const c_char) = (c"%s".as_ptr(), self.text.as_ptr().cast());
        // SAFETY: the text ends with a zero, and it is the one argument of the format. No function is named.
        unsafe { optee::trace_printf(null(), 0, self.level as c_int, true, format, text) };
        (self.text, self.len) = ([0; ROOM], 0);
    }

    /// Writes all of it but a word that is still being added, which begins the next line.
    fn wrap(&mut self) {
        let full = self.text;
        let space = full.iter().rposition(|byte| *byte == b' ').filter(|space| *space > 0);
        let end = space.unwrap_or(self.len);
        let word = full.get(end + 1..self.len).unwrap_or_default();
        if let Some(rest) = self.text.get_mut(end..) {
            rest.fill(0);
        }
        self.flush();
        if let Some(room) = self.text.get_mut(..word.len()) {
            room.copy_from_slice(word);
            self.len = word.len();
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.len >= ROOM - 1 {
                self.wrap();
            }
            if let Some(room) = self.text.get_mut(self.len) {
                *room = byte;
            }
            self.len += 1;
        }
        Ok(())
    }
}
