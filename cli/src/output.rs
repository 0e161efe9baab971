//! What is written: the standard output, and files that appear whole or not at all.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::input::Identity;

/// Writes text in one go to what is or stands for the standard output; `false` when its reader has seen enough, as `head`,
/// which is no error.
pub fn write(out: &mut impl Write, text: &str) -> anyhow::Result<bool> {
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// The same of text that has been written.
pub fn written(done: std::io::Result<()>) -> anyhow::Result<bool> {
    match done {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        done => done.map(|()| true).context("cannot write to the standard output"),
    }
}

/// Whether nobody reads any more what is written to a pipe or socket, which a writer that waits would only notice with its next word.
pub fn is_abandoned(out: impl AsFd) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(out.as_fd(), PollFlags::empty())];
    let gone = PollFlags::ERR | PollFlags::HUP;
    poll(&mut polled, Some(&Timespec::default())).is_ok()
        && polled.iter().any(|polled| polled.revents().intersects(gone))
}

/// Prints text in one go.
pub fn print(text: &str) -> Result<(), Failure> {
    write(&mut std::io::stdout().lock(), text)?;
    Ok(())
}

/// Prints a value as one JSON object, indented.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    text.push('\n');
    print(&text)
}

/// Refuses `-`, which is the standard output elsewhere and would be the name of a file here.
pub fn not_standard_output(path: &Path) -> Result<(), Failure> {
    if path == Path::new("-") {
        return Err(Failure::help(
            "- is no file: this is not written to the standard output, so that it appears whole or not at all",
            "give the name of a file; ./- is one",
        ));
    }
    Ok(())
}

/// A file to be written, known not to be one of the inputs.
#[derive(Clone, Debug)]
pub struct OutputFile {
    target: PathBuf,
}

impl OutputFile {
    /// Checks, before any work is done, that `path` can be replaced.
    pub fn new(path: &Path, inputs: &[Identity]) -> Result<Self, Failure> {
        not_standard_output(path)?;
        let cannot = || format!("cannot write {}", path.display());
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            // What a symbolic link leads to is made, not the link replaced. A chain of them ends, or is another error.
            Err(error) if error.kind() == ErrorKind::NotFound && path.is_symlink() => {
                let leads = std::fs::read_link(path).with_context(cannot)?;
                return Self::new(&folder_of(path).join(leads), inputs);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Self::checked(path.to_owned()),
            Err(error) => return Err(anyhow::Error::new(error).context(cannot()).into()),
        };
        if !metadata.is_file() {
            return Err(Failure::help(
                format!("{}: it is not a regular file, and would be replaced by one", cannot()),
                "give the name of a file to be made",
            ));
        }
        if inputs.contains(&Identity::of(&metadata)) {
            return Err(Failure::help(
                format!("{}: it is one of the input files", cannot()),
                "give the output another name",
            ));
        }
        // What a symbolic link leads to is replaced, not the link.
        Self::checked(std::fs::canonicalize(path).with_context(cannot)?)
    }

    fn checked(target: PathBuf) -> Result<Self, Failure> {
        check_folder(&target)?;
        Ok(Self { target })
    }

    /// Writes as [`OutputFile::write`] does, and comes back when all of it is on the disk, for what is there only once.
    pub fn write_to_disk(
        self,
        content: impl FnOnce(&mut File) -> std::io::Result<()>,
    ) -> Result<(), Failure> {
        let folder = folder_of(&self.target).to_owned();
        self.write(|file| content(file).and_then(|()| file.sync_all()))?;
        // The name is the folder's.
        let synced = File::open(&folder).and_then(|folder| folder.sync_all());
        Ok(synced.with_context(|| format!("cannot write {}", folder.display()))?)
    }

    /// Writes a file beside the target and then gives it the target's name: on any failure the target is what it was.
    pub fn write(self, content: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<(), Failure> {
        let cannot = || format!("cannot write {}", self.target.display());
        let mut file = temporary(&self.target)?;
        content(file.as_file_mut()).with_context(cannot)?;
        file.persist(&self.target).map_err(|failed| failed.error).with_context(cannot)?;
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Checks, before any work is done, that a file can be made beside `path`.
pub fn check_folder(path: &Path) -> Result<(), Failure> {
    // Nothing but an attempt knows of rights, of file systems that take no files, and of full ones.
    temporary(path).map(drop)
}

/// A file beside `path`, which is removed unless it gets a name.
fn temporary(path: &Path) -> Result<NamedTempFile, Failure> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(Failure::help(
            format!("cannot write {}: there is no folder {}", path.display(), folder.display()),
            "make the folder first",
        ));
    }
    let made = tempfile::Builder::new()
        .prefix(".rproc-")
        // The umask takes away from these what it takes away from every new file.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder);
    made.map_err(|error| {
        // Without the temporary file's name, which means nothing to anybody.
        let kind = error.kind();
        let folder = folder.display();
        Failure::help(
            format!("cannot write {}: no file can be made in {folder}: {kind}", path.display()),
            "give a name in a folder that takes files",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files_in(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_pipe_is_abandoned_with_its_reader() {
        let (reader, writer) = std::io::pipe().unwrap();
        assert!(!is_abandoned(&writer));
        drop(reader);
        assert!(is_abandoned(&writer));
        assert!(!is_abandoned(File::open("/dev/null").unwrap()));
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, "old").unwrap();
        let failed = OutputFile::new(&path, &[]).unwrap().write(|file| {
            file.write_all(b"half of the ne")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert!(matches!(failed, Err(Failure::Trouble { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(files_in(folder.path()), 1);

        OutputFile::new(&path, &[]).unwrap().write(|file| file.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(files_in(folder.path()), 1);
    }

    #[test]
    fn an_input_is_not_overwritten_by_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let (input, link) = (folder.path().join("in"), folder.path().join("link"));
        std::fs::write(&input, "precious").unwrap();
        std::os::unix::fs::symlink(&input, &link).unwrap();
        let identity = Identity::of(&std::fs::metadata(&input).unwrap());
        assert!(OutputFile::new(&input, &[identity]).is_err());
        assert!(OutputFile::new(&link, &[identity]).is_err());

        OutputFile::new(&link, &[]).unwrap().write(|file| file.write_all(b"new")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&input).unwrap(), b"new");
    }

    #[test]
    fn what_a_dangling_link_leads_to_is_made() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("second", path("first")).unwrap();
        symlink("made", path("second")).unwrap();
        OutputFile::new(&path("first"), &[]).unwrap().write(|file| file.write_all(b"new")).unwrap();
        assert!(path("first").is_symlink() && path("second").is_symlink());
        assert_eq!(std::fs::read(path("made")).unwrap(), b"new");

        symlink("no/such/folder/file", path("astray")).unwrap();
        symlink("loop", path("loop")).unwrap();
        assert!(OutputFile::new(&path("astray"), &[]).is_err());
        assert!(OutputFile::new(&path("loop"), &[]).is_err());
    }

    #[test]
    fn a_folder_that_takes_no_files_is_told_before_the_work() {
        // Root writes wherever the rights say no, but not here.
        let Err(Failure::Trouble { error, help: Some(_) }) = OutputFile::new(Path::new("/proc/out"), &[])
        else {
            panic!()
        };
        assert!(
            error.to_string().starts_with("cannot write /proc/out: no file can be made in /proc"),
            "{error}"
        );
    }

    #[test]
    fn devices_and_directories_are_not_replaced() {
        assert!(OutputFile::new(Path::new("/dev/null"), &[]).is_err());
        assert!(OutputFile::new(Path::new("/"), &[]).is_err());
        assert!(OutputFile::new(Path::new("/no/such/folder/out"), &[]).is_err());
        assert!(OutputFile::new(Path::new("-"), &[]).is_err());
        assert!(OutputFile::new(Path::new("./-"), &[]).is_ok());
    }
}
