//! The one folder in which everything that was fetched or built is kept, and the rule by which a part of it is made anew.

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// The cache, which one command works in at a time. Each entry is made whole beside its place and then renamed, so what has the right name
/// is complete.
pub struct Cache {
    folder: PathBuf,
    lock: File,
}

impl Cache {
    /// Opens the cache, or begins one; waits while another command works in it.
    pub fn open(folder: PathBuf) -> Result<Self> {
        ensure!(
            folder.is_dir() || !folder.exists(),
            "{} is not a folder; RPROC_SYSTEM_CACHE may name another place",
            folder.display()
        );
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let path = folder.join("lock");
        let lock = File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                say!("another command works in {}: waiting for it", folder.display())?;
                lock.lock().with_context(|| format!("{} cannot be locked", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{} cannot be locked", path.display()));
            }
        }
        Ok(Self { folder, lock })
    }

    /// Lets other commands work in it: nothing is made any more.
    pub fn release(&self) -> Result<()> {
        self.lock.unlock().with_context(|| format!("{} cannot be given back", self.folder.display()))
    }

    /// A place in the cache that the caller looks after.
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The entry `name`, made by `make` at the path it is given when it is not there, or was made from other inputs.
    pub fn entry(
        &self,
        name: &str,
        inputs: &Inputs,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let (entry, record) = (self.place(name), self.place(&format!("{name}.inputs")));
        let key = inputs.digest();
        if entry.exists() && fs::read_to_string(&record).is_ok_and(|recorded| recorded == key) {
            return Ok(entry);
        }
        say!("  making {name}")?;
        let unfinished = self.place(&format!("{name}.unfinished"));
        for old in [&record, &unfinished, &entry] {
            remove(old)?;
        }
        make(&unfinished).with_context(|| format!("{name} could not be made"))?;
        fs::rename(&unfinished, &entry).with_context(|| format!("{} was not made", unfinished.display()))?;
        fs::write(&record, key)?;
        Ok(entry)
    }
}

fn remove(path: &Path) -> Result<()> {
    if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path)?;
    } else if path.symlink_metadata().is_ok() {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// What an entry is made from.
#[derive(Clone, Default)]
pub struct Inputs(Sha256);

impl Inputs {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of this text too.
    pub fn text(mut self, text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    /// Of the content of this file too.
    pub fn file(self, path: &Path) -> Result<Self> {
        let content = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(self.text(hex(&Sha256::digest(content))))
    }

    fn digest(&self) -> String {
        hex(&self.0.clone().finalize())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_made_once_an_input() {
        let folder = std::env::temp_dir().join(format!("rproc-xtask-cache-{}", std::process::id()));
        let cache = Cache::open(folder.clone()).unwrap();
        let mut made = 0;
        for text in ["a", "a", "b", "b", "a"] {
            let entry = cache.entry("it", &Inputs::new().text(text), |path| {
                made += 1;
                Ok(fs::write(path, text)?)
            });
            assert_eq!(fs::read_to_string(entry.unwrap()).unwrap(), text);
        }
        assert_eq!(made, 3);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn one_works_in_it_at_a_time() {
        let folder = std::env::temp_dir().join(format!("rproc-xtask-lock-{}", std::process::id()));
        let cache = Cache::open(folder.clone()).unwrap();
        let other = File::create(folder.join("lock")).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        cache.release().unwrap();
        other.try_lock().unwrap();
        drop(other);
        drop(Cache::open(folder.clone()).unwrap());
        fs::remove_dir_all(&folder).unwrap();
        fs::write(&folder, "").unwrap();
        let refused = Cache::open(folder.clone()).err().unwrap().to_string();
        assert!(refused.contains("is not a folder"), "{refused}");
        fs::remove_file(folder).unwrap();
    }

    #[test]
    fn what_failed_half_way_is_not_taken_for_an_entry() {
        let folder = std::env::temp_dir().join(format!("rproc-xtask-half-{}", std::process::id()));
        let cache = Cache::open(folder.clone()).unwrap();
        let failed = cache.entry("it", &Inputs::new(), |path| {
            fs::write(path, "half")?;
            anyhow::bail!("the disk is full")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("the disk is full"));
        assert!(!cache.place("it").exists());
        let entry = cache.entry("it", &Inputs::new(), |path| Ok(fs::write(path, "whole")?)).unwrap();
        assert_eq!(fs::read_to_string(entry).unwrap(), "whole");
        fs::remove_dir_all(folder).unwrap();
    }
}
