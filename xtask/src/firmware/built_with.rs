//! What `firmware/elf/BUILT-WITH` records: the compilers that built the stored files, without which bytes cannot be compared.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The file beside the stored ones.
const NAME: &str = "BUILT-WITH";
const RUST: &str = "rust: ";
const C: &str = "c: ";

/// The compilers, each as it names itself; none when its programs were never built.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct BuiltWith {
    /// rustc's version, and the core library.
    pub rust: Option<String>,
    /// The first line of the C compiler's version.
    pub c: Option<String>,
}

impl BuiltWith {
    /// The record in the folder of the stored files; empty when there is none.
    pub fn read(folder: &Path) -> Self {
        Self::parse(&fs::read_to_string(folder.join(NAME)).unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let line = |key| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        Self { rust: line(RUST), c: line(C) }
    }

    /// Replaces the record.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(NAME);
        fs::write(&path, self.to_string()).with_context(|| format!("{} cannot be written", path.display()))
    }
}

impl std::fmt::Display for BuiltWith {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (key, compiler) in [(RUST, &self.rust), (C, &self.c)] {
            if let Some(compiler) = compiler {
                writeln!(formatter, "{key}{compiler}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let full = BuiltWith { rust: Some("rustc 1.95.0, core".into()), c: Some("gcc 12".into()) };
        assert_eq!(full.to_string(), "rust: rustc 1.95.0, core\nc: gcc 12\n");
        for record in [full.clone(), BuiltWith { c: None, ..full }, BuiltWith::default()] {
            assert_eq!(BuiltWith::parse(&record.to_string()), record);
        }
    }
}
