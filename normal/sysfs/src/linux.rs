//! A running Linux by its root folder, and its processors.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::{Error, FirmwareFolders, Remoteproc};

/// Where Linux shows its processors.
const CLASS: &str = "sys/class/remoteproc";

/// A running Linux.
#[derive(Clone, Debug)]
pub struct Linux {
    root: PathBuf,
}

impl Default for Linux {
    /// The one that this process runs on.
    fn default() -> Self {
        Self::at("/")
    }
}

impl Linux {
    /// The one whose file systems are mounted below this folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A path of it, given without the slash at its beginning.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Where it looks for firmware files.
    pub fn firmware_folders(&self) -> FirmwareFolders {
        FirmwareFolders::of(self)
    }

    /// All of its processors, in the order of their numbers.
    ///
    /// # Errors
    /// [`Error::NoClass`] when it has no remoteproc framework, and what the system says.
    pub fn remoteprocs(&self) -> Result<Vec<Remoteproc>, Error> {
        let class = self.path(CLASS);
        let entries = match fs::read_dir(&class) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(Error::NoClass(class)),
            Err(error) => return Err(cannot("read", &class, error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| cannot("read", &class, error))?.path();
            let Some(number) = number(&path) else { continue };
            match read_line(&path.join("name")) {
                Ok(name) => found.push((number, Remoteproc::new(self.clone(), name, path))),
                // It went meanwhile.
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(cannot("read", &path.join("name"), error)),
            }
        }
        found.sort_by_key(|(number, _)| *number);
        Ok(found.into_iter().map(|(_, remoteproc)| remoteproc).collect())
    }

    /// The processor of this name, such as `m33`, or of this device, `remoteprocN`.
    ///
    /// # Errors
    /// [`Error::Unknown`] with those that there are, [`Error::Ambiguous`] when several have the name, and those of
    /// [`Linux::remoteprocs`].
    pub fn find(&self, name: &str) -> Result<Remoteproc, Error> {
        let mut all = self.remoteprocs()?;
        if all.is_empty() {
            return Err(Error::NoProcessor);
        }
        // A device's name is never ambiguous.
        if let Some(index) = all.iter().position(|one| one.device() == name) {
            return Ok(all.swap_remove(index));
        }
        let mut devices: Vec<String> = Vec::new();
        let mut found = None;
        for (index, one) in all.iter().enumerate() {
            if one.name() == name {
                devices.push(one.device().to_owned());
                found = Some(index);
            }
        }
        match found {
            Some(index) if devices.len() == 1 => Ok(all.swap_remove(index)),
            Some(_) => Err(Error::Ambiguous { name: name.to_owned(), devices }),
            None => {
                let there = all.iter().map(|one| format!("{} ({})", one.name(), one.device())).collect();
                Err(Error::Unknown { name: name.to_owned(), there })
            }
        }
    }
}

/// N of a folder `remoteprocN`.
fn number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("remoteproc")?.parse().ok()
}

/// The first line of a file of sysfs.
pub(crate) fn read_line(path: &Path) -> io::Result<String> {
    let bytes = fs::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().next().unwrap_or_default().trim_end().to_owned())
}

/// Whether a file of sysfs is there no more: with its folder, or while it was open (`ENODEV`).
pub(crate) fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NODEV))
}

/// A file that cannot be read or written, in words that know whether it is a matter of rights.
pub(crate) fn cannot(what: &'static str, path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    if source.kind() == ErrorKind::PermissionDenied {
        Error::Denied { what, path }
    } else {
        Error::Io { what, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    #[test]
    fn processors_come_in_the_order_of_their_numbers() {
        let tree = Tree::new();
        for (number, name) in [(10, "m0"), (2, "m33"), (1, "m4")] {
            tree.remoteproc(number, name, "offline");
        }
        tree.write("sys/class/remoteproc/not-one/name", "x\n");
        let found = tree.linux().remoteprocs().unwrap();
        let names: Vec<_> = found.iter().map(|one| (one.name(), one.device())).collect();
        assert_eq!(names, [("m4", "remoteproc1"), ("m33", "remoteproc2"), ("m0", "remoteproc10")]);
    }

    #[test]
    fn one_is_found_by_its_name_or_by_its_device() {
        let tree = Tree::new();
        tree.remoteproc(0, "m33", "offline");
        tree.remoteproc(1, "m0", "offline");
        assert_eq!(tree.linux().find("m0").unwrap().device(), "remoteproc1");
        assert_eq!(tree.linux().find("remoteproc0").unwrap().name(), "m33");
        let unknown = tree.linux().find("m4").unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "no processor is called \"m4\"; there are: m33 (remoteproc0), m0 (remoteproc1)"
        );
    }

    #[test]
    fn a_name_that_two_have_wants_the_device() {
        let tree = Tree::new();
        tree.remoteproc(0, "rproc", "offline");
        tree.remoteproc(1, "rproc", "offline");
        let ambiguous = tree.linux().find("rproc").unwrap_err();
        assert_eq!(ambiguous.to_string(), "2 processors are called \"rproc\": remoteproc0, remoteproc1");
        assert_eq!(tree.linux().find("remoteproc1").unwrap().device(), "remoteproc1");
    }

    #[test]
    fn without_framework_or_processor_the_driver_is_asked_for() {
        let tree = Tree::new();
        assert!(matches!(tree.linux().find("m33"), Err(Error::NoClass(_))));
        tree.folder(CLASS);
        assert!(tree.linux().remoteprocs().unwrap().is_empty());
        let none = tree.linux().find("m33").unwrap_err();
        assert!(matches!(none, Error::NoProcessor));
        assert!(none.remedy().contains("rproc_tee"));
    }
}
