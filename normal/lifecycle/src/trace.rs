//! Reads a firmware's log out of its trace buffer, line by line as it grows.

use rproc_rpmsg::memory::{Fault, Memory};

/// The longest line that is kept together, in bytes; longer ones are cut.
pub const MAXIMUM_LINE: usize = 4096;

/// Follows one trace buffer. The firmware writes text with a NUL behind its end, and starts over at the buffer's start when
/// it is full (ST's OpenAMP examples; Linux's debugfs shows the text up to the NUL).
#[derive(Debug, Clone)]
pub(crate) struct TraceReader {
    address: u64,
    size: usize,
    /// The text up to the NUL as it was seen last; its length is where new text is expected.
    seen: Vec<u8>,
    lines: TraceLines,
}

/// Makes lines for people of the pieces of a firmware's log.
///
/// Firmware is not trusted with a terminal: control characters are escaped, and what is not UTF-8 is replaced.
#[derive(Debug, Clone, Default)]
pub struct TraceLines {
    /// A line that has not ended yet.
    partial: Vec<u8>,
}

impl TraceReader {
    /// A reader of the buffer at a physical address; `size` is in bytes.
    pub(crate) fn new(address: u64, size: u32) -> TraceReader {
        TraceReader { address, size: size as usize, seen: Vec::new(), lines: TraceLines::default() }
    }

    /// Forgets what an earlier run logged, before the firmware starts: without the NUL, the same lines once more would look
    /// like nothing new.
    pub(crate) fn clear(&mut self, memory: &mut impl Memory) -> Result<(), Fault> {
        self.seen.clear();
        self.lines = TraceLines::default();
        if self.size == 0 { Ok(()) } else { memory.write(self.address, &[0]) }
    }

    /// The lines that were completed since the last call.
    pub(crate) fn lines(&mut self, memory: &impl Memory) -> Result<Vec<String>, Fault> {
        let mut buffer = vec![0; self.size];
        memory.read(self.address, &mut buffer)?;
        let text_from = |start: usize| -> &[u8] {
            let rest = buffer.get(start..).unwrap_or_default();
            rest.split(|byte| *byte == 0).next().unwrap_or_default()
        };
        let position = self.seen.len();
        let new = if buffer.starts_with(&self.seen) {
            text_from(position).to_vec()
        } else {
            // Started over: first what still fitted behind the old text, then the new start.
            [text_from(position), text_from(0)].concat()
        };
        self.seen = text_from(0).to_vec();
        Ok(self.lines.push(&new))
    }

    /// The line that has not ended, at the end of a run.
    pub(crate) fn last_words(&mut self) -> Option<String> {
        self.lines.last()
    }
}

impl TraceLines {
    /// The lines that end in this piece.
    pub fn push(&mut self, piece: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in piece {
            if *byte == b'\n' || self.partial.len() >= MAXIMUM_LINE {
                lines.push(printable(&std::mem::take(&mut self.partial)));
            }
            if *byte != b'\n' {
                self.partial.push(*byte);
            }
        }
        lines
    }

    /// The line that has not ended, when no more comes.
    pub fn last(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.partial);
        (!line.is_empty()).then(|| printable(&line))
    }
}

fn printable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = String::new();
    for character in String::from_utf8_lossy(line).chars() {
        match character {
            '\t' => text.push(character),
            _ if character.is_control() => text.extend(character.escape_default()),
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Ram;
    use proptest::prelude::*;

    const AT: u64 = 0x8120_1000;

    /// The firmware's side, as ST's `log_buff` does it.
    struct Writer {
        offset: u64,
        size: u64,
    }

    impl Writer {
        fn write(&mut self, ram: &mut Ram, text: &[u8]) {
            for byte in text {
                if self.offset + 1 >= self.size {
                    self.offset = 0;
                }
                ram.write(AT + self.offset, &[*byte, 0]).unwrap();
                self.offset += 1;
            }
        }
    }

    #[test]
    fn lines_come_once_and_when_complete() {
        let mut ram = Ram::new();
        let mut writer = Writer { offset: 0, size: 64 };
        let mut reader = TraceReader::new(AT, 64);
        writer.write(&mut ram, b"one\r\ntw");
        assert_eq!(reader.lines(&ram).unwrap(), ["one"]);
        assert_eq!(reader.lines(&ram).unwrap(), [""; 0]);
        writer.write(&mut ram, b"o\nlast words");
        assert_eq!(reader.lines(&ram).unwrap(), ["two"]);
        assert_eq!(reader.last_words().as_deref(), Some("last words"));
    }

    #[test]
    fn the_same_log_after_a_restart_is_news() {
        let mut ram = Ram::new();
        let mut reader = TraceReader::new(AT, 64);
        for _ in 0..2 {
            reader.clear(&mut ram).unwrap();
            Writer { offset: 0, size: 64 }.write(&mut ram, b"ready\n");
            assert_eq!(reader.lines(&ram).unwrap(), ["ready"]);
        }
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        let mut ram = Ram::new();
        let mut reader = TraceReader::new(AT, 64);
        Writer { offset: 0, size: 64 }.write(&mut ram, b"\x1b[2J\xff\n");
        assert_eq!(reader.lines(&ram).unwrap(), ["\\u{1b}[2J\u{fffd}"]);
    }

    #[test]
    fn memory_that_cannot_be_read_is_an_error() {
        assert!(TraceReader::new(0x10, 64).lines(&Ram::new()).is_err());
    }

    proptest! {
        /// As long as the reader keeps up, no line is lost or doubled, wherever the buffer wraps.
        #[test]
        fn every_line_arrives(lines in proptest::collection::vec("[a-z]{1,9}", 1..40)) {
            let mut ram = Ram::new();
            let mut writer = Writer { offset: 0, size: 64 };
            let mut reader = TraceReader::new(AT, 64);
            let mut read = Vec::new();
            // Numbered, so that a lap never repeats the text of the lap before.
            let lines: Vec<String> = lines.iter().enumerate().map(|(n, line)| format!("{n} {line}")).collect();
            for line in &lines {
                writer.write(&mut ram, line.as_bytes());
                writer.write(&mut ram, b"\n");
                read.extend(reader.lines(&ram).unwrap());
            }
            prop_assert_eq!(read, lines);
        }
    }
}
