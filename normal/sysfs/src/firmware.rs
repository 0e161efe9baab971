//! Firmware files by the names that the kernel takes, and where it looks for them.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::linux::read_line;
use crate::{Error, Linux};

/// A folder that comes before the others, where it was set.
const OWN_FOLDER: &str = "sys/module/firmware_class/parameters/path";
/// Endings of compressed files, which a kernel with `CONFIG_FW_LOADER_COMPRESS` takes when there is no file without one.
const COMPRESSED: [&str; 2] = [".zst", ".xz"];

/// The name of a firmware file as the kernel takes it: relative to the folders where it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareName(String);

impl FirmwareName {
    /// A name that the kernel does not refuse (`firmware_store`, `_request_firmware`).
    ///
    /// # Errors
    /// [`Error::FirmwareName`].
    pub fn new(name: &str) -> Result<Self, Error> {
        let problem = if name.is_empty() {
            "it is empty"
        } else if name.chars().any(char::is_control) {
            "it has control characters"
        } else if Path::new(name).is_absolute() {
            "it is a path from the root, and the kernel puts the folders where it looks before it"
        } else if Path::new(name).components().any(|part| part == Component::ParentDir) {
            "it has `..` in it, which the kernel refuses"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(Error::FirmwareName { name: name.to_owned(), problem })
    }

    /// As sysfs takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A file that the kernel finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareFile {
    /// Where it is.
    pub path: PathBuf,
    /// The folder in which it was found.
    pub folder: PathBuf,
}

/// The folders in which the kernel looks, in its order (`fw_path` of Linux's `drivers/base/firmware_loader/main.c`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareFolders(Vec<PathBuf>);

impl FirmwareFolders {
    /// Those of a Linux.
    pub fn of(linux: &Linux) -> Self {
        let read = |path: &str| read_line(&linux.path(path)).unwrap_or_default();
        let (own, release) = (read(OWN_FOLDER), read("proc/sys/kernel/osrelease"));
        let updates = linux.path("lib/firmware/updates");
        let plain = linux.path("lib/firmware");
        let own = (!own.is_empty()).then(|| linux.path(own.trim_start_matches('/')));
        // Without a release these are the same folders twice, which does no harm.
        let others = [updates.join(&release), updates, plain.join(&release), plain];
        Self(own.into_iter().chain(others).collect())
    }

    /// A single folder.
    pub fn only(folder: PathBuf) -> Self {
        Self(vec![folder])
    }

    /// The folders, in the kernel's order; the last one is where files usually are.
    pub fn paths(&self) -> &[PathBuf] {
        &self.0
    }

    /// The file that the kernel takes for a name: in any folder one that is not compressed comes first.
    pub fn find(&self, name: &str) -> Option<FirmwareFile> {
        [""].into_iter().chain(COMPRESSED).find_map(|ending| {
            let file = format!("{name}{ending}");
            let found = |folder: &&PathBuf| folder.join(&file).is_file();
            let folder = self.0.iter().find(found)?;
            Some(FirmwareFile { path: folder.join(&file), folder: folder.clone() })
        })
    }

    /// The file that the kernel takes, which has bytes.
    ///
    /// # Errors
    /// [`Error::FirmwareMissing`] with the folders, [`Error::FirmwareEmpty`].
    pub fn require(&self, name: &FirmwareName) -> Result<FirmwareFile, Error> {
        let missing = || Error::FirmwareMissing { name: name.0.clone(), folders: self.0.clone() };
        let file = self.find(&name.0).ok_or_else(missing)?;
        match fs::metadata(&file.path) {
            Ok(metadata) if metadata.len() == 0 => Err(Error::FirmwareEmpty(file.path)),
            _ => Ok(file),
        }
    }

    /// What a person means: the name of a file in these folders, or the path of one.
    ///
    /// # Errors
    /// [`Error::FirmwareOutside`] for a file elsewhere, [`Error::FirmwareShadowed`] for one that the kernel does not take because
    /// it finds another one first, and those of [`FirmwareName::new`] and [`FirmwareFolders::require`].
    pub fn resolve(&self, given: &str) -> Result<(FirmwareName, FirmwareFile), Error> {
        let name = FirmwareName::new(given);
        if let Ok(name) = &name
            && let Ok(file) = self.require(name)
        {
            return Ok((name.clone(), file));
        }
        let path = Path::new(given);
        if path.is_file() {
            return self.name_of(path);
        }
        let name = name?;
        self.require(&name).map(|file| (name, file))
    }

    /// The name under which the kernel takes a file that is there.
    fn name_of(&self, path: &Path) -> Result<(FirmwareName, FirmwareFile), Error> {
        let canonical = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        // A link in one of the folders may lead out of them, so the path as it was given comes first.
        let inside = self.0.iter().find_map(|folder| path.strip_prefix(folder).ok()).or_else(|| {
            let folders = self.0.iter().filter_map(|folder| fs::canonicalize(folder).ok());
            folders.into_iter().find_map(|folder| canonical.strip_prefix(folder).ok())
        });
        let Some(name) = inside.and_then(Path::to_str) else {
            return Err(Error::FirmwareOutside { file: canonical, folders: self.0.clone() });
        };
        let name = FirmwareName::new(name)?;
        let first = self.require(&name)?;
        if fs::canonicalize(&first.path).ok().as_ref() != Some(&canonical) {
            return Err(Error::FirmwareShadowed { file: path.to_owned(), first: first.path });
        }
        Ok((name, first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    fn tree() -> Tree {
        let tree = Tree::new();
        tree.write("proc/sys/kernel/osrelease", "7.3.4\n");
        tree.folder("lib/firmware");
        tree
    }

    #[test]
    fn firmware_is_looked_for_where_linux_does() {
        let tree = tree();
        tree.write(OWN_FOLDER, "/data/fw\n");
        let expected = [
            "data/fw",
            "lib/firmware/updates/7.3.4",
            "lib/firmware/updates",
            "lib/firmware/7.3.4",
            "lib/firmware",
        ];
        assert_eq!(tree.linux().firmware_folders().paths(), expected.map(|folder| tree.path(folder)));
        tree.write(OWN_FOLDER, "\n");
        assert_eq!(
            tree.linux().firmware_folders().paths(),
            expected[1..].iter().map(|folder| tree.path(folder)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn folders_come_in_order_and_compressed_files_last() {
        let tree = tree();
        let folders = tree.linux().firmware_folders();
        assert_eq!(folders.find("a"), None);
        tree.write("lib/firmware/updates/a.xz", "x");
        assert_eq!(folders.find("a").unwrap().path, tree.path("lib/firmware/updates/a.xz"));
        tree.write("lib/firmware/a", "x");
        assert_eq!(folders.find("a").unwrap().path, tree.path("lib/firmware/a"));
        tree.write("lib/firmware/7.3.4/a", "x");
        assert_eq!(folders.find("a").unwrap().folder, tree.path("lib/firmware/7.3.4"));
        tree.folder("lib/firmware/b");
        assert_eq!(folders.find("b"), None, "a folder is no file");
    }

    #[test]
    fn names_that_the_kernel_refuses_say_why() {
        for (name, word) in
            [("", "empty"), ("a\nb", "control"), ("/tmp/a", "root"), ("../a", "`..`"), ("a/../b", "`..`")]
        {
            let error = FirmwareName::new(name).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        for name in ["app.signed", "vendor/app.signed", "a..b"] {
            assert_eq!(FirmwareName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_path_into_the_folders_is_its_name_there() {
        let tree = tree();
        tree.write("lib/firmware/vendor/app.signed", "x");
        tree.write("data/real.signed", "x");
        tree.link("lib/firmware/link.signed", tree.path("data/real.signed"));
        let folders = tree.linux().firmware_folders();
        for (given, name) in [
            ("vendor/app.signed".into(), "vendor/app.signed"),
            (tree.path("lib/firmware/vendor/app.signed"), "vendor/app.signed"),
            (tree.path("lib/../lib/firmware/vendor/app.signed"), "vendor/app.signed"),
            (tree.path("lib/firmware/link.signed"), "link.signed"),
        ] {
            let (found, _) = folders.resolve(given.to_str().unwrap()).unwrap();
            assert_eq!(found.as_str(), name, "{}", given.display());
        }
    }

    #[test]
    fn a_file_elsewhere_is_refused_as_is_one_that_is_nowhere() {
        let tree = tree();
        tree.write("home/app.signed", "x");
        tree.write("lib/firmware/empty", "");
        let folders = tree.linux().firmware_folders();
        let resolve = |given: PathBuf| folders.resolve(given.to_str().unwrap()).unwrap_err();
        assert!(matches!(resolve(tree.path("home/app.signed")), Error::FirmwareOutside { .. }));
        assert!(matches!(resolve("app.signed".into()), Error::FirmwareMissing { .. }));
        assert!(matches!(resolve("empty".into()), Error::FirmwareEmpty(_)));
        assert!(matches!(resolve("/no/such/file".into()), Error::FirmwareName { .. }));
    }

    #[test]
    fn a_file_behind_another_one_is_refused() {
        let tree = tree();
        tree.write("lib/firmware/updates/app.signed", "new");
        tree.write("lib/firmware/app.signed", "old");
        let given = tree.path("lib/firmware/app.signed");
        let shadowed = tree.linux().firmware_folders().resolve(given.to_str().unwrap()).unwrap_err();
        let Error::FirmwareShadowed { first, .. } = shadowed else { panic!("{shadowed}") };
        assert_eq!(first, tree.path("lib/firmware/updates/app.signed"));
    }
}
