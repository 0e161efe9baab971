//! The files that the memory of crashed processors goes into: the one that was asked for, then numbered ones beside it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::input::Identity;
use crate::output::OutputFile;

/// The names, one a crash. Copies give the same names in the same order.
#[derive(Clone, Debug)]
pub struct Coredumps {
    first: PathBuf,
    inputs: Vec<Identity>,
    given: u32,
}

impl Coredumps {
    /// The first crash's memory goes into the file at `path`; none replaces an input.
    pub fn new(path: &Path, inputs: Vec<Identity>) -> Self {
        Self { first: path.to_owned(), inputs, given: 0 }
    }

    /// The name for the next crash: `core.elf`, then `core-2.elf`.
    pub fn next_name(&mut self) -> PathBuf {
        self.given = self.given.saturating_add(1);
        if self.given == 1 {
            return self.first.clone();
        }
        let mut name = self.first.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-{}", self.given));
        if let Some(extension) = self.first.extension() {
            name.push(".");
            name.push(extension);
        }
        self.first.with_file_name(name)
    }

    /// Writes the next crash's memory.
    pub fn write(&mut self, dump: &[u8]) -> Result<(), Failure> {
        let path = self.next_name();
        OutputFile::new(&path, &self.inputs)?.write(|file| file.write_all(dump))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_names_have_numbers() {
        for (first, second) in
            [("a/core.elf", "a/core-2.elf"), ("core", "core-2"), ("a.b/.core", "a.b/.core-2")]
        {
            let mut names = Coredumps::new(Path::new(first), Vec::new());
            assert_eq!([names.next_name(), names.next_name()], [first, second].map(PathBuf::from));
        }
    }

    #[test]
    fn no_dump_replaces_an_input() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("core-2.elf");
        std::fs::write(&input, "precious").unwrap();
        let inputs = Identity::of_files([input.as_path()]);
        let mut files = Coredumps::new(&folder.path().join("core.elf"), inputs);
        files.write(b"one").unwrap();
        assert!(files.write(b"two").is_err());
        assert_eq!(std::fs::read(&input).unwrap(), b"precious");
        files.write(b"three").unwrap();
        assert_eq!(std::fs::read(folder.path().join("core-3.elf")).unwrap(), b"three");
    }
}
