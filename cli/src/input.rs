//! Files that are read: in pieces or as a whole, from disk or from a pipe.

use std::fmt::{Display, Formatter};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::failure::Failure;

/// The largest file that is read as a whole: ELF32 and the container end at 4 GiB.
const WHOLE_LIMIT: u64 = 1 << 32;
/// The most that is taken from a pipe, which does not say where it ends.
const STREAM_LIMIT: u64 = 256 << 20;
/// The most that a key file has; a PEM of RSA-4096 has 3.3 KB.
const KEY_LIMIT: u64 = 64 << 10;

/// What a file should hold, for what is said of one that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A signed image or an ELF file.
    Firmware,
    /// A key, PEM or DER.
    Key,
    /// A device tree blob.
    Tree,
}

impl Kind {
    /// Where such a file comes from.
    fn source(self) -> &'static str {
        match self {
            Self::Firmware => "give the ELF file that the linker wrote, or an image that `rproc sign` wrote",
            Self::Key => "make a key with `rproc keys new FILE`",
            Self::Tree => "compile one with dtc; that of a running Linux is /sys/firmware/fdt",
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Firmware => "firmware file",
            Self::Key => "key file",
            Self::Tree => "device tree blob",
        })
    }
}

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
    /// Opens a file, or reads a pipe without a name (`/dev/stdin`, a shell's `<(…)`) to its end.
    ///
    /// # Errors
    /// Anything else is named for what it is, before it is opened.
    pub fn open(path: &Path, kind: Kind) -> Result<Self, Failure> {
        let cannot = || format!("cannot read {}", path.display());
        check(path, kind)?;
        let mut file = File::open(path).with_context(cannot)?;
        let metadata = file.metadata().with_context(cannot)?;
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
        self.read(WHOLE_LIMIT)
    }

    /// All bytes of a file that should be a key, and none of one that is too large to be one.
    pub fn read_key(self) -> Result<Vec<u8>, Failure> {
        self.read(KEY_LIMIT)
    }

    fn read(self, limit: u64) -> Result<Vec<u8>, Failure> {
        match self.content {
            Content::InMemory(bytes) if bytes.len() as u64 > limit => Err(too_long(&self.path, limit)),
            Content::InMemory(bytes) => Ok(bytes),
            Content::OnDisk(mut file) => read_at_most(&mut file, limit, &self.path),
        }
    }
}

/// Whether it can be read to an end. A FIFO waits for a writer as soon as it is opened, and most devices do not end.
fn check(path: &Path, kind: Kind) -> Result<(), Failure> {
    let name = path.display();
    if path == Path::new("-") {
        return Err(Failure::help(
            "- is no file: the standard input is not read under this name",
            format!("give the name of a {kind}, or /dev/stdin if a pipe writes it; ./- is a file"),
        ));
    }
    let what = match std::fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) => {
            let help = (error.kind() == ErrorKind::NotFound).then(|| kind.source().to_owned());
            let error = anyhow::Error::new(error).context(format!("cannot read {name}"));
            return Err(Failure::Trouble { error, help });
        }
    };
    // A pipe that has a descriptor and no name is open at its other end, or was.
    if what.is_file() || (what.is_fifo() && std::fs::canonicalize(path).is_err()) {
        return Ok(());
    }
    Err(if what.is_dir() {
        let own = if kind == Kind::Tree { "; that of a running Linux is /sys/firmware/fdt" } else { "" };
        Failure::help(format!("{name} is a directory"), format!("give the {kind} in it{own}"))
    } else if what.is_fifo() {
        let help = format!("give a {kind}, or /dev/stdin if a pipe writes it");
        Failure::help(format!("{name} is a FIFO, which is not read"), help)
    } else {
        let is = if what.is_socket() { "socket" } else { "device" };
        Failure::help(format!("{name} is a {is}, which is not read"), format!("give a {kind}"))
    })
}

fn too_long(path: &Path, limit: u64) -> Failure {
    anyhow::anyhow!("{} has more than {limit} bytes", path.display()).into()
}

fn read_at_most(file: &mut File, limit: u64, path: &Path) -> Result<Vec<u8>, Failure> {
    let expected = file.metadata().map_or(0, |metadata| metadata.len()).min(limit);
    let mut bytes = Vec::new();
    let cannot = || format!("cannot read {}", path.display());
    // One more than expected, so that the end is found without growing.
    bytes.try_reserve_exact(usize::try_from(expected + 1).unwrap_or(usize::MAX)).with_context(cannot)?;
    file.take(limit + 1).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() as u64 > limit {
        return Err(too_long(path, limit));
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
        let input = Input::open(file.path(), Kind::Firmware).unwrap();
        assert_eq!(input.len(), 10);
        assert_eq!(input.take(3..5).unwrap(), b"34");
        assert_eq!(input.take(8..20).unwrap(), b"89");
        assert_eq!(input.take(20..30).unwrap_or_default(), b"");
        assert!(input.read_at(8, &mut [0; 3]).is_err());
        assert_eq!(input.read_all().unwrap(), b"0123456789");
    }

    fn refusal(path: &Path) -> String {
        match Input::open(path, Kind::Key).map(|input| input.len()) {
            Err(Failure::Trouble { error, help: Some(help) }) => format!("{error}; {help}"),
            other => panic!("{}: {other:?}", path.display()),
        }
    }

    #[test]
    fn what_does_not_end_is_named_and_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        // It would wait for a writer for ever.
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for (path, is, next) in [
            (path("fifo"), "is a FIFO", "give a key file, or /dev/stdin"),
            (path("socket"), "is a socket", "give a key file"),
            ("/dev/zero".into(), "is a device", "give a key file"),
            ("/dev/null".into(), "is a device", "give a key file"),
            ("/".into(), "is a directory", "give the key file in it"),
            ("-".into(), "- is no file", "./- is a file"),
        ] {
            let said = refusal(&path);
            assert!(said.contains(is) && said.contains(next), "{said}");
        }
    }

    #[test]
    fn a_key_has_its_own_limit() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[0; KEY_LIMIT as usize]).unwrap();
        let read = |file: &tempfile::NamedTempFile| Input::open(file.path(), Kind::Key).unwrap().read_key();
        assert_eq!(read(&file).unwrap().len() as u64, KEY_LIMIT);
        file.write_all(b"x").unwrap();
        assert!(read(&file).is_err());
    }

    #[test]
    fn a_missing_file_is_trouble() {
        assert!(Input::open(Path::new("/no/such/file"), Kind::Firmware).is_err());
    }
}
