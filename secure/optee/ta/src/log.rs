//! What the service did, in OP-TEE's trace.

use core::fmt::{self, Write as _};

use optee_utee::trace_print;
use rproc_service::{Event, Observer, Unbound};

/// Writes a line an event.
pub struct Log;

impl Observer for Log {
    fn event(&mut self, event: Event<'_>) {
        let mut line = Line { bytes: [0; Line::SIZE], len: 0 };
        // A line that is too long is cut.
        let _ = writeln!(line, "rproc: {}", Words(&event));
        trace_print!("{}", line.text());
    }
}

/// A line in one piece, so that it is one system call and nobody else's words come between.
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

/// An event in words.
struct Words<'a>(&'a Event<'a>);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Authenticated { processor, algorithm, soc, security_counter, unbound, .. } => {
                write!(f, "{processor}: authentic, {algorithm}")?;
                if let Some(soc) = soc {
                    write!(f, ", for {soc}")?;
                }
                if let Some(counter) = security_counter {
                    write!(f, ", counter {counter}")?;
                }
                open(f, unbound)
            }
            Event::SegmentLoaded { processor, image, index, address, file_size, memory_size } => write!(
                f,
                "{processor}: segment {index} of image {image} at {address:#x}, {file_size} of {memory_size} bytes"
            ),
            Event::Loaded { processor, resource_table: Some(table), derived } => {
                let how = if *derived { "found" } else { "bound" };
                write!(
                    f,
                    "{processor}: loaded, resource table {how} at {:#x}, {} bytes",
                    table.address, table.size
                )
            }
            Event::Loaded { processor, resource_table: None, .. } => {
                write!(f, "{processor}: loaded, no resource table")
            }
            Event::Started { processor } => write!(f, "{processor}: started"),
            Event::Stopped { processor } => write!(f, "{processor}: stopped"),
            Event::Released { processor } => write!(f, "{processor}: released"),
            Event::Refused { processor, refusal } => {
                write!(f, "{processor}: refused, {refusal} [{}]", refusal.reason.name())
            }
        }
    }
}

/// What the image leaves open.
fn open(f: &mut fmt::Formatter<'_>, unbound: &Unbound) -> fmt::Result {
    let parts = [
        (unbound.target, "target"),
        (unbound.security_counter, "security counter"),
        (unbound.elf_metadata, "ELF metadata"),
        (unbound.resource_table, "resource table"),
    ];
    let mut separator = "; not bound: ";
    for (open, part) in parts {
        if open {
            write!(f, "{separator}{part}")?;
            separator = ", ";
        }
    }
    Ok(())
}
