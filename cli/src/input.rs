//! Files that are read: in pieces or as a whole, from disk or from a pipe.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::failure::Failure;

/// The largest file that is read as a whole: ELF32 and the container end at 4 GiB.
const WHOLE_LIMIT: u64 = 1 << 32;
/// The most that is taken from a pipe or a device, which do not say where they end.
const STREAM_LIMIT: u64 = 256 << 20;
/// The most that a key file has; a PEM of RSA-4096 has 3.3 KB.
const KEY_LIMIT: u64 = 64 << 10;

/// Which file it is, whatever name it was opened by: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of the files that there are under these names; of the others nothing.
    pub fn of_files<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Vec<Self> {
        paths.into_iter().filter_map(|path| Some(Self::of(&std::fs::metadata(path).ok()?))).collect()
    }

    /// Of a file's metadata.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// An open file whose bytes can be read at any offset.
pub struct Input {
    path: PathBuf,
    identity: Identity,
    len: u64,
    content: Content,
}

enum Content {
    OnDisk(File),
    /// What a pipe gave.
    InMemory(Vec<u8>),
}

impl Input {
    /// Opens a file, or reads a pipe to its end.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let cannot = || format!("cannot read {}", path.display());
        let mut file = File::open(path).with_context(cannot)?;
        let metadata = file.metadata().with_context(cannot)?;
        if metadata.is_dir() {
            return Err(Failure::help(
                format!("{} is a directory", path.display()),
                "give the firmware file in it",
            ));
        }
        let identity = Identity::of(&metadata);
        let (len, content) = if metadata.is_file() {
            (metadata.len(), Content::OnDisk(file))
        } else {
            let bytes = read_at_most(&mut file, STREAM_LIMIT, path)?;
            (bytes.len() as u64, Content::InMemory(bytes))
        };
        Ok(Self { path: path.to_owned(), identity, len, content })
    }

    /// The name it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which file it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Its length in bytes when it was opened.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Fills `bytes` with what is at `offset`.
    pub fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Failure> {
        let done = match &self.content {
            Content::OnDisk(file) => file.read_exact_at(bytes, offset),
            Content::InMemory(content) => usize::try_from(offset)
                .ok()
                .and_then(|start| content.get(start..)?.get(..bytes.len()))
                .map(|part| bytes.copy_from_slice(part))
                .ok_or(std::io::ErrorKind::UnexpectedEof.into()),
        };
        Ok(done.with_context(|| format!("cannot read {} at byte {offset:#x}", self.path.display()))?)
    }

    /// The bytes of a range; fewer when the file ends before it does.
    pub fn take(&self, range: std::ops::Range<u64>) -> Result<Vec<u8>, Failure> {
        let end = range.end.min(self.len);
        let mut bytes = room(end.saturating_sub(range.start), &self.path)?;
        self.read_at(range.start, &mut bytes)?;
        Ok(bytes)
    }

    /// All bytes.
    pub fn read_all(self) -> Result<Vec<u8>, Failure> {
        if self.len > WHOLE_LIMIT {
            return Err(anyhow::anyhow!(
                "{} has {} bytes, but ELF files and signed images end at 4 GiB",
                self.path.display(),
                self.len
            )
            .into());
        }
        match self.content {
            Content::InMemory(bytes) => Ok(bytes),
            Content::OnDisk(mut file) => read_at_most(&mut file, WHOLE_LIMIT, &self.path),
        }
    }
}

/// The bytes of a key file, and which file it is.
pub fn read_key_file(path: &Path) -> Result<(Vec<u8>, Identity), Failure> {
    let cannot = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    let identity = Identity::of(&file.metadata().with_context(cannot)?);
    Ok((read_at_most(&mut file, KEY_LIMIT, path)?, identity))
}

fn read_at_most(file: &mut File, limit: u64, path: &Path) -> Result<Vec<u8>, Failure> {
    let expected = file.metadata().map_or(0, |metadata| metadata.len()).min(limit);
    let mut bytes = Vec::new();
    let cannot = || format!("cannot read {}", path.display());
    // One more than expected, so that the end is found without growing.
    bytes.try_reserve_exact(usize::try_from(expected + 1).unwrap_or(usize::MAX)).with_context(cannot)?;
    file.take(limit + 1).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() as u64 > limit {
        return Err(anyhow::anyhow!("{} has more than {limit} bytes", path.display()).into());
    }
    Ok(bytes)
}

fn room(len: u64, path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    bytes.try_reserve_exact(len).with_context(|| format!("cannot read {}", path.display()))?;
    bytes.resize(len, 0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_file_is_read_in_pieces_and_as_a_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let input = Input::open(file.path()).unwrap();
        assert_eq!(input.len(), 10);
        assert_eq!(input.take(3..5).unwrap(), b"34");
        assert_eq!(input.take(8..20).unwrap(), b"89");
        assert_eq!(input.take(20..30).unwrap_or_default(), b"");
        assert!(input.read_at(8, &mut [0; 3]).is_err());
        assert_eq!(input.read_all().unwrap(), b"0123456789");
    }

    #[test]
    fn a_device_without_length_is_read_to_its_end() {
        let input = Input::open(Path::new("/dev/null")).unwrap();
        assert_eq!(input.len(), 0);
        assert!(input.read_at(0, &mut [0]).is_err());
        assert!(input.read_all().unwrap().is_empty());
    }

    #[test]
    fn directories_and_missing_files_are_trouble() {
        assert!(matches!(Input::open(Path::new("/")), Err(Failure::Trouble { help: Some(_), .. })));
        assert!(Input::open(Path::new("/no/such/file")).is_err());
        assert!(read_key_file(Path::new("/dev/zero")).is_err(), "endless");
    }
}
