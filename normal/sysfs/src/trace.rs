//! The trace buffers of running firmware, which Linux shows in debugfs, and what is new in one.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::linux::{cannot, is_gone};
use crate::{Error, Remoteproc};

/// Where debugfs is.
const DEBUG: &str = "sys/kernel/debug";

/// A trace buffer of firmware: text that it writes and Linux shows, up to the first NUL.
#[derive(Clone, Debug)]
pub struct Trace {
    number: u32,
    path: PathBuf,
}

impl Remoteproc {
    /// The trace buffers of its firmware, in the order of the resource table; there is at least one.
    ///
    /// # Errors
    /// [`Error::NoTrace`], [`Error::NoDebugfs`], [`Error::NotInDebugfs`], [`Error::Denied`] without root's rights, and what the
    /// system says.
    pub fn traces(&self) -> Result<Vec<Trace>, Error> {
        let debug = self.linux().path(DEBUG);
        let folder = debug.join("remoteproc").join(self.device());
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // It may be gone, which this says.
                self.state()?;
                let mounted = fs::read_dir(&debug).is_ok_and(|mut entries| entries.next().is_some());
                return Err(match mounted {
                    true => Error::NotInDebugfs { name: self.name().to_owned(), path: folder },
                    false => Error::NoDebugfs(debug),
                });
            }
            Err(error) => return Err(cannot("read", &folder, error)),
        };
        let mut traces = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| cannot("read", &folder, error))?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("trace")?.parse().ok());
            traces.extend(number.map(|number| Trace { number, path: entry.path() }));
        }
        if traces.is_empty() {
            return Err(Error::NoTrace { name: self.name().to_owned(), state: self.state()? });
        }
        traces.sort_by_key(|trace| trace.number);
        Ok(traces)
    }
}

impl Trace {
    /// Its number, the one in `traceN`.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What is in it; `None` when it is gone, as after a stop.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self) -> Result<Option<Vec<u8>>, Error> {
        match fs::read(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(cannot("read", &self.path, error)),
        }
    }
}

/// Finds out what is new in a trace buffer that is read again and again.
///
/// Firmware appends, and does one of three things when the buffer is full: it starts over with a NUL behind what it writes, it moves
/// its newer lines to the front, or it overwrites the oldest bytes. What was written and overwritten between two looks is lost.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    seen: Vec<u8>,
    /// Where the firmware writes next, if it overwrites the oldest bytes.
    position: usize,
}

impl Follower {
    /// Gives what is new in the text.
    pub fn update(&mut self, text: &[u8]) -> Vec<u8> {
        let new = if let Some(appended) = text.strip_prefix(&self.seen[..]) {
            if !appended.is_empty() {
                self.position = text.len();
            }
            appended.to_vec()
        } else if let Some(kept) = self.moved(text) {
            self.position = text.len();
            text.get(kept..).unwrap_or_default().to_vec()
        } else if text.len() == self.seen.len() {
            self.overwritten(text)
        } else {
            self.position = text.len();
            text.to_vec()
        };
        self.seen = text.to_vec();
        new
    }

    /// How many bytes at the beginning of the text are the last lines that were seen.
    fn moved(&self, text: &[u8]) -> Option<usize> {
        let breaks = self.seen.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        breaks
            .filter_map(|(at, _)| self.seen.get(at + 1..).filter(|lines| !lines.is_empty()))
            .find(|lines| text.starts_with(lines))
            .map(<[u8]>::len)
    }

    /// The bytes from where the firmware writes to the last one that is another, around the end.
    fn overwritten(&mut self, text: &[u8]) -> Vec<u8> {
        let around = || (0..text.len()).map(|step| (self.position + step) % text.len());
        let changed = |at: &usize| text.get(*at) != self.seen.get(*at);
        let count = around().enumerate().rfind(|(_, at)| changed(at)).map_or(0, |(step, _)| step + 1);
        let new = around().take(count).filter_map(|at| text.get(at).copied()).collect();
        self.position = (self.position + count) % text.len().max(1);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    const FOLDER: &str = "sys/kernel/debug/remoteproc/remoteproc0";

    #[test]
    fn traces_come_in_the_order_of_their_numbers() {
        let tree = Tree::new();
        tree.remoteproc(0, "m33", "running");
        for number in [10, 2, 0] {
            tree.write(&format!("{FOLDER}/trace{number}"), format!("text {number}\n"));
        }
        tree.write(&format!("{FOLDER}/crash"), "");
        let traces = tree.linux().find("m33").unwrap().traces().unwrap();
        assert_eq!(traces.iter().map(Trace::number).collect::<Vec<_>>(), [0, 2, 10]);
        assert_eq!(traces[2].read().unwrap().unwrap(), b"text 10\n");
        fs::remove_file(tree.path(&format!("{FOLDER}/trace2"))).unwrap();
        assert_eq!(traces[1].read().unwrap(), None);
    }

    #[test]
    fn what_is_missing_is_told_apart() {
        let tree = Tree::new();
        tree.remoteproc(0, "m33", "offline");
        let m33 = tree.linux().find("m33").unwrap();
        assert!(matches!(m33.traces(), Err(Error::NoDebugfs(_))));
        tree.folder("sys/kernel/debug");
        assert!(matches!(m33.traces(), Err(Error::NoDebugfs(_))), "an empty folder is not mounted");
        tree.folder("sys/kernel/debug/usb");
        assert!(matches!(m33.traces(), Err(Error::NotInDebugfs { .. })));
        tree.folder(FOLDER);
        let none = m33.traces().unwrap_err();
        assert!(none.remedy().contains("rproc start"), "{}", none.remedy());
        tree.write("sys/class/remoteproc/remoteproc0/state", "running\n");
        let none = m33.traces().unwrap_err();
        assert!(none.remedy().contains("RSC_TRACE"), "{}", none.remedy());
    }

    #[test]
    fn appended_text_comes_once() {
        let mut follower = Follower::default();
        let mut update = |text: &str| String::from_utf8(follower.update(text.as_bytes())).unwrap();
        assert_eq!(update("one\ntw"), "one\ntw");
        assert_eq!(update("one\ntwo\n"), "o\n");
        assert_eq!(update("one\ntwo\n"), "");
        // Started over.
        assert_eq!(update("three\n"), "three\n");
        assert_eq!(update(""), "");
        assert_eq!(update("three\n"), "three\n");
    }

    #[test]
    fn lines_that_were_moved_to_the_front_are_old() {
        let mut follower = Follower::default();
        follower.update(b"one\ntwo\nthr");
        assert_eq!(follower.update(b"two\nthree\nfour\n"), b"ee\nfour\n");
    }

    proptest! {
        /// Firmware that overwrites the oldest bytes of its full buffer, looked at before each time round.
        #[test]
        fn nothing_is_lost_or_told_twice(size in 4usize..40, counts in prop::collection::vec(0usize..40, 1..30)) {
            let (mut buffer, mut end, mut follower) = (vec![b' '; size], 0, Follower::default());
            follower.update(&buffer);
            for count in counts {
                // No byte is overwritten with itself.
                let written: Vec<u8> = (0..count % size).map(|step| b'A' + ((end + step) % 41) as u8).collect();
                for byte in &written {
                    buffer[end % size] = *byte;
                    end += 1;
                }
                prop_assert_eq!(follower.update(&buffer), written);
            }
        }
    }
}
