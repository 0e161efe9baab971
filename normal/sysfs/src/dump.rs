//! The core dumps that Linux keeps of crashed processors until somebody takes them (devcoredump).

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write};
use std::path::{Path, PathBuf};

use crate::linux::{cannot, is_gone, read_line};
use crate::{Error, Remoteproc};

/// Where Linux keeps the dumps of all its devices.
const CLASS: &str = "sys/class/devcoredump";
/// Bytes that are copied at a time.
const PIECE: usize = 64 << 10;

/// A core dump of a processor: an ELF core file that Linux keeps for five minutes, and in whose place it keeps no later one.
#[derive(Debug)]
pub struct Dump {
    data: PathBuf,
}

impl Remoteproc {
    /// The core dump that waits to be taken.
    ///
    /// # Errors
    /// [`Error::NoDump`] when there is none, [`Error::NoDumps`] when this Linux makes none of any device, and what the system says.
    pub fn dump(&self) -> Result<Dump, Error> {
        let class = self.linux().path(CLASS);
        let entries = match fs::read_dir(&class) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::NoDumps("there is no /sys/class/devcoredump"));
            }
            Err(error) => return Err(cannot("read", &class, error)),
        };
        let folder = self.attribute("");
        let device = fs::canonicalize(&folder).map_err(|error| self.cannot("read", &folder, error))?;
        for entry in entries {
            let path = entry.map_err(|error| cannot("read", &class, error))?.path();
            if fs::canonicalize(path.join("failing_device")).is_ok_and(|failing| failing == device) {
                return Ok(Dump { data: path.join("data") });
            }
        }
        if read_line(&class.join("disabled")).is_ok_and(|disabled| disabled == "1") {
            return Err(Error::NoDumps("they were disabled until the next boot"));
        }
        let (name, setting) = (self.name().to_owned(), self.coredump()?);
        Err(Error::NoDump { name, setting, path: self.attribute("coredump") })
    }
}

impl Dump {
    /// The file of sysfs that holds it.
    pub fn path(&self) -> &Path {
        &self.data
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// [`Error::Denied`] without root's rights, and what the system says.
    pub fn open(&self) -> Result<File, Error> {
        File::open(&self.data).map_err(|error| cannot("read", &self.data, error))
    }

    /// Copies an opened dump to its end; gives the number of bytes. sysfs tells no size, so the end is where nothing more comes.
    ///
    /// # Errors
    /// What the system says, and [`ErrorKind::UnexpectedEof`] for a dump without a byte.
    pub fn copy(dump: &mut File, to: &mut impl Write) -> io::Result<u64> {
        let mut piece = vec![0; PIECE];
        let mut copied = 0;
        loop {
            match dump.read(&mut piece) {
                Ok(0) if copied == 0 => {
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, "the core dump is empty"));
                }
                Ok(0) => return Ok(copied),
                Ok(len) => {
                    to.write_all(piece.get(..len).unwrap_or_default())?;
                    copied += len as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Tells Linux that it may be freed, which makes room for the next crash's (`devcd_data_write`). One that Linux has freed by
    /// itself meanwhile is no error.
    ///
    /// # Errors
    /// What the system says.
    pub fn free(self) -> Result<(), Error> {
        let written =
            OpenOptions::new().write(true).open(&self.data).and_then(|mut file| file.write_all(b"0"));
        match written {
            Err(error) if !is_gone(&error) => Err(cannot("write", &self.data, error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    fn dump(tree: &Tree, number: u32, name: &str, remoteproc: u32, data: &[u8]) {
        let device = format!("sys/devices/virtual/devcoredump/devcd{number}");
        tree.write(&format!("{device}/data"), data);
        let failing = format!("sys/devices/platform/{name}-{remoteproc}/remoteproc/remoteproc{remoteproc}");
        tree.link(&format!("{device}/failing_device"), tree.path(&failing));
        tree.link(&format!("{CLASS}/devcd{number}"), tree.path(&device));
    }

    #[test]
    fn the_dump_of_this_processor_is_taken_and_freed() {
        let tree = Tree::new();
        tree.remoteproc(0, "m0", "running");
        tree.remoteproc(1, "m33", "running");
        tree.write(&format!("{CLASS}/disabled"), "0\n");
        dump(&tree, 4, "m0", 0, b"other");
        let big = vec![7; PIECE + 1];
        dump(&tree, 5, "m33", 1, &big);
        let found = tree.linux().find("m33").unwrap().dump().unwrap();
        let mut copy = Vec::new();
        assert_eq!(Dump::copy(&mut found.open().unwrap(), &mut copy).unwrap(), big.len() as u64);
        assert!(copy == big);
        let data = found.path().to_owned();
        found.free().unwrap();
        // A kernel would have taken it away; a file only shows that it was told.
        assert_eq!(fs::read(data).unwrap()[..2], [b'0', 7]);
    }

    #[test]
    fn a_dump_that_linux_has_freed_is_freed() {
        let tree = Tree::new();
        tree.remoteproc(1, "m33", "running");
        dump(&tree, 5, "m33", 1, b"x");
        let found = tree.linux().find("m33").unwrap().dump().unwrap();
        fs::remove_file(found.path()).unwrap();
        let path = found.path().to_owned();
        found.free().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn without_a_dump_it_is_said_why() {
        let tree = Tree::new();
        tree.remoteproc(1, "m33", "running");
        let m33 = tree.linux().find("m33").unwrap();
        assert!(matches!(m33.dump(), Err(Error::NoDumps(_))));
        tree.write(&format!("{CLASS}/disabled"), "0\n");
        let none = m33.dump().unwrap_err();
        assert!(
            matches!(&none, Error::NoDump { setting: Some(setting), .. } if setting == "disabled"),
            "{none}"
        );
        tree.write(&format!("{CLASS}/disabled"), "1\n");
        assert!(matches!(m33.dump(), Err(Error::NoDumps(_))));
    }

    #[test]
    fn an_empty_dump_is_none() {
        let tree = Tree::new();
        tree.remoteproc(1, "m33", "running");
        dump(&tree, 5, "m33", 1, b"");
        let found = tree.linux().find("m33").unwrap().dump().unwrap();
        let failed = Dump::copy(&mut found.open().unwrap(), &mut Vec::new()).unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::UnexpectedEof);
    }
}
