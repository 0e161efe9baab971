//! `cargo xtask driver --figures`: lines of code and unsafe Rust of the driver's modules beside the kernel's own drivers for the same hardware.

use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::cache::Cache;
use super::code::{Language, code, lines, unsafe_parts};
use super::packages::Packages;
use crate::repository;

/// Our modules, by the root file of each in `normal/linux`.
const OURS: [(&str, &str); 2] = [("rproc_tee", "driver.rs"), ("rproc_ipcc", "ipcc.rs")];
/// What only does with C what the kernel's crates have not made safe.
const FFI: &str = "ffi";
/// The kernel's drivers: of the processors and of their mailboxes.
const STOCK: [&str; 2] = ["drivers/remoteproc/stm32_rproc.c", "drivers/mailbox/stm32-ipcc.c"];

/// What was counted in some files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    lines: usize,
    blocks: usize,
    items: usize,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.blocks += other.blocks;
        self.items += other.items;
    }
}

/// Counts, and gives a Markdown table.
pub fn table(cache: &Cache, packages: &Packages) -> Result<String> {
    let mut table =
        "| module | language | lines | of them in `ffi` | unsafe blocks | unsafe functions and impls |\n\
                     |---|---|---:|---:|---:|---:|\n"
            .to_owned();
    let folder = repository().join("normal/linux");
    for (name, root) in OURS {
        let mut found = Vec::new();
        modules(&folder.join(root), &folder, &mut found)?;
        let (mut all, mut ffi) = (Count::default(), Count::default());
        for file in &found {
            let counted = count(&read(file)?, Language::Rust);
            all += counted;
            if file.strip_prefix(&folder)?.with_extension("").starts_with(FFI) {
                ffi += counted;
            }
        }
        ensure!(all.blocks == ffi.blocks, "{name} has unsafe blocks outside of {FFI}");
        let Count { lines, blocks, items } = all;
        writeln!(table, "| `{name}` | Rust | {lines} | {} | {blocks} | {items} |", ffi.lines)?;
    }
    let release = packages.linux_release()?;
    let sources = packages.kernel_files(cache, &STOCK)?;
    for path in STOCK {
        let name = Path::new(path).file_stem().unwrap_or_default().to_string_lossy();
        let lines = count(&read(&sources.join(path))?, Language::C).lines;
        writeln!(table, "| `{name}` of Linux {release} | C | {lines} | | all | all |")?;
    }
    Ok(table)
}

fn count(text: &str, language: Language) -> Count {
    let code = code(text, language);
    let (blocks, items) = match language {
        Language::Rust => unsafe_parts(&code),
        Language::C => (0, 0),
    };
    Count { lines: lines(&code), blocks, items }
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// A Rust file and all that are modules below it, of which those without a path of their own are in `children`.
fn modules(file: &Path, children: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let text = read(file)?;
    found.push(file.to_path_buf());
    let folder = file.parent().context("a file without a folder")?;
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next();
        }
        let declaration = line.strip_suffix(';').and_then(|line| line.split_once("mod "));
        let Some((_, name)) =
            declaration.filter(|(before, _)| before.is_empty() || before.starts_with("pub"))
        else {
            continue;
        };
        match path.take() {
            Some(path) => {
                let file = folder.join(path);
                modules(&file, file.parent().unwrap_or(folder), found)?;
            }
            None => modules(&children.join(format!("{name}.rs")), &children.join(name), found)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::files;

    #[test]
    fn each_file_of_our_modules_is_counted() {
        let folder = repository().join("normal/linux");
        let mut found = Vec::new();
        for (_, root) in OURS {
            modules(&folder.join(root), &folder, &mut found).unwrap();
        }
        let mut there = files(&folder, ".rs").unwrap();
        there.extend(files(&folder.join(FFI), ".rs").unwrap());
        found.sort();
        found.dedup();
        there.sort();
        assert_eq!(found, there);
    }
}
