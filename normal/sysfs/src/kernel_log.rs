//! The kernel's log from a moment on: what a driver said while something was done.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// The largest record that the kernel gives out, in bytes (`PRINTK_MESSAGE_MAX`, 8192 in kernels before 6.4).
const LARGEST: usize = 8192;
/// The most records that are read at once, so that a kernel that never stops logging is no reason to never stop reading.
const MOST: usize = 1 << 16;
/// A warning has this level; more urgent ones have lower numbers (`KERN_WARNING`).
const WARNING: u32 = 4;

/// One line of the kernel's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// 0 (the system is unusable) to 7 (for debugging).
    pub level: u32,
    /// What it says; the kernel has escaped everything that is not printable ASCII.
    pub text: String,
    /// The device that it is about, where the kernel says so: `+remoteproc:remoteproc0`.
    pub device: Option<String>,
}

impl Record {
    /// Takes a record of `/dev/kmsg` apart: `priority,sequence,time,flags;text`, then lines ` KEY=value`
    /// (Linux `Documentation/ABI/testing/dev-kmsg`). `None` when it is none.
    pub fn parse(record: &str) -> Option<Self> {
        let (prefix, rest) = record.split_once(';')?;
        let priority: u32 = prefix.split(',').next()?.parse().ok()?;
        let mut lines = rest.lines();
        let text = lines.next().unwrap_or_default().to_owned();
        let device = lines.find_map(|line| line.strip_prefix(" DEVICE=")).map(str::to_owned);
        Some(Self { level: priority & 7, text, device })
    }

    /// Whether it is a warning or worse.
    pub fn is_warning(&self) -> bool {
        self.level <= WARNING
    }

    /// What it says of `remoteprocN`, without the words that every such line begins with; `None` when it is not about that.
    pub fn about(&self, remoteproc: &str) -> Option<&str> {
        let said = self.text.strip_prefix(&format!("remoteproc {remoteproc}: "));
        let named = self.device.as_deref() == Some(&format!("+remoteproc:{remoteproc}"));
        said.or(named.then_some(&self.text))
    }
}

/// Everything that the kernel logs from a moment on.
#[derive(Debug)]
pub struct KernelLog {
    device: File,
}

impl KernelLog {
    /// Begins after what has been logged already; `device` is `/dev/kmsg`.
    ///
    /// # Errors
    /// What the system says; reading needs root where `kernel.dmesg_restrict` is 1.
    pub fn from_now(device: &Path) -> io::Result<Self> {
        // A reader at the log's end is told so instead of waiting.
        let flags = OFlags::NONBLOCK.bits() as i32;
        let mut device = OpenOptions::new().read(true).custom_flags(flags).open(device)?;
        device.seek(SeekFrom::End(0))?;
        Ok(Self { device })
    }

    /// What has been logged since the beginning or the last call.
    ///
    /// # Errors
    /// What the system says. Records that the kernel has overwritten meanwhile are left out.
    pub fn read(&mut self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut bytes = [0; LARGEST];
        // One more call for each record that is left out.
        for _ in 0..MOST {
            match self.device.read(&mut bytes) {
                Ok(0) => break,
                Ok(len) => {
                    let text = String::from_utf8_lossy(bytes.get(..len).unwrap_or_default());
                    records.extend(Record::parse(&text));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REFUSED: &str = "3,512,41000123,-;remoteproc remoteproc0: the firmware is refused: no\n \
                           SUBSYSTEM=remoteproc\n DEVICE=+remoteproc:remoteproc0\n";

    #[test]
    fn a_record_is_its_level_its_line_and_its_device() {
        let record = Record::parse(REFUSED).unwrap();
        assert_eq!(record.level, 3);
        assert_eq!(record.device.as_deref(), Some("+remoteproc:remoteproc0"));
        assert_eq!(record.about("remoteproc0"), Some("the firmware is refused: no"));
        // Neither of another processor whose name begins the same, nor of another device.
        assert_eq!(record.about("remoteproc"), None);
        let eleven = Record::parse("6,1,2,-;remoteproc remoteproc11: powering up m0").unwrap();
        assert_eq!(
            (eleven.about("remoteproc1"), eleven.about("remoteproc11")),
            (None, Some("powering up m0"))
        );
        assert!(record.is_warning() && !eleven.is_warning());
    }

    #[test]
    fn a_line_of_the_same_device_with_other_words_counts() {
        let record = Record::parse("4,1,2,c;rproc_tee m33: odd\n DEVICE=+remoteproc:remoteproc0\n").unwrap();
        assert_eq!(record.about("remoteproc0"), Some("rproc_tee m33: odd"));
        assert_eq!(record.about("remoteproc1"), None);
    }

    #[test]
    fn the_facility_is_not_the_level() {
        // Facility 3, level 6.
        assert_eq!(Record::parse("30,1,2,-;x").unwrap().level, 6);
        for wrong in ["", "no record", ";", "x,1,2,-;y", "-4,1,2,-;y", "4294967296,1,2,-;y"] {
            assert_eq!(Record::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_was_there_before_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kmsg");
        std::fs::write(&path, "4,1,2,-;old\n").unwrap();
        let mut log = KernelLog::from_now(&path).unwrap();
        assert_eq!(log.read().unwrap(), []);
        std::fs::write(&path, "4,1,2,-;old\n4,2,3,-;new\n").unwrap();
        assert_eq!(log.read().unwrap()[0].text, "new");
        assert_eq!(log.read().unwrap(), []);
    }

    proptest! {
        #[test]
        fn what_the_kernel_writes_is_read_back(
            facility in 0u32..24, level in 0u32..8, text in "[ -~]{0,80}", number in 0u32..100, more in any::<bool>(),
        ) {
            let name = format!("remoteproc{number}");
            let mut record = format!("{},7,8,-;remoteproc {name}: {text}\n", facility << 3 | level);
            if more {
                record += &format!(" SUBSYSTEM=remoteproc\n DEVICE=+remoteproc:{name}\n");
            }
            let read = Record::parse(&record).unwrap();
            prop_assert_eq!(read.level, level);
            prop_assert_eq!(read.about(&name), Some(text.as_str()));
            prop_assert_eq!(read.about(&format!("remoteproc{}", number + 1)), None);
            prop_assert_eq!(read.device.is_some(), more);
        }

        #[test]
        fn no_record_makes_it_panic(record in "[0-9a-z,;= \n+:\\PC]{0,60}") {
            if let Some(read) = Record::parse(&record) {
                prop_assert!(read.level <= 7);
                prop_assert!(!read.text.contains('\n'));
            }
        }
    }
}
