//! A folder with the files of a Linux's sysfs, for tests of what is read. It answers nothing as a kernel does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::Linux;

/// The folder, which goes with it.
pub struct Tree {
    folder: tempfile::TempDir,
}

impl Tree {
    /// An empty one.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The Linux whose files these are.
    pub fn linux(&self) -> Linux {
        Linux::at(self.folder.path())
    }

    /// A path in it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Makes a folder.
    pub fn folder(&self, path: &str) {
        fs::create_dir_all(self.path(path)).unwrap();
    }

    /// Makes a file, and the folders that it lies in.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Makes a link, and the folders that it lies in.
    pub fn link(&self, path: &str, to: impl AsRef<Path>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to, path).unwrap();
    }

    /// A processor, in the class a link to its device as in sysfs.
    pub fn remoteproc(&self, number: u32, name: &str, state: &str) {
        let device = format!("sys/devices/platform/{name}-{number}/remoteproc/remoteproc{number}");
        for (attribute, value) in [
            ("name", name),
            ("state", state),
            ("firmware", "app.signed"),
            ("recovery", "enabled"),
            ("coredump", "disabled"),
        ] {
            self.write(&format!("{device}/{attribute}"), format!("{value}\n"));
        }
        self.link(&format!("sys/class/remoteproc/remoteproc{number}"), self.path(&device));
    }
}
